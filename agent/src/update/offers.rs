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
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::rows::{KnownRows, Mark, Picked, PickedRow, Signature, row_in_full};
use super::signers::Signers;
use crate::config::Config;
use crate::failure::Failure;
use crate::paths::Paths;
use crate::plan::Wish;
use crate::platform;
use crate::revocation::Brought;
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
}

/// What this host is, for the filters of packages.
pub fn capabilities(config: &Config, now: Timestamp) -> Capabilities {
    let system = platform::facts::system::read().unwrap_or_default();
    let offset = jiff::tz::TimeZone::system().to_offset(now);
    Capabilities {
        os: platform::PLATFORM.to_owned(),
        // A version such as "trixie/sid" is no number; bounds on it keep packages away.
        os_version: system.version,
        architecture: platform::architecture().to_owned(),
        locales: config.locales.clone(),
        maturities: config.maturities.clone(),
        packages_blacklist: config.packages_blacklist.clone(),
        packages_whitelist: config.packages_whitelist.clone(),
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
    /// The files of an agent.
    pub fn of(paths: &Paths) -> Self {
        Self {
            index: paths.index_file(),
            rows: paths.private_dir().join("index-rows.json"),
            offers: paths.private_dir().join("index-offers.json"),
        }
    }
}

/// Rows read in full while an index was taken, so that planning does not go through it again.
#[derive(Debug, Default)]
pub struct Gathered {
    names: BTreeSet<String>,
    picked: Picked,
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
) -> Result<(Brought, Gathered), String> {
    let mut index = IndexFile::open(bytes, &IndexLimits::default()).map_err(|error| chain(&error))?;
    let pems = index.certificates.clone();
    let mut signers = Signers::new(&pems, trust, at);
    let before = KnownRows::read(&files.rows)
        .map(|(_mark, rows)| rows)
        .unwrap_or_default();
    // What mattered last time most likely matters again.
    let names = Saved::read(&files.offers)
        .map(|saved| saved.names)
        .unwrap_or_default();
    let (rows, picked) =
        KnownRows::of_index(&mut index, &before, &mut signers, &names).map_err(|error| chain(&error))?;
    let written = platform::write_private(&files.index, bytes)
        .and_then(|()| rows.write(&files.rows, Mark::of(&files.index)?));
    written.map_err(|error| error.to_string())?;
    Ok((Brought::of(index), Gathered { names, picked }))
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
    let pems = index.certificates.clone();
    let mut signers = Signers::new(&pems, trust, at);
    let mut gathered = gathered;
    let known = match KnownRows::read(&files.rows) {
        Some((of, rows)) if of == mark && !rows.is_behind(&mut signers) => rows,
        before => {
            let before = before.map(|(_mark, rows)| rows).unwrap_or_default();
            let (rows, picked) =
                KnownRows::of_index(&mut index, &before, &mut signers, &roots).map_err(damaged)?;
            if let Err(error) = rows.write(&files.rows, mark) {
                tracing::warn!(%error, "what is known of the index is not kept; it is computed again");
            }
            gathered = Gathered {
                names: roots.clone(),
                picked,
            };
            rows
        }
    };
    let names = reached(&known, &roots, &mut signers);
    if !names.is_subset(&gathered.names) {
        gathered.picked = pick(&mut index, &known, &names).map_err(damaged)?;
    }
    let offers = judged(&known, gathered.picked, &names, &mut signers);
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
const FORMAT: u32 = 1;

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
mod tests {
    use super::*;

    const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden");

    fn now() -> Timestamp {
        "2026-12-01T00:00:00Z".parse().unwrap()
    }

    fn trust(names: &[&str]) -> TrustStore {
        let certificate = |name: &&str| {
            Certificate::chain_from_file(&Path::new(GOLDEN).join("keys").join(name))
                .unwrap()
                .remove(0)
        };
        TrustStore::new(names.iter().map(certificate).collect())
    }

    /// A folder with the golden index, or another one, in it.
    struct Place {
        _folder: tempfile::TempDir,
        files: Files,
    }

    impl Place {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let file = |name: &str| folder.path().join(name);
            let files = Files {
                index: file("Packages"),
                rows: file("rows"),
                offers: file("offers"),
            };
            Self {
                _folder: folder,
                files,
            }
        }

        fn golden() -> Self {
            let place = Self::new();
            fs_err::copy(Path::new(GOLDEN).join("repo/Packages"), &place.files.index).unwrap();
            place
        }

        fn forged(change: impl Fn(&mut IndexEntry)) -> Self {
            let place = Self::golden();
            let bytes = fs_err::read(&place.files.index).unwrap();
            let mut index = muster_shared::index::read(&bytes, &IndexLimits::default()).unwrap();
            index.entries.iter_mut().for_each(change);
            let bytes = muster_shared::index::write(&index.entries, &index.certificates, &[], now()).unwrap();
            fs_err::write(&place.files.index, bytes).unwrap();
            place
        }

        fn ask(&self, wish: &[&str], trusted: &[&str]) -> Offers {
            self.ask_at(wish, trusted, now())
        }

        fn ask_at(&self, wish: &[&str], trusted: &[&str], at: Timestamp) -> Offers {
            let roots = wish.iter().map(|name| (*name).to_owned()).collect();
            offered(&self.files, roots, &trust(trusted), at, Gathered::default(), true).unwrap()
        }
    }

    fn names(offers: &Offers) -> Vec<&str> {
        let mut names: Vec<&str> = offers
            .entries
            .iter()
            .map(|entry| entry.control.package())
            .collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_is_asked_for_is_offered_with_all_that_it_leads_to_and_nothing_else() {
        let place = Place::golden();
        for _again in 0..2 {
            let offers = place.ask(&["peer-app"], &["signer.crt"]);
            assert_eq!(names(&offers), ["peer-app", "peer-base"]);
            assert!(offers.refused.is_empty());
        }
    }

    #[test]
    fn rows_of_signers_that_this_machine_does_not_trust_are_refused_with_the_reason() {
        let offers = Place::golden().ask(&["peer-app"], &["ca.crt"]);
        assert!(offers.entries.is_empty());
        assert_eq!(offers.refused[0].package, "peer-app");
        assert!(
            offers.refused[0].reason.contains("no trusted certificate"),
            "{}",
            offers.refused[0].reason
        );
    }

    #[test]
    fn a_row_that_was_changed_is_refused_and_the_others_stay() {
        let place = Place::forged(|entry| {
            if entry.control.package() == "peer-app" {
                entry.control.set("depends", "something-else");
            }
        });
        let offers = place.ask(&["peer-app", "peer-base"], &["signer.crt"]);
        assert_eq!(names(&offers), ["peer-base"]);
        assert_eq!(offers.refused.len(), 1);
    }

    #[test]
    fn signatures_are_judged_at_the_given_time_whatever_was_kept() {
        let place = Place::golden();
        assert_eq!(names(&place.ask(&["peer-base"], &["signer.crt"])), ["peer-base"]);
        let early = "2020-01-01T00:00:00Z".parse().unwrap();
        let offers = place.ask_at(&["peer-base"], &["signer.crt"], early);
        assert!(offers.entries.is_empty());
        assert!(
            offers.refused[0].reason.contains("not valid before"),
            "{}",
            offers.refused[0].reason
        );
        let late = "2126-01-01T00:00:00Z".parse().unwrap();
        assert!(
            place
                .ask_at(&["peer-base"], &["signer.crt"], late)
                .entries
                .is_empty()
        );
        assert_eq!(names(&place.ask(&["peer-base"], &["signer.crt"])), ["peer-base"]);
    }

    #[test]
    fn a_certificate_that_leaves_or_joins_the_trust_folder_counts_at_once() {
        let place = Place::golden();
        assert_eq!(names(&place.ask(&["peer-base"], &["signer.crt"])), ["peer-base"]);
        assert!(place.ask(&["peer-base"], &["ca.crt"]).entries.is_empty());
        // Never computed before, as nobody trusted it.
        let place = Place::golden();
        assert!(place.ask(&["peer-base"], &["ca.crt"]).entries.is_empty());
        assert_eq!(
            names(&place.ask(&["peer-base"], &["signer.crt", "ca.crt"])),
            ["peer-base"]
        );
    }

    #[test]
    fn a_forged_row_is_refused_although_the_true_one_was_known() {
        let place = Place::golden();
        assert_eq!(names(&place.ask(&["peer-app"], &["signer.crt"])).len(), 2);
        let forged = Place::forged(|entry| {
            if entry.control.package() == "peer-app" {
                entry.control.set("depends", "");
            }
        });
        let bytes = fs_err::read(&forged.files.index).unwrap();
        let (_brought, gathered) = take_index(&place.files, &bytes, &trust(&["signer.crt"]), now()).unwrap();
        let roots = BTreeSet::from(["peer-app".to_owned(), "peer-base".to_owned()]);
        let offers = offered(
            &place.files,
            roots,
            &trust(&["signer.crt"]),
            now(),
            gathered,
            true,
        )
        .unwrap();
        assert_eq!(names(&offers), ["peer-base"]);
        assert_eq!(offers.refused[0].package, "peer-app");
    }

    #[test]
    fn what_was_kept_and_cannot_be_read_is_worked_out_again() {
        let place = Place::golden();
        let before = names(&place.ask(&["peer-app"], &["signer.crt"])).len();
        for file in [&place.files.rows, &place.files.offers] {
            fs_err::write(file, b"{\"format\":1").unwrap();
        }
        assert_eq!(names(&place.ask(&["peer-app"], &["signer.crt"])).len(), before);
    }

    #[test]
    fn a_new_index_gives_what_a_fresh_agent_would_see() {
        let place = Place::golden();
        let asked = ["peer-app"];
        place.ask(&asked, &["signer.crt"]);
        let known = KnownRows::read(&place.files.rows).unwrap();
        let bytes = fs_err::read(&place.files.index).unwrap();
        let (_brought, gathered) = take_index(&place.files, &bytes, &trust(&["signer.crt"]), now()).unwrap();
        assert_eq!(gathered.picked.len(), 2);
        assert_eq!(KnownRows::read(&place.files.rows).unwrap().1, known.1);
    }

    #[test]
    fn what_is_no_index_replaces_nothing() {
        let place = Place::golden();
        let before = fs_err::read(&place.files.index).unwrap();
        assert!(take_index(&place.files, b"nonsense", &trust(&["signer.crt"]), now()).is_err());
        assert_eq!(fs_err::read(&place.files.index).unwrap(), before);
    }
}
