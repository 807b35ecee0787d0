//! Block `agent`: the agent itself, its trust and its settings.

use muster_shared::protocol::inventory::{AgentBlock, TrustAnchor};

use super::Context;

/// What the agent says about itself.
pub(super) fn read(context: Context<'_>) -> AgentBlock {
    let Context { config, trust, .. } = context;
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
        repositories: config.repository_urls(),
        maturities: config.maturities.clone(),
        locales: config.locales.clone(),
        packages_whitelist: config.packages_whitelist.clone(),
        packages_blacklist: config.packages_blacklist.clone(),
        python: context.python.to_owned(),
        decryption_certificate: context.decryption_certificate.to_owned(),
        update_every_secs: config.update_every.as_secs(),
    }
}
