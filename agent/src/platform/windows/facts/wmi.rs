//! What WMI says about the machine, once a day and after each start: it is slow and its answers hold still.

use muster_shared::hint::chain;

use super::super::wmi::Wmi;
use super::system::boot_stamp;
use crate::inventory::facts::FactError;
use crate::inventory::wmi::{WMI_CLASSES, WmiClasses, bounded_rows};

/// The day and the last start.
pub fn stamp() -> Option<String> {
    let day = muster_shared::clock::now().as_second() / 86_400;
    Some(format!("{day} {}", boot_stamp()?))
}

/// The classes that answered.
///
/// # Errors
/// When WMI cannot be reached at all, or no class answered.
pub fn read() -> Result<WmiClasses, FactError> {
    let refused = |reason: String| FactError::Refused { what: "WMI", reason };
    let wmi = Wmi::connect().map_err(|error| refused(chain(&error)))?;
    let mut classes = WmiClasses::new();
    let mut last_error = None;
    for (class, properties) in WMI_CLASSES {
        match wmi.objects(class, properties) {
            Ok(rows) => {
                let rows = bounded_rows(rows);
                if !rows.is_empty() {
                    classes.insert(class.to_owned(), rows);
                }
            }
            // A damaged provider takes only its own class along.
            Err(error) => {
                tracing::debug!(class, %error, "WMI does not answer");
                last_error = Some(format!("{class}: {}", chain(&error)));
            }
        }
    }
    match last_error {
        Some(error) if classes.is_empty() => Err(refused(error)),
        _ => Ok(classes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_an_operating_system_in_wmi() {
        let classes = read().unwrap();
        let system = &classes["Win32_OperatingSystem"][0];
        assert!(system.contains_key("Version"), "{system:?}");
    }
}
