//! Who may order what on this machine, beyond the signature that every order needs.

use std::collections::BTreeMap;

use muster_shared::protocol::action::ActionKind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ConfigError, ConfigFile, Topic};

/// What one signer may order, when that is less than everything.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SignerRule {
    /// The only actions that this signer may order.
    pub actions: Vec<ActionKind>,
}

/// The limits of orders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Orders {
    /// What single signers may order, by the fingerprint of their certificate.
    pub signers: BTreeMap<String, SignerRule>,
    pub allow_reboot: bool,
    pub allow_shutdown: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Keys {
    signers: BTreeMap<String, SignerRule>,
    allow_remote_reboot: bool,
    allow_remote_shutdown: bool,
}

impl Topic for Orders {
    const KEYS: &'static [&'static str] = &["signers", "allow_remote_reboot", "allow_remote_shutdown"];

    fn read(keys: toml::Table, file: &ConfigFile<'_>) -> Result<Self, ConfigError> {
        let keys: Keys = file.keys(keys)?;
        let mut signers = BTreeMap::new();
        for (fingerprint, rule) in keys.signers {
            let normal = file.sha256("signers", &fingerprint)?;
            signers.insert(normal, rule);
        }
        Ok(Self {
            signers,
            allow_reboot: keys.allow_remote_reboot,
            allow_shutdown: keys.allow_remote_shutdown,
        })
    }

    fn shown(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("signers", json!(self.signers)),
            ("allow_remote_reboot", json!(self.allow_reboot)),
            ("allow_remote_shutdown", json!(self.allow_shutdown)),
        ]
    }
}
