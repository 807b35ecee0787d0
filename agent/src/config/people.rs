//! What ordinary users of this machine may do by themselves.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{ConfigError, ConfigFile, Topic};

/// The limits of local users; the self-service rules in force come on top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct People {
    /// Members of the system's administrators' groups have no more rights than others, unless they act with full
    /// rights (root, elevated).
    pub admin_filter: bool,
    /// Users may remove what they may install.
    pub uninstall_allowed: bool,
    /// Users may have the service start again.
    pub allow_user_service_restart: bool,
}

impl Default for People {
    fn default() -> Self {
        Self {
            admin_filter: false,
            uninstall_allowed: true,
            allow_user_service_restart: false,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Keys {
    waptservice_admin_filter: Option<bool>,
    uninstall_allowed: Option<bool>,
    allow_user_service_restart: Option<bool>,
}

impl Topic for People {
    const KEYS: &'static [&'static str] = &[
        "waptservice_admin_filter",
        "uninstall_allowed",
        "allow_user_service_restart",
    ];

    fn read(keys: toml::Table, file: &ConfigFile<'_>) -> Result<Self, ConfigError> {
        let keys: Keys = file.keys(keys)?;
        let default = Self::default();
        Ok(Self {
            admin_filter: keys.waptservice_admin_filter.unwrap_or(default.admin_filter),
            uninstall_allowed: keys.uninstall_allowed.unwrap_or(default.uninstall_allowed),
            allow_user_service_restart: keys
                .allow_user_service_restart
                .unwrap_or(default.allow_user_service_restart),
        })
    }

    fn shown(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("waptservice_admin_filter", json!(self.admin_filter)),
            ("uninstall_allowed", json!(self.uninstall_allowed)),
            (
                "allow_user_service_restart",
                json!(self.allow_user_service_restart),
            ),
        ]
    }
}
