//! `[waptwua]`: whether and how this agent drives Windows Update.

use std::collections::BTreeSet;
use std::time::Duration;

use muster_shared::rules::windows_update::{Delay, SEVERITIES};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ConfigError, ConfigFile, Topic};

/// What is looked for when the file says nothing.
const DEFAULT_FILTER: &str = "Type='Software' or Type='Driver'";
/// The longest search criteria, in characters.
const MAX_FILTER: usize = 1000;

/// How Windows Update is driven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowsUpdate {
    /// The agent drives Windows Update and lets its service rest in between; `false` gives it back to the system;
    /// `None` leaves the service alone.
    pub enabled: Option<bool>,
    /// Search in Microsoft's catalogue file instead of asking Microsoft or a WSUS.
    pub offline: bool,
    /// What the repository does not have may be fetched from Microsoft.
    pub allow_direct_download: bool,
    /// What happens to updates that no rule names; `None` leaves it to the packages' rules, which forbid.
    pub default_allow: Option<bool>,
    /// The search criteria of the update agent.
    pub filter: String,
    /// How often updates are looked for and downloaded; `None` is never by itself.
    pub download_every: Option<Duration>,
    /// How often updates are installed; `None` is never by itself.
    pub install_every: Option<Duration>,
    /// Install what is ready when the machine goes down.
    pub install_at_shutdown: bool,
    /// How old an update must be.
    pub install_delay: Option<Delay>,
    pub allowed_severities: BTreeSet<String>,
}

impl Default for WindowsUpdate {
    fn default() -> Self {
        Self {
            enabled: None,
            offline: true,
            allow_direct_download: false,
            default_allow: None,
            filter: DEFAULT_FILTER.to_owned(),
            download_every: None,
            install_every: None,
            install_at_shutdown: false,
            install_delay: None,
            allowed_severities: BTreeSet::new(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Keys {
    waptwua: Table,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Table {
    enabled: Option<bool>,
    offline: Option<bool>,
    allow_direct_download: Option<bool>,
    default_allow: Option<bool>,
    filter: Option<String>,
    download_scheduling: Option<String>,
    install_scheduling: Option<String>,
    install_at_shutdown: Option<bool>,
    install_delay: Option<String>,
    allowed_severities: Option<Vec<String>>,
}

impl Topic for WindowsUpdate {
    const KEYS: &'static [&'static str] = &["waptwua"];

    fn read(keys: toml::Table, file: &ConfigFile<'_>) -> Result<Self, ConfigError> {
        let table = file.keys::<Keys>(keys)?.waptwua;
        let default = Self::default();
        let filter = match table.filter.as_deref().map(str::trim) {
            None | Some("") => default.filter,
            Some(filter) if filter.len() > MAX_FILTER || filter.chars().any(char::is_control) => {
                return Err(file.bad("waptwua.filter", filter, "must be search criteria of one line"));
            }
            Some(filter) => filter.to_owned(),
        };
        let install_delay = match table.install_delay {
            None => None,
            Some(text) => Some(Delay::parse(&text).ok_or_else(|| {
                file.bad(
                    "waptwua.install_delay",
                    &text,
                    "must be a delay such as 12h, 7d or 2w",
                )
            })?),
        };
        let mut allowed_severities = BTreeSet::new();
        for text in table.allowed_severities.unwrap_or_default() {
            let known = SEVERITIES
                .into_iter()
                .find(|severity| severity.eq_ignore_ascii_case(text.trim()))
                .ok_or_else(|| {
                    file.bad(
                        "waptwua.allowed_severities",
                        &text,
                        "must be Critical, Important, Moderate or Low",
                    )
                })?;
            allowed_severities.insert(known.to_owned());
        }
        Ok(Self {
            enabled: table.enabled,
            offline: table.offline.unwrap_or(default.offline),
            allow_direct_download: table
                .allow_direct_download
                .unwrap_or(default.allow_direct_download),
            default_allow: table.default_allow,
            filter,
            download_every: period(
                file,
                "waptwua.download_scheduling",
                table.download_scheduling,
                "m",
            )?,
            // WAPT counts this one in days.
            install_every: period(file, "waptwua.install_scheduling", table.install_scheduling, "d")?,
            install_at_shutdown: table.install_at_shutdown.unwrap_or(default.install_at_shutdown),
            install_delay,
            allowed_severities,
        })
    }

    fn shown(&self) -> Vec<(&'static str, Value)> {
        let seconds = |period: Option<Duration>| period.map(|period| format!("{}s", period.as_secs()));
        vec![(
            "waptwua",
            json!({
                "enabled": self.enabled,
                "offline": self.offline,
                "allow_direct_download": self.allow_direct_download,
                "default_allow": self.default_allow,
                "filter": self.filter,
                "download_scheduling": seconds(self.download_every),
                "install_scheduling": seconds(self.install_every),
                "install_at_shutdown": self.install_at_shutdown,
                "install_delay": self.install_delay,
                "allowed_severities": self.allowed_severities,
            }),
        )]
    }
}

/// A period; a bare number counts in `unit`.
fn period(
    file: &ConfigFile<'_>,
    key: &'static str,
    text: Option<String>,
    unit: &str,
) -> Result<Option<Duration>, ConfigError> {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
        return Ok(None);
    };
    let is_bare = text.trim().bytes().all(|byte| byte.is_ascii_digit());
    let written = if is_bare {
        format!("{}{unit}", text.trim())
    } else {
        text
    };
    file.period(key, &written).map(Some)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(text: &str) -> Result<WindowsUpdate, ConfigError> {
        let file = ConfigFile {
            path: Path::new("agent.toml"),
        };
        file.topic(&mut toml::from_str(text).unwrap())
    }

    #[test]
    fn without_the_table_nothing_is_touched() {
        let config = read("").unwrap();
        assert_eq!(config, WindowsUpdate::default());
        assert_eq!(config.enabled, None);
        assert!(config.offline && !config.allow_direct_download);
    }

    #[test]
    fn periods_without_a_unit_count_as_in_wapt() {
        let config = read("[waptwua]\ninstall_scheduling = \"7\"\ndownload_scheduling = \"120\"\ninstall_delay = \"2w\"\nallowed_severities = [\"critical\"]\n").unwrap();
        assert_eq!(config.install_every, Some(Duration::from_hours(7 * 24)));
        assert_eq!(config.download_every, Some(Duration::from_hours(2)));
        assert_eq!(
            config.install_delay.unwrap().length(),
            jiff::SignedDuration::from_hours(14 * 24)
        );
        assert!(config.allowed_severities.contains("Critical"));
    }

    #[test]
    fn a_bad_value_is_named_with_its_rule() {
        for (text, word) in [
            ("[waptwua]\ninstall_delay = \"soon\"", "waptwua.install_delay"),
            (
                "[waptwua]\nallowed_severities = [\"high\"]",
                "waptwua.allowed_severities",
            ),
            (
                "[waptwua]\ninstall_scheduling = \"often\"",
                "waptwua.install_scheduling",
            ),
            ("[waptwua]\nfilter = \"a\\nb\"", "waptwua.filter"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
        }
        assert!(read("[waptwua]\nenable = true").is_err());
    }
}
