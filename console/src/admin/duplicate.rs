//! Sources under another name: a copy of a folder, or of what is in a package.

use std::path::{Path, PathBuf};

use muster_shared::control::Control;
use muster_shared::hint::Hint;
use muster_shared::name::{NameError, PackageName};
use muster_shared::package::build::read_control;
use muster_shared::package::{Package, PackageError, Verified};
use muster_shared::version::{Version, VersionError};

use super::edit::{self, EditError};
use super::write::{self, Readers};

/// The most files that are copied.
const MAX_FILES: usize = 100_000;
/// What belongs to the history of the original, not to the copy.
const LEFT_BEHIND: [&str; 3] = [".git", ".svn", "__pycache__"];

/// Why there is no copy. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum DuplicateError {
    #[error("the copy cannot be named so")]
    Name(#[source] NameError),
    #[error("the copy cannot have the version {version:?}")]
    Version {
        version: String,
        #[source]
        source: VersionError,
    },
    #[error("{path} is not a folder of package sources")]
    NotSources {
        path: PathBuf,
        #[source]
        source: PackageError,
    },
    #[error("the copy has the name of the original, {0}")]
    SameName(String),
    #[error("{path} is a link or a special file; packages hold plain files only")]
    Special { path: PathBuf },
    #[error("the sources hold more than {MAX_FILES} files")]
    TooMany,
    #[error("cannot copy {path}")]
    Copy {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Edit(#[from] EditError),
}

impl Hint for DuplicateError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Name(_) => vec!["use letters, digits and dashes: prefix-name".to_owned()],
            Self::Version { .. } => {
                vec!["write up to four numbers, a dash, your packaging: 1.2.3-0".to_owned()]
            }
            Self::NotSources { .. } => {
                vec!["give the folder that holds WAPT/control, or a .wapt file".to_owned()]
            }
            Self::SameName(_) => {
                vec!["`muster package edit` makes the next version of the same package".to_owned()]
            }
            Self::Edit(error) => error.hints(),
            Self::Special { .. } => {
                vec!["put the file itself in the place of the link, or leave it out".to_owned()]
            }
            Self::TooMany | Self::Copy { .. } => Vec::new(),
        }
    }
}

/// The control of a copy.
///
/// # Errors
/// The name or the version breaks a rule, or the name is the original's.
pub fn renamed(control: Control, name: &str, version: Option<&str>) -> Result<Control, DuplicateError> {
    if let Ok(section) = control.section_kind() {
        PackageName::check_for(name, section).map_err(DuplicateError::Name)?;
    }
    if control.package() == name {
        return Err(DuplicateError::SameName(name.to_owned()));
    }
    let mut control = edit::unsigned(control).with("package", name);
    if let Some(version) = version {
        version
            .parse::<Version>()
            .map_err(|source| DuplicateError::Version {
                version: version.to_owned(),
                source,
            })?;
        control.set("version", version);
    }
    Ok(control)
}

/// Lines of scripts that are named at most.
const MAX_NAMED: usize = 20;

/// Gives the captions of the editor's project in sources the new name, and says which lines of the scripts still
/// have the former one, as `setup.py:12`: whether they are to change only a person can tell.
pub fn former_name_left(sources: &Path, former: &str, name: &str) -> Vec<String> {
    let project = sources.join("WAPT").join("wapt.psproj");
    if let Ok(text) = fs_err::read_to_string(&project) {
        let renamed = text.replace(&format!(" {former}\""), &format!(" {name}\""));
        if renamed != text {
            // An editor's caption is no reason to fail.
            write::replace(&project, renamed.as_bytes(), Readers::Everyone).ok();
        }
    }
    let mut left = Vec::new();
    for script in ["setup.py", "update_package.py"] {
        let bytes = fs_err::read(sources.join(script)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines = text
            .lines()
            .enumerate()
            .filter(|(_at, line)| line.contains(former));
        left.extend(lines.map(|(at, line)| format!("{script}:{}: {}", at + 1, line.trim())));
    }
    left.truncate(MAX_NAMED);
    left
}

/// Copies a folder of sources under another name.
///
/// # Errors
/// The sources cannot be read, a rule is broken, or the target is taken.
pub fn duplicate_folder(
    sources: &Path,
    name: &str,
    version: Option<&str>,
    target: &Path,
    replace: bool,
) -> Result<Control, DuplicateError> {
    let control = read_control(sources).map_err(|source| DuplicateError::NotSources {
        path: sources.to_owned(),
        source,
    })?;
    let control = renamed(control, name, version)?;
    edit::refuse_existing(target, replace)?;
    if replace {
        edit::check_replaced(target, None)?;
        refuse_own_source(sources, target)?;
    }
    let failed = |source| {
        DuplicateError::Edit(EditError::Write {
            path: target.to_owned(),
            source,
        })
    };
    let parent = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs_err::create_dir_all(parent).map_err(failed)?;
    let staged = tempfile::Builder::new()
        .prefix(".muster-duplicate-")
        .tempdir_in(parent)
        .map_err(failed)?;
    copy_tree(sources, staged.path())?;
    let path = staged.path().join("WAPT").join("control");
    write::replace(
        &path,
        control.to_text_with_unknown().as_bytes(),
        Readers::Everyone,
    )
    .map_err(failed)?;
    for gone in [
        "certificate.crt",
        "manifest.sha256",
        "signature.sha256",
        "manifest.sha1",
        "signature",
    ] {
        fs_err::remove_file(staged.path().join("WAPT").join(gone)).ok();
    }
    edit::move_into_place(staged, target).map_err(failed)?;
    Ok(control)
}

/// Refuses a target that holds the original: it would go away with it.
fn refuse_own_source(sources: &Path, target: &Path) -> Result<(), EditError> {
    match (fs_err::canonicalize(sources), fs_err::canonicalize(target)) {
        (Ok(sources), Ok(target)) if sources.starts_with(&target) => Err(EditError::NotReplaced {
            path: target,
            reason: "the original lies in it".to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Unpacks a verified package under another name.
///
/// # Errors
/// A rule is broken, or the target is taken.
pub fn duplicate_package(
    package: &Package<Verified>,
    name: &str,
    version: Option<&str>,
    target: &Path,
    replace: bool,
) -> Result<Control, DuplicateError> {
    let control = renamed(super::import::trusted_control(package), name, version)?;
    edit::unpack(package, &control, target, replace)?;
    Ok(control)
}

fn copy_tree(from: &Path, to: &Path) -> Result<(), DuplicateError> {
    let mut folders = vec![(from.to_owned(), to.to_owned())];
    let mut count = 0;
    while let Some((from, to)) = folders.pop() {
        let failed = |source| DuplicateError::Copy {
            path: from.clone(),
            source,
        };
        fs_err::create_dir_all(&to).map_err(failed)?;
        for entry in fs_err::read_dir(&from).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if LEFT_BEHIND.iter().any(|left| name == *left) {
                continue;
            }
            let kind = entry.file_type().map_err(failed)?;
            let (path, target) = (entry.path(), to.join(&name));
            if kind.is_dir() {
                folders.push((path, target));
            } else if kind.is_file() {
                fs_err::copy(&path, &target).map_err(|source| DuplicateError::Copy { path, source })?;
            } else {
                return Err(DuplicateError::Special { path });
            }
            count += 1;
            if count > MAX_FILES {
                return Err(DuplicateError::TooMany);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use muster_shared::control::Section;

    use super::*;

    #[test]
    fn a_copy_has_a_name_of_its_own_and_no_signature() {
        let control = Control::new("acme-a", "1.0-2", Section::Base).with("signer", "alice");
        let copy = renamed(control.clone(), "acme-b", None).unwrap();
        assert_eq!(
            (copy.package(), copy.version(), copy.get("signer")),
            ("acme-b", "1.0-2", "")
        );
        assert_eq!(
            renamed(control.clone(), "acme-b", Some("3-0")).unwrap().version(),
            "3-0"
        );
        assert!(matches!(
            renamed(control.clone(), "acme-a", None),
            Err(DuplicateError::SameName(_))
        ));
        assert!(matches!(
            renamed(control.clone(), "é b", None),
            Err(DuplicateError::Name(_))
        ));
        assert!(matches!(
            renamed(control, "acme-b", Some("x")),
            Err(DuplicateError::Version { .. })
        ));
    }
}
