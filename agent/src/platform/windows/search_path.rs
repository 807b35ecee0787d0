//! Where shells look for programs: the machine's `Path`, whole and with its `%variables%` as they are.
//!
//! Installers are known for cutting it off at some length; here it is read and written as one value.

use std::io;
use std::path::Path;

use windows_registry::{LOCAL_MACHINE, Type};

const KEY: &str = r"SYSTEM\CurrentControlSet\Control\Session Manager\Environment";
const VALUE: &str = "Path";

/// Has shells find programs of a folder, or not any more. `false`: nothing was to be changed.
///
/// # Errors
/// When the registry refuses.
pub fn set(folder: &Path, is_in: bool) -> io::Result<bool> {
    let key = LOCAL_MACHINE
        .options()
        .read()
        .write()
        .open(KEY)
        .map_err(refused)?;
    let value = key.get_value(VALUE).map_err(refused)?;
    let present = String::try_from(value.clone()).map_err(refused)?;
    let wanted = with(&present, &folder.to_string_lossy(), is_in);
    if wanted == present {
        return Ok(false);
    }
    let written = match value.ty() {
        Type::ExpandString => key.set_expand_string(VALUE, &wanted),
        _ => key.set_string(VALUE, &wanted),
    };
    written.map(|()| true).map_err(refused)
}

fn refused(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(error.to_string())
}

/// The list with the folder in it once, at its end, or not at all; nothing else is touched.
fn with(list: &str, folder: &str, is_in: bool) -> String {
    let plain = |entry: &str| {
        entry
            .trim()
            .trim_matches('"')
            .trim_end_matches('\\')
            .to_lowercase()
    };
    let is_ours = |entry: &&str| plain(entry) == plain(folder);
    if is_in {
        if list.split(';').any(|entry| is_ours(&entry)) {
            return list.to_owned();
        }
        let list = list.trim_end_matches(';');
        let separator = if list.is_empty() { "" } else { ";" };
        return format!("{list}{separator}{folder}");
    }
    if !list.split(';').any(|entry| is_ours(&entry)) {
        return list.to_owned();
    }
    let kept: Vec<&str> = list.split(';').filter(|entry| !is_ours(entry)).collect();
    kept.join(";")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_added_once_and_taken_out_alone() {
        let before = r"%SystemRoot%;C:\Tools\;";
        let after = with(before, r"C:\Program Files\Muster", true);
        assert_eq!(after, r"%SystemRoot%;C:\Tools\;C:\Program Files\Muster");
        assert_eq!(with(&after, r"c:\program files\muster\", true), after);
        assert_eq!(
            with(&after, r"C:\Program Files\Muster", false),
            r"%SystemRoot%;C:\Tools\"
        );
        assert_eq!(with(before, r"C:\Elsewhere", false), before);
    }
}
