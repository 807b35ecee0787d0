//! One file of Windows updates from one place: continued where it broke off, capped, paced, checked before it counts.

use std::path::{Path, PathBuf};

use futures_util::StreamExt as _;
use reqwest::header::{CONTENT_RANGE, HeaderMap, IF_RANGE, RANGE};
use reqwest::{Response, StatusCode, Url};
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::platform;
use crate::repo::{Bandwidth, Pace, Validators, Watch};

/// The largest file that is taken, in bytes: feature updates are several GB.
const MAX_BYTES: u64 = 16 * 1024 * 1024 * 1024;

/// Why a file could not be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("{0} is not there")]
    Missing(String),
    #[error("no repository is configured and direct downloads are not allowed")]
    NoSource,
    #[error("no repository can be asked for Windows updates")]
    Setup(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("{host} cannot be reached for {what}")]
    Unreachable {
        what: String,
        host: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{host} answered the question for {what} with status {status}")]
    Status { what: String, host: String, status: u16 },
    #[error("{what} has more than {MAX_BYTES} bytes")]
    TooLarge { what: String },
    #[error("{what} comes too slowly from {host}")]
    TooSlow { what: String, host: String },
    #[error("{what} from {host} has the SHA-1 {found}, not the one in its name")]
    Hash {
        what: String,
        host: String,
        found: String,
    },
    #[error("the disk has no room for {what}: {needed} bytes are missing")]
    DiskFull { what: String, needed: u64 },
    #[error("{what} cannot be written")]
    Write {
        what: String,
        #[source]
        source: std::io::Error,
    },
    #[error("cancelled")]
    Cancelled,
}

/// Where a file may lie, and how it is asked for.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub url: Url,
    pub http: reqwest::Client,
    pub pace: Pace,
    pub bandwidth: Option<Bandwidth>,
}

impl Place {
    fn host(&self) -> String {
        self.url.host_str().unwrap_or_default().to_owned()
    }
}

/// What is to be fetched.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    /// Its name, one plain part of a path.
    pub name: &'a str,
    /// Where it goes when it is whole and right.
    pub target: PathBuf,
    /// The SHA-1 that it must have, if one is known.
    pub sha1: Option<&'a str>,
    /// The content that is there already, if it is only wanted when there is another one.
    pub known: Option<&'a Validators>,
    /// Bytes of the disk that are never filled.
    pub reserve: u64,
}

impl Wanted<'_> {
    fn part(&self) -> PathBuf {
        self.target.with_file_name(format!("{}.part", self.name))
    }

    fn note(&self) -> PathBuf {
        self.target.with_file_name(format!("{}.part.json", self.name))
    }

    fn write_error(&self, source: std::io::Error) -> FileError {
        FileError::Write {
            what: self.name.to_owned(),
            source,
        }
    }

    /// What an earlier try left: how long it is, and whose it is.
    async fn begun(&self) -> Option<(u64, Validators)> {
        let note = fs_err::tokio::read(self.note()).await.ok()?;
        let validators: Validators = serde_json::from_slice(&note).ok()?;
        validators.for_range()?;
        let length = fs_err::tokio::metadata(self.part()).await.ok()?.len();
        (length > 0).then_some((length, validators))
    }

    async fn discard(&self) {
        fs_err::tokio::remove_file(self.part()).await.ok();
        fs_err::tokio::remove_file(self.note()).await.ok();
    }
}

/// Fetches a file, unless it is still the one that is known; gives what its server said of it.
///
/// # Errors
/// When the place does not give it whole and right. What came stays, to be continued, as long as it may be right.
pub(super) async fn fetch(
    place: &Place,
    wanted: &Wanted<'_>,
    progress: &impl Fn(u64, u64),
    cancel: &CancellationToken,
) -> Result<Option<Validators>, FileError> {
    if let Some(folder) = wanted.target.parent() {
        fs_err::tokio::create_dir_all(folder)
            .await
            .map_err(|source| wanted.write_error(source))?;
    }
    let begun = wanted.begun().await;
    let resumed = begun.is_some();
    match attempt(place, wanted, begun, progress, cancel).await {
        // What an earlier try left was wrong: once more from the beginning.
        Err(FileError::Hash { .. } | FileError::TooLarge { .. } | FileError::Status { status: 416, .. })
            if resumed =>
        {
            wanted.discard().await;
            attempt(place, wanted, None, progress, cancel).await
        }
        done => done,
    }
}

async fn attempt(
    place: &Place,
    wanted: &Wanted<'_>,
    begun: Option<(u64, Validators)>,
    progress: &impl Fn(u64, u64),
    cancel: &CancellationToken,
) -> Result<Option<Validators>, FileError> {
    // The machine went down between the last byte and the name: nothing is to be asked.
    if let (Some((_length, validators)), Some(sha1)) = (&begun, wanted.sha1)
        && hash_of(&wanted.part(), Kind::Sha1)
            .await
            .is_ok_and(|found| found.eq_ignore_ascii_case(sha1))
    {
        let validators = validators.clone();
        return finish(wanted, validators).await.map(Some);
    }
    let mut headers = wanted.known.map_or_else(HeaderMap::new, Validators::condition);
    if let Some((length, validators)) = &begun
        && let (Some(validator), Ok(range)) = (validators.for_range(), format!("bytes={length}-").parse())
    {
        headers.insert(IF_RANGE, validator);
        headers.insert(RANGE, range);
    }
    let host = place.host();
    let request = place.http.get(place.url.clone()).headers(headers).send();
    let response = tokio::select! {
        () = cancel.cancelled() => return Err(FileError::Cancelled),
        answer = timeout(place.pace.first_answer, request) => match answer {
            Ok(Ok(response)) => response,
            Ok(Err(source)) => return Err(unreachable(wanted, host, source)),
            Err(_elapsed) => return Err(FileError::TooSlow { what: wanted.name.to_owned(), host }),
        },
    };
    let before = begun.filter(|(length, _validators)| continues(&response, *length));
    match response.status() {
        StatusCode::NOT_MODIFIED if wanted.known.is_some() => return Ok(None),
        StatusCode::NOT_FOUND => return Err(FileError::Missing(wanted.name.to_owned())),
        StatusCode::OK => {}
        StatusCode::PARTIAL_CONTENT if before.is_some() => {}
        status => {
            return Err(FileError::Status {
                what: wanted.name.to_owned(),
                host,
                status: status.as_u16(),
            });
        }
    }
    let (length, validators) = before.unwrap_or_else(|| (0, Validators::of(response.headers())));
    let note = serde_json::to_vec(&validators).unwrap_or_default();
    fs_err::tokio::write(wanted.note(), note)
        .await
        .map_err(|source| wanted.write_error(source))?;
    fill(place, wanted, response, length, progress, cancel).await?;
    if let Some(sha1) = wanted.sha1 {
        let found = hash_of(&wanted.part(), Kind::Sha1)
            .await
            .map_err(|source| wanted.write_error(source))?;
        if !found.eq_ignore_ascii_case(sha1) {
            wanted.discard().await;
            return Err(FileError::Hash {
                what: wanted.name.to_owned(),
                host,
                found,
            });
        }
    }
    finish(wanted, validators).await.map(Some)
}

/// The answer goes on where the part ends.
fn continues(response: &Response, length: u64) -> bool {
    response.status() == StatusCode::PARTIAL_CONTENT
        && response
            .headers()
            .get(CONTENT_RANGE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with(&format!("bytes {length}-")))
}

/// Appends the body to the part, which has this length.
async fn fill(
    place: &Place,
    wanted: &Wanted<'_>,
    response: Response,
    mut length: u64,
    progress: &impl Fn(u64, u64),
    cancel: &CancellationToken,
) -> Result<(), FileError> {
    let too_large = || FileError::TooLarge {
        what: wanted.name.to_owned(),
    };
    let rest = response.content_length().unwrap_or(0);
    let whole = length.saturating_add(rest);
    if whole > MAX_BYTES {
        return Err(too_large());
    }
    let part = wanted.part();
    room_for(wanted, &part, rest)?;
    let written = |source: std::io::Error| write_error(wanted, whole.saturating_sub(length), source);
    let mut file = fs_err::tokio::OpenOptions::new()
        .create(true)
        .write(true)
        .append(length > 0)
        .truncate(length == 0)
        .open(&part)
        .await
        .map_err(written)?;
    let mut watch = Watch::start(place.pace, Instant::now());
    let mut chunks = response.bytes_stream();
    let ended = loop {
        let too_slow = || FileError::TooSlow {
            what: wanted.name.to_owned(),
            host: place.host(),
        };
        let chunk = tokio::select! {
            () = cancel.cancelled() => break Err(FileError::Cancelled),
            chunk = chunks.next() => chunk,
            () = sleep_until(watch.window_end()) => {
                if watch.is_too_slow(Instant::now()) {
                    break Err(too_slow());
                }
                continue;
            }
        };
        let chunk = match chunk {
            None => break Ok(()),
            Some(Ok(chunk)) => chunk,
            Some(Err(source)) => break Err(unreachable(wanted, place.host(), source)),
        };
        length = length.saturating_add(chunk.len() as u64);
        if length > MAX_BYTES {
            break Err(too_large());
        }
        if let Err(source) = file.write_all(&chunk).await {
            break Err(write_error(wanted, whole.saturating_sub(length), source));
        }
        watch.note(chunk.len() as u64);
        if let Some(bandwidth) = &place.bandwidth {
            tokio::select! {
                waited = bandwidth.take(chunk.len() as u64) => watch.pause(waited),
                () = cancel.cancelled() => break Err(FileError::Cancelled),
            }
        }
        if watch.is_too_slow(Instant::now()) {
            break Err(too_slow());
        }
        progress(length, whole.max(length));
    };
    // Also what was broken off is continued the next time.
    let flushed = match file.flush().await {
        Ok(()) => file.sync_all().await,
        Err(source) => Err(source),
    };
    ended?;
    flushed.map_err(|source| wanted.write_error(source))
}

fn room_for(wanted: &Wanted<'_>, part: &Path, rest: u64) -> Result<(), FileError> {
    let needed = rest.saturating_add(wanted.reserve);
    match platform::free_bytes(part.parent().unwrap_or(part)) {
        Some(free) if rest > 0 && free < needed => Err(FileError::DiskFull {
            what: wanted.name.to_owned(),
            needed: needed - free,
        }),
        _ => Ok(()),
    }
}

fn write_error(wanted: &Wanted<'_>, needed: u64, source: std::io::Error) -> FileError {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    if matches!(source.kind(), StorageFull | QuotaExceeded) {
        return FileError::DiskFull {
            what: wanted.name.to_owned(),
            needed,
        };
    }
    wanted.write_error(source)
}

async fn finish(wanted: &Wanted<'_>, validators: Validators) -> Result<Validators, FileError> {
    fs_err::tokio::rename(wanted.part(), &wanted.target)
        .await
        .map_err(|source| wanted.write_error(source))?;
    fs_err::tokio::remove_file(wanted.note()).await.ok();
    Ok(validators)
}

fn unreachable(wanted: &Wanted<'_>, host: String, source: reqwest::Error) -> FileError {
    FileError::Unreachable {
        what: wanted.name.to_owned(),
        host,
        source: Box::new(source.without_url()),
    }
}

/// A hash of a file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Sha1,
    Sha256,
}

/// The hash of a file in hexadecimal digits.
pub(super) async fn hash_of(path: &Path, kind: Kind) -> std::io::Result<String> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || read_hash(&path, kind))
        .await
        .unwrap_or_else(|error| Err(std::io::Error::other(error)))
}

fn read_hash(path: &Path, kind: Kind) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut file = fs_err::File::open(path)?;
    let (mut sha1, mut sha256) = (Context::new(&SHA1_FOR_LEGACY_USE_ONLY), Sha256::new());
    let mut buffer = vec![0_u8; 256 * 1024];
    loop {
        let count = file.read(&mut buffer)?;
        let bytes = buffer.get(..count).unwrap_or_default();
        match kind {
            Kind::Sha1 => sha1.update(bytes),
            Kind::Sha256 => sha256.update(bytes),
        }
        if count == 0 {
            return Ok(match kind {
                Kind::Sha1 => hex::encode(sha1.finish()),
                Kind::Sha256 => hex::encode(sha256.finalize()),
            });
        }
    }
}
