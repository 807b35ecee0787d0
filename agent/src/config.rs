//! `agent.toml`: read, checked, shown with the origin of each value, and changed by `register`.
//!
//! Unknown keys are refused, so that a misspelt one never looks like a setting in force.

mod directory;
mod error;
mod file;
mod orders;
mod people;
mod repositories;
mod schedule;
mod windows_update;
mod write;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::directory::{Bind, Directory, Ldap};
pub use self::error::ConfigError;
use self::file::{ConfigFile, Topic};
pub use self::orders::{Orders, SignerRule};
pub use self::people::People;
pub use self::repositories::{ClientCertificate, Repositories, RepositorySettings};
pub use self::schedule::Schedule;
pub use self::windows_update::WindowsUpdate;
pub(crate) use self::write::replace_file;
pub use self::write::{write_key, write_server};
use crate::paths::Paths;
use crate::platform;

/// The configuration file may be at most this long, in bytes.
const MAX_CONFIG_BYTES: u64 = 256 * 1024;

/// How the server's TLS certificate is checked when there is no pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerifyCert {
    /// Against the system's certificate store.
    System,
    /// Against the certificates of a PEM file.
    Bundle(PathBuf),
}

/// The configuration in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `https://name:port`; without it the agent works alone.
    pub server: Option<String>,
    /// SHA-256 (hex) of the server's certificate or of its authority.
    pub server_pin: Option<String>,
    pub verify_cert: VerifyCert,
    /// The repository, when it is not the server's own; see [`Config::repository_url`].
    pub repo_url: Option<String>,
    /// Identifier of this host, when it is not to be the firmware's.
    pub uuid: Option<String>,
    pub use_fqdn_as_uuid: bool,
    /// Reported instead of the system's host name: several agents on one machine.
    pub fake_hostname: Option<String>,
    pub use_hostpackages: bool,
    pub update_every: Duration,
    /// Accepted maturities, most wanted first.
    pub maturities: Vec<String>,
    /// Accepted locales, most wanted first; empty accepts all.
    pub locales: Vec<String>,
    /// When not empty, only packages that match one of these globs are seen.
    pub packages_whitelist: Vec<String>,
    /// Packages that match one of these globs are not seen.
    pub packages_blacklist: Vec<String>,
    /// A hook that runs longer is ended.
    pub script_timeout: Duration,
    /// A hook that is silent for longer is ended.
    pub script_idle_timeout: Duration,
    /// The Python that runs scripts, when it is not to be searched.
    pub python: Option<PathBuf>,
    pub http_proxy: Option<String>,
    /// The largest package that is downloaded, in MiB.
    pub download_limit_mib: Option<u64>,
    pub description: Option<String>,
    /// Where revocation lists are published, beside those in the index and named in certificates.
    pub crl_urls: Vec<String>,
    pub directory: Directory,
    pub orders: Orders,
    pub people: People,
    pub schedule: Schedule,
    pub repositories: Repositories,
    pub windows_update: WindowsUpdate,
    /// Keys that the file sets; all others hold their default.
    set_keys: Vec<String>,
}

/// The keys of no topic, in the order of the documentation.
const KEYS: [&str; 20] = [
    "wapt_server",
    "server_pin",
    "verify_cert",
    "repo_url",
    "uuid",
    "use_fqdn_as_uuid",
    "fake_hostname",
    "use_hostpackages",
    "waptupdate_task_period",
    "maturities",
    "locales",
    "packages_whitelist",
    "packages_blacklist",
    "script_timeout",
    "script_idle_timeout",
    "python",
    "http_proxy",
    "download_limit_mib",
    "description",
    "crl_urls",
];

/// Every key of the file, in the order of the documentation.
fn keys() -> Vec<&'static str> {
    KEYS.iter()
        .chain(Directory::KEYS)
        .chain(Orders::KEYS)
        .chain(People::KEYS)
        .chain(Schedule::KEYS)
        .chain(Repositories::KEYS)
        .chain(WindowsUpdate::KEYS)
        .copied()
        .collect()
}

/// The keys of no topic as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Keys {
    #[serde(rename = "wapt_server")]
    server: Option<String>,
    server_pin: Option<String>,
    verify_cert: Option<VerifyCertValue>,
    repo_url: Option<String>,
    uuid: Option<String>,
    use_fqdn_as_uuid: Option<bool>,
    fake_hostname: Option<String>,
    use_hostpackages: Option<bool>,
    #[serde(rename = "waptupdate_task_period")]
    update_every: Option<String>,
    maturities: Option<Vec<String>>,
    locales: Option<Vec<String>>,
    packages_whitelist: Option<Vec<String>>,
    packages_blacklist: Option<Vec<String>>,
    script_timeout: Option<String>,
    script_idle_timeout: Option<String>,
    python: Option<PathBuf>,
    http_proxy: Option<String>,
    download_limit_mib: Option<u64>,
    description: Option<String>,
    crl_urls: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum VerifyCertValue {
    Flag(bool),
    Path(PathBuf),
}

/// One value of `config show`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownValue {
    pub key: &'static str,
    pub value: serde_json::Value,
    /// Path of the file that sets it, or `default`.
    pub origin: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: None,
            server_pin: None,
            verify_cert: VerifyCert::System,
            repo_url: None,
            uuid: None,
            use_fqdn_as_uuid: false,
            fake_hostname: None,
            use_hostpackages: true,
            update_every: Duration::from_hours(2),
            maturities: vec!["PROD".to_owned()],
            locales: Vec::new(),
            packages_whitelist: Vec::new(),
            packages_blacklist: Vec::new(),
            script_timeout: Duration::from_hours(1),
            script_idle_timeout: Duration::from_mins(30),
            python: None,
            http_proxy: None,
            download_limit_mib: None,
            description: None,
            crl_urls: Vec::new(),
            directory: Directory::default(),
            orders: Orders::default(),
            people: People::default(),
            schedule: Schedule::default(),
            repositories: Repositories::default(),
            windows_update: WindowsUpdate::default(),
            set_keys: Vec::new(),
        }
    }
}

impl Config {
    /// Reads `agent.toml`; a missing file gives the defaults.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML, has an unknown key or a value that breaks a rule.
    pub fn load(paths: &Paths) -> Result<Self, ConfigError> {
        let path = paths.config_file();
        match fs_err::metadata(&path) {
            Ok(metadata) if metadata.len() > MAX_CONFIG_BYTES => return Err(ConfigError::TooLarge(path)),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(ConfigError::Read(error)),
        }
        let text = fs_err::read_to_string(&path).map_err(ConfigError::Read)?;
        Self::parse(&text, &path)
    }

    /// Reads a configuration from text; `path` is for messages.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let file = ConfigFile { path };
        let mut table: toml::Table = toml::from_str(text).map_err(|source| ConfigError::Syntax {
            path: path.to_path_buf(),
            source: Box::new(source),
        })?;
        let set_keys = table.keys().cloned().collect();
        let directory = file.topic(&mut table)?;
        let orders = file.topic(&mut table)?;
        let people = file.topic(&mut table)?;
        let schedule = file.topic(&mut table)?;
        let repositories = file.topic(&mut table)?;
        let windows_update = file.topic(&mut table)?;
        let keys: Keys = file.keys(table)?;
        let period = |key, text: Option<String>, default: Duration| match text {
            Some(text) => file.period(key, &text),
            None => Ok(default),
        };
        let default = Self::default();
        let server_pin = match keys.server_pin.as_deref() {
            None | Some("") => None,
            Some(pin) => Some(file.sha256("server_pin", pin)?),
        };
        let verify_cert = file.verify_cert(keys.verify_cert)?;
        let uuid = match keys.uuid {
            Some(uuid) if uuid.trim().is_empty() => None,
            Some(uuid) if !is_identifier(&uuid) => {
                return Err(file.bad("uuid", &uuid, "must be 1 to 64 characters of 0-9 A-Z a-z . _ -"));
            }
            uuid => uuid,
        };
        let crl_urls = keys.crl_urls.unwrap_or_default();
        // Lists are signed: plain HTTP is what their publishers use.
        let is_web = |url: &&String| url.starts_with("https://") || url.starts_with("http://");
        if let Some(bad) = crl_urls.iter().find(|url| !is_web(url)) {
            return Err(file.bad(
                "crl_urls",
                &crate::server_client::without_password(bad),
                "must begin with https:// or http://",
            ));
        }
        Ok(Self {
            server: file.https("wapt_server", keys.server)?,
            server_pin,
            verify_cert,
            repo_url: file.https("repo_url", keys.repo_url)?,
            uuid,
            use_fqdn_as_uuid: keys.use_fqdn_as_uuid.unwrap_or(default.use_fqdn_as_uuid),
            fake_hostname: keys.fake_hostname.filter(|name| !name.trim().is_empty()),
            use_hostpackages: keys.use_hostpackages.unwrap_or(default.use_hostpackages),
            update_every: period("waptupdate_task_period", keys.update_every, default.update_every)?,
            maturities: keys.maturities.unwrap_or(default.maturities),
            locales: keys.locales.unwrap_or(default.locales),
            packages_whitelist: keys.packages_whitelist.unwrap_or(default.packages_whitelist),
            packages_blacklist: keys.packages_blacklist.unwrap_or(default.packages_blacklist),
            script_timeout: period("script_timeout", keys.script_timeout, default.script_timeout)?,
            script_idle_timeout: period(
                "script_idle_timeout",
                keys.script_idle_timeout,
                default.script_idle_timeout,
            )?,
            python: keys.python,
            http_proxy: file.proxy("http_proxy", keys.http_proxy)?,
            download_limit_mib: keys.download_limit_mib,
            description: keys.description,
            crl_urls,
            directory,
            orders,
            people,
            schedule,
            repositories,
            windows_update,
            set_keys,
        })
    }

    /// The repository's address: the configured one, or the server's `/wapt`.
    pub fn repository_url(&self) -> Option<String> {
        self.repo_url
            .clone()
            .or_else(|| self.server.as_ref().map(|server| format!("{server}/wapt")))
    }

    /// The addresses of all repositories, the main one's first.
    pub fn repository_urls(&self) -> Vec<String> {
        let others = self.repositories.others.iter();
        self.repository_url()
            .into_iter()
            .chain(others.filter_map(|other| other.repo_url.clone()))
            .collect()
    }

    /// The host name to report.
    pub fn hostname(&self) -> String {
        self.fake_hostname.clone().unwrap_or_else(platform::hostname)
    }

    /// The fully qualified host name to report.
    pub fn fqdn(&self) -> String {
        self.fake_hostname.clone().unwrap_or_else(platform::fqdn)
    }

    /// Every key with its value and where the value comes from.
    pub fn shown(&self, paths: &Paths) -> Vec<ShownValue> {
        let file = paths.config_file().display().to_string();
        let own = KEYS.iter().map(|key| (*key, self.value_of(key)));
        own.chain(self.directory.shown())
            .chain(self.orders.shown())
            .chain(self.people.shown())
            .chain(self.schedule.shown())
            .chain(self.repositories.shown())
            .chain(self.windows_update.shown())
            .map(|(key, value)| ShownValue {
                key,
                value,
                origin: if self.set_keys.iter().any(|set| set == key) {
                    file.clone()
                } else {
                    "default".to_owned()
                },
            })
            .collect()
    }

    fn value_of(&self, key: &str) -> serde_json::Value {
        use serde_json::json;
        match key {
            "wapt_server" => json!(self.server),
            "server_pin" => json!(self.server_pin),
            "verify_cert" => match &self.verify_cert {
                VerifyCert::System => json!(true),
                VerifyCert::Bundle(path) => json!(path),
            },
            "repo_url" => json!(self.repository_url()),
            "uuid" => json!(self.uuid),
            "use_fqdn_as_uuid" => json!(self.use_fqdn_as_uuid),
            "fake_hostname" => json!(self.fake_hostname),
            "use_hostpackages" => json!(self.use_hostpackages),
            "waptupdate_task_period" => json!(format!("{}s", self.update_every.as_secs())),
            "maturities" => json!(self.maturities),
            "locales" => json!(self.locales),
            "packages_whitelist" => json!(self.packages_whitelist),
            "packages_blacklist" => json!(self.packages_blacklist),
            "script_timeout" => json!(format!("{}s", self.script_timeout.as_secs())),
            "script_idle_timeout" => json!(format!("{}s", self.script_idle_timeout.as_secs())),
            "python" => json!(self.python),
            "http_proxy" => json!(
                self.http_proxy
                    .as_deref()
                    .map(crate::server_client::without_password)
            ),
            "download_limit_mib" => json!(self.download_limit_mib),
            "description" => json!(self.description),
            "crl_urls" => json!(self.crl_urls),
            _ => serde_json::Value::Null,
        }
    }
}

/// A host identifier: 1 to 64 characters of `[0-9A-Za-z._-]`.
pub fn is_identifier(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use muster_shared::hint::Hint as _;

    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("agent.toml"))
    }

    #[test]
    fn an_empty_file_gives_the_defaults() {
        let config = parse("").unwrap();
        assert_eq!(config, Config::default());
        assert_eq!(config.update_every, Duration::from_hours(2));
        assert_eq!(config.repository_url(), None);
    }

    #[test]
    fn no_password_is_shown_whether_the_value_is_in_force_or_refused() {
        let config = parse("http_proxy = \"http://ann:secret@proxy:3128\"").unwrap();
        let shown = serde_json::to_string(&config.shown(&Paths::new(None))).unwrap();
        assert!(
            shown.contains("http://proxy:3128") && !shown.contains("secret"),
            "{shown}"
        );
        for text in [
            "http_proxy = \"ann:secret@proxy:3128\"",
            "repo_url = \"https://ann:secret@repo.example/wapt\"",
            "wapt_server = \"https://ann:secret@muster.example\"",
            "ldap_url = \"ldaps://ann:secret@dc.example\"",
            "crl_urls = [\"ftp://ann:secret@crl.example/a\"]",
        ] {
            let error = muster_shared::hint::chain(&parse(text).unwrap_err());
            assert!(
                error.contains("example") || error.contains("proxy:3128"),
                "{error}"
            );
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error = parse("servr = \"https://x\"").unwrap_err();
        assert!(muster_shared::hint::chain(&error).contains("servr"), "{error:?}");
        assert!(error.hints()[0].contains("server_pin"));
    }

    #[test]
    fn values_that_break_a_rule_name_the_key() {
        for (text, key) in [
            ("wapt_server = \"http://plain\"", "wapt_server"),
            ("server_pin = \"abc\"", "server_pin"),
            ("waptupdate_task_period = \"soon\"", "waptupdate_task_period"),
            ("uuid = \"a b\"", "uuid"),
            ("verify_cert = false", "verify_cert"),
            ("crl_urls = [\"ldap://a\"]", "crl_urls"),
            ("[signers.abc]\nactions = []", "signers"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(key), "{text}: {error}");
        }
    }

    #[test]
    fn the_repository_follows_the_server_unless_told() {
        let config = parse("wapt_server = \"https://muster.example:8443/\"").unwrap();
        assert_eq!(
            config.repository_url().unwrap(),
            "https://muster.example:8443/wapt"
        );
        let config = parse("wapt_server = \"https://a\"\nrepo_url = \"https://b/wapt\"").unwrap();
        assert_eq!(config.repository_url().unwrap(), "https://b/wapt");
    }

    #[test]
    fn shown_values_carry_their_origin() {
        let config = parse("maturities = [\"PREPROD\", \"PROD\"]").unwrap();
        let shown = config.shown(&Paths::new(None));
        let of = |key| shown.iter().find(|value| value.key == key).unwrap();
        assert!(of("maturities").origin.ends_with("agent.toml"));
        assert_eq!(of("waptupdate_task_period").origin, "default");
        assert!(
            shown
                .iter()
                .all(|value| value.key == "wapt_server" || keys().contains(&value.key))
        );
    }

    #[test]
    fn every_key_is_in_the_guide() {
        let guide = include_str!("../../docs/agent-configuration.md");
        for key in keys() {
            let named = guide.contains(&format!("`{key}`")) || guide.contains(&format!("`[{key}"));
            assert!(named, "docs/agent-configuration.md lacks {key}");
        }
    }
}
