//! The Python side of the agent: carried in the binary, unpacked once, checked before every use.
//!
//! The folder is named after the hash of its content and belongs to root alone. Before a script runs,
//! every file is compared with the binary's own copy: whatever was changed is written again, and files
//! that do not belong there are removed, because Python would import them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

use crate::paths::Paths;
use crate::platform;

/// Every file, by its name with slashes.
const FILES: &[(&str, &[u8])] = &include!(concat!(env!("OUT_DIR"), "/python_files.rs"));

/// The program that runs one hook.
const RUNNER: &str = "muster_run.py";

/// Names the content: another version of the agent unpacks beside this one.
static CONTENT_HASH: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = Sha256::new();
    for (name, content) in FILES {
        hasher.update((name.len() as u64).to_be_bytes());
        hasher.update(name.as_bytes());
        hasher.update((content.len() as u64).to_be_bytes());
        hasher.update(content);
    }
    hex::encode(&hasher.finalize()[..16])
});

/// Why the Python side cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    #[error("the script runner cannot be unpacked to {folder}", folder = folder.display())]
    Unpack {
        folder: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// Makes sure that the Python files are there and unchanged; gives the path of the runner.
///
/// # Errors
/// When the folder cannot be made, read or written.
pub fn prepare(paths: &Paths) -> Result<PathBuf, EmbeddedError> {
    let folder = paths.python_dir().join(CONTENT_HASH.as_str());
    prepare_in(&folder).map_err(|source| EmbeddedError::Unpack {
        folder: folder.clone(),
        source,
    })?;
    Ok(folder.join(RUNNER))
}

/// Lays the Python files out in a new folder where everybody may read them; gives the path of the runner.
///
/// # Errors
/// When the folder cannot be made or written.
pub(super) fn unpack_for_all(folder: &Path) -> Result<PathBuf, EmbeddedError> {
    prepare_in(folder)
        .and_then(|()| platform::open_to_all(folder))
        .map_err(|source| EmbeddedError::Unpack {
            folder: folder.to_path_buf(),
            source,
        })?;
    Ok(folder.join(RUNNER))
}

fn prepare_in(folder: &Path) -> std::io::Result<()> {
    platform::lock_down_dir(folder)?;
    let mut expected = BTreeSet::new();
    for (name, content) in FILES {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs_err::create_dir_all(parent)?;
        }
        if fs_err::read(&path).ok().as_deref() != Some(content) {
            // A link would lead the write elsewhere. What a power cut leaves half written is not waited for on
            // disk: the next use finds and mends it.
            match fs_err::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => fs_err::write(&path, content)?,
            }
        }
        expected.insert(path);
    }
    remove_strangers(folder, &expected)
}

/// Removes everything that the binary does not carry.
fn remove_strangers(folder: &Path, expected: &BTreeSet<PathBuf>) -> std::io::Result<()> {
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        let is_folder = fs_err::symlink_metadata(&path)?.is_dir();
        if is_folder && expected.iter().any(|file| file.starts_with(&path)) {
            remove_strangers(&path, expected)?;
        } else if is_folder {
            fs_err::remove_dir_all(&path)?;
        } else if !expected.contains(&path) {
            fs_err::remove_file(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_carries_the_runner_and_the_helpers() {
        for wanted in [RUNNER, "setuphelpers/__init__.py"] {
            assert!(FILES.iter().any(|(name, _)| *name == wanted), "{wanted}");
        }
        assert!(FILES.iter().all(|(name, _)| !name.contains("tests/")));
    }

    #[test]
    fn changed_and_foreign_files_do_not_survive() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::new(Some(root.path()));
        let runner = prepare(&paths).unwrap();
        let good = fs_err::read(&runner).unwrap();
        fs_err::write(&runner, b"import os").unwrap();
        let stranger = runner.with_file_name("json.py");
        fs_err::write(&stranger, b"import os").unwrap();
        assert_eq!(prepare(&paths).unwrap(), runner);
        assert_eq!(fs_err::read(&runner).unwrap(), good);
        assert!(!stranger.exists());
    }
}
