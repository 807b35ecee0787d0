//! The signed rules of repositories on this machine: fetched, judged, kept, and judged again at each use.
//!
//! Parties: a *person* of this machine's trust folder signs the document, with a certificate for code or one that is
//! an anchor itself; the *repository* carries it and is not trusted. Order of checks: the file is bounded and an
//! envelope of its type; its signature and chain hold at this agent's own time and nobody in it is revoked; the signer
//! may sign code or is an anchor; the payload is one of this version, without unknown fields; its times hold, and it
//! is not older than any that was in force. What fails leaves the last good document in place, which is judged by the
//! same rules at each use: one that expired or whose signer was taken back leads nowhere any more.

use std::net::{IpAddr, SocketAddr};

use jiff::Timestamp;
use muster_shared::crypto::{Certificate, TrustStore};
use muster_shared::envelope::{Envelope, EnvelopeError, parse_payload};
use muster_shared::hint::chain;
use muster_shared::rules::repository::{
    MAX_RULES_FILE_BYTES, RULES_FILE, RULES_TYPE, RepositoryRules, RepositoryRulesError,
};
use serde::{Deserialize, Serialize};
use tokio::net::UdpSocket;

use super::client::{IndexFetch, Repository};
use super::{RepoError, Validators};
use crate::agent::Agent;
use crate::failure::Failure;
use crate::paths::Paths;
use crate::platform;
use crate::server_client::origin_of;
use crate::state::facts;

/// Where no packet ever goes: asking the system which of its addresses it would use for it sends nothing.
const NOWHERE: &str = "192.0.2.1:9";

/// Why a document leads nowhere.
#[derive(Debug, thiserror::Error)]
pub enum RulesRefusal {
    #[error("the file has more than {MAX_RULES_FILE_BYTES} bytes")]
    TooLarge,
    #[error("the file is no signed document")]
    NoEnvelope(#[source] serde_json::Error),
    #[error("the signature does not count")]
    Envelope(#[source] EnvelopeError),
    #[error("{0} may not sign rules: that takes a certificate for code, or one that this machine pins")]
    Signer(String),
    #[error("the document does not count")]
    Document(#[source] RepositoryRulesError),
}

/// A document that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesInForce {
    pub rules: RepositoryRules,
    /// Who signed it.
    pub signer: String,
}

/// What is remembered beside the kept document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Memory {
    /// Where the last document came from, and what that address called it.
    #[serde(default)]
    url: String,
    #[serde(default)]
    validators: Validators,
    /// When the latest document that was ever in force had been issued.
    #[serde(default)]
    seen: Option<Timestamp>,
    /// Why the last fetched document, or the kept one, leads nowhere; empty when it does.
    #[serde(default)]
    problem: String,
}

/// Judges a document; see the module's text for the order of checks.
///
/// # Errors
/// The first check that fails.
pub fn judge(
    bytes: &[u8],
    trust: &TrustStore,
    at: Timestamp,
    seen: Option<Timestamp>,
) -> Result<RulesInForce, RulesRefusal> {
    if bytes.len() > MAX_RULES_FILE_BYTES {
        return Err(RulesRefusal::TooLarge);
    }
    let envelope: Envelope = serde_json::from_slice(bytes).map_err(RulesRefusal::NoEnvelope)?;
    let verified = envelope
        .verify(RULES_TYPE, trust, at)
        .map_err(RulesRefusal::Envelope)?;
    let may_sign = |signer: &&Certificate| trust.is_pinned(signer) || signer.may_sign_code();
    let signer = verified
        .signers
        .iter()
        .find(may_sign)
        .ok_or_else(|| RulesRefusal::Signer(verified.signer().common_name()))?
        .common_name();
    let rules: RepositoryRules = parse_payload(&verified.payload).map_err(RulesRefusal::Envelope)?;
    let rules = rules.checked().map_err(RulesRefusal::Document)?;
    rules.check_times(at, seen).map_err(RulesRefusal::Document)?;
    Ok(RulesInForce { rules, signer })
}

fn kept_file(paths: &Paths) -> std::path::PathBuf {
    paths.private_dir().join("repository-rules.json")
}

/// Fetches the document when it changed, from the first of these that has it, keeps it when it counts, and gives the
/// one that is in force. What fails is kept for the status.
///
/// # Errors
/// When the database or the trust folder cannot be used.
pub async fn renew(agent: &Agent, from: &[Repository]) -> Result<Option<RulesInForce>, Failure> {
    let memory: Memory = agent
        .state
        .json_fact(facts::REPOSITORY_RULES)
        .await?
        .unwrap_or_default();
    let (trust, at) = (agent.trust()?, agent.own_time().await?);
    let file = kept_file(&agent.paths);
    let mut after = memory.clone();
    after.problem = String::new();
    let known = file.exists().then_some((memory.url.as_str(), &memory.validators));
    let (url, fetched) = fetch(from, known).await;
    match fetched {
        Ok(IndexFetch::New { bytes, validators }) => match judge(&bytes, &trust, at, memory.seen) {
            Ok(in_force) => {
                platform::write_private(&file, &bytes).map_err(|error| {
                    Failure::from(anyhow::Error::new(error).context("keeping the rules of repositories"))
                })?;
                url.clone_into(&mut after.url);
                after.validators = validators;
                after.seen = Some(in_force.rules.issued_at);
                tracing::info!(
                    issued_at = %in_force.rules.issued_at,
                    rules = in_force.rules.rules.len(),
                    signer = %in_force.signer,
                    "rules of repositories are in force"
                );
            }
            Err(refusal) => after.problem = format!("ignored, from {url}: {}", chain(&refusal)),
        },
        // Taken away, those that were in force stay: whoever serves files must not end them.
        Ok(IndexFetch::Unchanged) | Err(RepoError::Missing { .. }) => {}
        Err(error) => {
            tracing::info!(error = %chain(&error), "the rules of repositories could not be asked for");
            after.problem.clone_from(&memory.problem);
        }
    }
    let kept = kept(&agent.paths, &trust, at);
    if let Some(Err(refusal)) = &kept
        && after.problem.is_empty()
    {
        after.problem = format!("not in force any more: {}", chain(refusal));
    }
    if after.problem != memory.problem && !after.problem.is_empty() {
        tracing::warn!("rules of repositories: {}", after.problem);
    }
    if after != memory {
        agent.state.set_json_fact(facts::REPOSITORY_RULES, &after).await?;
    }
    Ok(kept.and_then(Result::ok))
}

/// Asks in turn until somebody has the document; who that was, or the last one, and what came of it. `known` is where
/// the kept one came from, and what that address called it.
async fn fetch<'a>(
    from: &'a [Repository],
    known: Option<(&str, &Validators)>,
) -> (&'a str, Result<IndexFetch, RepoError>) {
    let mut asked = ("", Err(RepoError::NotConfigured));
    for server in from {
        let previous = known.filter(|(url, _validators)| *url == server.url());
        let previous = previous.map(|(_url, validators)| validators);
        let limit = MAX_RULES_FILE_BYTES as u64;
        asked = (
            server.url(),
            server.fetch_small(RULES_FILE, previous, limit).await,
        );
        match &asked.1 {
            Err(error) if error.is_of_server() => {}
            _ => break,
        }
    }
    asked
}

/// The kept document, judged now; not against the latest seen, which it is.
fn kept(paths: &Paths, trust: &TrustStore, at: Timestamp) -> Option<Result<RulesInForce, RulesRefusal>> {
    let bytes = fs_err::read(kept_file(paths)).ok()?;
    Some(judge(&bytes, trust, at, None))
}

/// Why rules lead nowhere here, for the status; `None` when all is well.
///
/// # Errors
/// When the database does not answer.
pub async fn problem(state: &crate::state::State) -> Result<Option<String>, Failure> {
    let memory: Option<Memory> = state.json_fact(facts::REPOSITORY_RULES).await?;
    Ok(memory
        .map(|memory| memory.problem)
        .filter(|problem| !problem.is_empty()))
}

/// The address from which this machine would speak with a server, by its table of routes; nothing is sent.
pub(super) async fn own_address(url: &str) -> Option<IpAddr> {
    let server = muster_shared::crypto::tls::ServerAddress::parse(origin_of(url)).ok()?;
    let found = tokio::time::timeout(
        std::time::Duration::from_secs(5),
        tokio::net::lookup_host((server.host, server.port)),
    );
    let mut targets: Vec<SocketAddr> = match found.await {
        Ok(Ok(found)) => found.collect(),
        _ => Vec::new(),
    };
    targets.extend(NOWHERE.parse::<SocketAddr>());
    for target in targets {
        let any: SocketAddr = if target.is_ipv4() {
            ([0, 0, 0, 0], 0).into()
        } else {
            ([0_u16; 8], 0).into()
        };
        if let Ok(socket) = UdpSocket::bind(any).await
            && socket.connect(target).await.is_ok()
            && let Ok(own) = socket.local_addr()
            && !own.ip().is_unspecified()
        {
            return Some(own.ip());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use jiff::SignedDuration;
    use muster_shared::crypto::{FileSigner, Signer as _};
    use muster_shared::rules::repository::RULES_VERSION;

    use super::*;

    fn now() -> Timestamp {
        "2026-12-01T10:00:00Z".parse().unwrap()
    }

    fn golden(name: &str) -> std::path::PathBuf {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/keys")).join(name)
    }

    fn person(name: &str) -> FileSigner {
        let file = |ending: &str| golden(&format!("{name}.{ending}"));
        FileSigner::open(&file("crt"), &file("pem"), None).unwrap()
    }

    fn signed(signer: &FileSigner, issued_at: Timestamp) -> Vec<u8> {
        let rules = RepositoryRules {
            version: RULES_VERSION,
            issued_at,
            expires_at: issued_at + SignedDuration::from_hours(48),
            rules: Vec::new(),
        };
        let payload = serde_json::to_vec(&rules).unwrap();
        serde_json::to_vec(&Envelope::sign(RULES_TYPE, &payload, signer).unwrap()).unwrap()
    }

    #[test]
    fn rules_count_when_someone_trusted_signed_them_and_not_otherwise() {
        let (alice, stranger) = (person("signer"), person("untrusted"));
        let trust = TrustStore::new(vec![alice.certificate().clone()]);
        let hour = SignedDuration::from_hours(1);
        let good = signed(&alice, now() - hour);
        assert_eq!(
            judge(&good, &trust, now(), None).unwrap().signer,
            alice.certificate().common_name()
        );
        let refused = |bytes: &[u8], at, seen| chain(&judge(bytes, &trust, at, seen).unwrap_err());
        let by_stranger = refused(&signed(&stranger, now()), now(), None);
        assert!(by_stranger.contains("no trusted certificate"), "{by_stranger}");
        assert!(refused(b"{\"rules\": []}", now(), None).contains("no signed document"));
        assert!(refused(&good, now() + hour * 100, None).contains("expired"));
        assert!(refused(&good, now(), Some(now())).contains("were in force here"));
        assert!(refused(&signed(&alice, now() + hour * 30), now(), None).contains("issued on"));
        let deep = format!("{{\"payload\": {}", "[".repeat(200_000));
        assert!(refused(deep.as_bytes(), now(), None).contains("no signed document"));
        let large = vec![b' '; MAX_RULES_FILE_BYTES + 1];
        assert!(refused(&large, now(), None).contains("bytes"));
        let mut envelope: Envelope = serde_json::from_slice(&good).unwrap();
        envelope.payload_type = "application/vnd.muster.action+json".to_owned();
        let other_type = serde_json::to_vec(&envelope).unwrap();
        assert!(refused(&other_type, now(), None).contains("type"));
    }

    #[test]
    fn a_signer_without_code_signing_leads_nobody_unless_this_machine_pins_them() {
        let nocode = person("nocode");
        let pinned = TrustStore::new(vec![nocode.certificate().clone()]);
        judge(&signed(&nocode, now()), &pinned, now(), None).unwrap();
        let authority = Certificate::chain_from_file(&golden("ca.crt")).unwrap().remove(0);
        if nocode.certificate().is_issued_by(&authority) {
            let by_ca = TrustStore::new(vec![authority]);
            let error = chain(&judge(&signed(&nocode, now()), &by_ca, now(), None).unwrap_err());
            assert!(error.contains("may not sign rules"), "{error}");
        }
    }

    #[tokio::test]
    async fn this_machines_own_address_is_known_without_a_server() {
        let own = own_address("https://127.0.0.1:9/wapt").await;
        assert_eq!(own, Some("127.0.0.1".parse().unwrap()));
    }
}
