//! From a downloaded file to an unpacked folder: verified again, checked against this machine, private.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use muster_shared::catalogue::{Capabilities, refusal};
use muster_shared::control::Control;
use muster_shared::crypto::TrustStore;
use muster_shared::index::IndexEntry;
use muster_shared::package::{Package, PackageError, Unverified, Verified};
use muster_shared::version::compare_text;
use uuid::Uuid;

use super::InstallError;
use crate::paths::Paths;
use crate::platform;
use crate::state::packages::Installed;

/// The version of WAPT whose packages this agent runs, for `min_wapt_version`.
pub const COMPATIBLE_WITH: &str = "1.8.2";

/// What the file must turn out to be.
#[derive(Debug, Clone, Copy)]
pub enum Expected<'a> {
    /// The package of this row of the index.
    Row(&'a IndexEntry),
    /// Any package that a trusted person signed: a file that an administrator names.
    Trusted,
}

impl Expected<'_> {
    /// The repository that it comes from; empty for a file that somebody names.
    pub fn repository(&self) -> &str {
        match self {
            Self::Row(row) => &row.repository,
            Self::Trusted => "",
        }
    }
}

/// Verifies a file, from its bytes, against the trust folder and what was announced.
///
/// # Errors
/// When it is not signed by someone trusted, was changed, or is another package than announced.
pub fn verify(
    file: &Path,
    expected: Expected<'_>,
    trust: &TrustStore,
    at: Timestamp,
) -> Result<Package<Verified>, InstallError> {
    let named = match expected {
        Expected::Row(row) => row.control.package().to_owned(),
        Expected::Trusted => file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
    };
    let refused = |source: PackageError| InstallError::Verify {
        package: named.clone(),
        source,
    };
    let package = Package::<Unverified>::open(file)
        .and_then(|package| package.verify(trust, at))
        .map_err(refused)?;
    if let Expected::Row(row) = expected {
        let (found, announced) = (package.control(), &row.control);
        for attribute in [
            "package",
            "version",
            "section",
            "architecture",
            "package_uuid",
            "signature",
        ] {
            if found.get(attribute) != announced.get(attribute) {
                return Err(InstallError::Other {
                    package: named,
                    difference: format!(
                        "{attribute} is {:?}, the index said {:?}",
                        shortened(found.get(attribute)),
                        shortened(announced.get(attribute))
                    ),
                });
            }
        }
    }
    package.rules().map_err(refused)?;
    Ok(package)
}

fn shortened(text: &str) -> String {
    text.chars().take(60).collect()
}

/// Checks a package that no index offered against the system of this machine.
///
/// Whoever names a file means it: maturity, language and lists of names do not matter then.
///
/// # Errors
/// When it is for another system, version of it, or architecture.
pub fn check_system(control: &Control, host: &Capabilities) -> Result<(), InstallError> {
    let host = Capabilities {
        maturities: vec![control.maturity().to_owned()],
        locales: Vec::new(),
        packages_blacklist: Vec::new(),
        packages_whitelist: Vec::new(),
        ..host.clone()
    };
    let mut without_dates = control.clone();
    for date in ["valid_from", "valid_until"] {
        without_dates.set(date, "");
    }
    match refusal(&without_dates, &host) {
        Some(refusal) => Err(InstallError::OtherMachine {
            package: control.package().to_owned(),
            reason: refusal.to_string(),
        }),
        None => Ok(()),
    }
}

/// Checks a verified package against what is on this machine.
///
/// # Errors
/// The first rule that it breaks: agent version, dependencies, conflicts, disk space.
pub fn check(
    control: &Control,
    unpacked_bytes: u64,
    installed: &[Installed],
    paths: &Paths,
) -> Result<(), InstallError> {
    let package = control.package().to_owned();
    let needed = control.get("min_wapt_version");
    if !needed.is_empty() && compare_text(COMPATIBLE_WITH, needed).is_lt() {
        return Err(InstallError::OldAgent {
            package,
            needed: needed.to_owned(),
        });
    }
    let in_place = |row: &&Installed| row.in_place && row.package() != package;
    for request in control.depends_list() {
        let there = installed
            .iter()
            .filter(in_place)
            .any(|row| request.matches(row.package(), row.control.version()));
        if !there {
            return Err(InstallError::Dependency {
                package,
                missing: request.to_string(),
            });
        }
    }
    for row in installed.iter().filter(in_place) {
        let excluded = control
            .conflicts_list()
            .iter()
            .any(|request| request.matches(row.package(), row.control.version()))
            || row
                .control
                .conflicts_list()
                .iter()
                .any(|request| request.matches(&package, control.version()));
        if excluded {
            return Err(InstallError::Conflict {
                package,
                conflict: row.package().to_owned(),
            });
        }
    }
    let space = |folder: &Path, needed: u64| match platform::free_bytes(folder) {
        Some(free) if free < needed => Err(InstallError::Space {
            package: package.clone(),
            needed,
            free,
        }),
        _ => Ok(()),
    };
    space(&paths.state_dir(), unpacked_bytes)?;
    let installed_size = control.get("installed_size").parse::<u64>().unwrap_or(0);
    space(paths.root().unwrap_or(Path::new("/")), installed_size)
}

/// An unpacked package; the folder goes with this value.
#[derive(Debug)]
pub struct Staged {
    folder: PathBuf,
}

impl Staged {
    /// Unpacks into a folder that nobody else may enter, with a name nobody can guess.
    ///
    /// # Errors
    /// When the folder cannot be made or the package cannot be written out; nothing is left then.
    pub fn unpack(package: &Package<Verified>, paths: &Paths) -> Result<Self, InstallError> {
        let name = package.control().package().to_owned();
        let parent = paths.staging_dir();
        let folder = parent.join(Uuid::new_v4().simple().to_string());
        platform::lock_down_dir(&parent)
            .and_then(|()| platform::lock_down_dir(&folder))
            .map_err(|source| InstallError::Folder {
                package: name.clone(),
                source,
            })?;
        let staged = Self { folder };
        package
            .unpack(&staged.folder)
            .map_err(|source| InstallError::Unpack {
                package: name,
                source,
            })?;
        Ok(staged)
    }

    /// Where the package lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Err(error) = remove_tree(&self.folder) {
            tracing::warn!(%error, "an unpacked package cannot be removed");
        }
    }
}

/// Removes what an interrupted installation left unpacked.
///
/// # Errors
/// When the folder cannot be emptied.
pub fn clear_staging(paths: &Paths) -> std::io::Result<()> {
    remove_tree(&paths.staging_dir())
}

/// The folder of files that a package keeps for its later hooks: one for each build of each package, because
/// people copy packages with their `package_uuid`.
pub fn persistent_folder(paths: &Paths, control: &Control) -> PathBuf {
    let uuid = control.get("package_uuid");
    let build = if uuid.is_empty() { control.version() } else { uuid };
    package_folder(paths, control.package()).join(file_name(build))
}

/// The folder of everything that the builds of a package keep.
fn package_folder(paths: &Paths, package: &str) -> PathBuf {
    paths.persistent_dir().join(file_name(package))
}

/// Names come from signed controls, but a path must not depend on what people sign.
fn file_name(text: &str) -> String {
    let name: String = text
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() || letter == '-' {
                letter
            } else {
                '_'
            }
        })
        .take(80)
        .collect();
    if name.is_empty() { "_".to_owned() } else { name }
}

/// Removes what other builds of the package kept: this one is in place.
pub fn forget_other_builds(paths: &Paths, control: &Control) {
    let own = persistent_folder(paths, control);
    let Ok(entries) = fs_err::read_dir(package_folder(paths, control.package())) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.path() != own
            && let Err(error) = remove_tree(&entry.path())
        {
            tracing::warn!(%error, "files kept by an earlier version cannot be removed");
        }
    }
}

/// Removes what every build of the package kept: it is gone.
pub fn forget_all_builds(paths: &Paths, package: &str) {
    if let Err(error) = remove_tree(&package_folder(paths, package)) {
        tracing::warn!(%error, "files kept by a removed package cannot be removed");
    }
}

/// Makes the persistent folder anew, filled from `WAPT/persistent` of the unpacked package.
///
/// # Errors
/// When it cannot be made or filled.
pub fn prepare_persistent(folder: &Path, unpacked: &Path) -> std::io::Result<()> {
    remove_tree(folder)?;
    open_persistent(folder)?;
    let source = unpacked.join("WAPT").join("persistent");
    if source.is_dir() {
        copy_tree(&source, folder)?;
    }
    Ok(())
}

/// Makes sure that the persistent folder is there, for administrators alone.
///
/// # Errors
/// When it cannot be made.
pub fn open_persistent(folder: &Path) -> std::io::Result<()> {
    // Up to the folder of all of them, so that none is made open to others.
    for outer in folder.ancestors().take(3).collect::<Vec<_>>().into_iter().rev() {
        platform::lock_down_dir(outer)?;
    }
    Ok(())
}

/// Copies what is in a folder into another one.
///
/// # Errors
/// When something cannot be read or written.
pub fn copy_tree(source: &Path, target: &Path) -> std::io::Result<()> {
    for entry in fs_err::read_dir(source)? {
        let entry = entry?;
        let to = target.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs_err::create_dir_all(&to)?;
            copy_tree(&entry.path(), &to)?;
        } else {
            fs_err::copy(entry.path(), &to)?;
        }
    }
    Ok(())
}

/// Removes a folder and what is in it; one that is not there is fine.
///
/// # Errors
/// When something in it cannot be removed.
pub fn remove_tree(folder: &Path) -> std::io::Result<()> {
    match fs_err::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use muster_shared::control::Section;

    use super::*;
    use crate::state::packages::tests::row;

    fn control() -> Control {
        Control::new("demo-a", "1", Section::Base)
    }

    fn verdict(control: &Control, installed: &[Installed]) -> Result<(), InstallError> {
        let root = tempfile::tempdir().unwrap();
        check(control, 0, installed, &Paths::new(Some(root.path())))
    }

    #[test]
    fn a_dependency_must_be_in_place_in_the_right_version() {
        let wants = control().with("depends", "demo-lib(>=2)");
        assert!(matches!(
            verdict(&wants, &[]),
            Err(InstallError::Dependency { .. })
        ));
        assert!(verdict(&wants, &[row("demo-lib", "1.9")]).is_err());
        assert!(verdict(&wants, &[row("demo-lib", "2.0")]).is_ok());
        let mut broken = row("demo-lib", "2.0");
        broken.in_place = false;
        assert!(verdict(&wants, &[broken]).is_err());
    }

    #[test]
    fn conflicts_hold_in_both_directions() {
        assert!(matches!(
            verdict(&control().with("conflicts", "other"), &[row("other", "1")]),
            Err(InstallError::Conflict { .. })
        ));
        let mut other = row("other", "1");
        other.control.set("conflicts", "demo-a(<2)");
        assert!(verdict(&control(), &[other]).is_err());
    }

    #[test]
    fn a_package_for_newer_agents_and_one_too_large_are_refused() {
        assert!(matches!(
            verdict(&control().with("min_wapt_version", "2.3"), &[]),
            Err(InstallError::OldAgent { .. })
        ));
        assert!(verdict(&control().with("min_wapt_version", "1.8.0"), &[]).is_ok());
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::new(Some(root.path()));
        fs_err::create_dir_all(paths.state_dir()).unwrap();
        let huge = check(&control(), u64::MAX, &[], &paths);
        assert!(matches!(huge, Err(InstallError::Space { .. })), "{huge:?}");
    }

    #[test]
    fn the_persistent_folder_never_leaves_its_place() {
        let paths = Paths::new(Some(Path::new("/tmp/x")));
        let odd = control().with("package_uuid", "../../etc");
        let folder = persistent_folder(&paths, &odd);
        assert_eq!(folder.parent().unwrap(), paths.persistent_dir().join("demo-a"));
        assert!(!folder.to_string_lossy().contains(".."));
    }

    #[test]
    fn two_packages_with_one_uuid_keep_their_files_apart() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::new(Some(root.path()));
        let one = control().with("package_uuid", "u-1");
        let copy = Control::new("demo-b", "1", Section::Base).with("package_uuid", "u-1");
        let newer = control().with("package_uuid", "u-2");
        for control in [&one, &copy, &newer] {
            open_persistent(&persistent_folder(&paths, control)).unwrap();
        }
        forget_other_builds(&paths, &newer);
        assert!(!persistent_folder(&paths, &one).exists());
        assert!(persistent_folder(&paths, &newer).exists() && persistent_folder(&paths, &copy).exists());
        forget_all_builds(&paths, "demo-a");
        assert!(!persistent_folder(&paths, &newer).exists() && persistent_folder(&paths, &copy).exists());
    }

    #[test]
    fn a_file_for_another_system_is_refused_and_one_of_another_maturity_is_not() {
        let host = Capabilities {
            os: "linux".to_owned(),
            os_version: "12".to_owned(),
            architecture: "x64".to_owned(),
            ..Capabilities::default()
        };
        let refused = |control: Control| check_system(&control, &host).unwrap_err().to_string();
        assert!(refused(control().with("target_os", "windows")).contains("other operating systems"));
        assert!(refused(control().with("architecture", "arm64")).contains("another architecture"));
        assert!(refused(control().with("min_os_version", "13")).contains("newer operating system"));
        let other = control()
            .with("maturity", "DEV")
            .with("locale", "fr")
            .with("valid_until", "2001-01-01");
        check_system(&other, &host).unwrap();
    }
}
