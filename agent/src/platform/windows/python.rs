//! Which Python runs the packages' scripts.

use std::path::{Path, PathBuf};

use windows_registry::LOCAL_MACHINE;

/// Where installed interpreters are registered for the whole machine.
const REGISTERED: &str = r"SOFTWARE\Python\PythonCore";

/// The oldest version that runs what the agent carries.
const OLDEST: (u32, u32) = (3, 9);

/// The configured interpreter, else the one that the agent's installer brought, else one that is installed for the
/// whole machine.
///
/// A configured path that does not exist gives `None`: silently taking another would hide the mistake.
/// Nothing is searched in `PATH`: on Windows users can write to folders that are in it. For the same reason an
/// installed one counts only below Program Files.
pub fn find_python(configured: Option<&Path>, bundled: &Path) -> Option<PathBuf> {
    if let Some(path) = configured {
        return path.is_file().then(|| path.to_path_buf());
    }
    [
        bundled.join("python.exe"),
        bundled.join("python").join("python.exe"),
    ]
    .into_iter()
    .chain(registered())
    .find(|path| path.is_file())
}

/// Registered interpreters below Program Files, newest first.
fn registered() -> Vec<PathBuf> {
    let Some(programs) = std::env::var_os("ProgramFiles").map(PathBuf::from) else {
        return Vec::new();
    };
    let Ok(versions) = LOCAL_MACHINE.open(REGISTERED) else {
        return Vec::new();
    };
    let names = versions.keys().map(Iterator::collect::<Vec<String>>);
    let mut found: Vec<((u32, u32), PathBuf)> = names
        .unwrap_or_default()
        .iter()
        .filter_map(|name| {
            let version = version_of(name).filter(|version| *version >= OLDEST)?;
            let place = versions.open(format!(r"{name}\InstallPath")).ok()?;
            let program = place
                .get_string("ExecutablePath")
                .or_else(|_error| place.get_string("").map(|folder| format!("{folder}\\python.exe")))
                .ok()?;
            Some((version, PathBuf::from(program)))
        })
        .filter(|(_version, program)| is_below(program, &programs))
        .collect();
    found.sort_by_key(|(version, _program)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_version, program)| program).collect()
}

/// `3.12`; names such as `3.12-32` are of other architectures.
fn version_of(name: &str) -> Option<(u32, u32)> {
    let (major, minor) = name.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn is_below(program: &Path, folder: &Path) -> bool {
    let lower = |path: &Path| PathBuf::from(path.to_string_lossy().to_lowercase());
    let plain = program
        .components()
        .all(|part| part != std::path::Component::ParentDir);
    plain && lower(program).starts_with(lower(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_interpreters_that_users_cannot_change_count() {
        let programs = Path::new(r"C:\Program Files");
        assert!(is_below(
            Path::new(r"c:\program files\Python312\python.exe"),
            programs
        ));
        assert!(!is_below(Path::new(r"C:\Python312\python.exe"), programs));
        assert!(!is_below(
            Path::new(r"C:\Program Files\..\Python312\python.exe"),
            programs
        ));
    }

    #[test]
    fn versions_are_numbers() {
        assert_eq!(version_of("3.12"), Some((3, 12)));
        assert_eq!(version_of("3.12-32"), None);
        assert_eq!(version_of("foo"), None);
    }
}
