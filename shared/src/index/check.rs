//! A repository folder judged as its readers would: the index, every row, every file, every icon.
//!
//! Order of checks for a row: its signer's certificate is known and trusted at the given time, by what the
//! caller trusts and the revocation lists that the index carries; the signature of its control; the file is
//! there, as large as the row says, a package that passes every check by itself, with the hashes and the
//! control of the row; its icon lies beside the index. Then what lies in the folder and no row names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::folder::{self, FolderError, INDEX_NAME, icons};
use super::{Index, IndexEntry, IndexLimits};
use crate::control::Section;
use crate::crypto::{Certificate, RevocationList, TrustStore};
use crate::hint::chain;
use crate::package::{Package, Unverified, check_control};

/// What is wrong, in one word that stays the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// The index is missing or cannot be read.
    Index,
    /// A row of the index cannot be used.
    Row,
    /// Two rows name one file.
    Duplicate,
    /// Two files are one package in one version: a warning, since an index lists both.
    SamePackage,
    /// The signer of a row is not known or not trusted.
    Signer,
    /// The signature of a row does not match.
    Signature,
    /// The file of a row is not there.
    Missing,
    /// The file of a row has another size.
    Size,
    /// The file of a row has another hash.
    Hash,
    /// The file of a row is no package that is accepted.
    Package,
    /// The file's control is not the one of its row.
    Control,
    /// An icon is missing, another one, or nobody's.
    Icon,
    /// A package file that no row names.
    Unlisted,
    /// A certificate or revocation list of the index cannot be read.
    TrustMember,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub kind: ProblemKind,
    /// The file it is about, relative to the folder.
    pub filename: String,
    /// The package of the row; empty when it is not about a row.
    pub package: String,
    pub version: String,
    pub reason: String,
}

/// What checking a repository gave.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Rows of the index, usable or not.
    pub rows: usize,
    /// Rows about which everything is right.
    pub accepted: usize,
    /// Certificates in the index.
    pub certificates: usize,
    /// Revocation lists in the index.
    pub crls: usize,
    /// In the order of the index, then of the folder.
    pub problems: Vec<Problem>,
    /// What is accepted and likely not meant.
    pub warnings: Vec<Problem>,
}

/// Checks a repository folder; see the module's text. `progress` hears how many rows are done, of how many.
///
/// # Errors
/// The folder itself cannot be read; everything else is a problem among others.
pub fn check(
    folder: &Path,
    trust: &TrustStore,
    now: Timestamp,
    mut progress: impl FnMut(usize, usize),
) -> Result<Checked, FolderError> {
    let files = folder::package_files(folder)?;
    let mut checked = Checked::default();
    let index = match read_index(&folder.join(INDEX_NAME)) {
        Ok(index) => index,
        Err(reason) => {
            checked
                .problems
                .push(of_file(ProblemKind::Index, INDEX_NAME, reason));
            Index::default()
        }
    };
    checked.rows = index.entries.len() + index.rejected.len();
    checked.certificates = index.certificates.len();
    checked.crls = index.crls.len();
    for row in &index.rejected {
        checked.problems.push(Problem {
            kind: ProblemKind::Row,
            filename: INDEX_NAME.to_owned(),
            package: row.package.clone(),
            version: row.version.clone(),
            reason: row.to_string(),
        });
    }
    let mut signers = Signers::new(&index, trust, now, &mut checked.problems);
    let mut seen = Seen::default();
    let mut twins = Vec::new();
    for (done, row) in index.entries.iter().enumerate() {
        progress(done, index.entries.len());
        let before = checked.problems.len();
        let mut problem = |kind, reason: String| {
            checked.problems.push(Problem {
                kind,
                filename: row.filename.clone(),
                package: row.control.package().to_owned(),
                version: row.control.version().to_owned(),
                reason,
            });
        };
        if seen.has_file(row) {
            problem(
                ProblemKind::Duplicate,
                "another row names the same file".to_owned(),
            );
        } else if let Some(other) = seen.same_package(row) {
            twins.push(Problem {
                kind: ProblemKind::SamePackage,
                filename: row.filename.clone(),
                package: row.control.package().to_owned(),
                version: row.control.version().to_owned(),
                reason: format!("{other} is the same package in the same version; machines take either"),
            });
        }
        if let Err((kind, reason)) = signers.check(row) {
            problem(kind, reason);
        }
        check_file(folder, row, &signers.trust, now, &mut problem);
        checked.accepted += usize::from(checked.problems.len() == before);
    }
    checked.warnings = twins;
    progress(index.entries.len(), index.entries.len());
    let listed: BTreeSet<&str> = index.entries.iter().map(|row| row.filename.as_str()).collect();
    for file in files.iter().filter(|file| !listed.contains(file.as_str())) {
        let reason = match Package::<Unverified>::open(&folder.join(file)) {
            Ok(package) if !package.control().section_kind().is_ok_and(Section::is_indexed) => {
                format!(
                    "no row names it; {} packages are not listed",
                    package.control().section()
                )
            }
            Ok(_package) => "no row of the index names it".to_owned(),
            Err(error) => format!("no row of the index names it: {}", chain(&error)),
        };
        checked
            .problems
            .push(of_file(ProblemKind::Unlisted, file, reason));
    }
    let orphans =
        icons::orphans(&folder.join("icons"), &index.entries).map_err(|source| FolderError::Read {
            path: folder.join("icons"),
            source,
        })?;
    for icon in orphans {
        let reason = "no row has this icon".to_owned();
        checked
            .problems
            .push(of_file(ProblemKind::Icon, &format!("icons/{icon}"), reason));
    }
    Ok(checked)
}

fn of_file(kind: ProblemKind, filename: &str, reason: String) -> Problem {
    Problem {
        kind,
        filename: filename.to_owned(),
        package: String::new(),
        version: String::new(),
        reason,
    }
}

fn read_index(path: &PathBuf) -> Result<Index, String> {
    let limits = IndexLimits::default();
    let size = fs_err::metadata(path).map_err(|error| error.to_string())?.len();
    if size > limits.max_file_bytes as u64 {
        return Err(format!(
            "the index has {size} bytes, at most {} are read",
            limits.max_file_bytes
        ));
    }
    let bytes = fs_err::read(path).map_err(|error| error.to_string())?;
    super::read(&bytes, &limits).map_err(|error| chain(&error))
}

fn check_file(
    folder: &Path,
    row: &IndexEntry,
    trust: &TrustStore,
    now: Timestamp,
    problem: &mut impl FnMut(ProblemKind, String),
) {
    let path = folder.join(&row.filename);
    let size = match fs_err::metadata(&path) {
        Ok(metadata) => metadata.len(),
        Err(error) => return problem(ProblemKind::Missing, error.to_string()),
    };
    if size != row.size {
        problem(
            ProblemKind::Size,
            format!("the file has {size} bytes, its row says {}", row.size),
        );
    }
    let package = match Package::<Unverified>::open(&path).and_then(|package| package.verify(trust, now)) {
        Ok(package) => package,
        Err(error) => return problem(ProblemKind::Package, chain(&error)),
    };
    match package.digests() {
        Err(error) => problem(ProblemKind::Package, chain(&error)),
        Ok(digests) => {
            if digests.md5 != row.md5sum {
                problem(
                    ProblemKind::Hash,
                    format!("the file's MD5 is {}, its row says {}", digests.md5, row.md5sum),
                );
            }
            if let Some(expected) = row
                .sha256sum
                .as_ref()
                .filter(|expected| **expected != digests.sha256)
            {
                problem(
                    ProblemKind::Hash,
                    format!(
                        "the file's SHA-256 is {}, its row says {expected}",
                        digests.sha256
                    ),
                );
            }
        }
    }
    if let Some(attribute) = first_difference(row, package.control()) {
        problem(
            ProblemKind::Control,
            format!(
                "{attribute} is {:?} in the file and {:?} in its row",
                package.control().get(&attribute),
                row.control.get(&attribute)
            ),
        );
    }
    if let Some((path, icon)) = icons::wanted(folder, &package) {
        match fs_err::read(&path) {
            Ok(there) if there == icon => {}
            Ok(_other) => problem(
                ProblemKind::Icon,
                format!("{} is not the icon of the package", path.display()),
            ),
            Err(error) => problem(ProblemKind::Icon, error.to_string()),
        }
    }
}

/// The first attribute with another value, or that only one of the two has; an absent one counts as empty, since
/// an index writes every attribute of the format.
pub fn first_difference(row: &IndexEntry, control: &crate::control::Control) -> Option<String> {
    let names = control.attributes().chain(row.control.attributes());
    names
        .map(|(name, _value)| name)
        .find(|name| control.effective(name) != row.control.effective(name))
        .map(str::to_owned)
}

/// Files and packages of the rows so far.
#[derive(Default)]
struct Seen {
    files: BTreeSet<String>,
    packages: BTreeMap<[String; 6], String>,
}

impl Seen {
    /// Another row names the same file.
    fn has_file(&mut self, row: &IndexEntry) -> bool {
        !self.files.insert(row.filename.clone())
    }

    /// The file of another row with the same package in the same version for the same machines.
    fn same_package(&mut self, row: &IndexEntry) -> Option<String> {
        let control = &row.control;
        let identity = [
            control.package(),
            control.version(),
            control.architecture(),
            control.effective_maturity(),
            control.get("locale"),
            control.effective("target_os"),
        ]
        .map(str::to_owned);
        self.packages.insert(identity, row.filename.clone())
    }
}

/// The certificates that may have signed rows, each judged once.
struct Signers {
    trust: TrustStore,
    certificates: Vec<Certificate>,
    now: Timestamp,
    judged: BTreeMap<String, Result<Certificate, String>>,
}

impl Signers {
    fn new(index: &Index, trust: &TrustStore, now: Timestamp, problems: &mut Vec<Problem>) -> Self {
        let unreadable = |what: &str, position: usize, reason: String| {
            of_file(
                ProblemKind::TrustMember,
                INDEX_NAME,
                format!("{what} {} of the index: {reason}", position + 1),
            )
        };
        let mut certificates: Vec<Certificate> = trust.anchors().to_vec();
        for (position, pem) in index.certificates.iter().enumerate() {
            match Certificate::chain_from_pem(&String::from_utf8_lossy(pem)) {
                Ok(chain) => certificates.extend(chain),
                Err(error) => problems.push(unreadable("certificate", position, chain(&error))),
            }
        }
        let mut lists = Vec::new();
        for (position, der) in index.crls.iter().enumerate() {
            match RevocationList::from_der(der) {
                Ok(list) => lists.push(list),
                Err(error) => problems.push(unreadable("revocation list", position, chain(&error))),
            }
        }
        Self {
            trust: trust.clone().with_crls(lists),
            certificates,
            now,
            judged: BTreeMap::new(),
        }
    }

    fn check(&mut self, row: &IndexEntry) -> Result<(), (ProblemKind, String)> {
        let fingerprint = row.control.get("signer_fingerprint").to_ascii_lowercase();
        let judged = self.judged.entry(fingerprint.clone()).or_insert_with(|| {
            let signer = self
                .certificates
                .iter()
                .find(|certificate| certificate.fingerprint() == fingerprint)
                .ok_or_else(|| {
                    format!(
                        "the certificate of its signer ({fingerprint}) is neither trusted nor in the index"
                    )
                })?;
            self.trust
                .check_signer(signer, &self.certificates, self.now)
                .map(|_path| signer.clone())
                .map_err(|error| chain(&error))
        });
        let signer = judged
            .as_ref()
            .map_err(|reason| (ProblemKind::Signer, reason.clone()))?;
        check_control(&row.control, signer).map_err(|error| (ProblemKind::Signature, chain(&error)))
    }
}
