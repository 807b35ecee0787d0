//! The repository's client: where it is, what its bodies may cost, and its index.

use std::time::Duration;

use futures_util::StreamExt as _;
use muster_shared::hint::chain;
use muster_shared::index::IndexLimits;
use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use tokio::time::{Instant, sleep_until, timeout};

use super::pace::{Pace, Watch};
use super::{Bandwidth, RepoError, Validators};
use crate::config::{Config, RepositorySettings};
use crate::server_client::{Connection, Http, ServerError};

/// The largest package that is taken unless the configuration says otherwise, in bytes.
const MAX_PACKAGE_BYTES: u64 = 16 * 1024 * 1024 * 1024;

/// How long it may take to learn that a mirror is there.
const AVAILABLE_WITHIN: Duration = Duration::from_secs(10);

/// An address that serves a repository of packages; clones share connections and the limit of bandwidth.
#[derive(Debug, Clone)]
pub struct Repository {
    name: String,
    base: Url,
    shown: String,
    http: Http,
    pace: Pace,
    bandwidth: Option<Bandwidth>,
    max_index_bytes: u64,
    max_package_bytes: u64,
    /// Bytes of the disk that no download takes.
    reserve: u64,
}

/// What asking for the index gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexFetch {
    /// It is still the one that the validators name.
    Unchanged,
    /// Another one; nothing in it is verified yet.
    New { bytes: Vec<u8>, validators: Validators },
}

impl Repository {
    /// The main repository at its configured address. Nothing is sent yet.
    ///
    /// # Errors
    /// When none is configured, or what is to be trusted cannot be read.
    pub fn new(config: &Config) -> Result<Self, RepoError> {
        let url = config.repository_url().ok_or(RepoError::NotConfigured)?;
        let limit = config.repositories.limit_bandwidth.map(Bandwidth::new);
        Self::at(&url, &config.repositories.main, config, None, limit)
    }

    /// A repository at an address: the configured one, or that of a rule, whose pin comes along. Nothing is sent yet.
    ///
    /// # Errors
    /// When the address is none, or what is to be trusted cannot be read.
    pub fn at(
        url: &str,
        settings: &RepositorySettings,
        config: &Config,
        pin_of_rule: Option<&str>,
        bandwidth: Option<Bandwidth>,
    ) -> Result<Self, RepoError> {
        let failed = |source| RepoError::Server {
            what: format!("the repository {url}"),
            source,
        };
        let connection = Connection::to_source(url, settings, config, pin_of_rule).map_err(failed)?;
        let http = Http::over(&connection).map_err(failed)?;
        // The address without a slash at its end would lose its last part when a name is added.
        let base: Url = format!("{}/", url.trim_end_matches('/'))
            .parse()
            .map_err(|_error| RepoError::Address(url.to_owned()))?;
        if base.cannot_be_a_base() {
            return Err(RepoError::Address(url.to_owned()));
        }
        let mib = |mib: u64| mib.saturating_mul(1024 * 1024);
        let repositories = &config.repositories;
        Ok(Self {
            name: settings.name.clone(),
            base,
            shown: url.trim_end_matches('/').to_owned(),
            http,
            pace: Pace {
                first_answer: settings.timeout.unwrap_or(repositories.timeout),
                ..Pace::default()
            },
            bandwidth,
            max_index_bytes: IndexLimits::default().max_file_bytes as u64,
            max_package_bytes: config.download_limit_mib.map_or(MAX_PACKAGE_BYTES, mib),
            reserve: mib(repositories.disk_reserve_mib),
        })
    }

    /// The same with another minimum speed.
    pub fn with_pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// The same with another limit for the index, in bytes.
    pub fn with_max_index_bytes(mut self, limit: u64) -> Self {
        self.max_index_bytes = limit;
        self
    }

    /// The repository's address, as configured.
    pub fn url(&self) -> &str {
        &self.shown
    }

    /// The repository's name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The index, unless it is still the one that `previous` names: that costs one answer without a body.
    ///
    /// # Errors
    /// When the repository does not answer, or its index is too large or too slow.
    pub async fn fetch_index(&self, previous: Option<&Validators>) -> Result<IndexFetch, RepoError> {
        self.fetch_small("Packages", previous, self.max_index_bytes).await
    }

    /// A file beside the index into memory, unless it is still the one that `previous` names.
    ///
    /// # Errors
    /// When the repository does not answer, or the file is too large or too slow.
    pub async fn fetch_small(
        &self,
        what: &str,
        previous: Option<&Validators>,
        limit: u64,
    ) -> Result<IndexFetch, RepoError> {
        let condition = previous.map_or_else(HeaderMap::new, Validators::condition);
        let conditional = !condition.is_empty();
        let response = self
            .answer_to(self.http().get(self.file_url(what)).headers(condition), what)
            .await?;
        if response.status() == StatusCode::NOT_MODIFIED && conditional {
            return Ok(IndexFetch::Unchanged);
        }
        if response.status() != StatusCode::OK {
            return Err(self.status_error(what, response.status()));
        }
        let validators = Validators::of(response.headers());
        let bytes = read_limited(response, what, limit, self.pace, self.bandwidth.as_ref()).await?;
        Ok(IndexFetch::New { bytes, validators })
    }

    /// Whether the repository answers with an index: asked for its head only, within a short time.
    pub async fn is_available(&self) -> bool {
        let within = self.pace.first_answer.min(AVAILABLE_WITHIN);
        let request = self.http().head(self.file_url("Packages"));
        match timeout(within, request.send()).await {
            Ok(Ok(response)) => response.status().is_success(),
            Ok(Err(error)) => {
                tracing::debug!(url = %self.shown, error = %chain(&error.without_url()), "a repository does not answer");
                false
            }
            Err(_elapsed) => false,
        }
    }

    pub(crate) fn http(&self) -> reqwest::Client {
        self.http.client()
    }

    /// The network changed: what is open leads nowhere any more.
    pub(super) fn forget_connections(&self) {
        self.http.forget_connections();
    }

    pub(crate) fn pace(&self) -> Pace {
        self.pace
    }

    pub(crate) fn bandwidth(&self) -> Option<&Bandwidth> {
        self.bandwidth.as_ref()
    }

    pub(crate) fn reserve(&self) -> u64 {
        self.reserve
    }

    pub(super) fn max_package_bytes(&self) -> u64 {
        self.max_package_bytes
    }

    /// The address of a file beside the index; the name is one path component, escaped as needed.
    pub(super) fn file_url(&self, name: &str) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push(name);
        }
        url
    }

    /// Sends and waits for the head of the answer, whatever its status.
    pub(super) async fn answer_to(&self, request: RequestBuilder, what: &str) -> Result<Response, RepoError> {
        match timeout(self.pace.first_answer, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(source)) => Err(RepoError::Server {
                what: what.to_owned(),
                source: ServerError::of_transport(&self.shown, what, source),
            }),
            Err(_elapsed) => Err(RepoError::Server {
                what: what.to_owned(),
                source: ServerError::TooSlow {
                    server: self.shown.clone(),
                    what: what.to_owned(),
                },
            }),
        }
    }

    pub(super) fn status_error(&self, what: &str, status: StatusCode) -> RepoError {
        if status == StatusCode::NOT_FOUND {
            return RepoError::Missing {
                what: what.to_owned(),
                url: self.shown.clone(),
            };
        }
        RepoError::Status {
            what: what.to_owned(),
            url: self.shown.clone(),
            status: status.as_u16(),
        }
    }

    pub(super) fn too_slow(&self, what: &str) -> RepoError {
        too_slow(what, self.pace)
    }
}

/// Reads a whole body into memory, within a size and at no less than a speed.
pub(crate) async fn read_capped(
    response: Response,
    what: &str,
    limit: u64,
    pace: Pace,
) -> Result<Vec<u8>, RepoError> {
    read_limited(response, what, limit, pace, None).await
}

async fn read_limited(
    response: Response,
    what: &str,
    limit: u64,
    pace: Pace,
    bandwidth: Option<&Bandwidth>,
) -> Result<Vec<u8>, RepoError> {
    let too_large = |size| RepoError::TooLarge {
        what: what.to_owned(),
        size,
        limit,
    };
    let announced = response.content_length();
    if let Some(length) = announced.filter(|length| *length > limit) {
        return Err(too_large(length));
    }
    let mut bytes = Vec::new();
    let mut watch = Watch::start(pace, Instant::now());
    let mut chunks = response.bytes_stream();
    loop {
        let chunk = tokio::select! {
            chunk = chunks.next() => chunk,
            () = sleep_until(watch.window_end()) => {
                if watch.is_too_slow(Instant::now()) {
                    return Err(too_slow(what, pace));
                }
                continue;
            }
        };
        let Some(chunk) = chunk else { break };
        let chunk = chunk.map_err(|source| RepoError::Broken {
            what: what.to_owned(),
            source: source.without_url(),
        })?;
        let there = (bytes.len() as u64).saturating_add(chunk.len() as u64);
        if there > limit {
            return Err(too_large(there));
        }
        bytes.extend_from_slice(&chunk);
        watch.note(chunk.len() as u64);
        if let Some(bandwidth) = bandwidth {
            watch.pause(bandwidth.take(chunk.len() as u64).await);
        }
        if watch.is_too_slow(Instant::now()) {
            return Err(too_slow(what, pace));
        }
    }
    Ok(bytes)
}

fn too_slow(what: &str, pace: Pace) -> RepoError {
    RepoError::TooSlow {
        what: what.to_owned(),
        least: pace.least_bytes,
        seconds: pace.window.max(Duration::from_secs(1)).as_secs(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_escaped_into_one_component_below_the_repository() {
        let text = format!(
            "wapt_server = \"https://a.org:8443\"\nserver_pin = \"{}\"",
            "ab".repeat(32)
        );
        let config = Config::parse(&text, std::path::Path::new("agent.toml")).unwrap();
        let repository = Repository::new(&config).unwrap();
        assert_eq!(
            repository.file_url("Packages").as_str(),
            "https://a.org:8443/wapt/Packages"
        );
        assert_eq!(
            repository.file_url("é a#b?c_1%.wapt").as_str(),
            "https://a.org:8443/wapt/%C3%A9%20a%23b%3Fc_1%25.wapt"
        );
        assert_eq!(
            repository.file_url("a/b").as_str(),
            "https://a.org:8443/wapt/a%2Fb"
        );
    }

    #[test]
    fn without_a_server_there_is_no_repository() {
        assert!(matches!(
            Repository::new(&Config::default()),
            Err(RepoError::NotConfigured)
        ));
    }
}
