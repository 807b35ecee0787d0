//! Programs that start with each session: the desktop entries of `/etc/xdg/autostart`.

use muster_shared::protocol::inventory::StartupItem;

use super::text::read_limited;
use crate::inventory::facts::FactError;

const FOLDER: &str = "/etc/xdg/autostart";
/// At most this many.
const MOST: usize = 500;

/// What starts with every session, by name; a machine without a desktop has nothing.
///
/// # Errors
/// When the folder is there and cannot be listed.
pub fn read() -> Result<Vec<StartupItem>, FactError> {
    let entries = match fs_err::read_dir(FOLDER) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(FactError::Unreadable { what: FOLDER, source }),
    };
    let mut list: Vec<StartupItem> = entries
        .flatten()
        .take(MOST)
        .filter(|entry| entry.path().extension().is_some_and(|end| end == "desktop"))
        .filter_map(|entry| {
            let path = entry.path();
            let (name, command) = desktop_entry(&read_limited(&path).ok()?)?;
            Some(StartupItem {
                name,
                command,
                source: path.display().to_string(),
            })
        })
        .collect();
    list.sort_by(|one, other| (&one.name, &one.source).cmp(&(&other.name, &other.source)));
    Ok(list)
}

/// Name and command of a desktop entry; nothing when it is switched off.
fn desktop_entry(text: &str) -> Option<(String, String)> {
    let own = text
        .lines()
        .skip_while(|line| line.trim() != "[Desktop Entry]")
        .skip(1)
        .take_while(|line| !line.starts_with('['));
    let (mut name, mut command) = (String::new(), String::new());
    for line in own {
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let value = value.trim();
        match key.trim() {
            "Name" => value.clone_into(&mut name),
            "Exec" => value.clone_into(&mut command),
            "Hidden" if value == "true" => return None,
            "X-GNOME-Autostart-enabled" if value == "false" => return None,
            _ => {}
        }
    }
    (!command.is_empty()).then_some((name, command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_that_are_switched_off_start_nothing() {
        let entry = "# c\n[Desktop Entry]\nName=Updates\nName[de]=Neues\nExec=/usr/bin/updates --auto\n[Other]\nExec=/bin/other\n";
        assert_eq!(
            desktop_entry(entry),
            Some(("Updates".to_owned(), "/usr/bin/updates --auto".to_owned()))
        );
        assert_eq!(
            desktop_entry(&entry.replace("[Other]", "Hidden=true\n[Other]")),
            None
        );
        assert_eq!(desktop_entry("Exec=/bin/x"), None);
    }

    #[test]
    fn this_machine_answers() {
        read().unwrap();
    }
}
