//! Reading an `ini` file as WAPT's agent reads it: sections, `key = value` or `key: value`, comments, continued lines.

/// The most settings that are read; a configuration has a few dozen.
const MAX_SETTINGS: usize = 2000;

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Lower-cased.
    pub section: String,
    /// Lower-cased.
    pub key: String,
    pub value: String,
    /// From 1.
    pub line: usize,
}

/// What stands in an `ini` file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ini {
    /// In the order of the file; of a key that is set twice only the last.
    pub settings: Vec<Setting>,
    /// Lines that are none of its kinds.
    pub unreadable: Vec<usize>,
}

/// Reads a file; UTF-8 with or without BOM, else Windows-1252, as editors on Windows write it.
pub fn parse(bytes: &[u8]) -> Ini {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_other) => {
            let mut marked = b"# coding: cp1252\n".to_vec();
            marked.extend_from_slice(bytes);
            let decoded = crate::package::script_text::decode(&marked).text;
            decoded
                .split_once('\n')
                .map(|(_, rest)| rest.to_owned())
                .unwrap_or_default()
        }
    };
    let mut ini = Ini::default();
    let mut section = String::new();
    let mut continues = false;
    for (position, line) in text.lines().enumerate() {
        let number = position + 1;
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.trim().to_lowercase();
            continues = false;
        } else if line.starts_with([' ', '\t']) && continues {
            if let Some(last) = ini.settings.last_mut() {
                last.value.push('\n');
                last.value.push_str(trimmed);
            }
        } else if let Some(at) = trimmed.find(['=', ':']) {
            let (key, value) = trimmed.split_at(at);
            let value = value.get(1..).unwrap_or_default();
            // A comment behind a value begins with a blank and a semicolon.
            let value = value.split(" ;").next().unwrap_or_default().trim();
            let key = key.trim().to_lowercase();
            ini.settings
                .retain(|setting| !(setting.section == section && setting.key == key));
            if ini.settings.len() < MAX_SETTINGS {
                ini.settings.push(Setting {
                    section: section.clone(),
                    key,
                    value: value.to_owned(),
                    line: number,
                });
            }
            continues = true;
        } else {
            ini.unreadable.push(number);
        }
    }
    ini
}

impl Ini {
    /// A value of a section.
    pub fn get(&self, section: &str, key: &str) -> Option<&str> {
        self.settings
            .iter()
            .find(|setting| setting.section == section && setting.key == key)
            .map(|setting| setting.value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_the_agent_of_wapt_reads_them() {
        let ini = parse(
            b"\xef\xbb\xbf; old\r\n[Global]\r\nREPO_URL = https://a/wapt\r\nlocales:fr,\r\n  en\r\nuuid=1\r\nuuid=2 ; set by hand\r\n\
              what is this\r\n[wapt]\r\ntimeout=5\r\n",
        );
        assert_eq!(ini.get("global", "repo_url"), Some("https://a/wapt"));
        assert_eq!(ini.get("global", "locales"), Some("fr,\nen"));
        assert_eq!(ini.get("global", "uuid"), Some("2"));
        assert_eq!(ini.get("wapt", "timeout"), Some("5"));
        assert_eq!(ini.unreadable, [8]);
        assert_eq!(ini.settings.len(), 4);
    }

    #[test]
    fn files_of_windows_are_read_too() {
        assert_eq!(parse(b"[global]\nx=\xe9\x80").get("global", "x"), Some("é€"));
    }
}
