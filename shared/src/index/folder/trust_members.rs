//! The certificates and revocation lists that go into an index: those of the signers in use and their issuers,
//! and of every issuer the newest list.
//!
//! Anybody may put a file into the folder. So a list is only chosen among those that a certificate at hand signed: one
//! of the trust folder, of the packages, or of the index before.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::former::Former;
use super::{FolderError, INDEX_NAME, LeftOut, unreadable};
use crate::crypto::{Certificate, RevocationList, TrustStore};
use crate::hint::chain;
use crate::index::IndexEntry;
use crate::package::check_control;

/// What may go into an index.
#[derive(Default)]
pub(super) struct TrustMembers {
    /// By fingerprint, so that each certificate is written once.
    certificates: BTreeMap<String, Certificate>,
    /// Every list that may go in, the named ones first.
    crls: Vec<Candidate>,
    /// Whether a signer of former rows is trusted, by fingerprint.
    judged: std::cell::RefCell<BTreeMap<String, bool>>,
}

/// A revocation list, and where it comes from.
struct Candidate {
    list: RevocationList,
    /// Relative to the folder where that is possible.
    from: String,
    is_named: bool,
}

impl TrustMembers {
    /// The certificates of an index before; they were taken from packages. Its revocation lists stay when they
    /// are wanted.
    pub(super) fn add_former(&mut self, former: &Former, with_crls: bool) {
        for pem in former.certificates() {
            let text = String::from_utf8_lossy(pem);
            self.add_chain(&Certificate::chain_from_pem(&text).unwrap_or_default());
        }
        if with_crls {
            for der in former.crls() {
                if let Ok(list) = RevocationList::from_der(der) {
                    self.crls.push(Candidate {
                        list,
                        from: INDEX_NAME.to_owned(),
                        is_named: false,
                    });
                }
            }
        }
    }

    /// The certificates that came with a package.
    pub(super) fn add_chain(&mut self, chain: &[Certificate]) {
        for certificate in chain {
            self.certificates
                .entry(certificate.fingerprint())
                .or_insert_with(|| certificate.clone());
        }
    }

    /// The revocation lists of named files, which must be good, and of `*.crl` in the folder, where a bad one is
    /// left out with its reason.
    pub(super) fn add_files(
        &mut self,
        folder: &Path,
        named: &[PathBuf],
        left_out: &mut Vec<LeftOut>,
    ) -> Result<(), FolderError> {
        let mut first = Vec::new();
        for path in named {
            let from = path.to_string_lossy().into_owned();
            let lists = RevocationList::all_from_file(path).map_err(|source| FolderError::Crl {
                path: path.clone(),
                source,
            })?;
            first.extend(lists.into_iter().map(|list| Candidate {
                list,
                from: from.clone(),
                is_named: true,
            }));
        }
        self.crls.splice(0..0, first);
        for place in [folder.to_owned(), folder.join("crl")] {
            for path in crl_files(&place).map_err(|source| unreadable(&place, source))? {
                let relative = path.strip_prefix(folder).unwrap_or(&path);
                let from = relative.to_string_lossy().into_owned();
                match RevocationList::all_from_file(&path) {
                    Ok(lists) => self.crls.extend(lists.into_iter().map(|list| Candidate {
                        list,
                        from: from.clone(),
                        is_named: false,
                    })),
                    Err(error) => left_out.push(LeftOut {
                        filename: from,
                        reason: chain(&error),
                    }),
                }
            }
        }
        Ok(())
    }

    /// The revocation lists known so far.
    pub(super) fn crls(&self) -> impl Iterator<Item = &RevocationList> {
        self.crls.iter().map(|candidate| &candidate.list)
    }

    /// Whether a former row still is signed by someone trusted: asked without reading the file again.
    pub(super) fn is_trusted(&self, row: &IndexEntry, trust: &TrustStore, now: Timestamp) -> bool {
        let fingerprint = row.control.get("signer_fingerprint").to_ascii_lowercase();
        let Some(signer) = self.certificates.get(&fingerprint) else {
            return false;
        };
        let mut judged = self.judged.borrow_mut();
        let is_trusted = *judged.entry(fingerprint).or_insert_with(|| {
            let issuers: Vec<Certificate> = self.certificates.values().cloned().collect();
            trust.check_signer(signer, &issuers, now).is_ok()
        });
        is_trusted && check_control(&row.control, signer).is_ok()
    }

    /// The certificates of these rows' signers with their issuers, as PEM, in the order of their names in the index.
    pub(super) fn needed(&self, rows: &[IndexEntry]) -> Vec<Vec<u8>> {
        let signers: BTreeSet<&str> = rows
            .iter()
            .map(|row| row.control.get("signer_fingerprint"))
            .collect();
        let mut needed: BTreeSet<String> = BTreeSet::new();
        let mut waiting: Vec<String> = signers.into_iter().map(str::to_ascii_lowercase).collect();
        while let Some(fingerprint) = waiting.pop() {
            let Some(certificate) = self.certificates.get(&fingerprint) else {
                continue;
            };
            if needed.insert(fingerprint) {
                let issuers = self.certificates.iter().filter(|(known, candidate)| {
                    !needed.contains(*known) && candidate.subject() == certificate.issuer()
                });
                waiting.extend(issuers.map(|(known, _issuer)| known.clone()));
            }
        }
        self.certificates
            .iter()
            .filter(|(fingerprint, _certificate)| needed.contains(*fingerprint))
            .map(|(_fingerprint, certificate)| certificate.to_pem().into_bytes())
            .collect()
    }

    /// The revocation lists that count, in DER. Those that no certificate at hand signed are left out.
    pub(super) fn crls_in_force(
        &self,
        trust: Option<&TrustStore>,
        now: Timestamp,
        left_out: &mut Vec<LeftOut>,
    ) -> Vec<Vec<u8>> {
        if self.crls.is_empty() {
            return Vec::new();
        }
        let at_hand: Vec<Certificate> = self.certificates.values().cloned().collect();
        let store = trust.map_or_else(
            || TrustStore::new(at_hand.clone()),
            |trust| TrustStore::new(trust.anchors().to_vec()).with_crls(trust.crls().cloned()),
        );
        // The named ones first: checks are bounded.
        let ders = self.crls.iter().map(|candidate| candidate.list.der());
        let (signed, _errors) = store.read_crls(ders, &at_hand, now);
        let signed: BTreeSet<String> = signed.iter().map(RevocationList::fingerprint).collect();
        let mut told = BTreeSet::new();
        for candidate in &self.crls {
            if !signed.contains(&candidate.list.fingerprint()) && told.insert(&candidate.from) {
                left_out.push(LeftOut {
                    filename: candidate.from.clone(),
                    reason: format!(
                        "no certificate at hand signed the revocation list of {}; give a folder with its issuer's \
                         certificate as the trusted ones",
                        candidate.list.issuer()
                    ),
                });
            }
        }
        let choose = |only_named: bool| {
            let lists = self
                .crls
                .iter()
                .filter(|candidate| candidate.is_named || !only_named)
                .map(|candidate| &candidate.list)
                .filter(|list| signed.contains(&list.fingerprint()));
            let store = store.clone().with_crls(lists.cloned());
            let in_force = store.crls_in_force(&at_hand, now).into_iter();
            in_force
                .filter(|(_issuer, list)| signed.contains(&list.fingerprint()))
                .map(|(issuer, list)| (list.series(&issuer), list.der().to_vec()))
                .collect::<BTreeMap<_, _>>()
        };
        let mut chosen = choose(false);
        // What was named never loses to a file that lies around; but nobody who was taken back comes back by it.
        for (series, der) in choose(true) {
            chosen.entry(series).and_modify(|known| *known = der);
        }
        chosen.into_values().collect()
    }
}

/// The files of a folder that end in `.crl`, sorted; a folder that is not there has none.
fn crl_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = match fs_err::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "crl") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
