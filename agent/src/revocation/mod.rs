//! Revocation lists on this machine: where they come from, which are kept, who is refused by them.
//!
//! Parties: an *issuer* signs the list of what it takes back; the index, a web server or an administrator's
//! folder brings it and is not trusted. Kept is what counts: validly signed by a certificate of the trust folder,
//! or by a CA that leads to one, and the newest of its issuer; so a repository that leaves a list out later, or
//! brings an older one, gains nothing. A list by which an issuer took itself back is kept for ever. A kept file that is
//! damaged refuses everything until a list of the same series takes its place. A signer without a CA, whose key another
//! anchor took the trust from, is refused likewise. Everything that is judged afterwards, packages at index, download and
//! install and signed orders alike, is judged with the lists kept here and those of the trust folder.

mod distrust;
mod web;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use muster_shared::crypto::{Certificate, CertificateError, CrlError, RevocationList, TrustStore};
use muster_shared::hint::chain;
use muster_shared::index::{IndexFile, IndexLimits};
use muster_shared::protocol::error::ErrorCode;
use sha2::{Digest as _, Sha256};

use crate::agent::Agent;
use crate::config::Config;
use crate::failure::Failure;
use crate::paths::Paths;
use crate::platform;
use crate::state::facts;

/// At most this many certificates of an index are looked at.
const MAX_CERTIFICATES: usize = 1000;

/// And at most this many lists.
const MAX_LISTS: usize = 1000;

/// Lists of CAs that are no anchors themselves are kept up to so many files and bytes in all: whoever has the key of
/// one can make any number of further ones.
const MAX_KEPT: usize = 1000;
const MAX_KEPT_BYTES: u64 = 64 << 20;

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
    distrust::without_distrusted(store, paths)
}

/// The certificates that packages of a repository may be signed by: those of its own folder when it has one, else the
/// trust folder's. Revocation lists count for both.
///
/// # Errors
/// When a file cannot be read.
pub fn trust_of(paths: &Paths, config: &Config, repository: &str) -> Result<TrustStore, CertificateError> {
    let settings = config.repositories.settings(repository);
    let Some(folder) = settings.and_then(|settings| settings.public_certs_dir.as_ref()) else {
        return trust_store(paths);
    };
    let mut store = TrustStore::from_folder(folder)?;
    for file in files(&paths.crl_dir())? {
        let lists = RevocationList::all_from_file(&file);
        store.add_crls(lists.map_err(|error| CertificateError::Crl(Box::new(error)))?);
    }
    distrust::without_distrusted(store, paths)
}

/// What an index brings to judge signers with; nothing in it is verified.
#[derive(Debug, Default)]
pub struct Brought {
    lists: Vec<Vec<u8>>,
    certificates: Vec<Vec<u8>>,
}

impl Brought {
    /// Takes the parts out of an index; nothing when it cannot be read.
    pub fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let index = IndexFile::open(bytes, &IndexLimits::default()).ok()?;
        Some(Self {
            lists: index.crls,
            certificates: index.certificates,
        })
    }

    /// Takes the parts out of an index file; nothing when it cannot be read.
    fn of_file(path: &Path) -> Option<Self> {
        Self::of_bytes(&fs_err::read(path).ok()?)
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

/// Whose revocation lists are kept: everyone in the trust folder and in the folders of repositories. Without the kept
/// files that are damaged, whose paths come along: only to judge the lists that could take their place.
fn readable_store(agent: &Agent) -> Result<(TrustStore, Vec<PathBuf>), CertificateError> {
    let folders = agent.repositories.iter();
    readable(
        &agent.paths,
        folders.filter_map(|source| source.settings().public_certs_dir.as_deref()),
    )
}

fn readable<'a>(
    paths: &Paths,
    folders: impl Iterator<Item = &'a Path>,
) -> Result<(TrustStore, Vec<PathBuf>), CertificateError> {
    let mut store = TrustStore::from_folder(&paths.trust_dir())?;
    for folder in folders {
        match TrustStore::from_folder(folder) {
            Ok(own) => {
                let lists: Vec<RevocationList> = store.crls().chain(own.crls()).cloned().collect();
                let anchors = [store.anchors(), own.anchors()].concat();
                store = TrustStore::new(anchors).with_crls(lists);
            }
            // Nothing of that repository counts then, which its part of the update says.
            Err(error) => {
                tracing::warn!(folder = %folder.display(), error = %chain(&error), "a trust folder cannot be read");
            }
        }
    }
    let mut damaged = Vec::new();
    for file in files(&paths.crl_dir())? {
        match RevocationList::all_from_file(&file) {
            Ok(lists) => store.add_crls(lists),
            Err(_) => damaged.push(file),
        }
    }
    Ok((distrust::without_distrusted(store, paths)?, damaged))
}

/// Keeps what counts of the lists that the index of a repository brings, and notes where its signers' issuers publish
/// theirs.
///
/// # Errors
/// When the trust folder cannot be read, or the disk or the database does not take it.
pub async fn take(agent: &Agent, repository: &str, brought: Brought) -> Result<(), Failure> {
    let (trust, _damaged) = readable_store(agent).map_err(|error| unusable(&error))?;
    let at = agent.own_time().await?;
    let folder = agent.paths.crl_dir();
    let found = blocking(move || {
        let certificates = brought.certificates();
        let ders = brought.lists.iter().take(MAX_LISTS).map(Vec::as_slice);
        let (lists, errors) = trust.read_crls(ders, &certificates, at);
        for error in errors {
            tracing::warn!(error = %chain(&error), "a revocation list of the index cannot be used");
        }
        keep(&folder, &trust, lists, &certificates, at)?;
        Ok(web::points(&trust, &certificates, at))
    })
    .await?;
    let mut points: web::Points = agent
        .state
        .json_fact(facts::CRL_POINTS)
        .await?
        .unwrap_or_default();
    points.retain(|name, _urls| agent.repositories.get(name).is_some());
    points.insert(repository.to_owned(), found);
    agent.state.set_json_fact(facts::CRL_POINTS, &points).await?;
    Ok(())
}

/// Takes the lists of the indexes in the cache once more, when something changed with which they are judged: a CA that
/// was added to a trust folder, a kept file that went away. A repository does not bring an index again that it brought
/// before.
///
/// # Errors
/// As [`take`].
pub async fn take_again(agent: &Agent) -> Result<(), Failure> {
    let basis = basis(agent).await?;
    if agent.state.fact(facts::CRL_BASIS).await? == Some(basis) {
        return Ok(());
    }
    for (name, index) in indexes(agent) {
        let brought = blocking(move || Ok(Brought::of_file(&index))).await?;
        if let Some(brought) = brought {
            take(agent, &name, brought).await?;
        }
    }
    let basis = self::basis(agent).await?;
    agent.state.set_fact(facts::CRL_BASIS, &basis).await?;
    Ok(())
}

/// The index in the cache of each repository.
fn indexes(agent: &Agent) -> Vec<(String, PathBuf)> {
    let all = agent.repositories.iter();
    all.map(|source| {
        let name = source.name();
        (name.to_owned(), agent.paths.index_of(name))
    })
    .collect()
}

/// The trust folders, the kept lists, the indexes, and the hour: certificates begin and end.
async fn basis(agent: &Agent) -> Result<String, Failure> {
    let (trust, damaged) = readable_store(agent).map_err(|error| unusable(&error))?;
    let at = agent.own_time().await?;
    let mut digest = Sha256::new();
    for anchor in trust.anchors() {
        digest.update(anchor.fingerprint());
    }
    digest.update("lists");
    for list in trust.crls() {
        digest.update(list.fingerprint());
    }
    for (_name, index) in indexes(agent) {
        let index = fs_err::metadata(index).ok();
        let changed = index.as_ref().and_then(|index| index.modified().ok());
        digest.update(format!("{:?} {changed:?} ", index.map(|index| index.len())));
    }
    digest.update(format!("{damaged:?} {}", at.as_second() / 3600));
    Ok(hex::encode(digest.finalize()))
}

/// Fetches the lists that the configuration and the certificates name. What cannot be had is a line in the log:
/// the last list counts until it ends.
///
/// # Errors
/// When the trust folder or the database cannot be used.
pub async fn fetch(agent: &Agent) -> Result<(), Failure> {
    web::fetch(agent).await
}

/// Before an update, and before anything of it is judged: fetches by which documents anchors take trust from keys.
///
/// # Errors
/// When the trust folder or the database cannot be used.
pub async fn renew_distrust(agent: &Agent) -> Result<(), Failure> {
    distrust::renew(agent).await
}

/// Before an update: when a kept file is damaged, index and addresses are fetched whole, which brings the list again.
/// The file stays: without it, whom it takes back would be accepted.
///
/// # Errors
/// When the folder or the database cannot be used.
pub async fn ask_again_for_damaged(agent: &Agent) -> Result<(), Failure> {
    let (_trust, damaged) = readable_store(agent).map_err(|error| unusable(&error))?;
    if damaged.is_empty() {
        return Ok(());
    }
    for file in damaged {
        tracing::error!(file = %file.display(), "a kept revocation list is damaged; it is fetched again");
    }
    agent.state.forget_index_validators().await?;
    agent.state.clear_fact(facts::CRL_CHECKS).await?;
    // Before the index, whose rows are not judged while it is damaged.
    fetch(agent).await
}

/// Adds lists to the kept ones: only those that count now are written, one file a series. The fingerprints of all
/// lists in force.
fn keep(
    folder: &Path,
    trust: &TrustStore,
    lists: Vec<RevocationList>,
    intermediates: &[Certificate],
    at: Timestamp,
) -> std::io::Result<BTreeSet<String>> {
    let store = trust.clone().with_crls(lists);
    let in_force = store.crls_in_force(intermediates, at);
    let mut room = Room::in_folder(folder)?;
    let mut names = BTreeSet::new();
    let mut keys = BTreeSet::new();
    for (issuer, list) in &in_force {
        let name = format!("{}.crl", list.series(issuer));
        let file = folder.join(&name);
        names.insert(name);
        let there = RevocationList::all_from_file(&file).ok();
        let is_there = there.is_some_and(|there| {
            // By which list it took itself back is all the same.
            list.takes_back_itself(issuer) || there.iter().any(|known| known.der() == list.der())
        });
        if !list.takes_back_itself(issuer) {
            keys.insert(issuer.spki_sha256());
        }
        if is_there {
            continue;
        }
        if !store.is_pinned(issuer) && !file.exists() && !room.take(list.der().len()) {
            tracing::error!(issuer = %issuer.common_name(), "too many revocation lists are kept; this one is not");
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
    // Of one key only so many parts count; the older ones would pile up.
    for file in files(folder).map_err(std::io::Error::other)? {
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let of_key = name
            .split_once('-')
            .is_some_and(|(key, rest)| keys.contains(key) && !rest.starts_with("itself-"));
        if of_key && !names.contains(&name) && RevocationList::all_from_file(&file).is_ok() {
            fs_err::remove_file(&file)?;
            tracing::warn!(file = %file.display(), "a revocation list made place for newer parts of its issuer");
        }
    }
    Ok(in_force
        .iter()
        .map(|(_issuer, list)| list.fingerprint())
        .collect())
}

/// How much more may be kept.
struct Room {
    files: usize,
    bytes: u64,
}

impl Room {
    fn in_folder(folder: &Path) -> std::io::Result<Self> {
        let files = files(folder).map_err(std::io::Error::other)?;
        let sizes = files.iter().filter_map(|file| fs_err::metadata(file).ok());
        Ok(Self {
            bytes: MAX_KEPT_BYTES.saturating_sub(sizes.map(|size| size.len()).sum()),
            files: MAX_KEPT.saturating_sub(files.len()),
        })
    }

    fn take(&mut self, size: usize) -> bool {
        let size = size as u64;
        if self.files == 0 || self.bytes < size {
            return false;
        }
        self.files -= 1;
        self.bytes -= size;
        true
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
        CertificateError::Read { path, .. }
            if path.ends_with(muster_shared::rules::distrust::DISTRUST_FILE) =>
        {
            format!(
                "remove {} if it cannot be restored: whom to distrust is then asked for again with the next update",
                path.display()
            )
        }
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
mod tests;
