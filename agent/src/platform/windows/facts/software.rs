//! Installed software: the uninstall keys of both registry views and of the loaded users.

use muster_shared::protocol::inventory::Software;
use windows_registry::{Key, LOCAL_MACHINE, USERS};

use crate::inventory::facts::FactError;

const NATIVE: &str = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall";
/// Where 32-bit programs register on 64-bit Windows; not every system has it.
const WOW: &str = r"SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall";

/// At most this many rows.
const MOST: usize = 20_000;

/// The registry keeps no stamp that covers the values below a key, so the list is read each time.
pub fn stamp() -> Option<String> {
    None
}

/// Everything installed, sorted by key.
///
/// # Errors
/// When the registry does not list the installed software.
pub async fn read() -> Result<Vec<Software>, FactError> {
    tokio::task::spawn_blocking(read_now)
        .await
        .map_err(|error| FactError::Refused {
            what: NATIVE,
            reason: error.to_string(),
        })?
}

fn read_now() -> Result<Vec<Software>, FactError> {
    let mut list = Vec::new();
    let native = LOCAL_MACHINE.open(NATIVE).map_err(|error| FactError::Refused {
        what: NATIVE,
        reason: error.to_string(),
    })?;
    add_all(&native, &mut list);
    if let Ok(wow) = LOCAL_MACHINE.open(WOW) {
        add_all(&wow, &mut list);
    }
    if let Ok(users) = USERS.keys() {
        for user in users.filter(|name| !name.ends_with("_Classes")).take(200) {
            if let Ok(key) = USERS.open(format!("{user}\\{NATIVE}")) {
                add_all(&key, &mut list);
            }
        }
    }
    list.sort_by(|one, other| (&one.key, &one.version).cmp(&(&other.key, &other.version)));
    list.dedup();
    list.truncate(MOST);
    Ok(list)
}

fn add_all(parent: &Key, list: &mut Vec<Software>) {
    let Ok(names) = parent.keys() else {
        return;
    };
    for name in names.take(MOST) {
        // A key that cannot be opened belongs to somebody whose permissions are broken; others count.
        if let Some(software) = parent.open(&name).ok().and_then(|key| row(&name, &key)) {
            list.push(software);
        }
    }
}

/// Rows without a name are patches and parts; Windows does not show them either.
fn row(key_name: &str, key: &Key) -> Option<Software> {
    let text = |name: &str| key.get_string(name).unwrap_or_default().trim().to_owned();
    let name = text("DisplayName");
    if name.is_empty() {
        return None;
    }
    Some(Software {
        key: key_name.to_owned(),
        name,
        version: text("DisplayVersion"),
        publisher: text("Publisher"),
        installed_on: day(&text("InstallDate")),
        system_component: key.get_u32("SystemComponent").is_ok_and(|flag| flag == 1),
    })
}

/// `20240131` becomes `2024-01-31`; anything else stays as it is.
fn day(text: &str) -> String {
    match (text.get(..4), text.get(4..6), text.get(6..8)) {
        (Some(year), Some(month), Some(day))
            if text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            format!("{year}-{month}-{day}")
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_written_as_days() {
        assert_eq!(day("20240131"), "2024-01-31");
        assert_eq!(day("31/01/2024"), "31/01/2024");
        assert_eq!(day(""), "");
    }
}
