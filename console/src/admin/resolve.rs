//! What a host would do, worked out from a repository folder without a server: which packages count, what the
//! host is, and the plan.
//!
//! Parties: people sign the control of each package; the folder only holds them. Order of checks for a row of
//! the index: its signer's certificate is in the trust folder or in the index, it leads to the trust folder at
//! the given time, and the signature of the control is its own. Without an index every package file is
//! verified whole. What does not pass is left out and listed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use muster_shared::catalogue::{Catalogue, Change, Installed, Resolution, Unverified, Wanted, Why, plan};
use muster_shared::control::Control;
use muster_shared::crypto::{Certificate, RevocationList, TrustStore};
use muster_shared::hint::{Hint, chain};
use muster_shared::index::{self, Index, IndexEntry, IndexError, IndexLimits, is_package_filename};
use muster_shared::package::{PackageError, check_control};
use muster_shared::request::Request;
use serde::Serialize;

use super::host_file::HostFile;
use super::verify;

/// The most package files of a folder that are read when it has no index.
const MAX_FILES: usize = 100_000;

/// Why nothing can be worked out.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the index {path} cannot be used")]
    Index {
        path: PathBuf,
        #[source]
        source: IndexError,
    },
    #[error("{path} holds more than {MAX_FILES} packages and no index")]
    TooManyFiles { path: PathBuf },
    #[error("{path} is no description of a host")]
    HostFile {
        path: PathBuf,
        #[source]
        source: super::host_file::HostFileError,
    },
}

impl Hint for ResolveError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Index { .. } | Self::TooManyFiles { .. } => {
                vec!["write the index anew: muster repo index DIR --full".to_owned()]
            }
            Self::HostFile { .. } => vec![
                r#"it is a JSON object such as {"os":"windows","os_version":"10.0.19045","architecture":"x64"}"#
                    .to_owned(),
            ],
            Self::Read { .. } => Vec::new(),
        }
    }
}

/// The packages of a repository that count, and those that do not.
#[derive(Debug, Clone, Default)]
pub struct Offered {
    pub entries: Vec<IndexEntry>,
    pub refused: Vec<RefusedPackage>,
}

/// A package that does not count, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusedPackage {
    /// Empty when not even that can be read.
    pub package: String,
    pub version: String,
    pub filename: String,
    pub reason: String,
}

impl RefusedPackage {
    /// The same as the catalogue names it.
    pub(super) fn unverified(&self) -> Unverified {
        let file = if self.filename.is_empty() {
            String::new()
        } else {
            format!(" ({})", self.filename)
        };
        Unverified {
            package: self.package.clone(),
            version: format!("{}{file}", self.version),
            reason: self.reason.clone(),
        }
    }
}

/// The answer, in the order in which an agent would carry it out.
#[derive(Debug, Clone, Serialize)]
pub struct Answer {
    pub actions: Vec<Action>,
    pub kept: Vec<KeptPackage>,
    pub errors: Vec<PackageInError>,
    pub refused: Vec<RefusedPackage>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Action {
    /// `remove`, `install`, `upgrade` or `downgrade`.
    pub action: &'static str,
    pub package: String,
    /// The version to install, or the one that is removed.
    pub version: String,
    /// The file in the repository; empty for removals.
    pub filename: String,
    /// The version that is replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    pub reason: String,
}

/// A package that is needed and stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptPackage {
    pub package: String,
    pub version: String,
    pub reason: String,
}

/// A package that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PackageInError {
    pub package: String,
    /// The requests that nothing satisfies together.
    pub requests: Vec<String>,
    /// The packages that need it.
    pub wanted_by: Vec<String>,
    pub reason: String,
}

/// The packages of a repository folder that a trust folder accepts.
///
/// # Errors
/// The folder or its index cannot be read; a single package that is not accepted is listed instead.
pub fn offered(folder: &Path, trust: &TrustStore, now: Timestamp) -> Result<Offered, ResolveError> {
    let path = folder.join("Packages");
    match fs_err::read(&path) {
        Ok(bytes) => {
            let index = index::read(&bytes, &IndexLimits::default())
                .map_err(|source| ResolveError::Index { path, source })?;
            Ok(of_index(index, trust, now))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => of_files(folder, trust, now),
        Err(source) => Err(ResolveError::Read { path, source }),
    }
}

/// The rows of an index that a trust store accepts.
pub fn of_index(index: Index, trust: &TrustStore, now: Timestamp) -> Offered {
    let mut offered = Offered::default();
    for row in &index.rejected {
        offered.refused.push(RefusedPackage {
            package: row.package.clone(),
            version: row.version.clone(),
            filename: String::new(),
            reason: row.to_string(),
        });
    }
    let mut signers = Signers::new(&index, trust, now);
    for entry in index.entries {
        match signers.check(&entry.control) {
            Ok(()) => offered.entries.push(entry),
            Err(reason) => offered.refused.push(RefusedPackage {
                package: entry.control.package().to_owned(),
                version: entry.control.version().to_owned(),
                filename: entry.filename,
                reason,
            }),
        }
    }
    offered
}

fn of_files(folder: &Path, trust: &TrustStore, now: Timestamp) -> Result<Offered, ResolveError> {
    let unreadable = |source| ResolveError::Read {
        path: folder.to_owned(),
        source,
    };
    let mut names = Vec::new();
    for item in fs_err::read_dir(folder).map_err(unreadable)? {
        let name = item.map_err(unreadable)?.file_name();
        if let Some(name) = name.to_str().filter(|name| is_package_filename(name)) {
            names.push(name.to_owned());
        }
        if names.len() > MAX_FILES {
            return Err(ResolveError::TooManyFiles {
                path: folder.to_owned(),
            });
        }
    }
    names.sort();
    let mut offered = Offered::default();
    for filename in names {
        let path = folder.join(&filename);
        let verified = verify::verify(&path, trust, now).map_err(|error| chain(&error));
        let entry = verified.and_then(|package| {
            let digests = package.digests().map_err(|error: PackageError| chain(&error))?;
            Ok(IndexEntry {
                control: package.control().clone(),
                filename: filename.clone(),
                size: package.size(),
                md5sum: digests.md5,
                sha256sum: Some(digests.sha256),
                repository: String::new(),
            })
        });
        match entry {
            Ok(entry) => offered.entries.push(entry),
            Err(reason) => {
                let facts = verify::look(&path, now).ok();
                let control = |read: fn(&Control) -> &str| {
                    let control = facts.as_ref().map(|facts| &facts.control);
                    control.map(read).unwrap_or_default().to_owned()
                };
                offered.refused.push(RefusedPackage {
                    package: control(Control::package),
                    version: control(Control::version),
                    filename,
                    reason,
                });
            }
        }
    }
    Ok(offered)
}

/// Reads what describes a host.
///
/// # Errors
/// The file cannot be read, or says something that is not understood.
pub fn host_file(path: &Path, now: Timestamp) -> Result<HostFile, ResolveError> {
    let bytes = fs_err::read(path).map_err(|source| ResolveError::Read {
        path: path.to_owned(),
        source,
    })?;
    HostFile::parse(&bytes, now).map_err(|source| ResolveError::HostFile {
        path: path.to_owned(),
        source,
    })
}

/// A question that can be answered: the host's view of the repository, what it has, what it wants.
#[derive(Debug, Clone)]
pub struct Question {
    pub catalogue: Catalogue,
    pub installed: Vec<Installed>,
    pub wanted: Vec<Wanted>,
}

impl Question {
    /// Puts together what a host has and wants. With `is_upgrade` everything that it has is wanted in its
    /// newest version. `refused` is named where it is asked for.
    pub fn new(
        entries: Vec<IndexEntry>,
        refused: &[RefusedPackage],
        host: &HostFile,
        more_installed: &[Request],
        wants: &[Request],
        is_upgrade: bool,
    ) -> Self {
        let mut installed: Vec<(Installed, bool)> = Vec::new();
        for have in &host.installed {
            let depends = have
                .depends
                .clone()
                .unwrap_or_else(|| depends_of(&entries, &have.package, &have.version));
            let present = Installed::new(&have.package, &have.version).with_depends(depends);
            installed.push((present, have.is_failed()));
        }
        for request in more_installed {
            let condition = request.condition.as_ref();
            let version = condition.map_or("0", |condition| condition.version.as_str());
            let depends = depends_of(&entries, &request.name, version);
            installed.push((
                Installed::new(&request.name, version).with_depends(depends),
                false,
            ));
        }
        let is_failed = |name: &str| {
            let have = installed.iter().rev().find(|(have, _)| have.package == name);
            have.is_some_and(|(_, is_failed)| *is_failed)
        };
        let wanted_as = |why: Why| move |request: Request| Wanted { request, why };
        let mut wanted: Vec<Wanted> = Vec::new();
        for request in wants {
            let why = if is_failed(&request.name) {
                Why::Retry
            } else {
                Why::Asked
            };
            wanted.push(wanted_as(why)(request.clone()));
        }
        wanted.extend(
            host.implicit_names
                .iter()
                .map(Request::any)
                .map(wanted_as(Why::Implicit)),
        );
        let catalogue = Catalogue::new(entries, &host.capabilities)
            .with_unverified(refused.iter().map(RefusedPackage::unverified));
        if is_upgrade {
            for (have, is_failed) in &installed {
                if catalogue.newest(&have.package).is_some() {
                    let why = if *is_failed { Why::Retry } else { Why::Upgrade };
                    wanted.push(wanted_as(why)(Request::any(&have.package)));
                }
            }
        }
        Self {
            catalogue,
            installed: installed.into_iter().map(|(have, _)| have).collect(),
            wanted,
        }
    }

    /// What the host has to do.
    pub fn resolution(&self) -> Resolution {
        plan(&self.catalogue, &self.installed, &self.wanted)
    }
}

/// The answer to a plan.
pub fn answer(resolution: Resolution, refused: Vec<RefusedPackage>) -> Answer {
    let removals = resolution.removals.into_iter().map(|removal| Action {
        action: "remove",
        package: removal.package,
        version: removal.version,
        filename: String::new(),
        from: None,
        reason: removal.because,
    });
    let steps = resolution.steps.into_iter().map(|step| Action {
        action: match step.change {
            Change::Install | Change::Reinstall => "install",
            Change::Upgrade => "upgrade",
            Change::Downgrade => "downgrade",
        },
        package: step.package,
        version: step.version,
        filename: step.filename,
        from: step.installed_version,
        reason: step.because,
    });
    let kept = resolution.kept.into_iter().map(|kept| KeptPackage {
        package: kept.package,
        version: kept.version,
        reason: kept.because,
    });
    let errors = resolution.errors.into_iter().map(|error| PackageInError {
        package: error.package,
        requests: error.requests,
        wanted_by: error.wanted_by,
        reason: error.sentence,
    });
    Answer {
        actions: removals.chain(steps).collect(),
        kept: kept.collect(),
        errors: errors.collect(),
        refused,
    }
}

/// What a package that is installed depends on, as the repository's row of that version says.
fn depends_of(entries: &[IndexEntry], package: &str, version: &str) -> Vec<Request> {
    let is_same =
        |entry: &&IndexEntry| entry.control.package() == package && entry.control.version() == version;
    let host = entries.iter().find(is_same);
    host.map(|entry| entry.control.depends_list()).unwrap_or_default()
}

/// The certificates that may have signed rows, each judged once.
struct Signers {
    trust: TrustStore,
    now: Timestamp,
    certificates: Vec<Certificate>,
    /// Fingerprint to place in `certificates`.
    places: BTreeMap<String, usize>,
    judged: BTreeMap<String, Result<Certificate, String>>,
}

impl Signers {
    fn new(index: &Index, trust: &TrustStore, now: Timestamp) -> Self {
        let mut certificates = trust.anchors().to_vec();
        for pem in &index.certificates {
            // One that cannot be read only cannot help.
            certificates
                .extend(Certificate::chain_from_pem(&String::from_utf8_lossy(pem)).unwrap_or_default());
        }
        let lists = index
            .crls
            .iter()
            .filter_map(|der| RevocationList::from_der(der).ok());
        let mut places = BTreeMap::new();
        for (place, certificate) in certificates.iter().enumerate() {
            places.entry(certificate.fingerprint()).or_insert(place);
        }
        Self {
            trust: trust.clone().with_crls(lists),
            now,
            certificates,
            places,
            judged: BTreeMap::new(),
        }
    }

    fn check(&mut self, control: &Control) -> Result<(), String> {
        let fingerprint = control.get("signer_fingerprint").to_ascii_lowercase();
        if !self.judged.contains_key(&fingerprint) {
            let judged = self.judge(&fingerprint);
            self.judged.insert(fingerprint.clone(), judged);
        }
        match self.judged.get(&fingerprint) {
            Some(Ok(signer)) => check_control(control, signer).map_err(|error| chain(&error)),
            Some(Err(reason)) => Err(reason.clone()),
            None => Err(format!("the signer {fingerprint} was not judged")),
        }
    }

    fn judge(&self, fingerprint: &str) -> Result<Certificate, String> {
        let place = self.places.get(fingerprint);
        let leaf = place
            .and_then(|place| self.certificates.get(*place))
            .ok_or_else(|| {
                format!("the certificate of its signer ({fingerprint}) is neither trusted nor in the index")
            })?;
        let checked = self.trust.check_signer(leaf, &self.certificates, self.now);
        checked.map(|_path| leaf.clone()).map_err(|error| chain(&error))
    }
}
