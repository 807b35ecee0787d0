//! What `register` changes in `agent.toml`, everything else kept as it is.

use std::path::Path;

use super::{Config, ConfigError};
use crate::paths::Paths;

/// Writes `wapt_server` and `server_pin` into the configuration, keeping everything else as it is.
///
/// # Errors
/// When the file cannot be read or replaced, or would not be valid afterwards.
pub fn write_server(paths: &Paths, server: &str, pin: Option<&str>) -> Result<Config, ConfigError> {
    let path = paths.config_file();
    let text = match fs_err::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(ConfigError::Read(error)),
    };
    let changed = with_server(&text, server, pin);
    let config = Config::parse(&changed, &path)?;
    if changed != text {
        replace_file(&path, changed.as_bytes()).map_err(|source| ConfigError::Write {
            path: path.clone(),
            source,
        })?;
    }
    Ok(config)
}

/// The text with the two keys set at the top level; a pin that is not given is taken out.
fn with_server(text: &str, server: &str, pin: Option<&str>) -> String {
    let quoted = |value: &str| toml::Value::String(value.to_owned()).to_string();
    let mut lines = vec![format!("wapt_server = {}", quoted(server))];
    if let Some(pin) = pin {
        lines.push(format!("server_pin = {}", quoted(pin)));
    }
    let mut at_top_level = true;
    for line in text.lines() {
        let trimmed = line.trim_start();
        if trimmed.starts_with('[') {
            at_top_level = false;
        }
        let key = trimmed.split('=').next().unwrap_or_default().trim();
        if !(at_top_level && (key == "wapt_server" || key == "server_pin")) {
            lines.push(line.to_owned());
        }
    }
    lines.join("\n") + "\n"
}

/// Sets one key at the top level of the configuration, or takes it out, keeping everything else as it is.
///
/// # Errors
/// As [`write_server`].
pub fn write_key(paths: &Paths, key: &str, value: Option<&toml::Value>) -> Result<Config, ConfigError> {
    let path = paths.config_file();
    let text = match fs_err::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(ConfigError::Read(error)),
    };
    let changed = with_key(&text, key, value);
    let config = Config::parse(&changed, &path)?;
    if changed != text {
        replace_file(&path, changed.as_bytes()).map_err(|source| ConfigError::Write {
            path: path.clone(),
            source,
        })?;
    }
    Ok(config)
}

/// The text with a key set at the top level: where it stands already, else before everything else.
fn with_key(text: &str, key: &str, value: Option<&toml::Value>) -> String {
    let line = value.map(|value| format!("{key} = {value}"));
    let Some(place) = place_of(text, key) else {
        return match line {
            Some(line) => format!("{line}\n{text}"),
            None => text.to_owned(),
        };
    };
    let (before, after) = (
        text.get(..place.start).unwrap_or_default(),
        text.get(place.end..).unwrap_or_default(),
    );
    if let Some(line) = line {
        return format!("{before}{line}{after}");
    }
    // With the rest of its line: the end of it, and a comment about it.
    let rest = after.split_once('\n').map_or("", |(_comment, rest)| rest);
    format!("{before}{rest}")
}

/// Where a key of the top level stands, from its name to the end of its value, however many lines that takes.
fn place_of(text: &str, key: &str) -> Option<std::ops::Range<usize>> {
    let table = toml::de::DeTable::parse(text).ok()?;
    let entries = table.get_ref().iter();
    let (name, value) = entries.into_iter().find(|(name, _value)| name.get_ref() == key)?;
    Some(name.span().start..value.span().end)
}

/// Writes a file so that a reader sees the old or the new content, never a part.
pub(crate) fn replace_file(path: &Path, content: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let folder = path.parent().unwrap_or(Path::new("."));
    fs_err::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registering_keeps_the_rest_of_the_file() {
        let pin = "ab".repeat(32);
        let before = "# ours\nwapt_server = \"https://old\"\nmaturities = [\"DEV\"]\n\n[signers.\"X\"]\nwapt_server = 1\n";
        let after = with_server(before, "https://new:8443", Some(&pin));
        assert_eq!(
            after,
            format!(
                "wapt_server = \"https://new:8443\"\nserver_pin = \"{pin}\"\n# ours\nmaturities = [\"DEV\"]\n\n[signers.\"X\"]\nwapt_server = 1\n"
            )
        );
    }

    #[test]
    fn one_key_is_set_and_taken_out_again() {
        let before = "# ours\nmaturities = [\"DEV\"]\n\n[repositories.x]\nuuid = 1\n";
        let set = with_key(before, "uuid", Some(&toml::Value::String("a-b".to_owned())));
        assert_eq!(set, format!("uuid = \"a-b\"\n{before}"));
        assert_eq!(with_key(&set, "uuid", None), before);
    }

    #[test]
    fn a_key_is_changed_where_it_stands_also_when_its_value_takes_several_lines() {
        let before = "# ours\nmaturities = [\n  \"DEV\", # for us\n  \"PROD\",\n] # all\ntimeout = \"5s\"\n";
        let value = toml::Value::Array(vec![toml::Value::String("PROD".to_owned())]);
        assert_eq!(
            with_key(before, "maturities", Some(&value)),
            "# ours\nmaturities = [\"PROD\"] # all\ntimeout = \"5s\"\n"
        );
        assert_eq!(with_key(before, "maturities", None), "# ours\ntimeout = \"5s\"\n");
        assert_eq!(with_key("uuid = \"a\"", "uuid", None), "");
    }

    #[test]
    fn write_server_creates_the_file_and_is_read_back() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::new(Some(root.path()));
        let pin = "0f".repeat(32);
        write_server(&paths, "https://muster.example", Some(&pin)).unwrap();
        let config = Config::load(&paths).unwrap();
        assert_eq!(config.server.as_deref(), Some("https://muster.example"));
        assert_eq!(config.server_pin, Some(pin));
    }
}
