//! Installed software: the uninstall keys of both registry views and of the loaded users.

use muster_shared::protocol::inventory::Software;
use sha2::{Digest as _, Sha256};
use windows_registry::{Key, LOCAL_MACHINE, USERS};

use super::super::registry::{number, text, written};
use crate::inventory::facts::FactError;
use crate::platform::architecture;

const NATIVE: &str = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall";
/// Where 32-bit programs register on 64-bit Windows; not every system has it.
const WOW: &str = r"SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall";

/// At most this many rows.
const MOST: usize = 20_000;

/// Changes when a row is added, changed or removed: every key keeps the time of its own last change.
pub fn stamp() -> Option<String> {
    let mut hash = Sha256::new();
    for (key, view) in views() {
        hash.update(view.as_bytes());
        for name in key.keys().ok()?.take(MOST) {
            hash.update(name.as_bytes());
            if let Ok(own) = key.open(&name) {
                hash.update(written(&own).to_le_bytes());
            }
        }
    }
    Some(hex::encode(hash.finalize()))
}

/// Everything installed, sorted by key.
///
/// # Errors
/// When the registry does not list the installed software.
pub fn read() -> Result<Vec<Software>, FactError> {
    let mut list = Vec::new();
    // This one is always there; without it nothing could be said.
    LOCAL_MACHINE.open(NATIVE).map_err(|error| FactError::Refused {
        what: NATIVE,
        reason: error.to_string(),
    })?;
    for (key, view) in views() {
        add_all(&key, view, &mut list);
    }
    list.sort_by(|one, other| (&one.key, &one.version).cmp(&(&other.key, &other.version)));
    list.dedup();
    list.truncate(MOST);
    Ok(list)
}

/// The keys that hold the rows, with the architecture that each stands for.
fn views() -> Vec<(Key, &'static str)> {
    let mut views = Vec::new();
    views.extend(LOCAL_MACHINE.open(NATIVE).ok().map(|key| (key, architecture())));
    views.extend(LOCAL_MACHINE.open(WOW).ok().map(|key| (key, "x86")));
    if let Ok(users) = USERS.keys() {
        for user in users.filter(|name| !name.ends_with("_Classes")).take(200) {
            for (path, view) in [(NATIVE, architecture()), (WOW, "x86")] {
                views.extend(USERS.open(format!("{user}\\{path}")).ok().map(|key| (key, view)));
            }
        }
    }
    views
}

fn add_all(parent: &Key, view: &str, list: &mut Vec<Software>) {
    let Ok(names) = parent.keys() else {
        return;
    };
    for name in names.take(MOST) {
        // A key that cannot be opened belongs to somebody whose permissions are broken; others count.
        if let Some(software) = parent.open(&name).ok().and_then(|key| row(&name, view, &key)) {
            list.push(software);
        }
    }
}

/// Rows without a name are patches and parts; Windows does not show them either.
fn row(key_name: &str, view: &str, key: &Key) -> Option<Software> {
    let name = text(key, "DisplayName");
    if name.is_empty() {
        return None;
    }
    Some(Software {
        key: key_name.to_owned(),
        name,
        version: text(key, "DisplayVersion"),
        publisher: text(key, "Publisher"),
        installed_on: day(&text(key, "InstallDate")),
        system_component: number(key, "SystemComponent") == Some(1),
        architecture: view.to_owned(),
        location: text(key, "InstallLocation"),
        uninstall_command: text(key, "UninstallString"),
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
