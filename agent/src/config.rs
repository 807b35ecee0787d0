//! `agent.toml`: read, checked, shown with the origin of each value, and changed by `register`.
//!
//! Unknown keys are refused, so that a misspelt one never looks like a setting in force.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use muster_shared::hint::Hint;
use muster_shared::protocol::action::ActionKind;
use serde::{Deserialize, Serialize};

use crate::paths::Paths;
use crate::platform;
use crate::schedule::parse_period;

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

/// What one signer may order, when that is less than everything.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SignerRule {
    /// The only actions that this signer may order.
    pub actions: Vec<ActionKind>,
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
    /// What single signers may order, by the fingerprint of their certificate.
    pub signers: BTreeMap<String, SignerRule>,
    pub allow_reboot: bool,
    pub allow_shutdown: bool,
    /// Keys that the file sets; all others hold their default.
    set_keys: Vec<String>,
}

/// Why the configuration is not usable.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration")]
    Read(#[source] std::io::Error),
    #[error("{path} is larger than {MAX_CONFIG_BYTES} bytes", path = .0.display())]
    TooLarge(PathBuf),
    #[error("{path} is not a valid configuration", path = path.display())]
    Syntax {
        path: PathBuf,
        #[source]
        source: Box<toml::de::Error>,
    },
    #[error("{path}: {key} = {value:?} {rule}", path = path.display())]
    Value {
        path: PathBuf,
        key: &'static str,
        value: String,
        rule: &'static str,
    },
    #[error("cannot write {path}", path = path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl Hint for ConfigError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Syntax { .. } => vec![format!("the keys are: {}", KEYS.join(", "))],
            Self::Value { key, .. } => vec![format!(
                "correct {key} in the file; `muster-agent config show` prints what is in force"
            )],
            Self::Write { .. } => vec!["run the command as root (administrator)".to_owned()],
            Self::TooLarge(_) | Self::Read(_) => Vec::new(),
        }
    }
}

/// Every key of the file, in the order of the documentation.
const KEYS: [&str; 23] = [
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
    "signers",
    "allow_remote_reboot",
    "allow_remote_shutdown",
];

/// The file as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
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
    signers: BTreeMap<String, SignerRule>,
    #[serde(rename = "allow_remote_reboot")]
    allow_reboot: Option<bool>,
    #[serde(rename = "allow_remote_shutdown")]
    allow_shutdown: Option<bool>,
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
            signers: BTreeMap::new(),
            allow_reboot: false,
            allow_shutdown: false,
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
        let syntax = |source| ConfigError::Syntax {
            path: path.to_path_buf(),
            source: Box::new(source),
        };
        let table: toml::Table = toml::from_str(text).map_err(syntax)?;
        let file: File = toml::from_str(text).map_err(syntax)?;
        let value = |key, value: &str, rule| ConfigError::Value {
            path: path.to_path_buf(),
            key,
            value: value.to_owned(),
            rule,
        };
        let url = |key, text: Option<String>| -> Result<Option<String>, ConfigError> {
            let Some(text) = text else { return Ok(None) };
            let trimmed = text.trim().trim_end_matches('/');
            if trimmed.is_empty() {
                return Ok(None);
            }
            if trimmed.starts_with("https://") || (key == "http_proxy" && trimmed.starts_with("http://")) {
                return Ok(Some(trimmed.to_owned()));
            }
            Err(value(key, &text, "must begin with https://"))
        };
        let period = |key, text: Option<String>, default: Duration| -> Result<Duration, ConfigError> {
            let Some(text) = text else { return Ok(default) };
            parse_period(&text)
                .filter(|period| *period >= Duration::from_secs(1))
                .ok_or_else(|| value(key, &text, "must be a duration such as 90s, 30m, 2h, 1d or 1w"))
        };
        let default = Self::default();
        let server_pin = match file.server_pin.as_deref().map(str::trim) {
            None | Some("") => None,
            Some(pin) => {
                let pin = pin.replace(':', "").to_ascii_lowercase();
                if pin.len() != 64 || !pin.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    return Err(value(
                        "server_pin",
                        &pin,
                        "must be the 64 hexadecimal digits of a SHA-256",
                    ));
                }
                Some(pin)
            }
        };
        let verify_cert = match file.verify_cert {
            None | Some(VerifyCertValue::Flag(true)) => VerifyCert::System,
            Some(VerifyCertValue::Flag(false)) => {
                return Err(value(
                    "verify_cert",
                    "false",
                    "is not offered: an unchecked server could delay this machine unseen; set server_pin instead",
                ));
            }
            Some(VerifyCertValue::Path(path)) => VerifyCert::Bundle(path),
        };
        let uuid = match file.uuid {
            Some(uuid) if uuid.trim().is_empty() => None,
            Some(uuid) if !is_identifier(&uuid) => {
                return Err(value(
                    "uuid",
                    &uuid,
                    "must be 1 to 64 characters of 0-9 A-Z a-z . _ -",
                ));
            }
            uuid => uuid,
        };
        let crl_urls = file.crl_urls.unwrap_or_default();
        // Lists are signed: plain HTTP is what their publishers use.
        let is_web = |url: &&String| url.starts_with("https://") || url.starts_with("http://");
        if let Some(bad) = crl_urls.iter().find(|url| !is_web(url)) {
            return Err(value("crl_urls", bad, "must begin with https:// or http://"));
        }
        let mut signers = BTreeMap::new();
        for (fingerprint, rule) in file.signers {
            let normal = fingerprint.replace(':', "").to_ascii_lowercase();
            if normal.len() != 64 || !normal.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(value(
                    "signers",
                    &fingerprint,
                    "must be the SHA-256 fingerprint of a certificate, 64 hexadecimal digits",
                ));
            }
            signers.insert(normal, rule);
        }
        Ok(Self {
            server: url("wapt_server", file.server)?,
            server_pin,
            verify_cert,
            repo_url: url("repo_url", file.repo_url)?,
            uuid,
            use_fqdn_as_uuid: file.use_fqdn_as_uuid.unwrap_or(default.use_fqdn_as_uuid),
            fake_hostname: file.fake_hostname.filter(|name| !name.trim().is_empty()),
            use_hostpackages: file.use_hostpackages.unwrap_or(default.use_hostpackages),
            update_every: period("waptupdate_task_period", file.update_every, default.update_every)?,
            maturities: file.maturities.unwrap_or(default.maturities),
            locales: file.locales.unwrap_or(default.locales),
            packages_whitelist: file.packages_whitelist.unwrap_or(default.packages_whitelist),
            packages_blacklist: file.packages_blacklist.unwrap_or(default.packages_blacklist),
            script_timeout: period("script_timeout", file.script_timeout, default.script_timeout)?,
            script_idle_timeout: period(
                "script_idle_timeout",
                file.script_idle_timeout,
                default.script_idle_timeout,
            )?,
            python: file.python,
            http_proxy: url("http_proxy", file.http_proxy)?,
            download_limit_mib: file.download_limit_mib,
            description: file.description,
            crl_urls,
            signers,
            allow_reboot: file.allow_reboot.unwrap_or(default.allow_reboot),
            allow_shutdown: file.allow_shutdown.unwrap_or(default.allow_shutdown),
            set_keys: table.keys().cloned().collect(),
        })
    }

    /// The repository's address: the configured one, or the server's `/wapt`.
    pub fn repository_url(&self) -> Option<String> {
        self.repo_url
            .clone()
            .or_else(|| self.server.as_ref().map(|server| format!("{server}/wapt")))
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
        KEYS.iter()
            .map(|key| ShownValue {
                key,
                value: self.value_of(key),
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
            "http_proxy" => json!(self.http_proxy),
            "download_limit_mib" => json!(self.download_limit_mib),
            "description" => json!(self.description),
            "crl_urls" => json!(self.crl_urls),
            "signers" => json!(self.signers),
            "allow_remote_reboot" => json!(self.allow_reboot),
            "allow_remote_shutdown" => json!(self.allow_shutdown),
            _ => serde_json::Value::Null,
        }
    }
}

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

/// Writes a file so that a reader sees the old or the new content, never a part.
fn replace_file(path: &Path, content: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let folder = path.parent().unwrap_or(Path::new("."));
    fs_err::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
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
                .all(|value| value.key == "wapt_server" || KEYS.contains(&value.key))
        );
    }

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
