//! New package sources that work as they are: a control file, and a `setup.py` that explains itself.

use std::path::{Path, PathBuf};

use muster_shared::control::{Control, Section};
use muster_shared::hint::Hint;
use muster_shared::name::{NameError, PackageName};

use super::write::{self, Readers};

/// What to write.
#[derive(Debug, Clone)]
pub struct NewPackage {
    /// Name as the person typed it.
    pub name: String,
    /// Put before the name unless it is there already.
    pub prefix: Option<String>,
    pub version: String,
    pub section: Section,
    pub description: String,
    pub maintainer: String,
    pub depends: String,
    /// A folder whose files the package installs.
    pub from_folder: Option<PathBuf>,
    /// Where the folder of the sources is made.
    pub parent: PathBuf,
}

/// New sources on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSources {
    pub folder: PathBuf,
    pub package: String,
    /// Relative paths, `/` between the parts.
    pub files: Vec<String>,
}

/// Why the sources could not be made. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("the package cannot be named so")]
    Name(#[source] NameError),
    #[error("the control file would break a rule: {problem}")]
    Control { problem: String },
    #[error("{path} exists already")]
    Exists { path: PathBuf },
    #[error("{path} is not a folder")]
    NotAFolder { path: PathBuf },
    #[error("a {section} package carries no files")]
    NoFiles { section: Section },
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot write {path}")]
    Write {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} is a link or a special file; packages hold plain files only")]
    Special { path: PathBuf },
}

impl Hint for TemplateError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Name(_) => vec!["use lower-case letters, digits and dashes: prefix-name".to_owned()],
            Self::Exists { .. } => vec!["choose another name or another folder with --into".to_owned()],
            Self::NoFiles { .. } => vec!["leave out --from-folder, or make a base package".to_owned()],
            Self::Write { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                vec!["free some space and try again; nothing was changed".to_owned()]
            }
            Self::Control { .. }
            | Self::NotAFolder { .. }
            | Self::Read { .. }
            | Self::Write { .. }
            | Self::Special { .. } => Vec::new(),
        }
    }
}

/// The name with its prefix.
pub fn prefixed(name: &str, prefix: Option<&str>) -> String {
    match prefix {
        Some(prefix) if !prefix.is_empty() && !name.starts_with(&format!("{prefix}-")) => {
            format!("{prefix}-{name}")
        }
        _ => name.to_owned(),
    }
}

/// Writes new sources into a folder named as the package.
///
/// # Errors
/// A rule is broken or a file cannot be read or written; the folder is not made then.
pub fn create(request: &NewPackage) -> Result<NewSources, TemplateError> {
    let package = prefixed(&request.name, request.prefix.as_deref());
    PackageName::check_for(&package, request.section).map_err(TemplateError::Name)?;
    let control = control_of(request, &package)?;
    let target = request.parent.join(&package);
    if target.symlink_metadata().is_ok() {
        return Err(TemplateError::Exists { path: target });
    }
    if request.from_folder.is_some() && !request.section.carries_code() {
        return Err(TemplateError::NoFiles {
            section: request.section,
        });
    }

    let mut files = vec![("WAPT/control".to_owned(), control.to_text().into_bytes())];
    if request.section.carries_code() {
        let code = if request.from_folder.is_some() {
            folder_setup(&package)
        } else {
            empty_setup(&package)
        };
        files.push(("setup.py".to_owned(), code.into_bytes()));
    }
    let staged = stage(&request.parent, &target, &files)?;
    let mut names: Vec<String> = files.into_iter().map(|(name, _)| name).collect();
    if let Some(source) = &request.from_folder {
        copy_folder(source, &staged.path().join("files"), "files", &mut names)?;
    }
    let failed = |source| TemplateError::Write {
        path: target.clone(),
        source,
    };
    open_to_everyone(staged.path()).map_err(failed)?;
    fs_err::rename(staged.path(), &target).map_err(failed)?;
    Ok(NewSources {
        folder: target,
        package,
        files: names,
    })
}

fn control_of(request: &NewPackage, package: &str) -> Result<Control, TemplateError> {
    let description = if request.description.is_empty() {
        format!("Package {package}")
    } else {
        request.description.clone()
    };
    let control = Control::new(package, &request.version, request.section)
        .with("maintainer", &request.maintainer)
        .with("description", &description)
        .with("depends", &request.depends);
    match control.problems_for_signing().into_iter().next() {
        Some(problem) => Err(TemplateError::Control {
            problem: problem.to_string(),
        }),
        None => Ok(control),
    }
}

/// A hidden folder beside the target: renamed at the end, removed by itself on failure.
fn stage(
    parent: &Path,
    target: &Path,
    files: &[(String, Vec<u8>)],
) -> Result<tempfile::TempDir, TemplateError> {
    let failed = |source| TemplateError::Write {
        path: parent.to_owned(),
        source,
    };
    fs_err::create_dir_all(parent).map_err(failed)?;
    let staged = tempfile::Builder::new()
        .prefix(".muster-new-")
        .tempdir_in(parent)
        .map_err(failed)?;
    for (name, bytes) in files {
        let path = staged.path().join(name);
        let written = path.parent().map_or(Ok(()), fs_err::create_dir_all);
        let written = written.and_then(|()| write::create(&path, bytes, Readers::Everyone));
        // Named as where it would have been, not as where it was put meanwhile.
        written.map_err(|source| TemplateError::Write {
            path: target.join(name),
            source,
        })?;
    }
    Ok(staged)
}

#[cfg(unix)]
fn open_to_everyone(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    // Temporary folders are private; sources are as public as their parent.
    fs_err::set_permissions(folder, PermissionsExt::from_mode(0o755))
}

#[cfg(not(unix))]
fn open_to_everyone(_folder: &Path) -> std::io::Result<()> {
    Ok(())
}

fn copy_folder(from: &Path, to: &Path, shown: &str, names: &mut Vec<String>) -> Result<(), TemplateError> {
    let unreadable = |source| TemplateError::Read {
        path: from.to_owned(),
        source,
    };
    if !fs_err::metadata(from).map_err(unreadable)?.is_dir() {
        return Err(TemplateError::NotAFolder {
            path: from.to_owned(),
        });
    }
    fs_err::create_dir_all(to).map_err(|source| TemplateError::Write {
        path: to.to_owned(),
        source,
    })?;
    let mut entries = Vec::new();
    for entry in fs_err::read_dir(from).map_err(unreadable)? {
        entries.push(entry.map_err(unreadable)?);
    }
    entries.sort_by_key(fs_err::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let kind = entry.file_type().map_err(|source| TemplateError::Read {
            path: path.clone(),
            source,
        })?;
        let target = to.join(entry.file_name());
        let shown = format!("{shown}/{}", entry.file_name().to_string_lossy());
        if kind.is_dir() {
            copy_folder(&path, &target, &shown, names)?;
        } else if kind.is_file() {
            fs_err::copy(&path, &target).map_err(|source| TemplateError::Write { path: target, source })?;
            names.push(shown);
        } else {
            return Err(TemplateError::Special { path });
        }
    }
    Ok(())
}

const EMPTY_SETUP: &str = include_str!("template/empty_setup.py");
const FOLDER_SETUP: &str = include_str!("template/folder_setup.py");

fn empty_setup(package: &str) -> String {
    EMPTY_SETUP.replace("@package@", package)
}

fn folder_setup(package: &str) -> String {
    FOLDER_SETUP.replace("@package@", package)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(parent: &Path) -> NewPackage {
        NewPackage {
            name: "hello".into(),
            prefix: Some("demo".into()),
            version: "1.0-0".into(),
            section: Section::Base,
            description: String::new(),
            maintainer: "Alice".into(),
            depends: String::new(),
            from_folder: None,
            parent: parent.to_owned(),
        }
    }

    #[test]
    fn new_sources_have_a_control_that_may_be_signed() {
        let dir = tempfile::tempdir().unwrap();
        let made = create(&request(dir.path())).unwrap();
        assert_eq!(made.package, "demo-hello");
        assert_eq!(made.files, ["WAPT/control", "setup.py"]);
        let control = Control::parse(&fs_err::read(made.folder.join("WAPT/control")).unwrap()).unwrap();
        assert_eq!(control.problems_for_signing(), []);
        assert_eq!(control.get("maintainer"), "Alice");
        let code = fs_err::read_to_string(made.folder.join("setup.py")).unwrap();
        assert!(code.contains("demo-hello") && !code.contains("@package@"));
    }

    #[test]
    fn a_folder_becomes_the_payload() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("payload");
        fs_err::create_dir_all(source.join("sub")).unwrap();
        fs_err::write(source.join("sub/b.txt"), "b").unwrap();
        fs_err::write(source.join("a.txt"), "a").unwrap();
        let made = create(&NewPackage {
            from_folder: Some(source),
            ..request(dir.path())
        })
        .unwrap();
        assert_eq!(
            made.files,
            ["WAPT/control", "setup.py", "files/a.txt", "files/sub/b.txt"]
        );
        assert_eq!(fs_err::read(made.folder.join("files/sub/b.txt")).unwrap(), b"b");
    }

    #[test]
    fn groups_carry_no_code_and_no_files() {
        let dir = tempfile::tempdir().unwrap();
        let group = NewPackage {
            name: "demo-office".into(),
            section: Section::Group,
            depends: "demo-a, demo-b(>=2)".into(),
            ..request(dir.path())
        };
        assert_eq!(create(&group).unwrap().files, ["WAPT/control"]);
        let with_files = NewPackage {
            name: "demo-other".into(),
            from_folder: Some(dir.path().to_owned()),
            ..group
        };
        assert!(matches!(create(&with_files), Err(TemplateError::NoFiles { .. })));
    }

    #[test]
    fn what_fails_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let missing = NewPackage {
            from_folder: Some(dir.path().join("missing")),
            ..request(dir.path())
        };
        assert!(matches!(create(&missing), Err(TemplateError::Read { .. })));
        let bad = NewPackage {
            version: "one".into(),
            ..request(dir.path())
        };
        assert!(matches!(create(&bad), Err(TemplateError::Control { .. })));
        assert!(matches!(
            create(&NewPackage {
                name: "a b".into(),
                ..request(dir.path())
            }),
            Err(TemplateError::Name(_))
        ));
        assert_eq!(fs_err::read_dir(dir.path()).unwrap().count(), 0);
    }
}
