//! A package becomes sources again: unpacked, its signature dropped, its version raised for the next build.

use std::path::{Path, PathBuf};

use muster_shared::control::Control;
use muster_shared::hint::Hint;
use muster_shared::package::build::read_control;
use muster_shared::package::{Package, PackageError, Verified, member};
use muster_shared::version::Version;

use super::import::trusted_control;
use super::write::{self, Readers};

/// Members that a signature writes.
const SIGNATURE_FILES: [&str; 5] = [
    member::CERTIFICATE,
    member::MANIFEST,
    member::SIGNATURE,
    member::MANIFEST_SHA1,
    member::SIGNATURE_SHA1,
];
/// Attributes that a signature writes.
const SIGNATURE_ATTRIBUTES: [&str; 6] = [
    "package_uuid",
    "signer",
    "signer_fingerprint",
    "signature",
    "signature_date",
    "signed_attributes",
];

/// Why no sources came out of a package. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    #[error("{path} exists already")]
    Exists { path: PathBuf },
    #[error("{path} is not replaced: {reason}")]
    NotReplaced { path: PathBuf, reason: String },
    #[error("cannot write {path}")]
    Write {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} cannot be unpacked")]
    Unpack {
        path: PathBuf,
        #[source]
        source: PackageError,
    },
}

impl Hint for EditError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Exists { .. } => {
                vec!["choose another folder with --target, or replace it with --force".to_owned()]
            }
            Self::NotReplaced { .. } => vec![
                "--force replaces sources of a package only; choose another folder with --target, or remove this \
                 one yourself"
                    .to_owned(),
            ],
            Self::Write { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                vec!["free some space and try again; nothing was changed".to_owned()]
            }
            Self::Unpack { source, .. } => source.hints(),
            Self::Write { .. } => Vec::new(),
        }
    }
}

/// The control of a verified package as its sources have it: without the signature, under another version.
pub fn control_for_sources(package: &Package<Verified>, version: &str) -> Control {
    unsigned(trusted_control(package)).with("version", version)
}

/// A control without what a signature wrote.
pub fn unsigned(mut control: Control) -> Control {
    for name in SIGNATURE_ATTRIBUTES {
        control.remove(name);
    }
    control
}

/// The version of the next build: one packaging more than this one and than the newest in the repository.
pub fn next_version(version: &str, taken: &[String]) -> String {
    let next = version.parse::<Version>().map_or_else(
        |_invalid| version.to_owned(),
        |version| version.incremented().as_str().to_owned(),
    );
    super::import::raised_above(&next, taken)
}

/// Unpacks a package into a new folder with this control and without its signature.
///
/// # Errors
/// The folder is there and `replace` is not set, or the disk does not take it.
pub fn unpack(
    package: &Package<Verified>,
    control: &Control,
    target: &Path,
    replace: bool,
) -> Result<(), EditError> {
    let failed = |source| EditError::Write {
        path: target.to_owned(),
        source,
    };
    refuse_existing(target, replace)?;
    if replace {
        check_replaced(target, Some(control.package()))?;
    }
    let parent = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs_err::create_dir_all(parent).map_err(failed)?;
    let staged = tempfile::Builder::new()
        .prefix(".muster-edit-")
        .tempdir_in(parent)
        .map_err(failed)?;
    package
        .unpack(staged.path())
        .map_err(|source| EditError::Unpack {
            path: package.path().to_owned(),
            source,
        })?;
    for name in SIGNATURE_FILES {
        match fs_err::remove_file(staged.path().join(name)) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => return Err(failed(source)),
            _gone => {}
        }
    }
    let text = control.to_text_with_unknown();
    write::replace(
        &staged.path().join(member::CONTROL),
        text.as_bytes(),
        Readers::Everyone,
    )
    .map_err(failed)?;
    move_into_place(staged, target).map_err(failed)
}

/// Refuses a target that is taken.
///
/// # Errors
/// It is there and is not to be replaced.
pub fn refuse_existing(target: &Path, replace: bool) -> Result<(), EditError> {
    if !replace && target.symlink_metadata().is_ok() {
        return Err(EditError::Exists {
            path: target.to_owned(),
        });
    }
    Ok(())
}

/// Refuses to replace anything but a folder of package sources, of this package when one is named.
///
/// # Errors
/// Something else is there.
pub fn check_replaced(target: &Path, package: Option<&str>) -> Result<(), EditError> {
    let refused = |reason: String| EditError::NotReplaced {
        path: target.to_owned(),
        reason,
    };
    match target.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Ok(metadata) if metadata.is_dir() => {}
        _other => return Err(refused("it is not a folder".to_owned())),
    }
    let there = read_control(target)
        .map_err(|_error| refused("it holds no WAPT/control that can be read".to_owned()))?;
    match package {
        Some(package) if there.package() != package => Err(refused(format!(
            "it holds the sources of {}, not of {package}",
            there.package()
        ))),
        _ => Ok(()),
    }
}

/// Moves a staged folder to its place; a folder that is there makes way only when the new one is whole.
pub(super) fn move_into_place(staged: tempfile::TempDir, target: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Temporary folders are private; sources are as public as their parent.
        fs_err::set_permissions(staged.path(), PermissionsExt::from_mode(0o755))?;
    }
    let former = target.symlink_metadata().is_ok().then(|| {
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.old", std::process::id()));
        target.with_file_name(name)
    });
    if let Some(former) = &former {
        fs_err::rename(target, former)?;
    }
    let moved = fs_err::rename(staged.path(), target);
    if let Some(former) = &former {
        if moved.is_err() {
            fs_err::rename(former, target)?;
        } else if former.is_dir() {
            fs_err::remove_dir_all(former)?;
        } else {
            fs_err::remove_file(former)?;
        }
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_build_is_above_this_one_and_above_the_repository() {
        assert_eq!(next_version("1.0-2", &[]), "1.0-3");
        let taken = ["1.0-7".to_owned(), "2.0-1".to_owned()];
        assert_eq!(next_version("1.0-2", &taken), "1.0-8");
        assert_eq!(next_version("1.0", &[]), "1.0-1");
    }

    #[test]
    fn only_sources_of_the_same_package_are_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("documents");
        check_replaced(&target, Some("demo")).unwrap();
        fs_err::create_dir_all(target.join("WAPT")).unwrap();
        assert!(check_replaced(&target, None).is_err());
        let control = Control::new("demo", "1.0-0", muster_shared::control::Section::Base);
        fs_err::write(target.join(member::CONTROL), control.to_text()).unwrap();
        check_replaced(&target, None).unwrap();
        check_replaced(&target, Some("demo")).unwrap();
        let other = check_replaced(&target, Some("other")).unwrap_err();
        assert!(other.to_string().contains("the sources of demo"), "{other}");
    }

    #[test]
    fn a_folder_is_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("demo");
        fs_err::create_dir(&target).unwrap();
        fs_err::write(target.join("old"), "").unwrap();
        assert!(refuse_existing(&target, false).is_err());
        let staged = tempfile::tempdir_in(dir.path()).unwrap();
        fs_err::write(staged.path().join("new"), "").unwrap();
        move_into_place(staged, &target).unwrap();
        assert!(target.join("new").exists() && !target.join("old").exists());
        assert_eq!(fs_err::read_dir(dir.path()).unwrap().count(), 1);
    }
}
