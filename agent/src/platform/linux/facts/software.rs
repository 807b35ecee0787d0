//! Installed software: dpkg's own file, else rpm's command.

use muster_shared::protocol::inventory::Software;

use super::text::file_stamp;
use super::{dpkg, rpm};
use crate::inventory::facts::FactError;

/// Changes when the list may have changed: cheap to ask, so that the list itself is read only then.
/// `None` when that cannot be told.
pub fn stamp() -> Option<String> {
    [dpkg::STATUS]
        .into_iter()
        .chain(rpm::DATABASES)
        .find_map(file_stamp)
}

/// Everything installed, sorted by key. To be called where waiting is allowed, within a tokio runtime.
///
/// # Errors
/// When no package manager that we know answers.
pub fn read() -> Result<Vec<Software>, FactError> {
    let mut list = if std::path::Path::new(dpkg::STATUS).exists() {
        dpkg::read()?
    } else {
        tokio::runtime::Handle::current().block_on(rpm::read())?
    };
    list.sort_by(|one, other| (&one.key, &one.version).cmp(&(&other.key, &other.version)));
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn this_machine_has_software() {
        match tokio::task::spawn_blocking(read).await.unwrap() {
            Ok(list) => {
                assert!(!list.is_empty());
                assert_eq!(stamp(), stamp());
            }
            // A distribution with another package manager.
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}
