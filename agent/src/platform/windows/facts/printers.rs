//! Printers, from the spooler's own keys: asking the spooler may wait for a network.

use muster_shared::protocol::inventory::Printer;
use windows_registry::LOCAL_MACHINE;

use super::super::registry::{number, text};
use crate::inventory::facts::FactError;

const KEY: &str = r"SYSTEM\CurrentControlSet\Control\Print\Printers";
/// `PRINTER_ATTRIBUTE_SHARED`.
const SHARED: u64 = 0x8;
/// At most this many.
const MOST: usize = 500;

/// The keys are cheap to read each time.
pub fn stamp() -> Option<String> {
    None
}

/// Printers of the machine, by name; those of single people are not listed. Which one is the default is each
/// person's own choice.
///
/// # Errors
/// When the registry has the key and does not list it.
pub fn read() -> Result<Vec<Printer>, FactError> {
    let Ok(key) = LOCAL_MACHINE.open(KEY) else {
        return Ok(Vec::new());
    };
    let names = key.keys().map_err(|error| FactError::Refused {
        what: KEY,
        reason: error.to_string(),
    })?;
    let mut list: Vec<Printer> = names
        .take(MOST)
        .filter_map(|name| {
            let own = key.open(&name).ok()?;
            Some(Printer {
                driver: text(&own, "Printer Driver"),
                port: text(&own, "Port"),
                location: text(&own, "Location"),
                is_default: false,
                is_shared: number(&own, "Attributes").is_some_and(|attributes| attributes & SHARED != 0),
                // A backslash cannot stand in a key's name.
                name: name.replace(',', "\\"),
            })
        })
        .collect();
    list.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(list)
}
