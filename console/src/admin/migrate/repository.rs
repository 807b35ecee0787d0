//! The packages of a WAPT repository, taken unchanged when their signatures hold: they stay valid as they are.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use muster_shared::control::{Control, Section};
use muster_shared::crypto::Certificate;
use muster_shared::hint::{Hint, chain};
use muster_shared::index::is_package_filename;
use muster_shared::package::filename::canonical_filename;
use muster_shared::package::{Package, PackageError, Unverified, Verified, member};
use muster_shared::version::Version;

use super::{Fate, Item, MigrationReport};
use crate::admin::external_repository::{
    ExternalRepository, Listing, Place, RepositoryAccessError, SignerTrust, verify_file,
};
use crate::admin::lint;

/// How encrypted host packages begin.
const ENCRYPTED: &[u8] = b"RSAFERNET";

/// The most files of a repository.
const MAX_FILES: usize = 100_000;

/// The most findings of one script that are repeated.
const MAX_WARNINGS: usize = 5;

/// Where packages go, and whose are taken.
#[derive(Debug)]
pub struct Migration<'a> {
    pub trust: &'a SignerTrust,
    /// Packages go here, host packages into the folder beside it whose name ends in `-host`; without it nothing
    /// is copied.
    pub out: Option<&'a Path>,
    pub now: Timestamp,
}

/// A package that was taken.
#[derive(Debug, Clone)]
pub struct TakenPackage {
    /// Its copy, or the original when nothing was copied.
    pub path: PathBuf,
    pub control: Control,
}

/// What became of a repository.
#[derive(Debug, Default)]
pub struct Migrated {
    pub report: MigrationReport,
    pub taken: Vec<TakenPackage>,
    signers: BTreeMap<String, Signer>,
}

#[derive(Debug)]
struct Signer {
    certificate: Certificate,
    accepted: usize,
    refused: usize,
}

/// Why a repository cannot be taken over at all.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryMigrationError {
    #[error(transparent)]
    Access(Box<RepositoryAccessError>),
    #[error("cannot use {path}")]
    Folder {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl From<RepositoryAccessError> for RepositoryMigrationError {
    fn from(error: RepositoryAccessError) -> Self {
        Self::Access(Box::new(error))
    }
}

impl Hint for RepositoryMigrationError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Access(error) => error.hints(),
            Self::Folder { .. } => Vec::new(),
        }
    }
}

/// Takes a repository over that was listed already, so that its revocation lists count; `progress` hears the name of each package before it is looked at.
///
/// # Errors
/// The repository cannot be read, or the folder for the copies cannot be made. What is wrong with single
/// packages is in the report.
pub async fn migrate(
    repository: &ExternalRepository,
    listing: Result<Listing, RepositoryAccessError>,
    migration: &Migration<'_>,
    mut progress: impl FnMut(&str),
) -> Result<Migrated, RepositoryMigrationError> {
    let mut migrated = Migrated::default();
    match &repository.place {
        Place::Folder(folder) => migrated.folder(folder, migration, &mut progress)?,
        Place::File(path) => migrated.file(path, migration, &mut progress)?,
        Place::Web(_) => {
            let listing = listing?;
            for reason in &listing.left_out {
                migrated.report.items.push(Item::not_taken("Packages", reason));
            }
            for entry in &listing.entries {
                progress(&entry.filename);
                match repository.fetch(entry, migration.now, |_read, _all| ()).await {
                    Ok(fetched) => migrated.accept(&entry.filename, &fetched.package, migration)?,
                    Err(error) => migrated
                        .report
                        .items
                        .push(Item::not_taken(&entry.filename, chain(&error))),
                }
            }
            migrated.report.items.push(Item::not_taken(
                "host packages",
                "a server does not list them: copy the folder wapt-host from it, and migrate that folder",
            ));
        }
    }
    migrated.certificates(migration);
    Ok(migrated)
}

impl Migrated {
    fn folder(
        &mut self,
        folder: &Path,
        migration: &Migration<'_>,
        progress: &mut impl FnMut(&str),
    ) -> Result<(), RepositoryMigrationError> {
        // The folder itself, or the root of a web server that holds both.
        let (packages, hosts) = if folder.join("wapt").is_dir() {
            (folder.join("wapt"), folder.join("wapt-host"))
        } else {
            (folder.to_owned(), beside(folder))
        };
        let mut names = Vec::new();
        for path in files(&packages)? {
            names.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
            self.file(&path, migration, progress)?;
        }
        if hosts.is_dir() {
            for path in files(&hosts)? {
                self.file(&path, migration, progress)?;
            }
        }
        self.rows_without_file(&packages, &names);
        Ok(())
    }

    /// Names what the index lists and nobody can download.
    fn rows_without_file(&mut self, folder: &Path, names: &[String]) {
        let mut bytes = Vec::new();
        let limits = muster_shared::index::IndexLimits::default();
        let read = fs_err::File::open(folder.join("Packages")).and_then(|file| {
            file.take(limits.max_file_bytes as u64 + 1)
                .read_to_end(&mut bytes)
        });
        if read.is_err() {
            return;
        }
        let Ok(index) = muster_shared::index::read(&bytes, &limits) else {
            self.report.items.push(Item::not_taken(
                "Packages",
                "the index cannot be read; a new one is made of the packages",
            ));
            return;
        };
        let names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        for entry in index
            .entries
            .iter()
            .filter(|entry| !names.contains(entry.filename.as_str()))
        {
            self.report.items.push(Item::not_taken(
                &entry.filename,
                "listed in Packages, but the file is not there",
            ));
        }
    }

    fn file(
        &mut self,
        path: &Path,
        migration: &Migration<'_>,
        progress: &mut impl FnMut(&str),
    ) -> Result<(), RepositoryMigrationError> {
        let name = shown(path);
        progress(&name);
        if is_encrypted(path) {
            self.report.items.push(Item::not_taken(
                name,
                "encrypted for one host, so that nobody else can check it: assign the packages to the host again",
            ));
            return Ok(());
        }
        match verify_file(path, migration.trust, migration.now) {
            Ok(package) => self.accept(&name, &package, migration)?,
            Err(error) => {
                let reason = self.refusal(path, &error);
                self.report.items.push(Item::not_taken(name, reason));
            }
        }
        Ok(())
    }

    /// Why a package is refused, with who claims to have signed it.
    fn refusal(&mut self, path: &Path, error: &PackageError) -> String {
        if let Ok(package) = Package::<Unverified>::open(path) {
            let has = |name: &str| package.entries().iter().any(|entry| entry.name == name);
            if let Some(signer) = package.certificates().unwrap_or_default().first() {
                self.signer(signer).refused += 1;
            }
            if !has(member::MANIFEST) && (has(member::MANIFEST_SHA1) || has(member::SIGNATURE_SHA1)) {
                return "signed with SHA-1 only, which proves nothing any more: sign it again with `muster package sign`"
                    .to_owned();
            }
        }
        chain(error)
    }

    fn accept(
        &mut self,
        name: &str,
        package: &Package<Verified>,
        migration: &Migration<'_>,
    ) -> Result<(), RepositoryMigrationError> {
        let control = package.control();
        self.signer(package.signer()).accepted += 1;
        if let Err(error) = control.version().parse::<Version>() {
            let item = Item::not_taken(
                name,
                format!("version {:?}: {}", control.version(), chain(&error)),
            );
            self.report.items.push(item);
            return Ok(());
        }
        let mut warnings: Vec<String> = control
            .problems_for_signing()
            .iter()
            .map(ToString::to_string)
            .collect();
        warnings.extend(script_warnings(package));
        let (mut item, path) = match migration.out {
            None => (Item::new(name, Fate::Taken), package.path().to_owned()),
            Some(out) => {
                let folder = if control.is_section(Section::Host) {
                    beside(out)
                } else {
                    out.to_owned()
                };
                fs_err::create_dir_all(&folder).map_err(|source| RepositoryMigrationError::Folder {
                    path: folder.clone(),
                    source,
                })?;
                let target = folder.join(target_name(name, control));
                match copy_new(package.path(), &target) {
                    Ok(()) => (
                        Item::new(name, Fate::Taken).became(target.display().to_string()),
                        target,
                    ),
                    Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                        let is_same =
                            sha256(&target).is_ok_and(|sum| package.sha256().is_ok_and(|own| own == sum));
                        let item = if is_same {
                            Item::new(name, Fate::Taken).because("was there already")
                        } else {
                            Item::not_taken(
                                name,
                                "another file of this name is there, and nothing is written over",
                            )
                        };
                        (item.became(target.display().to_string()), target)
                    }
                    Err(error) => (Item::not_taken(name, format!("cannot copy it: {error}")), target),
                }
            }
        };
        item.warnings = warnings;
        if item.fate == Fate::Taken {
            self.taken.push(TakenPackage {
                path,
                control: control.clone(),
            });
        }
        self.report.items.push(item);
        Ok(())
    }

    fn signer(&mut self, certificate: &Certificate) -> &mut Signer {
        self.signers
            .entry(certificate.fingerprint())
            .or_insert_with(|| Signer {
                certificate: certificate.clone(),
                accepted: 0,
                refused: 0,
            })
    }

    /// Says whose signatures were met.
    fn certificates(&mut self, migration: &Migration<'_>) {
        for (fingerprint, signer) in &self.signers {
            let object = format!("certificate {} ({fingerprint})", signer.certificate.common_name());
            let item = match (migration.trust, signer.accepted) {
                (SignerTrust::Unverified, _) => Item::new(object, Fate::Taken)
                    .became(signs(signer.accepted))
                    .because(
                        "nobody said that this signer is trusted: agents take these packages only when it is",
                    ),
                (SignerTrust::Signers(_), 0) => Item::not_taken(
                    object,
                    format!(
                        "{} and is not trusted: compare the fingerprint with its owner, then put the \
                         certificate into the trust folder",
                        signs(signer.refused)
                    ),
                ),
                (SignerTrust::Signers(_), accepted) => Item::new(object, Fate::Taken).became(signs(accepted)),
            };
            self.report.items.push(item);
        }
    }
}

fn signs(count: usize) -> String {
    match count {
        1 => "signs a package".to_owned(),
        many => format!("signs {many} packages"),
    }
}

/// What a script of Python 2 will fail at.
fn script_warnings(package: &Package<Verified>) -> Vec<String> {
    if package.setup_py().is_none() {
        return Vec::new();
    }
    let Ok(report) = lint::lint(package.path()) else {
        return Vec::new();
    };
    let errors: Vec<&lint::Finding> = report
        .findings
        .iter()
        .filter(|finding| {
            finding.severity == lint::Severity::Error
                && Path::new(&finding.file)
                    .extension()
                    .is_some_and(|extension| extension == "py")
        })
        .collect();
    let mut warnings: Vec<String> = errors
        .iter()
        .take(MAX_WARNINGS)
        .map(|finding| {
            let file = finding.file.rsplit(':').next().unwrap_or_default();
            let advice = finding.suggestion.as_ref().map(|text| format!("; {text}"));
            format!(
                "{file} line {}: {}{}",
                finding.line,
                finding.message,
                advice.unwrap_or_default()
            )
        })
        .collect();
    if errors.len() > MAX_WARNINGS {
        warnings.push(format!(
            "and {} more mistakes: muster package lint {}",
            errors.len() - MAX_WARNINGS,
            shown(package.path())
        ));
    }
    warnings
}

/// `wapt` has its host packages in `wapt-host`.
fn beside(folder: &Path) -> PathBuf {
    let resolved = fs_err::canonicalize(folder).unwrap_or_else(|_missing| folder.to_owned());
    let mut name = resolved.file_name().unwrap_or_default().to_owned();
    name.push("-host");
    match folder.file_name() {
        Some(_) => folder.with_file_name(name),
        None => resolved.with_file_name(name),
    }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, RepositoryMigrationError> {
    let failed = |source| RepositoryMigrationError::Folder {
        path: folder.to_owned(),
        source,
    };
    let mut paths = Vec::new();
    for entry in fs_err::read_dir(folder).map_err(failed)?.take(MAX_FILES) {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "wapt") && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn shown(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The name stays, so that whoever knows it finds the package; a strange one is made anew.
fn target_name(name: &str, control: &Control) -> String {
    if is_package_filename(name) {
        name.to_owned()
    } else {
        canonical_filename(control, None)
    }
}

fn is_encrypted(path: &Path) -> bool {
    let mut head = [0; 9];
    fs_err::File::open(path)
        .and_then(|mut file| file.read_exact(&mut head))
        .is_ok_and(|()| head == ENCRYPTED)
}

/// Copies a file with its time to a place that must be free; whole or not at all.
fn copy_new(source: &Path, target: &Path) -> std::io::Result<()> {
    let folder = target.parent().unwrap_or(Path::new("."));
    if target.try_exists()? {
        return Err(std::io::ErrorKind::AlreadyExists.into());
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(".muster-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(PermissionsExt::from_mode(0o666));
    }
    let mut copy = builder.tempfile_in(folder)?;
    let mut original = fs_err::File::open(source)?;
    std::io::copy(&mut original, &mut copy)?;
    if let Ok(time) = original.metadata().and_then(|metadata| metadata.modified()) {
        copy.as_file().set_modified(time)?;
    }
    copy.as_file().sync_all()?;
    copy.persist_noclobber(target).map_err(|error| error.error)?;
    Ok(())
}

fn sha256(path: &Path) -> std::io::Result<String> {
    use sha2::Digest as _;
    let mut file = fs_err::File::open(path)?;
    let mut hash = sha2::Sha256::new();
    let mut chunk = vec![0; 256 * 1024];
    loop {
        let count = file.read(&mut chunk)?;
        if count == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(chunk.get(..count).unwrap_or_default());
    }
}
