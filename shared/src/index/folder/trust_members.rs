//! The certificates and revocation lists that go into an index: those of the signers in use and their issuers,
//! and of every issuer the newest list.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::former::Former;
use super::{FolderError, LeftOut, unreadable};
use crate::crypto::{Certificate, CrlError, RevocationList, TrustStore};
use crate::hint::chain;
use crate::index::IndexEntry;
use crate::package::check_control;

/// What may go into an index.
#[derive(Default)]
pub(super) struct TrustMembers {
    /// By fingerprint, so that each certificate is written once.
    certificates: BTreeMap<String, Certificate>,
    /// By the issuer's key: the newest list.
    crls: BTreeMap<String, RevocationList>,
    /// Whether a signer of former rows is trusted, by fingerprint.
    judged: std::cell::RefCell<BTreeMap<String, bool>>,
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
                    self.add_crl(list);
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
        for path in named {
            self.add_file(path).map_err(|source| FolderError::Crl {
                path: path.clone(),
                source,
            })?;
        }
        for place in [folder.to_owned(), folder.join("crl")] {
            for path in crl_files(&place).map_err(|source| unreadable(&place, source))? {
                if let Err(error) = self.add_file(&path) {
                    left_out.push(LeftOut {
                        filename: path
                            .strip_prefix(folder)
                            .unwrap_or(&path)
                            .to_string_lossy()
                            .into_owned(),
                        reason: chain(&error),
                    });
                }
            }
        }
        Ok(())
    }

    fn add_file(&mut self, path: &Path) -> Result<(), CrlError> {
        for list in RevocationList::all_from_file(path)? {
            self.add_crl(list);
        }
        Ok(())
    }

    fn add_crl(&mut self, list: RevocationList) {
        // As the index names its lists: by the issuer's key, or by the issuer.
        let key = list.authority_key_id().unwrap_or_else(|| list.issuer());
        let is_newer = self
            .crls
            .get(&key)
            .is_none_or(|known| known.this_update() < list.this_update());
        if is_newer {
            self.crls.insert(key, list);
        }
    }

    /// The revocation lists known so far.
    pub(super) fn crls(&self) -> impl Iterator<Item = &RevocationList> {
        self.crls.values()
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

    /// The certificates of these rows' signers with their issuers, as PEM, and the revocation lists, as DER; both
    /// in the order of their names in the index.
    pub(super) fn needed(&self, rows: &[IndexEntry]) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
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
        let certificates = self
            .certificates
            .iter()
            .filter(|(fingerprint, _certificate)| needed.contains(*fingerprint))
            .map(|(_fingerprint, certificate)| certificate.to_pem().into_bytes())
            .collect();
        let crls = self.crls.values().map(|list| list.der().to_vec()).collect();
        (certificates, crls)
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
