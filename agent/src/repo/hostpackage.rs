//! This host's own package: fetched with a signed request, private, usually absent.

use std::path::{Path, PathBuf};

use muster_shared::protocol::error::ErrorCode;
use reqwest::StatusCode;

use super::client::read_capped;
use super::{Pace, RepoError, Validators};
use crate::platform;
use crate::server_client::ServerClient;

/// A host package lists packages and carries no programs.
const MAX_BYTES: u64 = 32 * 1024 * 1024;

/// What asking for the host's package gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPackageFetch {
    /// There is none; the normal answer for a host without assignments.
    Absent,
    /// It is still the one that the validators name.
    Unchanged,
    /// Another one, written to `path`; it is not verified yet.
    New { path: PathBuf, validators: Validators },
    /// The server does not give it to this host (not registered, pending, another host's key).
    Forbidden { reason: String },
}

/// Asks for this host's package and writes a new one to `target`, readable by administrators only.
///
/// # Errors
/// When the server does not answer, the body is too large or slow, or it cannot be written.
pub async fn fetch(
    client: &ServerClient,
    previous: Option<&Validators>,
    target: &Path,
) -> Result<HostPackageFetch, RepoError> {
    let what = "the host's package";
    let condition = previous.map(Validators::condition).unwrap_or_default();
    let conditional = !condition.is_empty();
    let path = format!("/wapt-host/{}.wapt", client.identity().identifier());
    let response = match client.get(&path, &condition, what).await {
        Ok(response) => response,
        Err(source) => {
            return match source.code() {
                ErrorCode::NotFound => Ok(HostPackageFetch::Absent),
                ErrorCode::HostForbidden | ErrorCode::HostPending | ErrorCode::HostUnknown => {
                    Ok(HostPackageFetch::Forbidden {
                        reason: source.to_string(),
                    })
                }
                _ => Err(RepoError::Server {
                    what: what.to_owned(),
                    source,
                }),
            };
        }
    };
    if response.status() == StatusCode::NOT_MODIFIED && conditional {
        return Ok(HostPackageFetch::Unchanged);
    }
    if response.status() != StatusCode::OK {
        return Err(RepoError::Status {
            what: what.to_owned(),
            url: client.server(),
            status: response.status().as_u16(),
        });
    }
    let validators = Validators::of(response.headers());
    let bytes = read_capped(response, what, MAX_BYTES, Pace::default()).await?;
    platform::write_private(target, &bytes).map_err(|source| {
        if source.kind() == std::io::ErrorKind::StorageFull {
            RepoError::DiskFull {
                what: what.to_owned(),
                folder: target.parent().unwrap_or(target).to_path_buf(),
                needed: bytes.len() as u64,
            }
        } else {
            RepoError::Write {
                path: target.to_path_buf(),
                source,
            }
        }
    })?;
    Ok(HostPackageFetch::New {
        path: target.to_path_buf(),
        validators,
    })
}
