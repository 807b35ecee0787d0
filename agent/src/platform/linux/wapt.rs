//! A WAPT agent on this system: where it is, and its service.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::platform::{AskError, ask};

/// The units of the agent.
pub const SERVICES: &[&str] = &["waptservice"];

const PATIENCE: Duration = Duration::from_mins(3);

/// Where WAPT installs itself.
pub fn folders() -> Vec<PathBuf> {
    vec![PathBuf::from("/opt/wapt")]
}

/// Whether there is such a unit.
pub async fn has_service(name: &str) -> bool {
    ask("systemctl", &["cat", name], PATIENCE, 1024 * 1024)
        .await
        .is_ok()
}

/// Stops a unit and keeps it from starting with the machine. `false` when there is none.
///
/// # Errors
/// When systemd refuses.
pub async fn disable_service(name: &str) -> io::Result<bool> {
    if !has_service(name).await {
        return Ok(false);
    }
    match ask("systemctl", &["disable", "--now", name], PATIENCE, 64 * 1024).await {
        Ok(_output) => Ok(true),
        Err(AskError::Start { source, .. }) => Err(source),
        Err(other) => Err(io::Error::other(other)),
    }
}

/// Lets every user read a file that is no secret.
///
/// # Errors
/// When its rights cannot be set.
pub fn let_everybody_read(path: &Path) -> io::Result<()> {
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o644))
}
