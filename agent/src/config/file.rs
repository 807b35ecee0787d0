//! A configuration file while it is read: its values checked, with the key named in what is said of a bad one.

use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::{ConfigError, VerifyCert, VerifyCertValue};
use crate::schedule::parse_period;
use crate::server_client::without_password;

/// Some keys of the file that belong together.
pub(super) trait Topic: Sized + Default {
    /// The keys, in the order of the documentation.
    const KEYS: &'static [&'static str];

    /// Reads its keys; `keys` holds no others.
    fn read(keys: toml::Table, file: &ConfigFile<'_>) -> Result<Self, ConfigError>;

    /// Every key with its value in force.
    fn shown(&self) -> Vec<(&'static str, serde_json::Value)>;
}

/// The file, for what is said of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConfigFile<'a> {
    pub path: &'a Path,
}

impl ConfigFile<'_> {
    /// Takes the keys of a topic out of the table and reads them.
    pub(super) fn topic<T: Topic>(&self, table: &mut toml::Table) -> Result<T, ConfigError> {
        let mut keys = toml::Table::new();
        for key in T::KEYS {
            if let Some(value) = table.remove(*key) {
                keys.insert((*key).to_owned(), value);
            }
        }
        T::read(keys, self)
    }

    /// A table as the fields of a type.
    pub(super) fn keys<T: DeserializeOwned>(&self, table: toml::Table) -> Result<T, ConfigError> {
        toml::Value::Table(table)
            .try_into()
            .map_err(|source| ConfigError::Syntax {
                path: self.path.to_path_buf(),
                source: Box::new(source),
            })
    }

    /// The error about a value.
    pub(super) fn bad(&self, key: &'static str, value: &str, rule: &'static str) -> ConfigError {
        ConfigError::Value {
            path: self.path.to_path_buf(),
            key,
            value: value.to_owned(),
            rule,
        }
    }

    /// An address that begins with one of the schemes; nothing when it is empty.
    pub(super) fn url(
        &self,
        key: &'static str,
        text: Option<String>,
        schemes: &[&str],
        rule: &'static str,
    ) -> Result<Option<String>, ConfigError> {
        let address = self.address(key, text, schemes, rule)?;
        let has_login = |address: &String| {
            let rest = address.split_once("://").map_or("", |(_scheme, rest)| rest);
            rest.split('/').next().unwrap_or_default().contains('@')
        };
        match address.clone().filter(has_login) {
            Some(address) => Err(self.bad(
                key,
                &without_password(&address),
                "must have no user name and password in it",
            )),
            None => Ok(address),
        }
    }

    /// The same with a login in it; what is said of a bad one does not show it.
    fn address(
        &self,
        key: &'static str,
        text: Option<String>,
        schemes: &[&str],
        rule: &'static str,
    ) -> Result<Option<String>, ConfigError> {
        let Some(text) = text else { return Ok(None) };
        let trimmed = text.trim().trim_end_matches('/');
        if trimmed.is_empty() {
            return Ok(None);
        }
        if schemes.iter().any(|scheme| trimmed.starts_with(scheme)) {
            return Ok(Some(trimmed.to_owned()));
        }
        Err(self.bad(key, &without_password(&text), rule))
    }

    /// An address over TLS.
    pub(super) fn https(
        &self,
        key: &'static str,
        text: Option<String>,
    ) -> Result<Option<String>, ConfigError> {
        self.url(key, text, &["https://"], "must begin with https://")
    }

    /// The address of a proxy.
    pub(super) fn proxy(
        &self,
        key: &'static str,
        text: Option<String>,
    ) -> Result<Option<String>, ConfigError> {
        let schemes = ["https://", "http://"];
        self.address(key, text, &schemes, "must begin with http:// or https://")
    }

    /// How a server's certificate is checked.
    pub(super) fn verify_cert(&self, value: Option<VerifyCertValue>) -> Result<VerifyCert, ConfigError> {
        match value {
            None | Some(VerifyCertValue::Flag(true)) => Ok(VerifyCert::System),
            Some(VerifyCertValue::Flag(false)) => Err(self.bad(
                "verify_cert",
                "false",
                "is not offered: an unchecked server could delay this machine unseen; set server_pin instead",
            )),
            Some(VerifyCertValue::Path(path)) => Ok(VerifyCert::Bundle(path)),
        }
    }

    /// A period of a second or more.
    pub(super) fn period(&self, key: &'static str, text: &str) -> Result<Duration, ConfigError> {
        parse_period(text)
            .filter(|period| *period >= Duration::from_secs(1))
            .ok_or_else(|| self.bad(key, text, "must be a duration such as 90s, 30m, 2h, 1d or 1w"))
    }

    /// The digits of a SHA-256, in lower case.
    pub(super) fn sha256(&self, key: &'static str, text: &str) -> Result<String, ConfigError> {
        let digits = text.trim().replace(':', "").to_ascii_lowercase();
        if digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(digits);
        }
        Err(self.bad(key, text, "must be the 64 hexadecimal digits of a SHA-256"))
    }
}
