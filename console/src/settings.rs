//! What a person keeps between two runs: known servers with their pins, the signer in use, sessions.
//!
//! Lives in the user's configuration folder. Passwords and PINs are never kept. A session's token is kept
//! in a file of its own, readable by the user only.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use muster_shared::crypto::tls::ServerAddress;
use muster_shared::hint::Hint;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::admin::signer::SignerChoice;

/// Names the folder of the settings, in place of the usual one.
pub const CONFIG_DIR_VARIABLE: &str = "MUSTER_CONFIG_DIR";
const FILE: &str = "console.toml";

/// Why the settings could not be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("this user has no folder for settings")]
    NoFolder,
    #[error("cannot read the settings")]
    Read { source: std::io::Error },
    #[error("cannot understand the settings in {path}: {reason}")]
    Parse { path: PathBuf, reason: String },
    #[error("cannot write the settings")]
    Write { source: std::io::Error },
}

impl Hint for SettingsError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::NoFolder => vec![format!("name one with --config-dir or {CONFIG_DIR_VARIABLE}")],
            Self::Parse { path, .. } => vec![format!("correct or remove {}", path.display())],
            Self::Read { .. } | Self::Write { .. } => {
                vec!["check the free space and the permissions of the settings folder".to_owned()]
            }
        }
    }
}

/// The settings of one person.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Root address of the server in use: a key of `servers`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Prefix of this organisation's packages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Written as `maintainer` into new packages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintainer: Option<String>,
    /// PKCS#11 libraries in which tokens are looked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<SignerChoice>,
    /// Folder of the package sources that this person works on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sources_root: Option<PathBuf>,
    /// Other repositories that packages are imported from, by the name given to them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub import_sources: BTreeMap<String, ImportSource>,
    /// By root address.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub servers: BTreeMap<String, KnownServer>,
    /// What a newer version or the window keeps here.
    #[serde(flatten)]
    pub others: BTreeMap<String, toml::Value>,
}

/// A server that this person has signed in to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KnownServer {
    pub host: String,
    pub port: u16,
    /// Hex SHA-256 of its certificate or of its CA; absent when the system's roots vouch for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// Who signed in last.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
}

/// Another repository that packages are imported from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImportSource {
    /// Its address, or its folder.
    pub address: String,
    /// Folder of the certificates of its signers; its packages are imported unverified without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust: Option<PathBuf>,
    /// PEM file of the CA that issued its TLS certificate, when the system does not know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Hex SHA-256 of its TLS certificate or of its CA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
}

impl KnownServer {
    /// The server at an address.
    pub fn new(address: &ServerAddress, user: &str) -> Self {
        Self {
            host: address.host.clone(),
            port: address.port,
            pin: address.pin.clone(),
            user: user.to_owned(),
        }
    }

    /// Its address, with the pin.
    pub fn address(&self) -> ServerAddress {
        ServerAddress {
            host: self.host.clone(),
            port: self.port,
            pin: self.pin.clone(),
        }
    }
}

/// A session kept between two runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeptSession {
    /// Root address of the server that it is for.
    pub server: String,
    pub user: String,
    pub expires_at: Timestamp,
    #[serde(serialize_with = "expose")]
    pub token: SecretString,
}

fn expose<S: serde::Serializer>(token: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(token.expose_secret())
}

/// The folder that holds a person's settings.
#[derive(Debug, Clone)]
pub struct SettingsFolder(PathBuf);

impl SettingsFolder {
    /// The folder named, else the one in `MUSTER_CONFIG_DIR`, else the system's usual place.
    ///
    /// # Errors
    /// [`SettingsError::NoFolder`] when the system names none.
    pub fn find(named: Option<&Path>) -> Result<Self, SettingsError> {
        if let Some(path) = named {
            return Ok(Self(path.to_owned()));
        }
        let variable = |name: &str| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        if let Some(path) = variable(CONFIG_DIR_VARIABLE) {
            return Ok(Self(path));
        }
        let usual = if cfg!(windows) {
            variable("APPDATA").map(|base| base.join("Muster"))
        } else {
            variable("XDG_CONFIG_HOME")
                .or_else(|| variable("HOME").map(|home| home.join(".config")))
                .map(|base| base.join("muster"))
        };
        usual.map(Self).ok_or(SettingsError::NoFolder)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The settings, empty ones when none were kept yet.
    ///
    /// # Errors
    /// The file is there and cannot be read or understood.
    pub fn load(&self) -> Result<Settings, SettingsError> {
        let path = self.0.join(FILE);
        match fs_err::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).map_err(|error| SettingsError::Parse {
                path,
                reason: error.to_string().trim_end().to_owned(),
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Settings::default()),
            Err(source) => Err(SettingsError::Read { source }),
        }
    }

    /// Keeps the settings: the old file stays whole until the new one is.
    ///
    /// # Errors
    /// The folder cannot be made or written.
    pub fn save(&self, settings: &Settings) -> Result<(), SettingsError> {
        let path = self.0.join(FILE);
        let text = toml::to_string_pretty(settings).map_err(|error| SettingsError::Parse {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        self.write(&path, text.as_bytes())
    }

    /// The session kept for a server, unless it has expired by `now`.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn session(&self, server: &str, now: Timestamp) -> Result<Option<KeptSession>, SettingsError> {
        let path = self.session_path(server);
        let text = match fs_err::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(SettingsError::Read { source }),
        };
        let session: KeptSession = serde_json::from_str(&text).map_err(|error| SettingsError::Parse {
            path,
            reason: error.to_string(),
        })?;
        Ok(Some(session).filter(|session| session.server == server && session.expires_at > now))
    }

    /// Keeps a session, readable by this user only.
    ///
    /// # Errors
    /// The folder cannot be made or written.
    pub fn keep_session(&self, session: &KeptSession) -> Result<(), SettingsError> {
        let path = self.session_path(&session.server);
        let text = serde_json::to_vec(session).map_err(|error| SettingsError::Parse {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        self.write(&path, &text)
    }

    /// Forgets the session of a server.
    ///
    /// # Errors
    /// The file is there and cannot be removed.
    pub fn forget_session(&self, server: &str) -> Result<(), SettingsError> {
        match fs_err::remove_file(self.session_path(server)) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(SettingsError::Write { source })
            }
            _gone => Ok(()),
        }
    }

    fn session_path(&self, server: &str) -> PathBuf {
        let name: String = server
            .trim_start_matches("https://")
            .chars()
            .map(|letter| {
                if letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-') {
                    letter
                } else {
                    '_'
                }
            })
            .collect();
        self.0.join(format!("session-{name}.json"))
    }

    /// Temporary file, then rename. `tempfile` makes files that only their owner can read.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), SettingsError> {
        let kept = || -> std::io::Result<()> {
            fs_err::create_dir_all(&self.0)?;
            let mut file = tempfile::NamedTempFile::new_in(&self.0)?;
            file.write_all(bytes)?;
            file.as_file().sync_all()?;
            file.persist(path).map_err(|error| error.error)?;
            Ok(())
        };
        kept().map_err(|source| SettingsError::Write { source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, SettingsFolder) {
        let dir = tempfile::tempdir().unwrap();
        let folder = SettingsFolder::find(Some(&dir.path().join("deep/muster"))).unwrap();
        (dir, folder)
    }

    #[test]
    fn settings_come_back_with_what_this_version_does_not_know() {
        let (_dir, folder) = folder();
        assert_eq!(folder.load().unwrap(), Settings::default());
        let address = ServerAddress::parse(&format!(
            "muster://srv.example.org:8443#sha256={}",
            "ab".repeat(32)
        ))
        .unwrap();
        let mut settings = Settings {
            server: Some(address.base_url()),
            prefix: Some("demo".into()),
            signer: Some(SignerChoice::KeyFile {
                certificate: "me.crt".into(),
                key: "me.pem".into(),
            }),
            ..Settings::default()
        };
        settings
            .servers
            .insert(address.base_url(), KnownServer::new(&address, "admin"));
        settings.others.insert("window".into(), toml::Value::Integer(7));
        folder.save(&settings).unwrap();
        let read = folder.load().unwrap();
        assert_eq!(read, settings);
        assert_eq!(
            read.servers[&address.base_url()].address().base_url(),
            address.base_url()
        );
    }

    #[test]
    fn a_session_is_private_and_gone_when_expired_or_forgotten() {
        let (_dir, folder) = folder();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let session = KeptSession {
            server: "https://srv:8443".into(),
            user: "admin".into(),
            expires_at: at("2026-01-02T00:00:00Z"),
            token: SecretString::from("secret-token".to_owned()),
        };
        folder.keep_session(&session).unwrap();
        let kept = folder
            .session("https://srv:8443", at("2026-01-01T00:00:00Z"))
            .unwrap()
            .unwrap();
        assert_eq!(kept.token.expose_secret(), "secret-token");
        assert!(!format!("{kept:?}").contains("secret-token"));
        assert!(
            folder
                .session("https://srv:8443", at("2026-01-03T00:00:00Z"))
                .unwrap()
                .is_none()
        );
        assert!(
            folder
                .session("https://other", at("2026-01-01T00:00:00Z"))
                .unwrap()
                .is_none()
        );
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs_err::metadata(folder.path().join("session-srv_8443.json"))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        folder.forget_session("https://srv:8443").unwrap();
        folder.forget_session("https://srv:8443").unwrap();
        assert!(
            folder
                .session("https://srv:8443", at("2026-01-01T00:00:00Z"))
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn broken_settings_are_named_and_kept() {
        let (_dir, folder) = folder();
        fs_err::create_dir_all(folder.path()).unwrap();
        fs_err::write(folder.path().join(FILE), "server = [").unwrap();
        let error = folder.load().unwrap_err();
        assert!(error.to_string().contains("console.toml"), "{error}");
        assert_eq!(error.hints().len(), 1);
    }
}
