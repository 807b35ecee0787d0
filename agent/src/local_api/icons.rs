//! Pictures of packages: from the agent's own folder, else from the repository of the package, which is asked once.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use muster_shared::hint::chain;
use muster_shared::protocol::local::Icon;
use tokio::sync::Mutex;

use crate::paths::Paths;
use crate::repo::RepoError;
use crate::repo::sources::Sources;

/// The largest picture, in bytes.
const MAX_ICON_BYTES: u64 = 512 * 1024;

/// A picture that the repository does not have, or that is none, is asked for again after this long.
const ABSENT_FOR: Duration = Duration::from_hours(24);

/// What says to be a PNG; anything else is no picture.
fn picture(bytes: Vec<u8>) -> Vec<u8> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        bytes
    } else {
        Vec::new()
    }
}

/// The pictures.
#[derive(Debug)]
pub(super) struct Icons {
    folder: PathBuf,
    repositories: Sources,
    /// One question to a repository at a time.
    asking: Mutex<()>,
}

impl Icons {
    pub(super) fn new(paths: &Paths, sources: &Sources) -> Self {
        Self {
            folder: paths.cache_dir().join("icons"),
            repositories: sources.clone(),
            asking: Mutex::default(),
        }
    }

    /// The picture of a package that is known to exist; empty when there is none or it cannot be had now.
    pub(super) async fn get(&self, package_uuid: &str, repository: &str) -> Icon {
        let Some(path) = self.path(package_uuid) else {
            return Icon { png: String::new() };
        };
        let _asking = self.asking.lock().await;
        let known = fs_err::read(&path).ok();
        let is_fresh = fs_err::metadata(&path)
            .and_then(|metadata| metadata.modified())
            .ok()
            .and_then(|at| at.elapsed().ok())
            .is_some_and(|age| age < ABSENT_FOR);
        let bytes = match known {
            Some(bytes) if !bytes.is_empty() || is_fresh => bytes,
            _ => self.fetch(package_uuid, repository, &path).await,
        };
        Icon {
            png: BASE64.encode(picture(bytes)),
        }
    }

    /// A name that is one component, whatever a control file says.
    fn path(&self, package_uuid: &str) -> Option<PathBuf> {
        let is_plain = (1..=80).contains(&package_uuid.len())
            && package_uuid
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        is_plain.then(|| self.folder.join(format!("{package_uuid}.png")))
    }

    async fn fetch(&self, package_uuid: &str, repository: &str, path: &std::path::Path) -> Vec<u8> {
        let mut found = None;
        let source = self.repositories.get(repository);
        // Asked each time: another address may serve since the last picture.
        let servers = source.and_then(|source| source.servers().ok());
        for server in servers.into_iter().flatten() {
            match server.icon(package_uuid, MAX_ICON_BYTES).await {
                Ok(bytes) => {
                    found = Some(picture(bytes.unwrap_or_default()));
                    break;
                }
                // As good as none, and not fetched again each time that somebody looks.
                Err(RepoError::TooLarge { .. }) => {
                    found = Some(Vec::new());
                    break;
                }
                Err(error) => {
                    tracing::debug!(package_uuid, error = %chain(&error), "no picture of a package now");
                }
            }
        }
        let Some(bytes) = found else {
            return Vec::new();
        };
        let kept = fs_err::create_dir_all(&self.folder).and_then(|()| fs_err::write(path, &bytes));
        if let Err(error) = kept {
            tracing::warn!(%error, "a picture is not kept; it is asked for again");
        }
        bytes
    }
}
