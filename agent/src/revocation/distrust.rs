//! Keys that this machine trusts no more, because another anchor said so: fetched with each update, judged, kept.
//!
//! Who may say so and how that is judged stands in `muster_shared::rules::distrust`. Each document is judged with what
//! is kept so far, one after the other, and what was believed is kept for ever in a file of its own: a repository that
//! leaves the documents out later gains nothing, and neither does an anchor that is taken away. A kept file that is
//! damaged refuses everything, as with revocation lists; an administrator of this machine who removes it begins anew.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use muster_shared::crypto::{CertificateError, TrustStore};
use muster_shared::envelope::Envelope;
use muster_shared::hint::chain;
use muster_shared::rules::distrust::{self, DISTRUST_FILE, DistrustError, MAX_DISTRUST_FILE_BYTES};
use serde::{Deserialize, Serialize};

use super::unusable;
use crate::agent::Agent;
use crate::failure::Failure;
use crate::paths::Paths;
use crate::platform;
use crate::repo::client::IndexFetch;
use crate::repo::{RepoError, Validators};
use crate::state::facts;

/// More keys than this are not kept: whoever may sign so many may do worse.
const MAX_KEPT: usize = 1000;

/// The largest file of kept keys, in bytes.
const MAX_FILE_BYTES: u64 = 2 * 1024 * 1024;

/// What is kept of a key, by the key.
type Kept = BTreeMap<String, KeptKey>;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KeptKey {
    name: String,
    reason: String,
    /// The anchor whose word it is.
    by: String,
    issued_at: Timestamp,
    /// When it was believed here.
    believed_at: Timestamp,
}

/// Where the documents came from last, and what that address called the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Memory {
    #[serde(default)]
    url: String,
    #[serde(default)]
    validators: Validators,
}

fn file(paths: &Paths) -> PathBuf {
    paths.private_dir().join(DISTRUST_FILE)
}

fn kept(paths: &Paths) -> Result<Kept, CertificateError> {
    let path = file(paths);
    let failed = |source| CertificateError::Read {
        path: path.clone(),
        source,
    };
    match fs_err::metadata(&path) {
        Ok(metadata) if metadata.len() > MAX_FILE_BYTES => {
            return Err(failed(std::io::Error::other("it is too large")));
        }
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Kept::new()),
        Err(error) => return Err(failed(error)),
    }
    let bytes = fs_err::read(&path).map_err(failed)?;
    serde_json::from_slice(&bytes).map_err(|error| failed(error.into()))
}

/// The store without trust in the keys that are kept.
///
/// # Errors
/// When the kept file is damaged.
pub(super) fn without_distrusted(store: TrustStore, paths: &Paths) -> Result<TrustStore, CertificateError> {
    let keys = kept(paths)?.into_iter().map(|(key, kept)| (key, kept.by));
    Ok(store.with_distrusted(keys))
}

/// Fetches the documents when they changed, and keeps what counts. That they cannot be had, or do not count, is a line
/// in the log: what is kept stays.
///
/// # Errors
/// When the trust folder or the database cannot be used.
pub(super) async fn renew(agent: &Agent) -> Result<(), Failure> {
    let Some(servers) = agent.repositories.main().and_then(|main| main.servers().ok()) else {
        return Ok(());
    };
    let memory: Memory = agent.state.json_fact(facts::DISTRUST).await?.unwrap_or_default();
    for server in servers {
        let is_here = file(&agent.paths).exists();
        let previous = (memory.url == server.url() && is_here).then_some(&memory.validators);
        let limit = MAX_DISTRUST_FILE_BYTES as u64;
        match server.fetch_small(DISTRUST_FILE, previous, limit).await {
            Ok(IndexFetch::Unchanged) => return Ok(()),
            Ok(IndexFetch::New { bytes, validators }) => {
                let all_count = take(agent, &bytes).await?;
                let after = Memory {
                    url: server.url().to_owned(),
                    // What does not count yet may count when the trust folder has changed.
                    validators: if all_count {
                        validators
                    } else {
                        Validators::default()
                    },
                };
                if after != memory {
                    agent.state.set_json_fact(facts::DISTRUST, &after).await?;
                }
                return Ok(());
            }
            // A mirror need not have it.
            Err(RepoError::Missing { .. }) => {}
            Err(error) => {
                tracing::info!(url = server.url(), error = %chain(&error), "whom to distrust could not be asked for");
            }
        }
    }
    Ok(())
}

/// Keeps what counts of a file; `false` when something in it does not.
async fn take(agent: &Agent, bytes: &[u8]) -> Result<bool, Failure> {
    let documents = match distrust::read(bytes) {
        Ok(documents) => documents,
        Err(error) => {
            tracing::warn!(error = %chain(&error), "the file of distrusted keys cannot be used");
            return Ok(false);
        }
    };
    let trust = super::trust_store(&agent.paths).map_err(|error| unusable(&error))?;
    let before = kept(&agent.paths).map_err(|error| unusable(&error))?;
    let (after, refused) = judged(&documents, trust, &before, agent.own_time().await?);
    for error in &refused {
        tracing::warn!(error = %chain(error), "a document that takes trust from keys does not count");
    }
    if after != before {
        for (key, kept) in after.iter().filter(|(key, _kept)| !before.contains_key(*key)) {
            tracing::warn!(name = %kept.name, key, by = %kept.by, reason = %kept.reason, "a key is trusted no more");
        }
        let bytes = serde_json::to_vec_pretty(&after).map_err(anyhow::Error::new)?;
        platform::write_private(&file(&agent.paths), &bytes)
            .map_err(|error| anyhow::Error::new(error).context("keeping the distrusted keys"))?;
    }
    Ok(refused.is_empty())
}

/// What is kept after these documents, in their order, and why some do not count.
fn judged(
    documents: &[Envelope],
    mut trust: TrustStore,
    before: &Kept,
    now: Timestamp,
) -> (Kept, Vec<DistrustError>) {
    let mut after = before.clone();
    let mut refused = Vec::new();
    for document in documents {
        match distrust::judge(document, &trust, now) {
            Ok(believed) => {
                for key in believed.keys {
                    if after.len() >= MAX_KEPT || after.contains_key(&key.key) {
                        continue;
                    }
                    trust = trust.with_distrusted([(key.key.clone(), believed.by.clone())]);
                    after.insert(
                        key.key,
                        KeptKey {
                            name: key.name,
                            reason: key.reason,
                            by: believed.by.clone(),
                            issued_at: believed.issued_at,
                            believed_at: now,
                        },
                    );
                }
            }
            Err(error) => refused.push(error),
        }
    }
    (after, refused)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use muster_shared::crypto::{FileSigner, Signer as _};
    use muster_shared::rules::distrust::{DISTRUST_TYPE, DISTRUST_VERSION, Distrust, DistrustedKey};

    use super::*;

    fn now() -> Timestamp {
        "2026-12-01T10:00:00Z".parse().unwrap()
    }

    fn person(name: &str) -> FileSigner {
        let keys = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/keys"));
        let file = |ending: &str| keys.join(format!("{name}.{ending}"));
        FileSigner::open(&file("crt"), &file("pem"), None).unwrap()
    }

    fn document(of: &FileSigner, by: &FileSigner) -> Envelope {
        let payload = Distrust {
            version: DISTRUST_VERSION,
            issued_at: now(),
            keys: vec![DistrustedKey::of(of.certificate(), "")],
        };
        Envelope::sign(DISTRUST_TYPE, &serde_json::to_vec(&payload).unwrap(), by).unwrap()
    }

    #[test]
    fn of_two_who_distrust_each_other_the_second_comes_too_late() {
        let (alice, bob) = (person("signer"), person("untrusted"));
        let anchors = vec![alice.certificate().clone(), bob.certificate().clone()];
        let trust = TrustStore::new(anchors);
        let both = [document(&alice, &bob), document(&bob, &alice)];
        let (after, refused) = judged(&both, trust.clone(), &Kept::new(), now());
        assert_eq!((after.len(), refused.len()), (1, 1));
        assert!(after.contains_key(&alice.certificate().spki_sha256()));
        // Kept, it counts when the documents come in another order, or none comes.
        let trust = trust.with_distrusted(after.iter().map(|(key, kept)| (key.clone(), kept.by.clone())));
        let (again, refused) = judged(&both[1..], trust, &after, now());
        assert_eq!((again == after, refused.len()), (true, 1));
    }

    #[test]
    fn what_is_kept_counts_in_every_trust_store_and_a_damaged_file_refuses_everything() {
        let place = tempfile::tempdir().unwrap();
        let paths = Paths::new(Some(place.path()));
        fs_err::create_dir_all(paths.trust_dir()).unwrap();
        fs_err::create_dir_all(paths.private_dir()).unwrap();
        let (alice, bob) = (person("signer"), person("untrusted"));
        for (name, person) in [("alice", &alice), ("bob", &bob)] {
            let path = paths.trust_dir().join(format!("{name}.crt"));
            fs_err::write(path, person.certificate().to_pem()).unwrap();
        }
        let checked = || {
            super::super::trust_store(&paths)
                .map_err(|error| chain(&error))
                .and_then(|store| {
                    store
                        .check(alice.certificate(), &[], now())
                        .map_err(|error| error.to_string())
                })
        };
        checked().unwrap();
        let trust = super::super::trust_store(&paths).unwrap();
        let (after, _refused) = judged(&[document(&alice, &bob)], trust, &Kept::new(), now());
        fs_err::write(file(&paths), serde_json::to_vec(&after).unwrap()).unwrap();
        assert!(checked().unwrap_err().contains("trusted no more"));
        // Also when the anchor whose word it is was taken away.
        fs_err::remove_file(paths.trust_dir().join("bob.crt")).unwrap();
        assert!(checked().unwrap_err().contains("trusted no more"));
        fs_err::write(file(&paths), b"{\"ab").unwrap();
        assert!(checked().unwrap_err().contains(DISTRUST_FILE));
    }
}
