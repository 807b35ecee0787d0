//! A repository on the web: its index and its files, capped, over checked TLS.

use std::io::Write as _;
use std::time::Duration;

use muster_shared::crypto::tls::{ServerAddress, ServerTrust, client_config};
use muster_shared::hint::chain;
use muster_shared::index::{IndexEntry, IndexLimits};
use reqwest::{Client, Response, StatusCode, Url, redirect};

use super::RepositoryAccessError;

const CONNECT_WITHIN: Duration = Duration::from_secs(15);
/// How long the server may stay silent in the middle of an answer.
const SILENCE_WITHIN: Duration = Duration::from_mins(1);
const MAX_REDIRECTS: usize = 5;

/// A repository at an address.
#[derive(Debug)]
pub struct Web {
    base: Url,
    client: Client,
    /// The address names only a server: its repository may lie at `/wapt`.
    is_bare: bool,
    found: tokio::sync::OnceCell<Url>,
}

impl Web {
    /// A repository at `https://…`, `http://…` or `muster://NAME#sha256=…`, without asking it yet.
    ///
    /// # Errors
    /// The text is no such address, or the connection cannot be prepared.
    pub fn new(
        address: &str,
        trust: Option<ServerTrust>,
        proxy: Option<&str>,
    ) -> Result<Self, RepositoryAccessError> {
        let no_address = || RepositoryAccessError::Address(address.to_owned());
        let (address, trust) = if address.starts_with("muster://") {
            let server = ServerAddress::parse(address).map_err(|_not_one| no_address())?;
            let pin = server.pin.clone().map(ServerTrust::Pin);
            (format!("{}/wapt/", server.base_url()), trust.or(pin))
        } else {
            (format!("{}/", address.trim_end_matches('/')), trust)
        };
        let base = Url::parse(&address).map_err(|_not_one| no_address())?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(no_address());
        }
        let trust = trust.unwrap_or_else(|| ServerTrust::System(crate::client::system_roots()));
        let setup = |reason: String| RepositoryAccessError::Setup {
            url: base.to_string(),
            reason,
        };
        let tls = client_config(&trust).map_err(|error| setup(chain(&error)))?;
        let mut builder = Client::builder()
            .tls_backend_preconfigured((*tls).clone())
            .user_agent(concat!("muster/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_WITHIN)
            .read_timeout(SILENCE_WITHIN)
            .redirect(redirect::Policy::custom(|attempt| {
                let was_checked = attempt
                    .previous()
                    .first()
                    .is_some_and(|url| url.scheme() == "https");
                if attempt.previous().len() > MAX_REDIRECTS {
                    attempt.error("it redirects too often")
                } else if was_checked && attempt.url().scheme() != "https" {
                    attempt.error("it redirects to an address without TLS")
                } else {
                    attempt.follow()
                }
            }));
        if let Some(proxy) = proxy {
            builder = builder.proxy(reqwest::Proxy::all(proxy).map_err(|error| setup(chain(&error)))?);
        }
        Ok(Self {
            client: builder.build().map_err(|error| setup(chain(&error)))?,
            is_bare: base.path() == "/",
            base,
            found: tokio::sync::OnceCell::new(),
        })
    }

    /// The connection is not protected.
    pub fn is_plain(&self) -> bool {
        self.base.scheme() == "http"
    }

    /// The address as given, completed.
    pub fn address(&self) -> &str {
        self.base.as_str()
    }

    /// The index file.
    pub(super) async fn index(&self, _name: &str) -> Result<Vec<u8>, RepositoryAccessError> {
        let limit = IndexLimits::default().max_file_bytes as u64;
        let mut base = self.base.clone();
        let mut answer = self.get(&join(&base, "Packages")?).await;
        if self.is_bare && matches!(&answer, Err(RepositoryAccessError::Status { status: 404, .. })) {
            base = join(&self.base, "wapt/")?;
            answer = self.get(&join(&base, "Packages")?).await;
        }
        let (url, mut response) = answer?;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| broken(&url, &error))? {
            if (bytes.len() + chunk.len()) as u64 > limit {
                return Err(RepositoryAccessError::TooLarge { url, limit });
            }
            bytes.extend_from_slice(&chunk);
        }
        self.found.set(base).ok();
        Ok(bytes)
    }

    /// A package file, in a temporary file: never more than the index says.
    pub(super) async fn package(
        &self,
        _name: &str,
        entry: &IndexEntry,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<tempfile::NamedTempFile, RepositoryAccessError> {
        let base = self.found.get().unwrap_or(&self.base);
        let (url, mut response) = self
            .get(&join(base, &crate::client::segment(&entry.filename))?)
            .await?;
        let mut file = tempfile::Builder::new()
            .prefix("muster-download-")
            .suffix(".wapt")
            .tempfile()
            .map_err(RepositoryAccessError::Temporary)?;
        let mut read = 0_u64;
        while let Some(chunk) = response.chunk().await.map_err(|error| broken(&url, &error))? {
            read += chunk.len() as u64;
            if read > entry.size {
                return Err(RepositoryAccessError::TooLarge {
                    url,
                    limit: entry.size,
                });
            }
            file.write_all(&chunk).map_err(RepositoryAccessError::Temporary)?;
            progress(read, entry.size);
        }
        if read < entry.size {
            return Err(RepositoryAccessError::TooShort {
                url,
                read,
                size: entry.size,
            });
        }
        file.flush().map_err(RepositoryAccessError::Temporary)?;
        Ok(file)
    }

    async fn get(&self, url: &Url) -> Result<(String, Response), RepositoryAccessError> {
        let shown = url.to_string();
        let response = self
            .client
            .get(url.clone())
            .send()
            .await
            .map_err(|error| broken(&shown, &error))?;
        if response.status() == StatusCode::OK {
            return Ok((shown, response));
        }
        Err(RepositoryAccessError::Status {
            status: response.status().as_u16(),
            url: shown,
        })
    }
}

fn join(base: &Url, name: &str) -> Result<Url, RepositoryAccessError> {
    base.join(name)
        .map_err(|_not_one| RepositoryAccessError::Address(format!("{base}{name}")))
}

/// The system's own words, without the layers above that repeat the address.
fn broken(url: &str, error: &reqwest::Error) -> RepositoryAccessError {
    let mut deepest: &(dyn std::error::Error + 'static) = error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    RepositoryAccessError::Unreachable {
        url: url.to_owned(),
        reason: deepest.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_repositories_end_in_a_folder() {
        let address = |text: &str| Web::new(text, Some(ServerTrust::Pin("ab".repeat(32))), None);
        assert_eq!(
            address("https://srv/wapt").unwrap().address(),
            "https://srv/wapt/"
        );
        assert!(address("https://srv").unwrap().is_bare);
        assert!(address("http://srv/wapt").unwrap().is_plain());
        let pinned = format!("muster://srv:8443#sha256={}", "ab".repeat(32));
        assert_eq!(address(&pinned).unwrap().address(), "https://srv:8443/wapt/");
        for bad in ["ftp://srv", "srv", "https://"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
