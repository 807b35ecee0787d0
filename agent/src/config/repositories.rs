//! Where packages come from: the main repository, further ones, and how each of them is reached.
//!
//! The main repository is called `wapt`; its address is the top-level `repo_url`, else the server's. What
//! `[repository.wapt]` sets holds for it alone, and what stands at the top level for every repository that does not
//! say otherwise, but for the server's pin, which belongs to the server.

use std::path::PathBuf;
use std::time::Duration;

use muster_shared::rules::repository::MAIN_REPOSITORY;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ConfigError, ConfigFile, Topic, VerifyCert, VerifyCertValue};

/// The most repositories beside the main one.
const MAX_REPOSITORIES: usize = 50;

/// Megabits a second that a limit of bandwidth may be: below, no download would ever end.
const BANDWIDTH: std::ops::RangeInclusive<f64> = 0.1..=1_000_000.0;

/// A certificate that this machine shows to web servers, with its key, as PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// What is set for one repository; what is not set is as at the top level.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepositorySettings {
    pub name: String,
    pub repo_url: Option<String>,
    pub http_proxy: Option<String>,
    pub use_http_proxy_for_repo: Option<bool>,
    pub server_pin: Option<String>,
    pub verify_cert: Option<VerifyCert>,
    pub timeout: Option<Duration>,
    /// The only certificates that its packages may be signed by, when it has a folder of its own.
    pub public_certs_dir: Option<PathBuf>,
    pub client_certificate: Option<ClientCertificate>,
    /// Bytes a second.
    pub limit_bandwidth: Option<u64>,
    pub packages_whitelist: Option<Vec<String>>,
    pub packages_blacklist: Option<Vec<String>>,
    pub maturities: Option<Vec<String>>,
}

/// The repositories of this agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repositories {
    /// What is set for the main one alone.
    pub main: RepositorySettings,
    /// The further ones, in the order of `repositories`.
    pub others: Vec<RepositorySettings>,
    /// Signed rules may name other addresses.
    pub use_repo_rules: bool,
    pub use_http_proxy_for_repo: bool,
    pub use_http_proxy_for_server: bool,
    /// How long a repository may take to begin its answer.
    pub timeout: Duration,
    pub client_certificate: Option<ClientCertificate>,
    /// Bytes a second, of all downloads together.
    pub limit_bandwidth: Option<u64>,
    /// The most that downloaded packages may take, in MiB.
    pub cache_size_mib: u64,
    /// A downloaded package that nothing touched for so many days goes.
    pub cache_days: u64,
    /// Never filled by downloads, in MiB.
    pub disk_reserve_mib: u64,
    /// The tables as written, for `config show`.
    tables: Value,
}

impl Default for Repositories {
    fn default() -> Self {
        Self {
            main: RepositorySettings {
                name: MAIN_REPOSITORY.to_owned(),
                ..RepositorySettings::default()
            },
            others: Vec::new(),
            use_repo_rules: false,
            use_http_proxy_for_repo: true,
            use_http_proxy_for_server: true,
            timeout: Duration::from_mins(1),
            client_certificate: None,
            limit_bandwidth: None,
            cache_size_mib: 8 * 1024,
            cache_days: 30,
            disk_reserve_mib: 512,
            tables: json!({}),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Keys {
    repositories: Vec<String>,
    repository: toml::Table,
    use_repo_rules: Option<bool>,
    use_http_proxy_for_repo: Option<bool>,
    use_http_proxy_for_server: Option<bool>,
    timeout: Option<String>,
    client_certificate: Option<PathBuf>,
    client_private_key: Option<PathBuf>,
    limit_bandwidth: Option<f64>,
    cache_size_mib: Option<u64>,
    cache_days: Option<u64>,
    disk_reserve_mib: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Table {
    repo_url: Option<String>,
    http_proxy: Option<String>,
    use_http_proxy_for_repo: Option<bool>,
    server_pin: Option<String>,
    verify_cert: Option<VerifyCertValue>,
    timeout: Option<String>,
    public_certs_dir: Option<PathBuf>,
    client_certificate: Option<PathBuf>,
    client_private_key: Option<PathBuf>,
    limit_bandwidth: Option<f64>,
    packages_whitelist: Option<Vec<String>>,
    packages_blacklist: Option<Vec<String>>,
    maturities: Option<Vec<String>>,
}

impl Topic for Repositories {
    const KEYS: &'static [&'static str] = &[
        "repositories",
        "repository",
        "use_repo_rules",
        "use_http_proxy_for_repo",
        "use_http_proxy_for_server",
        "timeout",
        "client_certificate",
        "client_private_key",
        "limit_bandwidth",
        "cache_size_mib",
        "cache_days",
        "disk_reserve_mib",
    ];

    fn read(keys: toml::Table, file: &ConfigFile<'_>) -> Result<Self, ConfigError> {
        let keys: Keys = file.keys(keys)?;
        let default = Self::default();
        let tables = shown_tables(&keys.repository);
        let mut tables_left = keys.repository;
        let mut main = settings(file, MAIN_REPOSITORY, tables_left.remove(MAIN_REPOSITORY))?;
        MAIN_REPOSITORY.clone_into(&mut main.name);
        if main.repo_url.is_some() {
            return Err(file.bad(
                "repository",
                MAIN_REPOSITORY,
                "is the main repository, whose address is the repo_url at the top level",
            ));
        }
        let mut others: Vec<RepositorySettings> = Vec::new();
        for name in keys.repositories {
            if name == MAIN_REPOSITORY {
                continue;
            }
            if !is_name(&name) {
                return Err(file.bad(
                    "repositories",
                    &name,
                    "must be names of 1 to 32 characters of 0-9 a-z _ -",
                ));
            }
            if others.iter().any(|other| other.name == name) || others.len() >= MAX_REPOSITORIES {
                return Err(file.bad("repositories", &name, "is named twice, or too many are named"));
            }
            let one = settings(file, &name, tables_left.remove(&name))?;
            if one.repo_url.is_none() {
                return Err(file.bad(
                    "repositories",
                    &name,
                    "needs a table [repository.NAME] with a repo_url",
                ));
            }
            others.push(one);
        }
        if let Some((name, _table)) = tables_left.iter().next() {
            return Err(file.bad(
                "repository",
                name,
                "is not named in repositories, so it would never be asked",
            ));
        }
        Ok(Self {
            main,
            others,
            use_repo_rules: keys.use_repo_rules.unwrap_or(default.use_repo_rules),
            use_http_proxy_for_repo: keys
                .use_http_proxy_for_repo
                .unwrap_or(default.use_http_proxy_for_repo),
            use_http_proxy_for_server: keys
                .use_http_proxy_for_server
                .unwrap_or(default.use_http_proxy_for_server),
            timeout: match keys.timeout {
                Some(text) => file.period("timeout", &text)?,
                None => default.timeout,
            },
            client_certificate: client(file, keys.client_certificate, keys.client_private_key)?,
            limit_bandwidth: bandwidth(file, keys.limit_bandwidth)?,
            cache_size_mib: keys.cache_size_mib.unwrap_or(default.cache_size_mib),
            cache_days: keys.cache_days.unwrap_or(default.cache_days),
            disk_reserve_mib: keys.disk_reserve_mib.unwrap_or(default.disk_reserve_mib),
            tables,
        })
    }

    fn shown(&self) -> Vec<(&'static str, Value)> {
        let client = self.client_certificate.as_ref();
        let names: Vec<&str> = self.others.iter().map(|other| other.name.as_str()).collect();
        vec![
            ("repositories", json!(names)),
            ("repository", self.tables.clone()),
            ("use_repo_rules", json!(self.use_repo_rules)),
            ("use_http_proxy_for_repo", json!(self.use_http_proxy_for_repo)),
            ("use_http_proxy_for_server", json!(self.use_http_proxy_for_server)),
            ("timeout", json!(format!("{}s", self.timeout.as_secs()))),
            (
                "client_certificate",
                json!(client.map(|client| &client.certificate)),
            ),
            ("client_private_key", json!(client.map(|client| &client.key))),
            ("limit_bandwidth", json!(self.limit_bandwidth.map(megabits))),
            ("cache_size_mib", json!(self.cache_size_mib)),
            ("cache_days", json!(self.cache_days)),
            ("disk_reserve_mib", json!(self.disk_reserve_mib)),
        ]
    }
}

impl Repositories {
    /// What is set for a repository.
    pub fn settings(&self, name: &str) -> Option<&RepositorySettings> {
        if name == MAIN_REPOSITORY {
            return Some(&self.main);
        }
        self.others.iter().find(|other| other.name == name)
    }
}

fn settings(
    file: &ConfigFile<'_>,
    name: &str,
    table: Option<toml::Value>,
) -> Result<RepositorySettings, ConfigError> {
    let table: Table = match table {
        Some(toml::Value::Table(table)) => file.keys(table)?,
        Some(_other) => return Err(file.bad("repository", name, "must be a table [repository.NAME]")),
        None => Table::default(),
    };
    Ok(RepositorySettings {
        name: name.to_owned(),
        repo_url: file.https("repo_url", table.repo_url)?,
        http_proxy: file.proxy("http_proxy", table.http_proxy)?,
        use_http_proxy_for_repo: table.use_http_proxy_for_repo,
        server_pin: match table.server_pin.as_deref() {
            None | Some("") => None,
            Some(pin) => Some(file.sha256("server_pin", pin)?),
        },
        verify_cert: table
            .verify_cert
            .map(|value| file.verify_cert(Some(value)))
            .transpose()?,
        timeout: table
            .timeout
            .map(|text| file.period("timeout", &text))
            .transpose()?,
        public_certs_dir: table.public_certs_dir,
        client_certificate: client(file, table.client_certificate, table.client_private_key)?,
        limit_bandwidth: bandwidth(file, table.limit_bandwidth)?,
        packages_whitelist: table.packages_whitelist,
        packages_blacklist: table.packages_blacklist,
        maturities: table.maturities,
    })
}

/// Names become parts of file names, also on systems that do not tell cases apart.
fn is_name(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-'))
}

fn client(
    file: &ConfigFile<'_>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
) -> Result<Option<ClientCertificate>, ConfigError> {
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some(ClientCertificate { certificate, key })),
        (Some(certificate), None) => Err(file.bad(
            "client_certificate",
            &certificate.to_string_lossy(),
            "needs client_private_key beside it",
        )),
        (None, Some(key)) => Err(file.bad(
            "client_private_key",
            &key.to_string_lossy(),
            "needs client_certificate beside it",
        )),
    }
}

/// Megabits a second as bytes a second.
fn bandwidth(file: &ConfigFile<'_>, megabits: Option<f64>) -> Result<Option<u64>, ConfigError> {
    match megabits {
        None => Ok(None),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within the bounds checked"
        )]
        Some(megabits) if BANDWIDTH.contains(&megabits) => Ok(Some((megabits * 125_000.0) as u64)),
        Some(megabits) => Err(file.bad(
            "limit_bandwidth",
            &megabits.to_string(),
            "must be megabits a second, at least 0.1",
        )),
    }
}

fn megabits(bytes_a_second: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below the limits of a float")]
    let bytes = bytes_a_second as f64;
    bytes / 125_000.0
}

/// The tables without the passwords of their proxies.
fn shown_tables(tables: &toml::Table) -> Value {
    let mut shown = serde_json::to_value(tables).unwrap_or_default();
    let each = shown
        .as_object_mut()
        .into_iter()
        .flat_map(|tables| tables.values_mut());
    for table in each {
        if let Some(Value::String(proxy)) = table.get_mut("http_proxy") {
            *proxy = crate::server_client::without_password(proxy);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, std::path::Path::new("agent.toml"))
    }

    #[test]
    fn further_repositories_have_tables_of_their_own() {
        let config = parse(
            r#"
            repo_url = "https://main.example/wapt"
            repositories = ["extra", "lab"]
            limit_bandwidth = 8
            [repository.extra]
            repo_url = "https://extra.example/wapt/"
            limit_bandwidth = 0.5
            timeout = "5s"
            packages_whitelist = ["extra-*"]
            verify_cert = "/etc/ssl/extra.pem"
            [repository.lab]
            repo_url = "https://lab.example/wapt"
            maturities = ["DEV"]
            client_certificate = "/c.crt"
            client_private_key = "/c.pem"
            [repository.wapt]
            packages_blacklist = ["*-test"]
            "#,
        )
        .unwrap();
        let repositories = &config.repositories;
        assert_eq!(repositories.limit_bandwidth, Some(1_000_000));
        let extra = repositories.settings("extra").unwrap();
        assert_eq!(extra.repo_url.as_deref(), Some("https://extra.example/wapt"));
        assert_eq!(extra.limit_bandwidth, Some(62_500));
        assert_eq!(extra.timeout, Some(Duration::from_secs(5)));
        assert_eq!(
            extra.verify_cert,
            Some(VerifyCert::Bundle("/etc/ssl/extra.pem".into()))
        );
        let lab = repositories.settings("lab").unwrap();
        assert_eq!(lab.maturities.as_deref(), Some(&["DEV".to_owned()][..]));
        assert!(lab.client_certificate.is_some());
        let main = repositories.settings(MAIN_REPOSITORY).unwrap();
        assert_eq!(
            main.packages_blacklist.as_deref(),
            Some(&["*-test".to_owned()][..])
        );
    }

    #[test]
    fn what_could_not_be_meant_is_refused_with_the_key() {
        for (text, word) in [
            ("repositories = [\"a\"]", "repo_url"),
            ("repositories = [\"../a\"]", "repositories"),
            ("repositories = [\"Extra\"]", "repositories"),
            (
                "[repository.a]\nrepo_url = \"https://a/wapt\"",
                "not named in repositories",
            ),
            (
                "[repository.wapt]\nrepo_url = \"https://a/wapt\"",
                "main repository",
            ),
            (
                "repositories = [\"a\"]\n[repository.a]\nrepo_url = \"http://a\"",
                "https://",
            ),
            (
                "repositories = [\"a\"]\n[repository.a]\nrepo_url = \"https://a\"\nverify_cert = false",
                "verify_cert",
            ),
            (
                "repositories = [\"a\"]\n[repository.a]\nrepo_ulr = \"https://a\"",
                "repo_ulr",
            ),
            ("client_certificate = \"/a\"", "client_private_key"),
            ("limit_bandwidth = 0", "limit_bandwidth"),
            ("timeout = \"soon\"", "timeout"),
        ] {
            let error = muster_shared::hint::chain(&parse(text).unwrap_err());
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_shown_has_no_password() {
        let config = parse(
            "repositories = [\"a\"]\n[repository.a]\nrepo_url = \"https://a/wapt\"\nhttp_proxy = \"http://ann:secret@p:3128\"",
        )
        .unwrap();
        let shown = serde_json::to_string(&config.repositories.shown()).unwrap();
        assert!(
            shown.contains("http://p:3128") && !shown.contains("secret"),
            "{shown}"
        );
    }
}
