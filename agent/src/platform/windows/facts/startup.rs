//! Programs that start with the machine or with each session: the Run keys and the start-up folder.

use std::path::PathBuf;

use muster_shared::protocol::inventory::StartupItem;
use windows_registry::{Key, LOCAL_MACHINE, USERS};

use super::super::registry::value;
use crate::inventory::facts::FactError;

const RUN: [&str; 2] = [
    r"Software\Microsoft\Windows\CurrentVersion\Run",
    r"Software\Microsoft\Windows\CurrentVersion\RunOnce",
];
/// Where 32-bit programs register on 64-bit Windows.
const WOW: &str = r"SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\Run";
/// Below the folder of all users' data.
const FOLDER: &str = r"Microsoft\Windows\Start Menu\Programs\StartUp";
/// At most this many.
const MOST: usize = 1000;

/// What starts by itself, by name.
///
/// # Errors
/// Never on Windows: a key that is not there starts nothing.
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Linux")]
pub fn read() -> Result<Vec<StartupItem>, FactError> {
    let mut list = Vec::new();
    for path in RUN.into_iter().chain([WOW]) {
        if let Ok(key) = LOCAL_MACHINE.open(path) {
            add(&key, &format!(r"HKLM\{path}"), &mut list);
        }
    }
    if let Ok(users) = USERS.keys() {
        for user in users.filter(|name| !name.ends_with("_Classes")).take(200) {
            for path in RUN {
                if let Ok(key) = USERS.open(format!(r"{user}\{path}")) {
                    add(&key, &format!(r"HKU\{user}\{path}"), &mut list);
                }
            }
        }
    }
    add_folder(&mut list);
    list.sort_by(|one, other| (&one.source, &one.name).cmp(&(&other.source, &other.name)));
    list.truncate(MOST);
    Ok(list)
}

fn add(key: &Key, source: &str, list: &mut Vec<StartupItem>) {
    let Ok(values) = key.values() else { return };
    for (name, _raw) in values.take(MOST) {
        let command = value(key, &name).map(|value| value.display()).unwrap_or_default();
        if !command.is_empty() {
            list.push(StartupItem {
                name,
                command,
                source: source.to_owned(),
            });
        }
    }
}

fn add_folder(list: &mut Vec<StartupItem>) {
    let Some(folder) = std::env::var_os("ProgramData").map(|folder| PathBuf::from(folder).join(FOLDER))
    else {
        return;
    };
    let Ok(entries) = fs_err::read_dir(&folder) else {
        return;
    };
    for entry in entries.flatten().take(MOST) {
        let path = entry.path();
        if path
            .extension()
            .is_some_and(|end| end.eq_ignore_ascii_case("ini"))
        {
            continue;
        }
        list.push(StartupItem {
            name: path
                .file_stem()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
            command: path.display().to_string(),
            source: folder.display().to_string(),
        });
    }
}
