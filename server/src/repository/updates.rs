//! Files of Windows updates: the catalogue `wsusscn2.cab`, and update files under the paths of their origin.
//!
//! Whoever runs the server puts them into the folder, best by a rename; nothing is checked here. Their maker signed
//! them, agents compare the hash in their names, and Windows installs only what its maker signed.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::error::{RepositoryError, doing};
use super::file_store::FileName;
use super::serve::{Content, PACKAGE_TYPE, Representation};
use super::upload::blocking;

/// Deeper paths are none of an update.
const MAX_DEPTH: usize = 12;

/// What lies in the folder of updates under a path with slashes.
///
/// # Errors
/// There is no plain file, the path is none of an update, or the disk refuses.
pub async fn find(folder: PathBuf, path: String) -> Result<Representation, RepositoryError> {
    let found = blocking({
        let path = path.clone();
        move || look(&folder, &path).map_err(doing("look for a file of Windows updates"))
    })
    .await?;
    found.ok_or(RepositoryError::NotFound {
        what: "update file",
        name: path,
    })
}

fn look(folder: &Path, path: &str) -> io::Result<Option<Representation>> {
    let Some(names) = names_of(path) else {
        return Ok(None);
    };
    let mut at = folder.to_path_buf();
    let mut metadata = None;
    for name in &names {
        // A file where a folder should be.
        if metadata
            .take()
            .is_some_and(|before: std::fs::Metadata| !before.is_dir())
        {
            return Ok(None);
        }
        at.push(name.as_str());
        // Links lead out of the folder.
        metadata = match fs_err::symlink_metadata(&at) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
    }
    let Some(metadata) = metadata.filter(std::fs::Metadata::is_file) else {
        return Ok(None);
    };
    let modified = Timestamp::try_from(metadata.modified()?).map_err(io::Error::other)?;
    Ok(Some(Representation {
        tag: tag(path, metadata.len(), modified),
        modified,
        content_type: PACKAGE_TYPE,
        is_public: true,
        content: Content::File {
            path: at,
            size: metadata.len(),
        },
    }))
}

/// The parts of a path, when each is a name that is safe on every system.
fn names_of(path: &str) -> Option<Vec<FileName>> {
    let names: Vec<FileName> = path
        .split('/')
        .take(MAX_DEPTH + 1)
        .map(|name| name.parse().ok())
        .collect::<Option<_>>()?;
    (names.len() <= MAX_DEPTH).then_some(names)
}

/// Names the content by size and time: files of several hundred megabytes are not read for each question.
fn tag(path: &str, size: u64, modified: Timestamp) -> String {
    let digest = Sha256::digest(format!("{path}\n{size}\n{}", modified.as_nanosecond()));
    hex::encode(digest).chars().take(32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_files_below_the_folder_are_found() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("waptwua");
        fs_err::create_dir_all(folder.join("c/msdownload")).unwrap();
        fs_err::write(folder.join("wsusscn2.cab"), "catalogue").unwrap();
        fs_err::write(folder.join("c/msdownload/a_1.cab"), "update").unwrap();
        fs_err::write(place.path().join("secret"), "x").unwrap();
        let found = |path: &str| look(&folder, path).unwrap().map(|found| found.tag);
        assert!(found("wsusscn2.cab").is_some());
        assert!(found("c/msdownload/a_1.cab").is_some());
        for path in [
            "",
            "c",
            "c/",
            "c/msdownload",
            "../secret",
            "c/../../secret",
            "c//msdownload/a_1.cab",
            "/wsusscn2.cab",
            "wsusscn2.cab/x",
            "gone.cab",
            ".hidden",
            "a\\b",
            "a/b/c/d/e/f/g/h/i/j/k/l/m",
        ] {
            assert_eq!(found(path), None, "{path}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(place.path().join("secret"), folder.join("link.cab")).unwrap();
            std::os::unix::fs::symlink(place.path(), folder.join("out")).unwrap();
            assert_eq!((found("link.cab"), found("out/secret")), (None, None));
        }
    }

    #[test]
    fn another_content_has_another_tag() {
        let at: Timestamp = "2026-11-24T08:00:00Z".parse().unwrap();
        let one = tag("a", 1, at);
        assert_eq!(one, tag("a", 1, at));
        assert_ne!(one, tag("a", 2, at));
        assert_ne!(one, tag("a", 1, at + jiff::SignedDuration::from_nanos(1)));
    }
}
