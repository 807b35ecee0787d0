//! From a downloaded file to an unpacked folder: verified again, checked against this machine, private.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
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

    /// Leaves the folder behind, as a power cut would.
    #[cfg(test)]
    pub(crate) fn abandon(self) {
        std::mem::forget(self);
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

/// The folder of files that a package keeps for its later hooks.
pub fn persistent_folder(paths: &Paths, control: &Control) -> PathBuf {
    let uuid = control.get("package_uuid");
    // The name comes from a signed control, but a path must not depend on what people sign.
    let name: String = uuid
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
    let name = if name.is_empty() {
        control.package().replace(['/', '\\', '.'], "_")
    } else {
        name
    };
    paths.persistent_dir().join(name)
}

/// Makes the persistent folder anew, filled from `WAPT/persistent` of the unpacked package.
///
/// # Errors
/// When it cannot be made or filled.
pub fn prepare_persistent(folder: &Path, unpacked: &Path) -> std::io::Result<()> {
    remove_tree(folder)?;
    if let Some(parent) = folder.parent() {
        platform::lock_down_dir(parent)?;
    }
    platform::lock_down_dir(folder)?;
    let source = unpacked.join("WAPT").join("persistent");
    if source.is_dir() {
        copy_tree(&source, folder)?;
    }
    Ok(())
}

fn copy_tree(source: &Path, target: &Path) -> std::io::Result<()> {
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
        assert_eq!(
            persistent_folder(&paths, &odd).parent().unwrap(),
            paths.persistent_dir()
        );
        assert!(!persistent_folder(&paths, &odd).to_string_lossy().contains(".."));
    }
}
