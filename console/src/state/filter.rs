//! The filter language over rows held in memory; terms on the inventory are answered by the server.

use std::collections::HashSet;

use jiff::Timestamp;
use muster_shared::filter::{Filter, Row, Term, Value, host_row_value};
use muster_shared::protocol::host::HostRow;

/// Fields that a row of the fleet's table holds; a filter on any other asks the server.
const HELD: [&str; 20] = [
    "name",
    "id",
    "status",
    "description",
    "reachable",
    "pending",
    "last_seen",
    "registered",
    "os",
    "os_version",
    "architecture",
    "agent_version",
    "group",
    "ou",
    "user",
    "ip",
    "mac",
    "manufacturer",
    "model",
    "serial",
];

/// A filter of the hosts page.
#[derive(Debug, Default)]
pub struct HostFilter {
    filter: Option<Filter>,
    /// Lower-case identifiers that the server found, for filters on the inventory.
    found: Option<HashSet<String>>,
    asks_server: bool,
}

impl HostFilter {
    /// Reads what was typed.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let filter = Filter::parse(text).map_err(|error| error.to_string())?;
        let asks_server = filter.terms().iter().any(|term| match term {
            Term::AnyText(_) => false,
            Term::Compare { field, .. } | Term::Named { field, .. } => !HELD.contains(&field.name),
        });
        let filter = (!filter.is_empty()).then_some(filter);
        Ok(Self {
            filter,
            found: None,
            asks_server,
        })
    }

    /// The server must be asked which hosts it holds for.
    pub fn asks_server(&self) -> bool {
        self.asks_server
    }

    /// Notes which hosts the server found.
    pub fn set_found(&mut self, identifiers: HashSet<String>) {
        self.found = Some(identifiers);
    }

    /// Whether a row is shown; `haystack` is its [`haystack`].
    pub fn matches(&self, row: &HostRow, haystack: &str, now: Timestamp) -> bool {
        if self.asks_server {
            let key = row.identifier.to_ascii_lowercase();
            return self.found.as_ref().is_some_and(|found| found.contains(&key));
        }
        self.filter
            .as_ref()
            .is_none_or(|filter| filter.matches(&Held { row, haystack }, now))
    }
}

/// Every text of a row in lower case, worked out once and not at each keystroke.
pub fn haystack(row: &HostRow) -> Box<str> {
    let mut text = String::with_capacity(192);
    let parts = [
        &row.name,
        &row.identifier,
        &row.description,
        &row.os,
        &row.os_version,
        &row.address,
        &row.mac,
        &row.ou,
        &row.manufacturer,
        &row.model,
        &row.serial,
        &row.running,
    ];
    for part in parts.into_iter().chain(&row.groups).chain(&row.users) {
        text.push_str(part);
        text.push('\n');
    }
    text.to_lowercase().into_boxed_str()
}

struct Held<'a> {
    row: &'a HostRow,
    haystack: &'a str,
}

impl Row for Held<'_> {
    fn field(&self, name: &str) -> Option<Value<'_>> {
        host_row_value(self.row, name)
    }

    fn any_text(&self, needle_lower: &str) -> bool {
        self.haystack.contains(needle_lower)
    }
}
