//! The host's certificate is renewed before it ends, by a registration with the key that the server knows.
//!
//! Parties: the *host* signs the request with its identity key; the *server* knows that key and issues a certificate
//! for it anew. Nothing secret travels, and what comes is checked like at the first registration. A certificate that
//! ended all the same does no harm: the key on record is proof enough; only a server that lost its database would not
//! have the host back by itself.

use jiff::{SignedDuration, Timestamp};
use muster_shared::crypto::Certificate;
use muster_shared::hint::chain;
use muster_shared::protocol::host::RegisterOutcome;

use crate::agent::Agent;
use crate::failure::Failure;
use crate::server_client::Proof;

/// This long before its end, or when a third of its life is left, whatever is shorter.
const BEFORE_END: SignedDuration = SignedDuration::from_hours(24 * 90);

/// Whether a certificate is to be renewed.
pub fn is_due(certificate: &Certificate, now: Timestamp) -> bool {
    let (begins, ends) = (certificate.not_before(), certificate.not_after());
    let third = ends.duration_since(begins) / 3;
    ends.duration_since(now) <= BEFORE_END.min(third)
}

/// Renews the certificate when it is time. A server that does not answer is asked again at the next update.
///
/// # Errors
/// When the database does not answer.
pub async fn renew(agent: &Agent) -> Result<(), Failure> {
    let Some(server) = &agent.server else {
        return Ok(());
    };
    let Some(certificate) = agent.identity.certificate() else {
        return Ok(());
    };
    if !is_due(&certificate, agent.own_time().await?) {
        return Ok(());
    }
    match server.register(&Proof::default()).await {
        Ok(answer) if answer.outcome == RegisterOutcome::Registered => {
            let ends = agent.identity.certificate().map(|renewed| renewed.not_after());
            tracing::info!(?ends, "this host's certificate was renewed");
        }
        Ok(_pending) => tracing::warn!(
            "the server has another key on record for this host: its certificate is not renewed"
        ),
        Err(error) => {
            tracing::warn!(error = %chain(&error), "this host's certificate could not be renewed; it is tried again");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use muster_shared::crypto::IdentityKey;
    use muster_shared::crypto::issue::Authority;

    use super::*;

    #[test]
    fn it_is_time_ninety_days_before_the_end_or_in_the_last_third() {
        let begin: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let day = SignedDuration::from_hours(24);
        let ca = Authority::create("hosts", begin, begin + day * 4000).unwrap();
        let key = IdentityKey::generate().unwrap().spki_der();
        let issued = |days: i32| ca.issue_host(&key, "pc-1", begin, begin + day * days).unwrap();
        let long = issued(3650);
        assert!(!is_due(&long, begin + day * 3559));
        assert!(is_due(&long, begin + day * 3560));
        assert!(is_due(&long, begin + day * 3700));
        let short = issued(30);
        assert!(!is_due(&short, begin + day * 19));
        assert!(is_due(&short, begin + day * 20));
    }
}
