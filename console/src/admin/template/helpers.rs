//! `setuphelpers` on the packager's machine, so that editors complete its names.
//!
//! They are the agent's own files, carried in the program and unpacked beside the settings. Nothing here runs
//! them: scripts are run by an agent, with its copy.

use std::io;
use std::path::Path;

use crate::admin::write::{self, Readers};

/// Every file, by its name with slashes.
const FILES: &[(&str, &[u8])] = &include!(concat!(env!("OUT_DIR"), "/python_files.rs"));

/// The folder's name beside the settings.
const FOLDER: &str = "python";

/// Unpacks what is missing or of another version below a folder; gives the path for `PYTHONPATH`.
///
/// # Errors
/// The folder cannot be made, read or written.
pub fn prepare(settings: &Path) -> io::Result<String> {
    let folder = settings.join(FOLDER);
    for (name, content) in FILES {
        let path = folder.join(name);
        if fs_err::read(&path).ok().as_deref() == Some(*content) {
            continue;
        }
        if let Some(parent) = path.parent() {
            fs_err::create_dir_all(parent)?;
        }
        write::replace(&path, content, Readers::Everyone)?;
    }
    let homes = [("HOME", "${HOME}"), ("APPDATA", "${APPDATA}")];
    Ok(homes
        .into_iter()
        .find_map(|(name, shown)| below(&folder, &std::env::var_os(name)?, shown))
        .unwrap_or_else(|| folder.to_string_lossy().into_owned()))
}

/// The path with its beginning as a variable, so that the same sources serve several people.
fn below(folder: &Path, home: &std::ffi::OsStr, shown: &str) -> Option<String> {
    let inside = folder.strip_prefix(Path::new(home)).ok()?;
    let is_home = !home.is_empty() && Path::new(home).is_absolute();
    is_home.then(|| format!("{shown}/{}", inside.to_string_lossy().replace('\\', "/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_helpers_are_unpacked_and_mended() {
        let dir = tempfile::tempdir().unwrap();
        let shown = prepare(dir.path()).unwrap();
        assert_eq!(Path::new(&shown), dir.path().join("python"));
        let file = dir.path().join("python/setuphelpers/__init__.py");
        let whole = fs_err::read(&file).unwrap();
        fs_err::write(&file, "changed").unwrap();
        prepare(dir.path()).unwrap();
        assert_eq!(fs_err::read(&file).unwrap(), whole);
    }

    #[test]
    fn a_path_below_the_home_is_written_with_its_variable() {
        let below = |folder: &str, home: &str| below(Path::new(folder), home.as_ref(), "${HOME}");
        assert_eq!(
            below("/home/a/.config/muster", "/home/a").as_deref(),
            Some("${HOME}/.config/muster")
        );
        assert_eq!(below("/etc/muster", "/home/a"), None);
        assert_eq!(below("/home/ab/x", "/home/a"), None);
    }
}
