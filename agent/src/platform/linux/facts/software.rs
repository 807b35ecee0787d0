//! Installed software: dpkg's own file, else rpm's command.

use muster_shared::protocol::inventory::Software;

use super::{dpkg, rpm};
use crate::inventory::facts::FactError;

/// Changes when the list may have changed: cheap to ask, so that the list itself is read only then.
/// `None` when that cannot be told.
pub fn stamp() -> Option<String> {
    [dpkg::STATUS].into_iter().chain(rpm::DATABASES).find_map(|path| {
        let metadata = fs_err::metadata(path).ok()?;
        let modified = metadata
            .modified()
            .ok()?
            .duration_since(std::time::UNIX_EPOCH)
            .ok()?;
        Some(format!("{path} {} {}", metadata.len(), modified.as_nanos()))
    })
}

/// Everything installed, sorted by key.
///
/// # Errors
/// When no package manager that we know answers.
pub async fn read() -> Result<Vec<Software>, FactError> {
    let mut list = if std::path::Path::new(dpkg::STATUS).exists() {
        tokio::task::spawn_blocking(dpkg::read)
            .await
            .map_err(|error| FactError::Refused {
                what: "dpkg",
                reason: error.to_string(),
            })??
    } else {
        rpm::read().await?
    };
    list.sort_by(|one, other| (&one.key, &one.version).cmp(&(&other.key, &other.version)));
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn this_machine_has_software() {
        match read().await {
            Ok(list) => {
                assert!(!list.is_empty());
                assert_eq!(stamp(), stamp());
            }
            // A distribution with another package manager.
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}
