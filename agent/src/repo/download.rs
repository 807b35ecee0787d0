//! One file from the repository into the cache: continued where it broke off, capped, checked by hash.

use std::path::{Path, PathBuf};

use futures_util::StreamExt as _;
use muster_shared::index::{IndexEntry, is_package_filename};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_RANGE, IF_RANGE, RANGE};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::client::Repository;
use super::pace::Watch;
use super::part::Part;
use super::{RepoError, Validators};
use crate::platform;

/// What the index announces of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    filename: String,
    size: u64,
    hash: Hash,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hash {
    Sha256(String),
    /// Of repositories that older programs wrote; the package's own signature decides anyway.
    Md5(String),
}

impl Hash {
    fn of(entry: &IndexEntry) -> Result<Self, RepoError> {
        // It becomes a part of a file's name: nothing but digits, whatever the index's reader lets through.
        let is_hash = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if let Some(sha256) = entry.sha256sum.as_deref().filter(|text| !text.is_empty()) {
            if is_hash(sha256) {
                return Ok(Self::Sha256(sha256.to_ascii_lowercase()));
            }
        } else if is_hash(&entry.md5sum) {
            return Ok(Self::Md5(entry.md5sum.to_ascii_lowercase()));
        }
        Err(RepoError::NoHash {
            what: entry.filename.clone(),
        })
    }

    fn text(&self) -> &str {
        match self {
            Self::Sha256(text) | Self::Md5(text) => text,
        }
    }

    fn check(&self, what: &str, (sha256, md5): (String, String)) -> Result<(), RepoError> {
        let (algorithm, expected, found) = match self {
            Self::Sha256(expected) => ("sha256", expected, sha256),
            Self::Md5(expected) => ("md5", expected, md5),
        };
        if *expected == found {
            return Ok(());
        }
        Err(RepoError::Hash {
            what: what.to_owned(),
            algorithm,
            found,
            expected: expected.clone(),
        })
    }
}

impl Repository {
    /// The package of an index row, in `cache`: at once when it is there already and right, else
    /// downloaded, continuing what an earlier try left. `progress` gets (bytes there, bytes in all).
    ///
    /// # Errors
    /// When the row breaks a limit, the repository does not give the announced bytes, or the disk is full.
    pub async fn download(
        &self,
        entry: &IndexEntry,
        cache: &Path,
        mut progress: impl FnMut(u64, u64),
        cancel: &CancellationToken,
    ) -> Result<PathBuf, RepoError> {
        // The index's reader checks this too; a path may never depend on one check far away.
        if !is_package_filename(&entry.filename) {
            return Err(RepoError::Missing {
                what: format!("{:?}", entry.filename),
                url: self.url().to_owned(),
            });
        }
        let wanted = Wanted {
            filename: entry.filename.clone(),
            size: entry.size,
            hash: Hash::of(entry)?,
        };
        if wanted.size > self.max_package_bytes() {
            return Err(RepoError::TooLarge {
                what: wanted.filename,
                size: wanted.size,
                limit: self.max_package_bytes(),
            });
        }
        let target = cache.join(&wanted.filename);
        if is_already_there(&target, &wanted).await {
            progress(wanted.size, wanted.size);
            return Ok(target);
        }
        match self
            .try_download(&wanted, cache, &target, &mut progress, cancel)
            .await
        {
            // What an earlier try left was wrong: once more from the beginning.
            Err(Attempt {
                resumed: true,
                error: RepoError::Hash { .. } | RepoError::TooLarge { .. },
            }) => self
                .try_download(&wanted, cache, &target, &mut progress, cancel)
                .await
                .map_err(|attempt| attempt.error)?,
            other => other.map_err(|attempt| attempt.error)?,
        }
        Ok(target)
    }

    async fn try_download(
        &self,
        wanted: &Wanted,
        cache: &Path,
        target: &Path,
        progress: &mut impl FnMut(u64, u64),
        cancel: &CancellationToken,
    ) -> Result<(), Attempt> {
        let mut part = Part::open(cache, &wanted.filename, wanted.hash.text()).await?;
        if part.length > wanted.size {
            part.restart().await?;
        }
        let resumed = part.length > 0;
        let tried = self.fill(&mut part, wanted, progress, cancel).await;
        let outcome = match tried {
            Ok(()) => wanted.hash.check(&wanted.filename, part.hashes()),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => Ok(part.finish(target).await?),
            Err(error @ (RepoError::Hash { .. } | RepoError::TooLarge { .. })) => {
                part.discard().await;
                Err(Attempt { resumed, error })
            }
            Err(error) => {
                part.flush().await.ok();
                Err(Attempt { resumed, error })
            }
        }
    }

    async fn fill(
        &self,
        part: &mut Part,
        wanted: &Wanted,
        progress: &mut impl FnMut(u64, u64),
        cancel: &CancellationToken,
    ) -> Result<(), RepoError> {
        let what = wanted.filename.as_str();
        if part.length == wanted.size && wanted.size > 0 {
            return Ok(());
        }
        room_for(part, wanted, self.reserve())?;
        let cancelled = || RepoError::Cancelled {
            what: what.to_owned(),
        };
        let mut request = self.http().get(self.file_url(what));
        if let Some(validator) = part.validators.for_range().filter(|_validator| part.length > 0) {
            request = request
                .header(RANGE, format!("bytes={}-", part.length))
                .header(IF_RANGE, validator);
        }
        let response = tokio::select! {
            response = self.answer_to(request, what) => response?,
            () = cancel.cancelled() => return Err(cancelled()),
        };
        let continues = response.status() == StatusCode::PARTIAL_CONTENT
            && response
                .headers()
                .get(CONTENT_RANGE)
                .and_then(|value| value.to_str().ok())
                .is_some_and(|value| value.starts_with(&format!("bytes {}-", part.length)));
        if !continues {
            if response.status() != StatusCode::OK {
                return Err(self.status_error(what, response.status()));
            }
            part.restart().await?;
        }
        if let Some(length) = response.content_length()
            && part.length.saturating_add(length) > wanted.size
        {
            return Err(RepoError::TooLarge {
                what: what.to_owned(),
                size: part.length.saturating_add(length),
                limit: wanted.size,
            });
        }
        part.note(Validators::of(response.headers())).await?;

        let mut watch = Watch::start(self.pace(), Instant::now());
        let mut chunks = response.bytes_stream();
        progress(part.length, wanted.size);
        loop {
            let chunk = tokio::select! {
                chunk = chunks.next() => chunk,
                () = cancel.cancelled() => return Err(cancelled()),
                () = sleep_until(watch.window_end()) => {
                    if watch.is_too_slow(Instant::now()) {
                        return Err(self.too_slow(what));
                    }
                    continue;
                }
            };
            let Some(chunk) = chunk else { break };
            let chunk = chunk.map_err(|source| RepoError::Broken {
                what: what.to_owned(),
                source: source.without_url(),
            })?;
            let there = part.length.saturating_add(chunk.len() as u64);
            if there > wanted.size {
                return Err(RepoError::TooLarge {
                    what: what.to_owned(),
                    size: there,
                    limit: wanted.size,
                });
            }
            part.append(&chunk, wanted.size - there).await?;
            watch.note(chunk.len() as u64);
            if let Some(bandwidth) = self.bandwidth() {
                tokio::select! {
                    waited = bandwidth.take(chunk.len() as u64) => watch.pause(waited),
                    () = cancel.cancelled() => return Err(cancelled()),
                }
            }
            if watch.is_too_slow(Instant::now()) {
                return Err(self.too_slow(what));
            }
            progress(part.length, wanted.size);
        }
        part.flush().await?;
        if part.length < wanted.size {
            return Err(RepoError::Cut {
                what: what.to_owned(),
                got: part.length,
                expected: wanted.size,
            });
        }
        Ok(())
    }
}

/// A failed try and whether it continued an earlier one.
struct Attempt {
    resumed: bool,
    error: RepoError,
}

impl From<RepoError> for Attempt {
    fn from(error: RepoError) -> Self {
        Self {
            resumed: false,
            error,
        }
    }
}

/// Refuses before the first byte what the disk cannot hold beside what is kept free.
fn room_for(part: &Part, wanted: &Wanted, reserve: u64) -> Result<(), RepoError> {
    let folder = part.folder();
    let needed = wanted.size.saturating_sub(part.length).saturating_add(reserve);
    match platform::free_bytes(folder) {
        Some(free) if free < needed => Err(RepoError::DiskFull {
            what: wanted.filename.clone(),
            folder: folder.to_path_buf(),
            needed: needed - free,
        }),
        _ => Ok(()),
    }
}

async fn is_already_there(path: &Path, wanted: &Wanted) -> bool {
    let Ok(mut file) = fs_err::tokio::File::open(path).await else {
        return false;
    };
    if !file
        .metadata()
        .await
        .is_ok_and(|metadata| metadata.len() == wanted.size)
    {
        return false;
    }
    let mut sha256 = Sha256::new();
    let mut md5 = md5::Md5::new();
    let mut piece = vec![0_u8; 256 * 1024];
    loop {
        match file.read(&mut piece).await {
            Ok(0) => break,
            Ok(count) => {
                let bytes = piece.get(..count).unwrap_or_default();
                match wanted.hash {
                    Hash::Sha256(_) => sha256.update(bytes),
                    Hash::Md5(_) => md5.update(bytes),
                }
            }
            Err(_unreadable) => return false,
        }
    }
    let hashes = (hex::encode(sha256.finalize()), hex::encode(md5.finalize()));
    wanted.hash.check(&wanted.filename, hashes).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_is_preferred_and_no_hash_at_all_is_refused() {
        let entry = |sha256: Option<&str>, md5: &str| IndexEntry {
            control: muster_shared::control::Control::new("a", "1", muster_shared::control::Section::Base),
            filename: "a_1.wapt".to_owned(),
            size: 1,
            md5sum: md5.to_owned(),
            sha256sum: sha256.map(str::to_owned),
            repository: String::new(),
        };
        assert_eq!(
            Hash::of(&entry(Some("AB"), "cd")).unwrap(),
            Hash::Sha256("ab".into())
        );
        assert_eq!(Hash::of(&entry(None, "CD")).unwrap(), Hash::Md5("cd".into()));
        for (sha256, md5) in [(None, ""), (None, "../../x"), (Some("../../../../etc/x"), "cd")] {
            let hash = Hash::of(&entry(sha256, md5));
            assert!(matches!(hash, Err(RepoError::NoHash { .. })), "{hash:?}");
        }
    }
}
