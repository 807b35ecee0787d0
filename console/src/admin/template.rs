//! New package sources that work as they are: a control file, a `setup.py` that explains itself, an icon, the
//! files of the editors; made from nothing or from an installer.

mod control;
mod editors;
pub mod helpers;
mod payload;
mod rules;
mod script;

use std::path::{Path, PathBuf};

use muster_shared::control::Section;
use muster_shared::hint::Hint;
use muster_shared::name::NameError;
use muster_shared::package::member;

use super::installer::{Installer, InstallerError, Kind};
use super::write::{self, Readers};

/// What the person wants. What is `None` is read from the installer, or gets its usual value.
#[derive(Debug, Clone)]
pub struct NewPackage {
    /// Name of the package as typed.
    pub name: Option<String>,
    /// Put before the name unless it is there already.
    pub prefix: Option<String>,
    pub section: Section,
    /// Distinguished name that a unit package is named after.
    pub dn: Option<String>,
    /// Version of the software, with or without packaging number.
    pub version: Option<String>,
    /// Name for people.
    pub display_name: Option<String>,
    pub description: Option<String>,
    pub publisher: Option<String>,
    pub architecture: Option<String>,
    pub maturity: Option<String>,
    pub maintainer: String,
    pub depends: String,
    pub silent_flags: Option<String>,
    pub uninstall_key: Option<String>,
    /// What the package installs.
    pub installer: Option<Installer>,
    /// Where the folder of the sources is made.
    pub parent: PathBuf,
    /// Folder of `setuphelpers` for editors, as `.env` names it.
    pub completion: Option<String>,
}

impl NewPackage {
    /// A base package into this folder, everything else read or usual.
    pub fn into_folder(parent: impl Into<PathBuf>) -> Self {
        Self {
            name: None,
            prefix: None,
            section: Section::Base,
            dn: None,
            version: None,
            display_name: None,
            description: None,
            publisher: None,
            architecture: None,
            maturity: None,
            maintainer: String::new(),
            depends: String::new(),
            silent_flags: None,
            uninstall_key: None,
            installer: None,
            parent: parent.into(),
            completion: None,
        }
    }
}

/// New sources on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSources {
    pub folder: PathBuf,
    pub package: String,
    pub version: String,
    /// Relative paths, `/` between the parts.
    pub files: Vec<String>,
    /// What a person still has to decide or check.
    pub open_questions: Vec<String>,
}

/// Why the sources could not be made. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("the package cannot be named so")]
    Name(#[source] NameError),
    #[error("a {section} package needs a name")]
    NoName { section: Section },
    #[error("the control file would break a rule: {problem}")]
    Control { problem: String },
    #[error("{path} exists already")]
    Exists { path: PathBuf },
    #[error("{path} is not a folder")]
    NotAFolder { path: PathBuf },
    #[error("a {section} package installs nothing")]
    NoFiles { section: Section },
    #[error("--dn is for unit packages, not for {section}")]
    NoUnit { section: Section },
    #[error("{dn:?} is not a distinguished name")]
    NotADn { dn: String },
    #[error("a {kind} has no {what}")]
    NotForKind { kind: &'static str, what: &'static str },
    #[error(transparent)]
    Installer(#[from] InstallerError),
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
    #[error("{path} lies inside of what is packaged")]
    Inside { path: PathBuf },
}

impl Hint for TemplateError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Name(_) => vec!["use lower-case letters, digits and dashes: prefix-name".to_owned()],
            Self::NoName {
                section: Section::Unit,
            } => vec!["give the unit: --dn 'OU=room1,DC=example,DC=lan'".to_owned()],
            Self::NoName {
                section: Section::Host,
            } => {
                vec!["give the identifier of the host, as `muster host list` shows it".to_owned()]
            }
            Self::NoName {
                section: Section::Profile,
            } => {
                vec!["give the name of the directory's group of computers, spelled as there".to_owned()]
            }
            Self::NoName { .. } => vec!["give one, or an installer with --from".to_owned()],
            Self::Exists { .. } => vec!["choose another name or another folder with --into".to_owned()],
            Self::NoFiles { .. } => vec!["leave out --from, or make a base package".to_owned()],
            Self::NotADn { .. } => {
                vec!["write it as the directory does: 'OU=room1,DC=example,DC=lan'".to_owned()]
            }
            Self::Inside { .. } => vec!["choose a place outside with --into".to_owned()],
            Self::Installer(error) => error.hints(),
            Self::Write { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                vec!["free some space and try again; nothing was changed".to_owned()]
            }
            Self::Control { .. }
            | Self::NotAFolder { .. }
            | Self::NoUnit { .. }
            | Self::NotForKind { .. }
            | Self::Read { .. }
            | Self::Write { .. } => Vec::new(),
            Self::Special { .. } => {
                vec!["put the file itself in the place of the link, or leave it out".to_owned()]
            }
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
    if request.installer.is_some() && !request.section.carries_code() {
        return Err(TemplateError::NoFiles {
            section: request.section,
        });
    }
    let mut open_questions = request
        .installer
        .as_ref()
        .map(|installer| installer.open_questions.clone())
        .unwrap_or_default();
    let control = control::of(request, &mut open_questions)?;
    let package = control.package().to_owned();
    let target = request.parent.join(&package);
    if target.symlink_metadata().is_ok() {
        return Err(TemplateError::Exists { path: target });
    }
    if let Some(installer) = request
        .installer
        .as_ref()
        .filter(|installer| installer.kind == Kind::Folder)
    {
        payload::check_outside(&installer.path, &request.parent)?;
    }

    let mut files = vec![("WAPT/control".to_owned(), control.to_text().into_bytes())];
    if request.section.carries_code() {
        let code = script::setup(request, &control)?;
        files.push(("setup.py".to_owned(), code.into_bytes()));
        if let Some(icon) = request
            .installer
            .as_ref()
            .and_then(|installer| installer.icon.clone())
        {
            files.push((member::ICON.to_owned(), icon));
        }
        files.extend(editors::files(&package, request.completion.as_deref()));
    }
    if let Some((name, text)) = rules::file(request.section) {
        files.push((name.to_owned(), text.into_bytes()));
    }
    let staged = stage(&request.parent, &target, &files)?;
    let mut names: Vec<String> = files.into_iter().map(|(name, _)| name).collect();
    if let Some(installer) = &request.installer {
        payload::copy(installer, staged.path(), &target, &mut names)?;
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
        version: control.version().to_owned(),
        files: names,
        open_questions,
    })
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

#[cfg(test)]
mod tests;
