//! Signing package files again: after another key, a change of maturity, or an import (wapt-reference.md A.14).

use std::path::{Path, PathBuf};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use muster_shared::control::Control;
use muster_shared::crypto::{Signer, TrustStore};
use muster_shared::package::filename::canonical_filename;
use muster_shared::package::sign::{self, Copy};
use muster_shared::package::{Package, PackageError, Unverified, member};
use muster_shared::version::Version;

use super::external_repository::{SignerTrust, verify_file};
use super::promote::{PromoteError, check_maturity};

/// How files are signed again.
#[derive(Debug, Clone, Default)]
pub struct Resign {
    /// Keep and sign control attributes that the format does not know.
    pub keep_unknown: bool,
    /// Raise the packaging part of the version by one.
    pub increment: bool,
    pub maturity: Option<String>,
    pub target_os: Option<String>,
    /// Take the script out, so that a certificate without code signing may sign.
    pub remove_setup: bool,
    /// Keep the date of the former signature.
    pub keep_date: bool,
    /// Leave files alone that this signer signed, whole and valid now, and that need no other change.
    pub if_needed: bool,
}

/// Why a file was not signed; it is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ResignError {
    #[error("cannot sign {path}")]
    Package {
        path: PathBuf,
        #[source]
        source: PackageError,
    },
    #[error(transparent)]
    Maturity(#[from] PromoteError),
    #[error("cannot sign {path}: its version {version:?} cannot be incremented")]
    Version { path: PathBuf, version: String },
    #[error("cannot sign {path}: {other} is there already")]
    Exists { path: PathBuf, other: PathBuf },
    #[error("{path} was signed, but cannot be renamed to {other}")]
    Rename {
        path: PathBuf,
        other: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot read the folder {path}")]
    Folder {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl muster_shared::hint::Hint for ResignError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Package { source, .. } => source.hints(),
            Self::Maturity(error) => error.hints(),
            Self::Version { .. } => {
                vec!["write the version as 1.2.3-0: `muster package edit FILE`".to_owned()]
            }
            Self::Exists { .. } => vec!["move one of the two files away".to_owned()],
            Self::Rename { .. } | Self::Folder { .. } => Vec::new(),
        }
    }
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resigned {
    /// Where it is now: a canonical name follows a new version or maturity.
    pub path: PathBuf,
    pub control: Control,
    /// It needed nothing and is as it was.
    pub unchanged: bool,
}

/// The package files of a folder, by name, for signing them all.
///
/// # Errors
/// The folder cannot be read.
pub fn scan(folder: &Path) -> Result<Vec<PathBuf>, ResignError> {
    let failed = |source| ResignError::Folder {
        path: folder.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in fs_err::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is_package = path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("wapt"));
        if is_package && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Why the files of a package are not those that its former signature vouches for: who signs it now would vouch
/// for what somebody put in since. A package that is not signed says nothing.
pub fn contradiction(path: &Path, now: Timestamp) -> Option<PackageError> {
    match verify_file(path, &SignerTrust::Unverified, now) {
        Err(
            error @ (PackageError::ControlSignature { .. }
            | PackageError::ManifestSignature { .. }
            | PackageError::Manifest(_)
            | PackageError::ExtraFile(_)
            | PackageError::MissingFile(_)
            | PackageError::ChangedFile(_)),
        ) => Some(error),
        _other => None,
    }
}

/// Signs a package file in place; its files stay byte for byte.
///
/// # Errors
/// The file is no package, breaks a rule, or cannot be signed; it is as it was then.
pub fn sign(path: &Path, signer: &dyn Signer, how: &Resign, now: Timestamp) -> Result<Resigned, ResignError> {
    let failed = |source| ResignError::Package {
        path: path.to_owned(),
        source,
    };
    let package = Package::<Unverified>::open(path).map_err(failed)?;
    let former = package.control().clone();
    let control = changed(&former, how, path)?;
    let has_setup = package.entries().iter().any(|entry| entry.name == member::SETUP);
    if how.if_needed && control == former && !(how.remove_setup && has_setup) {
        let own = TrustStore::new(signer.chain().iter().take(1).cloned().collect());
        let checked = Package::<Unverified>::open(path)
            .map_err(failed)?
            .verify(&own, now);
        if checked.is_ok() {
            return Ok(Resigned {
                path: path.to_owned(),
                control,
                unchanged: true,
            });
        }
    }
    let at = how
        .keep_date
        .then(|| former_date(&former))
        .flatten()
        .unwrap_or(now);
    let was_canonical = path
        .file_name()
        .is_some_and(|name| name == canonical_filename(&former, None).as_str());
    let target = if was_canonical {
        path.with_file_name(canonical_filename(&control, None))
    } else {
        path.to_owned()
    };
    if target != path && target.symlink_metadata().is_ok() {
        return Err(ResignError::Exists {
            path: path.to_owned(),
            other: target,
        });
    }
    let copy = Copy {
        control,
        keep_unknown: how.keep_unknown,
        without: if how.remove_setup {
            &[member::SETUP, member::UPDATE]
        } else {
            &[]
        },
    };
    // In place first: whatever fails leaves one whole file.
    let control = sign::sign_changed(&package, copy, path, signer, at).map_err(failed)?;
    drop(package);
    if target != path {
        fs_err::rename(path, &target).map_err(|source| ResignError::Rename {
            path: path.to_owned(),
            other: target.clone(),
            source,
        })?;
    }
    Ok(Resigned {
        path: target,
        control,
        unchanged: false,
    })
}

fn changed(former: &Control, how: &Resign, path: &Path) -> Result<Control, ResignError> {
    let mut control = former.clone();
    if how.increment {
        let version: Version = former
            .version()
            .parse()
            .map_err(|_invalid| ResignError::Version {
                path: path.to_owned(),
                version: former.version().to_owned(),
            })?;
        control.set("version", version.incremented().as_str());
    }
    if let Some(maturity) = &how.maturity {
        check_maturity(maturity)?;
        if former.maturity() != maturity {
            control.set("maturity", maturity);
        }
    }
    if let Some(target_os) = &how.target_os
        && former.get("target_os") != target_os
    {
        control.set("target_os", target_os);
    }
    Ok(control)
}

/// The date of a signature, which is the signer's local time, of today's form or that of old packages.
fn former_date(control: &Control) -> Option<Timestamp> {
    let text = control.get("signature_date");
    let date: DateTime = text
        .parse()
        .or_else(|_other| DateTime::strptime("%Y%m%d-%H%M%S", text))
        .ok()?;
    let at = date.to_zoned_datetime(TimeZone::system()).ok()?.timestamp();
    // A date that a file system cannot hold keeps nothing in order.
    (at > Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24)).then_some(at)
}

#[cfg(test)]
mod tests {
    use muster_shared::control::Section;

    use super::*;

    #[test]
    fn only_what_is_asked_for_changes() {
        let control = Control::new("acme-a", "1.0-1", Section::Base).with("maturity", "DEV");
        let same = changed(&control, &Resign::default(), Path::new("a")).unwrap();
        assert_eq!(same, control);
        let how = Resign {
            increment: true,
            maturity: Some("PROD".to_owned()),
            target_os: Some("linux".to_owned()),
            ..Resign::default()
        };
        let other = changed(&control, &how, Path::new("a")).unwrap();
        assert_eq!(
            (other.version(), other.maturity(), other.get("target_os")),
            ("1.0-2", "PROD", "linux")
        );
    }

    #[test]
    fn dates_of_both_forms_are_kept() {
        let with =
            |date: &str| former_date(&Control::new("a", "1", Section::Base).with("signature_date", date));
        assert!(with("2020-06-12T09:30:00.000001").is_some());
        assert_eq!(with("2020-06-12T09:30:00"), with("20200612-093000"));
        assert!(with("").is_none() && with("soon").is_none());
    }
}
