//! Revocation lists on this machine: where they come from, which are kept, who is refused by them.
//!
//! Parties: an *issuer* signs the list of what it takes back; the index, a web server or an administrator's
//! folder brings it and is not trusted. Kept is what counts: validly signed by a certificate of the trust folder,
//! or by a CA that leads to one, and the newest of its issuer; so a repository that leaves a list out later, or
//! brings an older one, gains nothing. Everything that is judged afterwards, packages at index, download and
//! install and signed orders alike, is judged with the lists kept here and those of the trust folder.

mod web;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use muster_shared::crypto::{Certificate, CertificateError, CrlError, RevocationList, TrustStore};
use muster_shared::hint::chain;
use muster_shared::index::{IndexFile, IndexLimits};
use muster_shared::protocol::error::ErrorCode;

use crate::agent::Agent;
use crate::failure::Failure;
use crate::paths::Paths;
use crate::platform;
use crate::repo::Validators;
use crate::state::facts;

/// At most this many certificates of an index are looked at.
const MAX_CERTIFICATES: usize = 1000;

/// And at most this many lists.
const MAX_LISTS: usize = 1000;

/// The certificates of the trust folder, with its revocation lists and those kept from updates.
///
/// # Errors
/// When a file cannot be read: who was taken back must not come back by a damaged file.
pub fn trust_store(paths: &Paths) -> Result<TrustStore, CertificateError> {
    let mut store = TrustStore::from_folder(&paths.trust_dir())?;
    for file in files(&paths.crl_dir())? {
        let lists = RevocationList::all_from_file(&file);
        store.add_crls(lists.map_err(|error| CertificateError::Crl(Box::new(error)))?);
    }
    Ok(store)
}

/// What an index brings to judge signers with; nothing in it is verified.
#[derive(Debug, Default)]
pub struct Brought {
    lists: Vec<Vec<u8>>,
    certificates: Vec<Vec<u8>>,
}

impl Brought {
    /// Takes the parts out of an index.
    pub fn of(index: IndexFile<'_>) -> Self {
        Self {
            lists: index.crls,
            certificates: index.certificates,
        }
    }

    /// Takes the parts out of an index file; nothing when it cannot be read.
    fn of_file(path: &Path) -> Option<Self> {
        let bytes = fs_err::read(path).ok()?;
        Some(Self::of(IndexFile::open(&bytes, &IndexLimits::default()).ok()?))
    }

    fn certificates(&self) -> Vec<Certificate> {
        let read = self
            .certificates
            .iter()
            // One that cannot be read only cannot help.
            .flat_map(|pem| Certificate::chain_from_pem(&String::from_utf8_lossy(pem)).unwrap_or_default());
        read.take(MAX_CERTIFICATES).collect()
    }
}

/// Keeps what counts of the lists that a new index brings, and notes where its signers' issuers publish theirs.
///
/// # Errors
/// When the trust folder cannot be read, or the disk or the database does not take it.
pub async fn take(agent: &Agent, brought: Brought) -> Result<(), Failure> {
    let trust = agent.trust()?;
    let at = agent.own_time().await?;
    let folder = agent.paths.crl_dir();
    let points = blocking(move || {
        let certificates = brought.certificates();
        let lists = brought
            .lists
            .iter()
            .take(MAX_LISTS)
            .filter_map(|der| readable(der, &trust, &certificates, at))
            .collect();
        keep(&folder, &trust, lists, &certificates, at)?;
        Ok(web::points(&trust, &certificates, at))
    })
    .await?;
    agent.state.set_json_fact(facts::CRL_POINTS, &points).await?;
    Ok(())
}

/// Fetches the lists that the configuration and the certificates name. What cannot be had is a line in the log:
/// the last list counts until it ends.
///
/// # Errors
/// When the trust folder or the database cannot be used.
pub async fn fetch(agent: &Agent) -> Result<(), Failure> {
    web::fetch(agent).await
}

/// Before an update: a kept file that was damaged is dropped, and the index is fetched whole, which brings the
/// list again.
///
/// # Errors
/// When the folder or the database cannot be used.
pub async fn drop_damaged(agent: &Agent) -> Result<(), Failure> {
    for file in files(&agent.paths.crl_dir()).map_err(|error| unusable(&error))? {
        let Err(error) = RevocationList::all_from_file(&file) else {
            continue;
        };
        tracing::error!(error = %chain(&error), "a kept revocation list is damaged; it is fetched again");
        fs_err::remove_file(&file).map_err(|error| Failure::new(ErrorCode::Internal, error.to_string()))?;
        agent
            .state
            .set_json_fact(facts::INDEX_VALIDATORS, &Validators::default())
            .await?;
        agent.state.clear_fact(facts::CRL_CHECKS).await?;
    }
    Ok(())
}

/// Adds lists to the kept ones: only those that count now are written, one file a series.
fn keep(
    folder: &Path,
    trust: &TrustStore,
    lists: Vec<RevocationList>,
    intermediates: &[Certificate],
    at: Timestamp,
) -> std::io::Result<()> {
    if lists.is_empty() {
        return Ok(());
    }
    let store = trust.clone().with_crls(lists);
    for (issuer, list) in store.crls_in_force(intermediates, at) {
        let file = folder.join(format!("{}.crl", list.series()));
        if fs_err::read(&file).is_ok_and(|there| there == list.der()) {
            continue;
        }
        platform::lock_down_dir(folder)?;
        platform::write_private(&file, list.der())?;
        tracing::info!(
            issuer = %issuer.common_name(),
            revoked = list.len(),
            made = %list.this_update(),
            "a newer revocation list is in force"
        );
    }
    Ok(())
}

/// A list that came from outside; one that cannot be used, or does not count, only is no help.
fn readable(
    der: &[u8],
    trust: &TrustStore,
    certificates: &[Certificate],
    at: Timestamp,
) -> Option<RevocationList> {
    match trust.read_crl(der, certificates, at) {
        Ok(list) => list,
        Err(error) => {
            tracing::warn!(error = %chain(&error), "a revocation list of the index cannot be used");
            None
        }
    }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, CertificateError> {
    let read = |source| CertificateError::Read {
        path: folder.to_owned(),
        source,
    };
    let entries = match fs_err::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(read(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(read)?.path();
        if path.extension().is_some_and(|extension| extension == "crl") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The trust folder cannot be used.
pub fn unusable(error: &CertificateError) -> Failure {
    let hint = match error {
        CertificateError::Crl(inner) => match inner.as_ref() {
            CrlError::InFile { path, .. } | CrlError::Read { path, .. } => format!(
                "put a readable revocation list into the place of {}, or run `muster-agent update`, which fetches \
                 damaged ones again",
                path.display()
            ),
            _ => "run `muster-agent update`".to_owned(),
        },
        _ => "look at the files of the trust folder; `muster-agent --help` says where it is".to_owned(),
    };
    Failure::new(ErrorCode::Internal, chain(error)).with_hint(hint)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(std::io::Error::other(error.to_string())))
        .map_err(|error| {
            Failure::new(
                ErrorCode::Internal,
                format!("the revocation lists cannot be kept: {error}"),
            )
        })
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use muster_shared::crypto::PrivateKey;
    use muster_shared::crypto::issue::{self, Purpose, Subject};

    use super::*;

    fn now() -> Timestamp {
        "2026-03-01T10:00:00Z".parse().unwrap()
    }

    fn authority(name: &str) -> (PrivateKey, Certificate) {
        let key = PrivateKey::generate_ec().unwrap();
        let subject = Subject {
            common_name: name.to_owned(),
            ..Subject::default()
        };
        let purpose = Purpose {
            code_signing: true,
            client_auth: true,
            authority: true,
        };
        let day = SignedDuration::from_hours(24);
        let made = issue::self_signed(&key, &subject, purpose, now() - day, now() + day).unwrap();
        (key, made)
    }

    fn list((key, certificate): &(PrivateKey, Certificate), number: u64) -> RevocationList {
        let next = now() + SignedDuration::from_hours(10);
        issue::revocation_list(certificate, key, &[], number, now(), next).unwrap()
    }

    #[test]
    fn only_validly_signed_lists_are_kept_and_an_older_one_never_replaces_a_newer() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::new(Some(root.path()));
        let (ca, stranger) = (authority("ca"), authority("stranger"));
        fs_err::create_dir_all(paths.trust_dir()).unwrap();
        fs_err::write(paths.trust_dir().join("ca.crt"), ca.1.to_pem()).unwrap();
        let take = |lists| {
            let trust = trust_store(&paths).unwrap();
            keep(&paths.crl_dir(), &trust, lists, &[], now()).unwrap();
            let store = trust_store(&paths).unwrap();
            store
                .crls()
                .map(|list| list.number().unwrap().to_vec())
                .collect::<Vec<_>>()
        };
        assert_eq!(take(vec![list(&ca, 5), list(&stranger, 9)]), [[5]]);
        assert_eq!(take(vec![list(&ca, 4)]), [[5]]);
        assert_eq!(take(vec![list(&ca, 6)]), [[6]]);
        // A damaged file is no reason to forget who was taken back.
        let file = files(&paths.crl_dir()).unwrap().remove(0);
        fs_err::write(&file, "damaged").unwrap();
        let error = trust_store(&paths).unwrap_err();
        assert!(unusable(&error).in_one_line().contains("muster-agent update"));
    }
}
