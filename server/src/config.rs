//! The server's settings: `server.toml`, with unknown keys refused, and flags over it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::layout::DataFolder;

/// Where the settings are unless `--config` names another file.
pub const DEFAULT_CONFIG: &str = "/etc/muster/server.toml";

/// Where the server keeps everything unless `data` names another folder.
pub const DEFAULT_DATA: &str = "/var/lib/muster-server";

/// The port of the public address when nothing else is said.
pub const DEFAULT_PORT: u16 = 443;

/// The settings in force.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// The name that agents and consoles reach the server by.
    pub name: String,
    /// The port that they reach it by, when a proxy or a forward stands in front.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_port: Option<u16>,
    #[serde(default = "default_data")]
    pub data: PathBuf,
    /// Takes hosts without any proof, marked as such.
    #[serde(default)]
    pub open_registration: bool,
    /// How long a sign-in holds.
    #[serde(default = "default_session_hours")]
    pub session_hours: u32,
    #[serde(default = "default_upload_limit_mib")]
    pub upload_limit_mib: u64,
    /// Sends each host its own package encrypted to the certificate that the host reported.
    #[serde(default)]
    pub encrypt_host_packages: bool,
    /// Certificates whose signatures uploads and actions must carry; `DATA/trust` unless told otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted_signers: Option<PathBuf>,
}

/// The settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the settings {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the settings {path} cannot be understood: {reason}")]
    Parse { path: PathBuf, reason: String },
    #[error("the settings {path} give {key} the value {value:?}, but {rule}")]
    Value {
        path: PathBuf,
        key: &'static str,
        value: String,
        rule: &'static str,
    },
}

impl muster_shared::hint::Hint for ConfigError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                vec!["run `muster-server init --name NAME` first, or name the file with --config".to_owned()]
            }
            Self::Read { .. } => vec!["run it as the account that the server runs as".to_owned()],
            Self::Parse { .. } | Self::Value { .. } => {
                vec![
                    "the keys are listen, name, public_port, data, open_registration, session_hours, upload_limit_mib, \
                     encrypt_host_packages and trusted_signers; `muster-server check` shows what is in force"
                        .to_owned(),
                ]
            }
        }
    }
}

impl Config {
    /// Settings with this public name and everything else as it is unless told otherwise.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            listen: default_listen(),
            name: name.into(),
            public_port: None,
            data: default_data(),
            open_registration: false,
            session_hours: default_session_hours(),
            upload_limit_mib: default_upload_limit_mib(),
            encrypt_host_packages: false,
            trusted_signers: None,
        }
    }

    /// Reads the file; paths in it are taken below `root` when one is given.
    ///
    /// # Errors
    /// The file cannot be read, has an unknown key or a value that breaks a rule.
    pub fn read(path: &Path, root: Option<&Path>) -> Result<Self, ConfigError> {
        let text = fs_err::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let mut config: Self = toml::from_str(&text).map_err(|error| ConfigError::Parse {
            path: path.to_owned(),
            reason: error.to_string().trim_end().to_owned(),
        })?;
        config.check(path)?;
        config.data = below(root, &config.data);
        config.trusted_signers = config.trusted_signers.map(|folder| below(root, &folder));
        Ok(config)
    }

    /// The settings as a file that [`Config::read`] reads.
    pub fn to_toml(&self) -> String {
        let values = toml::to_string(self).expect("plain values always serialise");
        format!("# Settings of muster-server. `muster-server check` shows what is in force.\n{values}")
    }

    /// The data folder.
    pub fn data_folder(&self) -> DataFolder {
        DataFolder::new(&self.data)
    }

    /// The folder of trusted signers.
    pub fn signers_folder(&self) -> PathBuf {
        self.trusted_signers
            .clone()
            .unwrap_or_else(|| self.data_folder().trust())
    }

    /// The largest package taken, in bytes.
    pub fn upload_limit_bytes(&self) -> u64 {
        self.upload_limit_mib.saturating_mul(1024 * 1024)
    }

    fn check(&self, path: &Path) -> Result<(), ConfigError> {
        let refuse = |key, value: &dyn ToString, rule| {
            Err(ConfigError::Value {
                path: path.to_owned(),
                key,
                value: value.to_string(),
                rule,
            })
        };
        if !is_host_name(&self.name) {
            return refuse("name", &self.name, "it must be a host name or an address");
        }
        if !(1..=24 * 30).contains(&self.session_hours) {
            return refuse("session_hours", &self.session_hours, "it must be from 1 to 720");
        }
        if !(1..=65_536).contains(&self.upload_limit_mib) {
            return refuse(
                "upload_limit_mib",
                &self.upload_limit_mib,
                "it must be from 1 to 65536",
            );
        }
        if self.public_port == Some(0) {
            return refuse("public_port", &0, "a public port is never 0");
        }
        Ok(())
    }
}

/// A path below the root folder of this installation, if there is one.
pub fn below(root: Option<&Path>, path: &Path) -> PathBuf {
    match root {
        None => path.to_owned(),
        Some(root) => {
            let mut below = root.to_owned();
            for part in path.components() {
                if let std::path::Component::Normal(part) = part {
                    below.push(part);
                }
            }
            below
        }
    }
}

/// A DNS name, or an IPv4 or IPv6 address.
pub fn is_host_name(name: &str) -> bool {
    name.parse::<std::net::IpAddr>().is_ok()
        || (!name.is_empty()
            && name.len() <= 253
            && name.split('.').all(|label| {
                !label.is_empty()
                    && label.len() <= 63
                    && !label.starts_with('-')
                    && !label.ends_with('-')
                    && label
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            }))
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], DEFAULT_PORT))
}

fn default_data() -> PathBuf {
    PathBuf::from(DEFAULT_DATA)
}

fn default_session_hours() -> u32 {
    12
}

fn default_upload_limit_mib() -> u64 {
    4096
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.toml");
        fs_err::write(&path, text).unwrap();
        Config::read(&path, None)
    }

    #[test]
    fn only_the_name_is_needed() {
        let config = read("name = \"srv.example.org\"\n").unwrap();
        assert_eq!(config.listen.port(), 443);
        assert_eq!(config.signers_folder(), Path::new("/var/lib/muster-server/trust"));
        assert!(!config.open_registration);
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error = read("name = \"srv\"\nopen_registation = true\n").unwrap_err();
        assert!(error.to_string().contains("open_registation"), "{error}");
    }

    #[test]
    fn values_out_of_range_are_refused_with_the_rule() {
        let error = read("name = \"srv\"\nsession_hours = 0\n").unwrap_err();
        assert!(error.to_string().contains("from 1 to 720"), "{error}");
        assert!(read("name = \"no spaces\"\n").is_err());
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut config = Config::new("srv.example.org");
        config.public_port = Some(8443);
        assert_eq!(read(&config.to_toml()).unwrap().public_port, Some(8443));
    }

    #[test]
    fn every_path_goes_below_the_root() {
        assert_eq!(
            below(Some(Path::new("/tmp/r")), Path::new("/var/lib/muster-server")),
            Path::new("/tmp/r/var/lib/muster-server")
        );
        assert_eq!(below(None, Path::new("/var")), Path::new("/var"));
    }
}
