//! Variables of the whole system, from the registry.

use std::collections::BTreeMap;

use windows_registry::LOCAL_MACHINE;

use super::super::registry::value;
use crate::inventory::facts::{FactError, shown_variable};

const KEY: &str = r"SYSTEM\CurrentControlSet\Control\Session Manager\Environment";
/// At most this many.
const MOST: usize = 500;

/// Variables by name; values that look like secrets are not shown.
///
/// # Errors
/// When the registry does not list them.
pub fn read() -> Result<BTreeMap<String, String>, FactError> {
    let key = LOCAL_MACHINE.open(KEY).map_err(refused)?;
    let values = key.values().map_err(refused)?;
    Ok(values
        .take(MOST)
        .map(|(name, _raw)| {
            let text = value(&key, &name)
                .map(|value| value.display())
                .unwrap_or_default();
            let shown = shown_variable(&name, &text);
            (name, shown)
        })
        .collect())
}

/// The registry's own word for why not.
fn refused(error: impl std::fmt::Display) -> FactError {
    FactError::Refused {
        what: KEY,
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_variables() {
        assert!(!read().unwrap().is_empty());
    }
}
