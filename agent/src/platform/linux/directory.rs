//! What the system itself knows of the directory: nothing on Linux.

use crate::directory::Computer;

/// Linux keeps no computer's name, site or groups of the directory where a service could read them: sssd and winbind
/// answer about users. `ldap_url` in the configuration has the agent ask the directory itself.
///
/// # Errors
/// Never.
#[expect(
    clippy::unnecessary_wraps,
    reason = "Windows has an answer, or fails to give one"
)]
pub fn computer(_wants_groups: bool) -> Result<Option<Computer>, String> {
    Ok(None)
}
