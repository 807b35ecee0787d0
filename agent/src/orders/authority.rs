//! Who may order: a pinned leaf, or a person's certificate of a pinned CA, within what the configuration allows.

use std::collections::BTreeMap;

use muster_shared::crypto::{Certificate, TrustStore};
use muster_shared::protocol::action::ActionKind;

use crate::config::{Config, SignerRule};

/// Why a trusted signer may not order an action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    #[error("its certificate is made for {0}, not for a person who signs")]
    Purpose(String),
    #[error("its certificate belongs to a managed host")]
    Host,
    #[error("the configuration allows it only {0}")]
    Narrowed(String),
    #[error("{0} needs allow_remote_{0} = true in this agent's configuration")]
    NeedsPermission(ActionKind),
}

/// The rules of this agent about who may order what.
#[derive(Debug, Clone, Default)]
pub struct Authority {
    signers: BTreeMap<String, SignerRule>,
    allow_reboot: bool,
    allow_shutdown: bool,
    /// This host's own certificate: whatever else its issuer issued are hosts, not people.
    own: Option<Certificate>,
}

impl Authority {
    /// The rules of a configuration; `own` is this host's certificate, if it has one.
    pub fn new(config: &Config, own: Option<&Certificate>) -> Self {
        Self {
            signers: config.orders.signers.clone(),
            allow_reboot: config.orders.allow_reboot,
            allow_shutdown: config.orders.allow_shutdown,
            own: own.cloned(),
        }
    }

    /// Whether the first certificate of a trusted path may order an action.
    ///
    /// # Errors
    /// The rule that forbids it.
    pub fn may_order(
        &self,
        trust: &TrustStore,
        path: &[Certificate],
        action: ActionKind,
    ) -> Result<(), Forbidden> {
        let Some(leaf) = path.first() else {
            return Err(Forbidden::Purpose("nothing".to_owned()));
        };
        if !trust.is_pinned(leaf) {
            self.check_purpose(leaf, path.get(1))?;
        }
        let rule = path
            .iter()
            .find_map(|certificate| self.signers.get(&certificate.fingerprint()));
        if let Some(rule) = rule {
            if rule.actions.contains(&action) {
                return Ok(());
            }
            let allowed: Vec<_> = rule.actions.iter().map(|action| action.as_str()).collect();
            return Err(Forbidden::Narrowed(if allowed.is_empty() {
                "nothing".to_owned()
            } else {
                allowed.join(", ")
            }));
        }
        match action {
            ActionKind::Reboot if !self.allow_reboot => Err(Forbidden::NeedsPermission(action)),
            ActionKind::Shutdown if !self.allow_shutdown => Err(Forbidden::NeedsPermission(action)),
            _ => Ok(()),
        }
    }

    /// The rules for leaves that are not anchors themselves.
    fn check_purpose(&self, leaf: &Certificate, issuer: Option<&Certificate>) -> Result<(), Forbidden> {
        // By its signature, not by its name: what a server that was taken over writes into this host's certificate
        // must not make hosts of people.
        let is_hosts = |issuer: &Certificate| self.own.as_ref().is_some_and(|own| own.is_issued_by(issuer));
        if issuer.is_some_and(is_hosts) {
            return Err(Forbidden::Host);
        }
        leaf.check_signing_purpose().map_err(Forbidden::Purpose)
    }
}
