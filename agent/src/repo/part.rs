//! A download on its way: the `.part` file, what it belongs to, and its hashes so far.
//!
//! The name carries the announced hash, so that parts of different contents never meet. Beside it lies
//! what the server called the body (ETag, date): only the same body is continued.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use md5::Md5;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{RepoError, Validators};

/// Bytes of a part are hashed in pieces of this size when it is continued.
const PIECE: usize = 256 * 1024;

/// An open part, positioned at its end.
pub(super) struct Part {
    what: String,
    path: PathBuf,
    note_path: PathBuf,
    file: fs_err::tokio::File,
    pub(super) length: u64,
    pub(super) validators: Validators,
    sha256: Sha256,
    md5: Md5,
}

impl Part {
    /// Opens what an earlier try left, or begins.
    pub(super) async fn open(cache: &Path, what: &str, content: &str) -> Result<Self, RepoError> {
        let short = content.get(..16).unwrap_or(content);
        let path = cache.join(format!("{what}.{short}.part"));
        let note_path = cache.join(format!("{what}.{short}.part.json"));
        let failed = |source| write_error(what, &path, 0, source);
        fs_err::tokio::create_dir_all(cache).await.map_err(failed)?;
        let file = fs_err::tokio::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .await
            .map_err(failed)?;
        let validators = match fs_err::tokio::read(&note_path).await {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
            Err(_none) => Validators::default(),
        };
        let mut part = Self {
            what: what.to_owned(),
            path,
            note_path,
            file,
            length: 0,
            validators,
            sha256: Sha256::new(),
            md5: Md5::new(),
        };
        if part.validators.for_range().is_some() {
            part.hash_what_is_there().await?;
        } else {
            part.restart().await?;
        }
        Ok(part)
    }

    /// The folder that holds it.
    pub(super) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }

    async fn hash_what_is_there(&mut self) -> Result<(), RepoError> {
        let mut piece = vec![0_u8; PIECE];
        loop {
            let count = self
                .file
                .read(&mut piece)
                .await
                .map_err(|source| self.failed(0, source))?;
            let Some(bytes) = piece.get(..count).filter(|bytes| !bytes.is_empty()) else {
                return Ok(());
            };
            self.sha256.update(bytes);
            self.md5.update(bytes);
            self.length += count as u64;
        }
    }

    /// Empties the part.
    pub(super) async fn restart(&mut self) -> Result<(), RepoError> {
        use tokio::io::AsyncSeekExt as _;
        self.file
            .set_len(0)
            .await
            .map_err(|source| self.failed(0, source))?;
        self.file
            .rewind()
            .await
            .map_err(|source| self.failed(0, source))?;
        self.length = 0;
        self.sha256 = Sha256::new();
        self.md5 = Md5::new();
        Ok(())
    }

    /// Notes what the server calls the body that follows.
    pub(super) async fn note(&mut self, validators: Validators) -> Result<(), RepoError> {
        let bytes = serde_json::to_vec(&validators).unwrap_or_default();
        fs_err::tokio::write(&self.note_path, bytes)
            .await
            .map_err(|source| write_error(&self.what, &self.note_path, 0, source))?;
        self.validators = validators;
        Ok(())
    }

    /// Appends bytes; `left` is how many follow after them, for the message when the disk is full.
    pub(super) async fn append(&mut self, bytes: &[u8], left: u64) -> Result<(), RepoError> {
        if let Err(source) = self.file.write_all(bytes).await {
            return Err(self.failed(left.saturating_add(bytes.len() as u64), source));
        }
        self.sha256.update(bytes);
        self.md5.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Brings what is buffered to the file. A full disk may show only here.
    pub(super) async fn flush(&mut self) -> Result<(), RepoError> {
        self.file.flush().await.map_err(|source| self.failed(0, source))
    }

    /// `(sha256, md5)` of what is there, lower-case hex.
    pub(super) fn hashes(&self) -> (String, String) {
        (
            hex::encode(self.sha256.clone().finalize()),
            hex::encode(self.md5.clone().finalize()),
        )
    }

    /// The part is whole and right: on disk, then under its final name.
    pub(super) async fn finish(mut self, target: &Path) -> Result<(), RepoError> {
        self.flush().await?;
        self.file
            .sync_all()
            .await
            .map_err(|source| self.failed(0, source))?;
        drop(self.file);
        fs_err::tokio::rename(&self.path, target)
            .await
            .map_err(|source| write_error(&self.what, target, 0, source))?;
        fs_err::tokio::remove_file(&self.note_path).await.ok();
        Ok(())
    }

    /// The part is of no use: nothing of it stays.
    pub(super) async fn discard(self) {
        drop(self.file);
        fs_err::tokio::remove_file(&self.path).await.ok();
        fs_err::tokio::remove_file(&self.note_path).await.ok();
    }

    fn failed(&self, needed: u64, source: std::io::Error) -> RepoError {
        write_error(&self.what, &self.path, needed, source)
    }
}

/// A full disk has an error of its own; everything else names the path.
fn write_error(what: &str, path: &Path, needed: u64, source: std::io::Error) -> RepoError {
    if matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
        return RepoError::DiskFull {
            what: what.to_owned(),
            folder: path.parent().unwrap_or(path).to_path_buf(),
            needed,
        };
    }
    RepoError::Write {
        path: path.to_path_buf(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTENT: &str = "0011223344556677";

    #[tokio::test]
    async fn a_part_is_continued_with_its_hashes() {
        let place = tempfile::tempdir().unwrap();
        let mut part = Part::open(place.path(), "a.wapt", CONTENT).await.unwrap();
        part.note(Validators {
            etag: Some("\"1\"".into()),
            last_modified: None,
        })
        .await
        .unwrap();
        part.append(b"hello ", 5).await.unwrap();
        part.flush().await.unwrap();
        drop(part);
        let mut part = Part::open(place.path(), "a.wapt", CONTENT).await.unwrap();
        assert_eq!(part.length, 6);
        part.append(b"world", 0).await.unwrap();
        assert_eq!(part.hashes().0, hex::encode(Sha256::digest(b"hello world")));
        let target = place.path().join("a.wapt");
        part.finish(&target).await.unwrap();
        assert_eq!(fs_err::read(&target).unwrap(), b"hello world");
        assert_eq!(fs_err::read_dir(place.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_part_without_a_name_for_its_body_begins_again() {
        let place = tempfile::tempdir().unwrap();
        let mut part = Part::open(place.path(), "a.wapt", CONTENT).await.unwrap();
        part.append(b"hello", 0).await.unwrap();
        part.flush().await.unwrap();
        drop(part);
        assert_eq!(
            Part::open(place.path(), "a.wapt", CONTENT).await.unwrap().length,
            0
        );
    }

    #[test]
    fn a_full_disk_is_told_as_such() {
        let error = write_error(
            "a.wapt",
            Path::new("/cache/a.part"),
            7,
            ErrorKind::StorageFull.into(),
        );
        assert!(matches!(error, RepoError::DiskFull { needed: 7, .. }));
    }
}
