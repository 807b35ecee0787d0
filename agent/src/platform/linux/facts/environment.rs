//! Variables of the whole system: `/etc/environment`.

use std::collections::BTreeMap;

use super::text::read_limited;
use crate::inventory::facts::{FactError, shown_variable};

const FILE: &str = "/etc/environment";
/// At most this many.
const MOST: usize = 500;

/// Variables by name; values that look like secrets are not shown.
///
/// # Errors
/// When the file is there and cannot be read.
pub fn read() -> Result<BTreeMap<String, String>, FactError> {
    match read_limited(FILE) {
        Ok(text) => Ok(parse(&text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(source) => Err(FactError::Unreadable { what: FILE, source }),
    }
}

fn parse(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| {
            let line = line.trim();
            let line = line.strip_prefix("export ").unwrap_or(line);
            let (name, value) = line.split_once('=')?;
            let name = name.trim();
            if name.is_empty() || name.starts_with('#') {
                return None;
            }
            let value = value.trim().trim_matches(['"', '\'']);
            Some((name.to_owned(), shown_variable(name, value)))
        })
        .take(MOST)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read_and_secrets_are_not_shown() {
        let found = parse("# c\nPATH=\"/usr/bin\"\nexport LANG=C\nADMIN_PASSWORD=x\nnonsense\n");
        assert_eq!(found.len(), 3);
        assert_eq!(found["PATH"], "/usr/bin");
        assert_eq!(found["LANG"], "C");
        assert_eq!(found["ADMIN_PASSWORD"], "***");
    }
}
