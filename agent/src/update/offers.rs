//! What the repository offers this host: index rows, verified one by one, only those that matter.
//!
//! Parties: people sign the control of each package; the repository only lists them and is not trusted.
//! A row counts when a certificate of this machine's trust folder, or one that it issued, signed the row's
//! control. Certificates in the index are untrusted intermediates. Rows that nothing on this host can lead
//! to are not even looked at: 60,000 signatures would cost seconds for nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::Timestamp;
use muster_shared::catalogue::{self, Capabilities};
use muster_shared::control::Control;
use muster_shared::crypto::{Certificate, TrustStore};
use muster_shared::hint::chain;
use muster_shared::index::{self, Index, IndexEntry, IndexLimits};
use muster_shared::package::check_control;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::request::Request;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::failure::Failure;
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

/// At most this many refused rows are remembered.
const MAX_REFUSED: usize = 100;

/// Rows that can be planned with.
#[derive(Debug, Default)]
pub struct Offers {
    /// Verified rows, and unverified ones that this host does not take anyway: those only explain.
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

/// Reads the index file of the last update.
///
/// # Errors
/// When the file cannot be read as an index.
pub fn read_index(file: &Path) -> Result<Index, Failure> {
    let bytes = fs_err::read(file)
        .map_err(|error| Failure::from(anyhow::Error::new(error).context("reading the index")))?;
    index::read(&bytes, &IndexLimits::default()).map_err(|error| {
        Failure::new(
            ErrorCode::Internal,
            format!("the index in the cache cannot be read: {}", chain(&error)),
        )
        .with_hint("run `muster-agent update`; it fetches the index again")
    })
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

/// Verifies the rows of these names, of what they depend on, and so on.
pub fn verified(
    index: Index,
    names: BTreeSet<String>,
    capabilities: &Capabilities,
    trust: &TrustStore,
    at: Timestamp,
) -> Offers {
    let mut signers = Signers::new(&index, trust, at);
    let mut by_name: BTreeMap<String, Vec<IndexEntry>> = BTreeMap::new();
    for entry in index.entries {
        by_name
            .entry(entry.control.package().to_owned())
            .or_default()
            .push(entry);
    }
    let mut offers = Offers::default();
    let mut waiting: Vec<String> = names.into_iter().collect();
    while let Some(name) = waiting.pop() {
        // Taken out of the map: each name is looked at once, however many lead to it.
        for entry in by_name.remove(&name).unwrap_or_default() {
            if catalogue::refusal(&entry.control, capabilities).is_none() {
                if let Err(reason) = signers.check(&entry.control) {
                    if offers.refused.len() < MAX_REFUSED {
                        offers.refused.push(RefusedRow {
                            package: entry.control.package().to_owned(),
                            version: entry.control.version().to_owned(),
                            reason,
                        });
                    }
                    continue;
                }
                waiting.extend(
                    entry
                        .control
                        .depends_list()
                        .into_iter()
                        .map(|request| request.name),
                );
            }
            offers.entries.push(entry);
        }
    }
    offers
}

/// The most certificates of one index that are looked at, and the most signers that are judged: both come from
/// whoever controls the repository.
const MAX_CERTIFICATES: usize = 1000;
const MAX_SIGNERS: usize = 200;

/// The certificates that may have signed rows, each judged once.
struct Signers<'a> {
    trust: &'a TrustStore,
    at: Timestamp,
    certificates: Vec<Certificate>,
    /// Fingerprint to position in `certificates`.
    positions: BTreeMap<String, usize>,
    judged: BTreeMap<String, Result<Certificate, String>>,
}

impl<'a> Signers<'a> {
    fn new(index: &Index, trust: &'a TrustStore, at: Timestamp) -> Self {
        let mut signers = Self {
            trust,
            at,
            certificates: Vec::new(),
            positions: BTreeMap::new(),
            judged: BTreeMap::new(),
        };
        for anchor in trust.anchors() {
            signers.add(anchor.clone());
        }
        let most = trust.anchors().len() + MAX_CERTIFICATES;
        for pem in &index.certificates {
            // One that cannot be read only cannot help.
            let chain = Certificate::chain_from_pem(&String::from_utf8_lossy(pem)).unwrap_or_default();
            for certificate in chain {
                if signers.certificates.len() < most {
                    signers.add(certificate);
                }
            }
        }
        signers
    }

    fn add(&mut self, certificate: Certificate) {
        let next = self.certificates.len();
        if *self.positions.entry(certificate.fingerprint()).or_insert(next) == next {
            self.certificates.push(certificate);
        }
    }

    fn check(&mut self, control: &Control) -> Result<(), String> {
        let fingerprint = control.get("signer_fingerprint").to_ascii_lowercase();
        if !self.judged.contains_key(&fingerprint) {
            let judged = self.judge(&fingerprint)?;
            self.judged.insert(fingerprint.clone(), judged);
        }
        let signer = match self.judged.get(&fingerprint) {
            Some(judged) => judged.clone()?,
            None => return Err(format!("the signer {fingerprint} was not judged")),
        };
        check_control(control, &signer).map_err(|error| chain(&error))
    }

    /// The judgement to keep, or why none is kept.
    fn judge(&self, fingerprint: &str) -> Result<Result<Certificate, String>, String> {
        let position = self.positions.get(fingerprint);
        let leaf = position
            .and_then(|position| self.certificates.get(*position))
            .ok_or_else(|| {
                format!(
                    "the certificate of its signer ({fingerprint}) is neither trusted here nor in the index"
                )
            })?;
        if self.judged.len() >= MAX_SIGNERS {
            return Err(format!("the index names more than {MAX_SIGNERS} signers"));
        }
        let checked = self.trust.check_signer(leaf, &self.certificates, self.at);
        Ok(checked.map(|_path| leaf.clone()).map_err(|error| chain(&error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden");

    fn now() -> Timestamp {
        "2026-12-01T00:00:00Z".parse().unwrap()
    }

    fn host() -> Capabilities {
        Capabilities {
            os: "linux".to_owned(),
            now: now(),
            ..Capabilities::default()
        }
    }

    fn index() -> Index {
        read_index(&Path::new(GOLDEN).join("repo/Packages")).unwrap()
    }

    fn trust(names: &[&str]) -> TrustStore {
        let certificate = |name: &&str| {
            Certificate::chain_from_file(&Path::new(GOLDEN).join("keys").join(name))
                .unwrap()
                .remove(0)
        };
        TrustStore::new(names.iter().map(certificate).collect())
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
    fn what_is_asked_for_is_verified_with_all_that_it_leads_to_and_nothing_else() {
        let wish = BTreeSet::from(["peer-app".to_owned()]);
        let offers = verified(index(), wish, &host(), &trust(&["signer.crt"]), now());
        assert_eq!(names(&offers), ["peer-app", "peer-base"]);
        assert!(offers.refused.is_empty());
    }

    #[test]
    fn rows_of_signers_that_this_machine_does_not_trust_are_refused_with_the_reason() {
        let wish = BTreeSet::from(["peer-app".to_owned()]);
        let offers = verified(index(), wish, &host(), &trust(&["ca.crt"]), now());
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
        let mut forged = index();
        for entry in &mut forged.entries {
            if entry.control.package() == "peer-app" {
                entry.control.set("depends", "something-else");
            }
        }
        let wish = BTreeSet::from(["peer-app".to_owned(), "peer-base".to_owned()]);
        let offers = verified(forged, wish, &host(), &trust(&["signer.crt"]), now());
        assert_eq!(names(&offers), ["peer-base"]);
        assert_eq!(offers.refused.len(), 1);
    }

    #[test]
    fn signatures_are_judged_at_the_given_time() {
        let early = "2020-01-01T00:00:00Z".parse().unwrap();
        let wish = BTreeSet::from(["peer-base".to_owned()]);
        let offers = verified(index(), wish, &host(), &trust(&["signer.crt"]), early);
        assert!(offers.entries.is_empty());
        assert!(
            offers.refused[0].reason.contains("not valid before"),
            "{}",
            offers.refused[0].reason
        );
    }
}
