//! Files of Windows updates from the repository: continued where they broke off, capped, checked.
//!
//! The names of Microsoft's files carry their SHA-1; a file that is not what its name says is thrown away. That is
//! no proof of anything: the system's update agent checks the signatures of what it is given.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use reqwest::header::{CONTENT_RANGE, HeaderMap, IF_RANGE, RANGE};
use reqwest::{StatusCode, Url};
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::repo::Validators;
use crate::server_client::{Connection, ServerError};

/// Microsoft's catalogue of updates, below the repository's folder and at Microsoft.
pub(super) const CATALOGUE: &str = "wsusscn2.cab";
const MICROSOFT_CATALOGUE: &str =
    "http://download.windowsupdate.com/microsoftupdate/v6/wsusscan/wsusscn2.cab";

/// The largest file that is taken, in bytes: feature updates are several GB.
const MAX_BYTES: u64 = 16 * 1024 * 1024 * 1024;
/// No answer, or no byte for so long, ends a download; the next one goes on.
const PATIENCE: Duration = Duration::from_mins(1);

/// Why a file could not be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("{0} is not there")]
    Missing(String),
    #[error("no repository is configured and direct downloads are not allowed")]
    NoSource,
    #[error("the repository cannot be reached for {what}")]
    Unreachable {
        what: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{what} was answered with status {status}")]
    Status { what: String, status: u16 },
    #[error("{what} has more than {MAX_BYTES} bytes")]
    TooLarge { what: String },
    #[error("no byte of {what} came for {seconds} s", seconds = PATIENCE.as_secs())]
    TooSlow { what: String },
    #[error("{what} has the SHA-1 {found}, not the one in its name")]
    Hash { what: String, found: String },
    #[error("{what} cannot be written")]
    Write {
        what: String,
        #[source]
        source: std::io::Error,
    },
    #[error("cancelled")]
    Cancelled,
}

/// Where files of updates come from.
#[derive(Debug, Clone)]
pub(super) struct Files {
    /// The repository's folder of updates, with a slash at its end.
    base: Option<Url>,
    http: Option<reqwest::Client>,
    direct: Option<reqwest::Client>,
    folder: PathBuf,
}

/// What is known of the catalogue on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Catalogue {
    pub validators: Validators,
    pub size: u64,
}

impl Catalogue {
    /// Changes when the file does.
    pub(super) fn stamp(&self) -> String {
        format!("{:?} {}", self.validators, self.size)
    }

    /// When it was made, as whoever served it says.
    pub(super) fn date(&self) -> Option<Timestamp> {
        let text = self.validators.last_modified.as_deref()?;
        jiff::fmt::rfc2822::parse(text).ok().map(|at| at.timestamp())
    }
}

impl Files {
    /// The configured sources; `folder` takes what is fetched.
    pub(super) fn new(config: &Config, folder: PathBuf) -> Result<Self, FileError> {
        let unreachable = |source: ServerError| FileError::Unreachable {
            what: "Windows updates".to_owned(),
            source: Box::new(source),
        };
        let mut files = Self {
            base: None,
            http: None,
            direct: None,
            folder,
        };
        if let Some(repository) = config.repository_url() {
            let url = updates_url(&repository);
            let connection = Connection::to_repository(&url, config).map_err(unreachable)?;
            files.http = Some(connection.http_client().map_err(unreachable)?);
            files.base = Url::parse(&format!("{url}/")).ok();
        }
        if config.windows_update.allow_direct_download {
            let connection = Connection::to_repository("https://download.windowsupdate.com", config)
                .map_err(unreachable)?;
            // What is signed by its maker may come over plain HTTP, and its maker serves it so.
            files.direct = Some(connection.http_client_for_signed().map_err(unreachable)?);
        }
        Ok(files)
    }

    /// The catalogue on this machine, fetched when there is a newer one.
    pub(super) async fn catalogue(
        &self,
        progress: impl Fn(u64, u64),
        cancel: &CancellationToken,
    ) -> Result<(PathBuf, Catalogue), FileError> {
        let target = self.folder.join(CATALOGUE);
        let known = self.known_catalogue(&target).await;
        let mut last = None;
        for (url, http) in self.places(CATALOGUE, MICROSOFT_CATALOGUE) {
            let fetched = fetch(&http, url, CATALOGUE, &target, known.as_ref(), &progress, cancel).await;
            match fetched {
                Ok(None) => return Ok((target, known.unwrap_or_default())),
                Ok(Some(validators)) => {
                    let size = fs_err::tokio::metadata(&target)
                        .await
                        .map_or(0, |metadata| metadata.len());
                    let catalogue = Catalogue { validators, size };
                    self.remember(&catalogue).await?;
                    return Ok((target, catalogue));
                }
                Err(error @ FileError::Cancelled) => return Err(error),
                Err(error) => last = Some(error),
            }
        }
        let error = last.unwrap_or(FileError::NoSource);
        // An older catalogue is better than none; it says less, and nothing wrong.
        match known {
            Some(known) => {
                tracing::warn!(error = %muster_shared::hint::chain(&error), "the catalogue of updates on this machine is used as it is");
                Ok((target, known))
            }
            None => Err(error),
        }
    }

    /// The files of one update, on this machine.
    pub(super) async fn of_update(
        &self,
        urls: &[String],
        progress: impl Fn(u64, u64),
        cancel: &CancellationToken,
    ) -> Result<Vec<PathBuf>, FileError> {
        let mut paths = Vec::new();
        for url in urls {
            let name = file_name(url).ok_or_else(|| FileError::Missing(url.clone()))?;
            let target = self.folder.join(&name);
            if !target.is_file() {
                self.one(url, &name, &target, &progress, cancel).await?;
            }
            paths.push(target);
        }
        Ok(paths)
    }

    async fn one(
        &self,
        url: &str,
        name: &str,
        target: &Path,
        progress: &impl Fn(u64, u64),
        cancel: &CancellationToken,
    ) -> Result<(), FileError> {
        let path = Url::parse(url)
            .map(|url| url.path().trim_start_matches('/').to_owned())
            .map_err(|_error| FileError::Missing(url.to_owned()))?;
        let mut last = None;
        for (place, http) in self.places(&path, url) {
            match fetch(&http, place, name, target, None, progress, cancel).await {
                Ok(_validators) => return check(name, target).await,
                Err(error @ FileError::Cancelled) => return Err(error),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or(FileError::NoSource))
    }

    /// The repository first, then where the file comes from if that is allowed.
    fn places(&self, path: &str, origin: &str) -> Vec<(Url, reqwest::Client)> {
        let own = self
            .base
            .as_ref()
            .and_then(|base| base.join(path).ok())
            // A path may not lead out of the folder.
            .filter(|url| {
                self.base
                    .as_ref()
                    .is_some_and(|base| url.as_str().starts_with(base.as_str()))
            })
            .zip(self.http.clone());
        let direct = Url::parse(origin)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .zip(self.direct.clone());
        own.into_iter().chain(direct).collect()
    }

    async fn known_catalogue(&self, target: &Path) -> Option<Catalogue> {
        let text = fs_err::tokio::read_to_string(self.note()).await.ok()?;
        let known: Catalogue = serde_json::from_str(&text).ok()?;
        let size = fs_err::tokio::metadata(target).await.ok()?.len();
        (known.size == size).then_some(known)
    }

    async fn remember(&self, catalogue: &Catalogue) -> Result<(), FileError> {
        let text = serde_json::to_string(catalogue).unwrap_or_default();
        fs_err::tokio::write(self.note(), text)
            .await
            .map_err(|source| FileError::Write {
                what: CATALOGUE.to_owned(),
                source,
            })
    }

    fn note(&self) -> PathBuf {
        self.folder.join(format!("{CATALOGUE}.json"))
    }
}

/// Throws away what is no longer needed.
pub(super) fn forget(paths: &[PathBuf]) {
    for path in paths {
        fs_err::remove_file(path).ok();
    }
}

/// `https://server/wapt` has its updates at `https://server/waptwua`.
fn updates_url(repository: &str) -> String {
    let repository = repository.trim_end_matches('/');
    match repository.strip_suffix("/wapt") {
        Some(server) => format!("{server}/waptwua"),
        None => format!("{repository}-wua"),
    }
}

/// The last part of an address, when it is a plain name.
fn file_name(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let name = url.path_segments()?.next_back()?.to_owned();
    let is_plain = !name.is_empty()
        && name.len() <= 200
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    is_plain.then_some(name)
}

/// The SHA-1 in the name of one of Microsoft's files: `windows10.0-kb5030211-x64_<40 digits>.cab`.
pub(super) fn hash_in(url: &str) -> Option<&str> {
    let name = url.rsplit('/').next()?;
    let stem = name.rsplit_once('.').map_or(name, |(stem, _end)| stem);
    let (_rest, digits) = stem.rsplit_once('_')?;
    (digits.len() == 40 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(digits)
}

/// Throws the file away when it is not what its name says.
async fn check(name: &str, target: &Path) -> Result<(), FileError> {
    let Some(expected) = hash_in(name) else {
        return Ok(());
    };
    let path = target.to_owned();
    let found = tokio::task::spawn_blocking(move || sha1_of(&path))
        .await
        .unwrap_or_else(|error| Err(std::io::Error::other(error)))
        .map_err(|source| FileError::Write {
            what: name.to_owned(),
            source,
        })?;
    if found.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    fs_err::tokio::remove_file(target).await.ok();
    Err(FileError::Hash {
        what: name.to_owned(),
        found,
    })
}

fn sha1_of(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut file = fs_err::File::open(path)?;
    let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    let mut buffer = vec![0_u8; 256 * 1024];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(hex::encode(context.finish()));
        }
        context.update(buffer.get(..count).unwrap_or_default());
    }
}

/// Fetches a file, unless it is still the one that is known; gives what the server said of it.
async fn fetch(
    http: &reqwest::Client,
    url: Url,
    what: &str,
    target: &Path,
    known: Option<&Catalogue>,
    progress: &impl Fn(u64, u64),
    cancel: &CancellationToken,
) -> Result<Option<Validators>, FileError> {
    let write = |source: std::io::Error| FileError::Write {
        what: what.to_owned(),
        source,
    };
    let unreachable = |source: reqwest::Error| FileError::Unreachable {
        what: what.to_owned(),
        source: Box::new(source.without_url()),
    };
    if let Some(folder) = target.parent() {
        fs_err::tokio::create_dir_all(folder).await.map_err(write)?;
    }
    let part = target.with_file_name(format!("{what}.part"));
    let note = target.with_file_name(format!("{what}.part.json"));
    let begun: Option<Validators> = match fs_err::tokio::read_to_string(&note).await {
        Ok(text) => serde_json::from_str(&text).ok(),
        Err(_error) => None,
    };
    let there = match fs_err::tokio::metadata(&part).await {
        Ok(metadata) if begun.is_some() => metadata.len(),
        _ => 0,
    };
    let mut headers = known.map_or_else(HeaderMap::new, |known| known.validators.condition());
    let range = begun
        .as_ref()
        .and_then(Validators::for_range)
        .filter(|_validator| there > 0);
    if let Some(validator) = range {
        headers.insert(IF_RANGE, validator);
        if let Ok(value) = format!("bytes={there}-").parse() {
            headers.insert(RANGE, value);
        }
    }
    let request = http.get(url).headers(headers).send();
    let response = tokio::select! {
        () = cancel.cancelled() => return Err(FileError::Cancelled),
        answer = tokio::time::timeout(PATIENCE, request) => match answer {
            Ok(answer) => answer.map_err(unreachable)?,
            Err(_elapsed) => return Err(FileError::TooSlow { what: what.to_owned() }),
        },
    };
    let continues = response.status() == StatusCode::PARTIAL_CONTENT
        && response
            .headers()
            .get(CONTENT_RANGE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with(&format!("bytes {there}-")));
    match response.status() {
        StatusCode::NOT_MODIFIED if known.is_some() => return Ok(None),
        StatusCode::NOT_FOUND => return Err(FileError::Missing(what.to_owned())),
        StatusCode::OK => {}
        StatusCode::PARTIAL_CONTENT if continues => {}
        status => {
            return Err(FileError::Status {
                what: what.to_owned(),
                status: status.as_u16(),
            });
        }
    }
    let validators = if continues {
        begun.unwrap_or_default()
    } else {
        Validators::of(response.headers())
    };
    let mut length = if continues { there } else { 0 };
    let whole = response
        .content_length()
        .map_or(0, |rest| rest.saturating_add(length));
    if whole > MAX_BYTES {
        return Err(FileError::TooLarge {
            what: what.to_owned(),
        });
    }
    let text = serde_json::to_string(&validators).unwrap_or_default();
    fs_err::tokio::write(&note, text).await.map_err(write)?;
    let mut file = fs_err::tokio::OpenOptions::new()
        .create(true)
        .write(true)
        .append(continues)
        .truncate(!continues)
        .open(&part)
        .await
        .map_err(write)?;
    let mut chunks = response.bytes_stream();
    loop {
        let chunk = tokio::select! {
            () = cancel.cancelled() => {
                file.flush().await.map_err(write)?;
                return Err(FileError::Cancelled);
            }
            chunk = tokio::time::timeout(PATIENCE, chunks.next()) => match chunk {
                Ok(chunk) => chunk,
                Err(_elapsed) => {
                    file.flush().await.map_err(write)?;
                    return Err(FileError::TooSlow { what: what.to_owned() });
                }
            },
        };
        let Some(chunk) = chunk else { break };
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(source) => {
                file.flush().await.map_err(write)?;
                return Err(unreachable(source));
            }
        };
        length = length.saturating_add(chunk.len() as u64);
        if length > MAX_BYTES {
            fs_err::tokio::remove_file(&part).await.ok();
            return Err(FileError::TooLarge {
                what: what.to_owned(),
            });
        }
        file.write_all(&chunk).await.map_err(write)?;
        progress(length, whole.max(length));
    }
    file.flush().await.map_err(write)?;
    file.sync_all().await.map_err(write)?;
    drop(file);
    fs_err::tokio::rename(&part, target).await.map_err(write)?;
    fs_err::tokio::remove_file(&note).await.ok();
    Ok(Some(validators))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_stands_in_the_name() {
        let digits = "0123456789abcdef0123456789abcdef01234567";
        let url =
            format!("http://download.windowsupdate.com/c/msdownload/x/windows10.0-kb1-x64_{digits}.cab");
        assert_eq!(hash_in(&url), Some(digits));
        assert_eq!(hash_in("http://x/plain.cab"), None);
        assert_eq!(hash_in("http://x/a_0123.cab"), None);
    }

    #[test]
    fn updates_lie_beside_the_packages() {
        assert_eq!(updates_url("https://a:8443/wapt"), "https://a:8443/waptwua");
        assert_eq!(updates_url("https://a/wapt/"), "https://a/waptwua");
        assert_eq!(updates_url("https://a/other"), "https://a/other-wua");
    }

    #[test]
    fn names_that_are_no_plain_names_are_refused() {
        for url in [
            "http://x/",
            "http://x/..",
            "http://x/a%2fb.cab",
            "http://x/.hidden",
            "nonsense",
        ] {
            assert_eq!(file_name(url), None, "{url}");
        }
        assert_eq!(file_name("http://x/a/b_1.cab?q").as_deref(), Some("b_1.cab"));
    }
}
