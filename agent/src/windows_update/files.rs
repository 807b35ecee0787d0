//! Files of Windows updates on this machine: from the repository's folder of updates, or from their maker.
//!
//! The names of Microsoft's files carry their SHA-1; a file that is not what its name says is thrown away. That is
//! no proof of anything: the system's update agent checks the signatures of what it is given.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::fetch::{FileError, Kind, Place, Wanted, fetch, hash_of};
use crate::config::Config;
use crate::repo::sources::Sources;
use crate::repo::{Bandwidth, Pace, Validators};
use crate::server_client::Connection;

/// Microsoft's catalogue of updates, below the repository's folder and at Microsoft.
pub(super) const CATALOGUE: &str = "wsusscn2.cab";
const MICROSOFT_CATALOGUE: &str =
    "http://download.windowsupdate.com/microsoftupdate/v6/wsusscan/wsusscn2.cab";

/// Where files of updates come from.
#[derive(Debug, Clone)]
pub(super) struct Files {
    /// The repository's folders of updates, each with a slash at its end, in the order in which they are asked.
    own: Vec<Place>,
    /// How their maker is asked; its addresses come with the updates.
    direct: Option<(reqwest::Client, Option<Bandwidth>)>,
    folder: PathBuf,
    reserve: u64,
}

/// What is known of the catalogue on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Catalogue {
    pub validators: Validators,
    pub size: u64,
    /// Of the file as it was fetched: one that was damaged since is told from one that the system does not like.
    pub sha256: String,
}

impl Catalogue {
    /// Changes when the file does.
    pub(super) fn stamp(&self) -> String {
        format!("{} {}", self.size, self.sha256)
    }

    /// When it was made, as whoever served it says.
    pub(super) fn date(&self) -> Option<Timestamp> {
        let text = self.validators.last_modified.as_deref()?;
        jiff::fmt::rfc2822::parse(text).ok().map(|at| at.timestamp())
    }
}

impl Files {
    /// The sources of this machine: what serves packages serves updates too. `folder` takes what is fetched.
    ///
    /// # Errors
    /// When the settings of the repository, or those for direct downloads, cannot be used.
    pub(super) fn new(config: &Config, repositories: &Sources, folder: PathBuf) -> Result<Self, FileError> {
        let mut own = Vec::new();
        if let Some(main) = repositories.main() {
            for server in main
                .servers()
                .map_err(|error| FileError::Setup(Box::new(error)))?
            {
                let url = Url::parse(&format!("{}/", updates_url(server.url())))
                    .map_err(|error| FileError::Setup(Box::new(error)))?;
                own.push(Place {
                    url,
                    http: server.http().clone(),
                    pace: server.pace(),
                    bandwidth: server.bandwidth().cloned(),
                });
            }
        }
        let mut direct = None;
        if config.windows_update.allow_direct_download {
            let limit = config.repositories.limit_bandwidth.map(Bandwidth::new);
            let bandwidth = own.first().and_then(|place| place.bandwidth.clone()).or(limit);
            // What is signed by its maker may come over plain HTTP, and its maker serves it so.
            let http = Connection::to_repository("https://download.windowsupdate.com", config)
                .and_then(|connection| connection.http_client_for_signed())
                .map_err(|error| FileError::Setup(Box::new(error)))?;
            direct = Some((http, bandwidth));
        }
        Ok(Self {
            own,
            direct,
            folder,
            reserve: config.repositories.disk_reserve_mib.saturating_mul(1024 * 1024),
        })
    }

    /// The catalogue on this machine, fetched when there is a newer one.
    ///
    /// # Errors
    /// When there is none here and none can be had.
    pub(super) async fn catalogue(
        &self,
        progress: impl Fn(u64, u64),
        cancel: &CancellationToken,
    ) -> Result<(PathBuf, Catalogue), FileError> {
        let target = self.folder.join(CATALOGUE);
        let known = self.known_catalogue(&target).await;
        let wanted = Wanted {
            name: CATALOGUE,
            target: target.clone(),
            sha1: None,
            known: known.as_ref().map(|known| &known.validators),
            reserve: self.reserve,
        };
        let mut last = FileError::NoSource;
        for place in self.places(CATALOGUE, MICROSOFT_CATALOGUE) {
            match fetch(&place, &wanted, &progress, cancel).await {
                Ok(None) => return Ok((target, known.unwrap_or_default())),
                Ok(Some(validators)) => {
                    let catalogue = self.fetched(&target, validators).await?;
                    return Ok((target, catalogue));
                }
                Err(FileError::Cancelled) => return Err(FileError::Cancelled),
                Err(error) => last = error,
            }
        }
        // An older catalogue is better than none; it says less, and nothing wrong.
        match known {
            Some(known) => {
                tracing::warn!(error = %muster_shared::hint::chain(&last), "the catalogue of updates on this machine is used as it is");
                Ok((target, known))
            }
            None => Err(last),
        }
    }

    /// Throws the catalogue away if it is not the file any more that was fetched; whether it was.
    pub(super) async fn distrust_catalogue(&self) -> bool {
        let target = self.folder.join(CATALOGUE);
        let Some(known) = self.known_catalogue(&target).await else {
            return false;
        };
        let is_whole = hash_of(&target, Kind::Sha256)
            .await
            .is_ok_and(|found| found == known.sha256);
        if !is_whole {
            forget(&[target, self.note()]);
        }
        !is_whole
    }

    /// The files of one update, on this machine.
    ///
    /// # Errors
    /// When one of them cannot be had from anywhere.
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
            if !is_there(&name, &target).await {
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
        let wanted = Wanted {
            name,
            target: target.to_path_buf(),
            sha1: hash_in(name),
            known: None,
            reserve: self.reserve,
        };
        let mut last = FileError::NoSource;
        for place in self.places(&path, url) {
            match fetch(&place, &wanted, progress, cancel).await {
                Ok(_validators) => return Ok(()),
                Err(FileError::Cancelled) => return Err(FileError::Cancelled),
                Err(error) => {
                    tracing::info!(error = %muster_shared::hint::chain(&error), "a file of an update was not to be had");
                    last = error;
                }
            }
        }
        Err(last)
    }

    /// The repository first, then where the file comes from if that is allowed.
    fn places(&self, path: &str, origin: &str) -> Vec<Place> {
        let own = self.own.iter().filter_map(|place| {
            let url = place.url.join(path).ok()?;
            // A path may not lead out of the folder.
            url.as_str()
                .starts_with(place.url.as_str())
                .then(|| Place { url, ..place.clone() })
        });
        let direct = self.direct.clone().and_then(|(http, bandwidth)| {
            let url = Url::parse(origin).ok()?;
            matches!(url.scheme(), "http" | "https").then_some(Place {
                url,
                http,
                pace: Pace::default(),
                bandwidth,
            })
        });
        own.chain(direct).collect()
    }

    /// Takes away what belongs to none of the updates that are still wanted, and what broke off long ago with it.
    pub(super) fn tidy(&self, wanted: &[String]) {
        let keep: BTreeSet<String> = wanted.iter().filter_map(|url| file_name(url)).collect();
        let is_kept = |name: &str| {
            let whole = name.strip_suffix(".json").unwrap_or(name);
            let whole = whole.strip_suffix(".part").unwrap_or(whole);
            whole == CATALOGUE || keep.contains(whole) || keep.contains(name)
        };
        let Ok(entries) = fs_err::read_dir(&self.folder) else {
            return;
        };
        for entry in entries.flatten() {
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            if is_file && !is_kept(&entry.file_name().to_string_lossy()) {
                fs_err::remove_file(entry.path()).ok();
            }
        }
    }

    async fn known_catalogue(&self, target: &Path) -> Option<Catalogue> {
        let text = fs_err::tokio::read_to_string(self.note()).await.ok()?;
        let known: Catalogue = serde_json::from_str(&text).ok()?;
        let size = fs_err::tokio::metadata(target).await.ok()?.len();
        (known.size == size).then_some(known)
    }

    async fn fetched(&self, target: &Path, validators: Validators) -> Result<Catalogue, FileError> {
        let failed = |source| FileError::Write {
            what: CATALOGUE.to_owned(),
            source,
        };
        let catalogue = Catalogue {
            validators,
            size: fs_err::tokio::metadata(target).await.map_err(failed)?.len(),
            sha256: hash_of(target, Kind::Sha256).await.map_err(failed)?,
        };
        let text = serde_json::to_string(&catalogue).unwrap_or_default();
        fs_err::tokio::write(self.note(), text).await.map_err(failed)?;
        Ok(catalogue)
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

/// An earlier try left the file, and it is what its name says. One whose name says nothing is fetched again.
async fn is_there(name: &str, target: &Path) -> bool {
    match hash_in(name) {
        Some(expected) => hash_of(target, Kind::Sha1)
            .await
            .is_ok_and(|found| found.eq_ignore_ascii_case(expected)),
        None => false,
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

    #[test]
    fn the_repository_is_asked_below_its_folder_only_and_microsoft_only_when_that_is_allowed() {
        let text = format!(
            "wapt_server = \"https://a.org\"\nserver_pin = \"{}\"\n",
            "ab".repeat(32)
        );
        let urls = |more: &str, path: &str, origin: &str| {
            let config = Config::parse(&format!("{text}{more}"), Path::new("agent.toml")).unwrap();
            let sources = Sources::new(&config).unwrap();
            let files = Files::new(&config, &sources, PathBuf::from("x")).unwrap();
            let places = files.places(path, origin);
            places
                .into_iter()
                .map(|place| place.url.to_string())
                .collect::<Vec<_>>()
        };
        let direct = "[waptwua]\nallow_direct_download = true\n";
        assert_eq!(
            urls(direct, "c/x_1.cab", "http://m.com/c/x_1.cab"),
            ["https://a.org/waptwua/c/x_1.cab", "http://m.com/c/x_1.cab"]
        );
        assert_eq!(
            urls("", "c/x_1.cab", "http://m.com/c/x_1.cab"),
            ["https://a.org/waptwua/c/x_1.cab"]
        );
        for path in ["../wapt/Packages", "/etc/passwd", "https://evil.org/x"] {
            assert_eq!(urls("", path, "ftp://m.com/x"), [""; 0], "{path}");
        }
        assert_eq!(urls(direct, "x", "ftp://m.com/x"), ["https://a.org/waptwua/x"]);
    }

    #[test]
    fn what_no_update_needs_any_more_is_taken_away() {
        let place = tempfile::tempdir().unwrap();
        let files = Files::new(
            &Config::default(),
            &Sources::default(),
            place.path().to_path_buf(),
        )
        .unwrap();
        let kept = [
            CATALOGUE,
            "wsusscn2.cab.json",
            "wsusscn2.cab.part",
            "a_1.cab",
            "b_2.cab.part",
            "b_2.cab.part.json",
        ];
        for name in kept.into_iter().chain(["old_3.cab", "old_4.cab.part"]) {
            fs_err::write(place.path().join(name), "x").unwrap();
        }
        files.tidy(&["http://m/c/a_1.cab".to_owned(), "http://m/b_2.cab".to_owned()]);
        let mut left: Vec<String> = fs_err::read_dir(place.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        let mut kept = kept.map(str::to_owned);
        kept.sort();
        assert_eq!(left, kept);
    }
}
