//! The computer's description as the system keeps it: `PRETTY_HOSTNAME` of `/etc/machine-info`.
//!
//! It is what systemd has for a name that people read (machine-info(5)): `hostnamectl` and desktops show it, and nothing
//! depends on it. The file is written here and not by `hostnamectl`, which needs a bus; systemd reads the file anew
//! when it changed.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::facts::text::read_limited;

const FILE: &str = "etc/machine-info";
const KEY: &str = "PRETTY_HOSTNAME";

/// The longest description that goes into the file, in characters.
const MOST: usize = 500;

fn file(root: Option<&Path>) -> PathBuf {
    root.unwrap_or(Path::new("/")).join(FILE)
}

/// The description; `None` when the system has none.
pub fn description(root: Option<&Path>) -> Option<String> {
    let text = read_limited(file(root)).ok()?;
    // Of several the last counts, as in a shell.
    let value = text.lines().filter_map(value_in).next_back()?;
    Some(value).filter(|value| !value.is_empty())
}

/// Has the system show a description; an empty one is taken out.
///
/// # Errors
/// When the file cannot be read or replaced.
pub fn set_description(root: Option<&Path>, text: &str) -> io::Result<()> {
    let path = file(root);
    let before = match read_limited(&path) {
        Ok(before) => before,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    let after = with_value(&before, text);
    if after == before {
        return Ok(());
    }
    crate::config::replace_file(&path, after.as_bytes())?;
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o644))
}

/// The text with the value set, every other line as it was.
fn with_value(before: &str, text: &str) -> String {
    let mut after: String = before
        .lines()
        .filter(|line| value_in(line).is_none())
        .flat_map(|line| [line, "\n"])
        .collect();
    let text: String = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(MOST)
        .collect();
    if !text.trim().is_empty() {
        after.extend([KEY, "=", &quoted(text.trim()), "\n"]);
    }
    after
}

/// Quoted as in a shell (os-release(5)).
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        if matches!(letter, '"' | '\\' | '$' | '`') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted.push('"');
    quoted
}

fn value_in(line: &str) -> Option<String> {
    let (name, value) = line.trim().split_once('=')?;
    if name != KEY {
        return None;
    }
    let value = value.trim();
    if let Some(single) = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        return Some(single.to_owned());
    }
    let inner = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(value);
    let mut plain = String::new();
    let mut is_escaped = false;
    for letter in inner.chars() {
        is_escaped = letter == '\\' && !is_escaped;
        if !is_escaped {
            plain.push(letter);
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_kept_beside_what_else_the_file_says_and_taken_out_again() {
        let place = tempfile::tempdir().unwrap();
        let root = Some(place.path());
        assert_eq!(description(root), None);
        set_description(root, "").unwrap();
        assert!(!place.path().join(FILE).exists());
        set_description(root, "Reception").unwrap();
        assert_eq!(description(root).as_deref(), Some("Reception"));
        let path = place.path().join(FILE);
        let mode = fs_err::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
        fs_err::write(
            &path,
            "# ours\nCHASSIS=laptop\nPRETTY_HOSTNAME='old'\nLOCATION=\"here\"\n",
        )
        .unwrap();
        assert_eq!(description(root).as_deref(), Some("old"));
        let odd = "Bob's \"desk\" \\ $HOME `id`\nroot::0";
        set_description(root, odd).unwrap();
        assert_eq!(description(root).unwrap(), odd.replace('\n', " "));
        let text = fs_err::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("# ours\nCHASSIS=laptop\nLOCATION=\"here\"\nPRETTY_HOSTNAME=\"Bob's \\\"desk\\\" \\\\ \\$HOME \\`id\\` root"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 4);
        set_description(root, "").unwrap();
        assert_eq!(description(root), None);
        assert_eq!(fs_err::read_to_string(&path).unwrap().lines().count(), 3);
    }
}
