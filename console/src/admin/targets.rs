//! Which hosts are meant: by identifier, by name, or by a filter.

use std::collections::BTreeSet;

use muster_shared::hint::Hint;
use muster_shared::name::HostId;
use muster_shared::protocol::action::MAX_ACTION_TARGETS;
use muster_shared::protocol::host::HostRow;

use crate::client::{Client, ClientError};

/// Why the hosts could not be found.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("no host is called {name}")]
    Unknown { name: String },
    #[error("{name} names several hosts: {candidates}")]
    Ambiguous { name: String, candidates: String },
    #[error("no host matches the filter {filter:?}")]
    NoMatch { filter: String },
    #[error("{count} hosts match; at most {MAX_ACTION_TARGETS} are taken at once")]
    TooMany { count: u64 },
    #[error("the hosts cannot be listed")]
    Server(#[source] ClientError),
}

impl Hint for TargetError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Unknown { .. } => vec!["`muster host list` shows identifiers and names".to_owned()],
            Self::Ambiguous { .. } => vec!["give the identifier instead".to_owned()],
            Self::NoMatch { .. } => vec!["try the filter with: muster host list FILTER".to_owned()],
            Self::TooMany { .. } => vec!["narrow the filter".to_owned()],
            Self::Server(error) => error.hints(),
        }
    }
}

/// Finds the hosts named, and those that match the filter, each once.
///
/// # Errors
/// A name that is no host, or several; a filter that matches none.
pub async fn resolve(
    client: &Client,
    names: &[String],
    filter: Option<&str>,
) -> Result<Vec<HostRow>, TargetError> {
    let mut rows = Vec::new();
    let mut seen = BTreeSet::new();
    let mut by_name = Vec::new();
    for name in names {
        // What cannot be an identifier cannot be a name either, and needs no question to the server.
        if name.parse::<HostId>().is_err() {
            return Err(TargetError::Unknown { name: name.clone() });
        }
        match client.host(name).await {
            Ok(detail) => {
                if seen.insert(key(&detail.row)) {
                    rows.push(detail.row);
                }
            }
            Err(error) if error.is_not_found() => by_name.push(name),
            Err(error) => return Err(TargetError::Server(error)),
        }
    }
    if !by_name.is_empty() {
        // One list for all names: names are few against what a question for each would cost.
        let fleet = client
            .all_hosts("", "", MAX_ACTION_TARGETS)
            .await
            .map_err(TargetError::Server)?;
        for name in by_name {
            let row = named(name, &fleet.items)?;
            if seen.insert(key(row)) {
                rows.push(row.clone());
            }
        }
    }
    if let Some(filter) = filter {
        let page = client
            .all_hosts(filter, "", MAX_ACTION_TARGETS)
            .await
            .map_err(TargetError::Server)?;
        if page.total > MAX_ACTION_TARGETS as u64 {
            return Err(TargetError::TooMany { count: page.total });
        }
        if page.items.is_empty() {
            return Err(TargetError::NoMatch {
                filter: filter.to_owned(),
            });
        }
        rows.extend(page.items.into_iter().filter(|row| seen.insert(key(row))));
    }
    Ok(rows)
}

fn key(row: &HostRow) -> String {
    row.identifier.to_ascii_lowercase()
}

/// The one host with this name, fully qualified or only its first part.
fn named<'a>(name: &str, fleet: &'a [HostRow]) -> Result<&'a HostRow, TargetError> {
    let exact: Vec<&HostRow> = fleet
        .iter()
        .filter(|row| row.name.eq_ignore_ascii_case(name))
        .collect();
    let short = |row: &&HostRow| {
        row.name
            .split('.')
            .next()
            .is_some_and(|first| first.eq_ignore_ascii_case(name))
    };
    let found = if exact.is_empty() {
        fleet.iter().filter(short).collect()
    } else {
        exact
    };
    match found.as_slice() {
        [] => Err(TargetError::Unknown {
            name: name.to_owned(),
        }),
        [row] => Ok(row),
        several => {
            let mut candidates: Vec<&str> = several
                .iter()
                .take(10)
                .map(|row| row.identifier.as_str())
                .collect();
            if several.len() > candidates.len() {
                candidates.push("…");
            }
            Err(TargetError::Ambiguous {
                name: name.to_owned(),
                candidates: candidates.join(", "),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(identifier: &str, name: &str) -> HostRow {
        serde_json::from_value(serde_json::json!({
            "identifier": identifier, "name": name, "status": "OK", "reachable": true,
            "packages_total": 0, "packages_failed": 0, "packages_pending": 0,
            "first_seen": "2026-01-01T00:00:00Z", "last_seen": "2026-01-01T00:00:00Z",
        }))
        .unwrap()
    }

    #[test]
    fn a_short_name_is_enough_when_only_one_host_has_it() {
        let fleet = [
            row("1", "pc1.a.lan"),
            row("2", "pc2.a.lan"),
            row("3", "pc2.b.lan"),
        ];
        assert_eq!(named("PC1", &fleet).unwrap().identifier, "1");
        assert_eq!(named("pc2.b.lan", &fleet).unwrap().identifier, "3");
        assert!(matches!(named("pc2", &fleet), Err(TargetError::Ambiguous { .. })));
        assert!(matches!(named("pc3", &fleet), Err(TargetError::Unknown { .. })));
    }
}
