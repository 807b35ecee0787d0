//! Block `agent`: the agent itself, its trust and its settings.

use muster_shared::crypto::TrustStore;
use muster_shared::protocol::inventory::{AgentBlock, TrustAnchor};

use crate::config::Config;

/// What the agent says about itself; `python` is the version of the interpreter for scripts.
pub(super) fn read(config: &Config, trust: &TrustStore, python: &str) -> AgentBlock {
    let mut anchors: Vec<TrustAnchor> = trust
        .anchors()
        .iter()
        .map(|certificate| TrustAnchor {
            fingerprint: certificate.fingerprint(),
            name: certificate.common_name(),
            not_after: Some(certificate.not_after()),
        })
        .collect();
    anchors.sort_by(|one, other| one.fingerprint.cmp(&other.fingerprint));
    AgentBlock {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        trust: anchors,
        repositories: config.repository_url().into_iter().collect(),
        maturities: config.maturities.clone(),
        locales: config.locales.clone(),
        packages_whitelist: config.packages_whitelist.clone(),
        packages_blacklist: config.packages_blacklist.clone(),
        python: python.to_owned(),
        update_every_secs: config.update_every.as_secs(),
    }
}
