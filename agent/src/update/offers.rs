//! What the repository offers this host: index rows, verified one by one, and of these what matters.
//!
//! Parties: people sign the control of each package; the repository only lists them and is not trusted.
//! A row counts when a certificate of this machine's trust folder, or one that it issued, signed the row's
//! control. Certificates in the index are untrusted intermediates. Rows are verified when an index is taken; what
//! [`super::rows`] knows of them is kept, and of the rows in full only those that something on this host leads to
//! are ever in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use muster_shared::catalogue::{Capabilities, Unverified};
use muster_shared::control::Control;
use muster_shared::crypto::{Certificate, RevocationList, TrustStore};
use muster_shared::hint::chain;
use muster_shared::index::{IndexEntry, IndexError, IndexFile, IndexLimits};
use muster_shared::protocol::error::ErrorCode;
use muster_shared::request::{Request, parse_list_as_wapt};
use muster_shared::rules::repository::MAIN_REPOSITORY;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::rows::{KnownRows, Mark, Picked, PickedRow, Signature, row_in_full};
use super::signers::Signers;
use crate::config::Config;
use crate::failure::Failure;
use crate::paths::Paths;
use crate::plan::Wish;
use crate::platform;
use crate::state::packages::Installed;

/// A row that is not believed, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedRow {
    pub package: String,
    pub version: String,
    pub reason: String,
}

impl From<&RefusedRow> for Unverified {
    fn from(row: &RefusedRow) -> Self {
        Self {
            package: row.package.clone(),
            version: row.version.clone(),
            reason: row.reason.clone(),
        }
    }
}

/// At most this many refused rows are remembered.
const MAX_REFUSED: usize = 1000;

/// At most this many of one name: each name that has any must be told from one that has none.
const MAX_REFUSED_OF_NAME: usize = 10;

/// Rows that can be planned with.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Offers {
    /// Verified rows, also those that this host does not take: they explain.
    pub entries: Vec<IndexEntry>,
    pub refused: Vec<RefusedRow>,
    /// Every index that there should be is here and its rows are known: a package that is in none does not exist.
    pub is_whole: bool,
}

/// What this host is, for the filters of packages.
pub fn capabilities(config: &Config, now: Timestamp) -> Capabilities {
    let system = platform::facts::system::read().unwrap_or_default();
    let offset = platform::local_zone().to_offset(now);
    Capabilities {
        os: platform::PLATFORM.to_owned(),
        // A version such as "trixie/sid" is no number; bounds on it keep packages away.
        os_version: system.version,
        architecture: platform::architecture().to_owned(),
        locales: config.locales.clone(),
        maturities: config.maturities.clone(),
        packages_blacklist: config.packages_blacklist.clone(),
        packages_whitelist: config.packages_whitelist.clone(),
        repositories: super::pool::lists(config),
        language: platform::facts::system::language().chars().take(2).collect(),
        utc_offset_secs: offset.seconds(),
        now,
        ..Capabilities::default()
    }
}

/// The names from which everything that can matter is reached.
pub fn names_of(installed: &[Installed], host: Option<&Control>, wish: &Wish) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = installed.iter().map(|row| row.package().to_owned()).collect();
    let requests = |list: Vec<Request>| list.into_iter().map(|request| request.name);
    for row in installed {
        names.extend(requests(row.control.depends_list()));
    }
    if let Some(host) = host {
        names.extend(requests(host.depends_list()));
    }
    if let Wish::Install { requests: asked, .. } = wish {
        names.extend(requests(asked.clone()));
    }
    names
}

/// Where the index lies, and what is kept about it.
#[derive(Debug, Clone)]
pub struct Files {
    index: PathBuf,
    /// What is known of its rows; only this agent may write it.
    rows: PathBuf,
    /// The last answer; only this agent may write it.
    offers: PathBuf,
}

impl Files {
    /// The files of the main repository.
    pub fn of(paths: &Paths) -> Self {
        Self::of_repository(paths, MAIN_REPOSITORY)
    }

    /// The files of a repository.
    pub fn of_repository(paths: &Paths, name: &str) -> Self {
        let private = |what: &str| {
            let file = if name == MAIN_REPOSITORY {
                format!("index-{what}.json")
            } else {
                format!("index-{what}-{name}.json")
            };
            paths.private_dir().join(file)
        };
        Self {
            index: paths.index_of(name),
            rows: private("rows"),
            offers: private("offers"),
        }
    }

    /// An index was fetched.
    pub fn has_index(&self) -> bool {
        self.index.exists()
    }

    /// Takes away all that is kept.
    pub fn remove(&self) {
        for file in [&self.index, &self.rows, &self.offers] {
            fs_err::remove_file(file).ok();
        }
    }
}

/// What was read while an index was taken, so that planning does not go through it again.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Rows in full.
    picked: Picked,
    /// The names that they are of.
    names: BTreeSet<String>,
    /// What is known of all rows, and of which index.
    known: Option<(Mark, KnownRows)>,
}

/// Takes a new index: every row that was not known before is verified, and the file replaced.
///
/// # Errors
/// It is no index, or cannot be written; the one before stays.
pub fn take_index(
    files: &Files,
    bytes: &[u8],
    trust: &TrustStore,
    at: Timestamp,
) -> Result<Gathered, String> {
    let mut index = IndexFile::open(bytes, &IndexLimits::default()).map_err(|error| chain(&error))?;
    let mut signers = Signers::new(&index.certificates, trust, at);
    let before = KnownRows::read(&files.rows)
        .map(|(_mark, rows)| rows)
        .unwrap_or_default();
    // What mattered last time most likely matters again.
    let names = Saved::read(&files.offers)
        .map(|saved| saved.names)
        .unwrap_or_default();
    let (known, picked) =
        KnownRows::of_index(&mut index, before, &mut signers, &names).map_err(|error| chain(&error))?;
    let written = platform::write_private(&files.index, bytes).and_then(|()| {
        let mark = Mark::of(&files.index)?;
        known.write(&files.rows, mark).map(|()| mark)
    });
    let mark = written.map_err(|error| error.to_string())?;
    Ok(Gathered {
        picked,
        names,
        known: Some((mark, known)),
    })
}

/// The rows of these names, of what they depend on, and so on: those whose signature is good and whose signer is
/// trusted now. With `keep`, the answer is kept: asked the same about the same index, nothing is read again.
///
/// # Errors
/// The index in the cache cannot be read.
pub fn offered(
    files: &Files,
    roots: BTreeSet<String>,
    trust: &TrustStore,
    at: Timestamp,
    gathered: Gathered,
    keep: bool,
) -> Result<Offers, Failure> {
    let unreadable =
        |error: std::io::Error| Failure::from(anyhow::Error::new(error).context("reading the index"));
    let damaged = |error: IndexError| {
        Failure::new(
            ErrorCode::Internal,
            format!("the index in the cache cannot be read: {}", chain(&error)),
        )
        .with_hint("run `muster-agent update`; it fetches the index again")
    };
    let mark = Mark::of(&files.index).map_err(unreadable)?;
    let basis = basis(trust);
    if let Some(saved) = Saved::read(&files.offers)
        && saved.holds(mark, &basis, &roots, at)
    {
        return Ok(saved.offers);
    }
    let bytes = fs_err::read(&files.index).map_err(unreadable)?;
    let mut index = IndexFile::open(&bytes, &IndexLimits::default()).map_err(damaged)?;
    let certificates = std::mem::take(&mut index.certificates);
    let mut signers = Signers::new(&certificates, trust, at);
    let mut gathered = gathered;
    let known = match gathered.known.take().or_else(|| KnownRows::read(&files.rows)) {
        Some((of, rows)) if of == mark && !rows.is_behind(&mut signers) => rows,
        before => {
            let before = before.map(|(_mark, rows)| rows).unwrap_or_default();
            let (rows, picked) =
                KnownRows::of_index(&mut index, before, &mut signers, &roots).map_err(damaged)?;
            if let Err(error) = rows.write(&files.rows, mark) {
                tracing::warn!(%error, "what is known of the index is not kept; it is computed again");
            }
            gathered.names.clone_from(&roots);
            gathered.picked = picked;
            rows
        }
    };
    let names = reached(&known, &roots, &mut signers);
    if !names.is_subset(&gathered.names) {
        gathered.picked = pick(&mut index, &known, &names).map_err(damaged)?;
    }
    let mut offers = judged(&known, gathered.picked, &names, &mut signers);
    offers.is_whole = !known.rows.is_empty();
    if keep {
        let saved = Saved {
            format: FORMAT,
            mark,
            basis,
            within: signers.holds_within(),
            roots,
            names,
            offers,
        };
        if let Err(error) = saved.write(&files.offers) {
            tracing::warn!(%error, "what the index offers is not kept; it is worked out again");
        }
        return Ok(saved.offers);
    }
    Ok(offers)
}

/// The names of all packages in the index, as far as they are known; for hints.
pub fn all_names(files: &Files) -> BTreeSet<String> {
    let known = KnownRows::read(&files.rows).map(|(_mark, known)| known.rows);
    known
        .unwrap_or_default()
        .into_iter()
        .map(|row| row.package)
        .collect()
}

/// The names that are reached from some through what rows depend on.
fn reached(known: &KnownRows, roots: &BTreeSet<String>, signers: &mut Signers<'_>) -> BTreeSet<String> {
    let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in &known.rows {
        if row.signature == Signature::Good && signers.judge(&row.signer).is_ok() {
            by_name.entry(&row.package).or_default().push(&row.depends);
        }
    }
    let mut names = BTreeSet::new();
    let mut waiting: Vec<String> = roots.iter().cloned().collect();
    while let Some(name) = waiting.pop() {
        // Taken out of the map: each name is looked at once, however many lead to it.
        for depends in by_name.remove(name.as_str()).unwrap_or_default() {
            waiting.extend(
                parse_list_as_wapt(depends)
                    .into_iter()
                    .map(|request| request.name),
            );
        }
        names.insert(name);
    }
    names
}

/// Reads the rows of these names in full.
fn pick(
    index: &mut IndexFile<'_>,
    known: &KnownRows,
    names: &BTreeSet<String>,
) -> Result<Picked, IndexError> {
    let mut place = 0;
    let mut picked = Picked::new();
    index.each_row(|raw| {
        let row = known.rows.get(place);
        if row.is_some_and(|row| row.is(raw.bytes) && names.contains(&row.package))
            && let Ok(entry) = raw.read()
        {
            picked.push(row_in_full(place, raw.bytes, entry));
        }
        place += 1;
    })?;
    Ok(picked)
}

/// The rows that count, and those that do not with the reason.
fn judged(known: &KnownRows, picked: Picked, names: &BTreeSet<String>, signers: &mut Signers<'_>) -> Offers {
    let mut offers = Offers::default();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for row in known.rows.iter().filter(|row| names.contains(&row.package)) {
        let reason = match (signers.judge(&row.signer), &row.signature) {
            (_, Signature::Bad(reason)) => reason.clone(),
            (Err(reason), _) => reason,
            (Ok(_signer), Signature::Good | Signature::Unchecked) => continue,
        };
        let count = counts.entry(&row.package).or_default();
        *count += 1;
        if offers.refused.len() < MAX_REFUSED && *count <= MAX_REFUSED_OF_NAME {
            offers.refused.push(RefusedRow {
                package: row.package.clone(),
                version: row.version.clone(),
                reason,
            });
        }
    }
    for PickedRow { place, hash, entry } in picked {
        let Some(row) = known.rows.get(place) else {
            continue;
        };
        // What was found out is about these very bytes, or says nothing about them.
        let is_good = row.hash == hash
            && row.signature == Signature::Good
            && names.contains(&row.package)
            && signers.judge(&row.signer).is_ok();
        if is_good {
            offers.entries.push(entry);
        }
    }
    offers
}

/// Names what signers are judged by: every anchor and every revocation list.
fn basis(trust: &TrustStore) -> String {
    let mut parts: Vec<String> = trust.anchors().iter().map(Certificate::fingerprint).collect();
    parts.push("|".to_owned());
    parts.extend(trust.crls().map(RevocationList::fingerprint));
    hex::encode(Sha256::digest(parts.join(",")))
}

/// Changes when the meaning of an answer or the rules of the check do: then it is worked out again.
const FORMAT: u32 = 2;

/// An answer, and what it depends on.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    format: u32,
    mark: Mark,
    basis: String,
    /// No certificate and no revocation list begins or ends in between.
    within: (Timestamp, Timestamp),
    roots: BTreeSet<String>,
    names: BTreeSet<String>,
    offers: Offers,
}

impl Saved {
    fn read(file: &Path) -> Option<Self> {
        let saved: Self = serde_json::from_slice(&fs_err::read(file).ok()?).ok()?;
        (saved.format == FORMAT).then_some(saved)
    }

    fn write(&self, file: &Path) -> std::io::Result<()> {
        platform::write_private(file, &serde_json::to_vec(self).map_err(std::io::Error::other)?)
    }

    fn holds(&self, mark: Mark, basis: &str, roots: &BTreeSet<String>, at: Timestamp) -> bool {
        self.mark == mark
            && self.basis == basis
            && self.roots == *roots
            && self.within.0 < at
            && at < self.within.1
    }
}

#[cfg(test)]
mod tests;
