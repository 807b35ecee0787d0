//! The names and groups of an account, from wherever the system keeps them: files, LDAP, a domain.

use std::time::Duration;

use super::users::name_of;
use crate::platform::{Groups, ask};

/// A directory may be far away; a person who waits at a window is not patient.
const PATIENCE: Duration = Duration::from_secs(8);

/// More output than this is no list of groups.
const MAX_BYTES: u64 = 256 * 1024;

/// Who may become root by themselves on usual distributions.
const ADMIN_GROUPS: [&str; 3] = ["sudo", "wheel", "admin"];

/// What names the groups of a peer: its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerGroups {
    pub(crate) uid: u32,
}

impl PeerGroups {
    /// The account's names and groups. What the system does not say is empty: then there are fewer rights.
    pub async fn look_up(&self) -> Groups {
        let uid = self.uid.to_string();
        let mut name = name_of(self.uid);
        if name == uid {
            // Accounts of a directory are in no file.
            name = match ask("getent", &["passwd", &uid], PATIENCE, MAX_BYTES).await {
                Ok(line) => first_field(&line).unwrap_or(name),
                Err(_error) => name,
            };
        }
        if name == uid {
            return Groups {
                names: vec![name],
                ..Groups::default()
            };
        }
        let groups = match ask("id", &["-Gnz", "--", &name], PATIENCE, MAX_BYTES).await {
            Ok(list) => nul_separated(&list),
            Err(error) => {
                tracing::warn!(%error, user = %name, "the groups of a local user are not known");
                Vec::new()
            }
        };
        let is_in_admin_group = groups.iter().any(|group| ADMIN_GROUPS.contains(&group.as_str()));
        Groups {
            names: vec![name],
            groups,
            is_in_admin_group,
        }
    }
}

fn first_field(line: &[u8]) -> Option<String> {
    let line = String::from_utf8_lossy(line);
    let name = line.split(':').next()?.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

fn nul_separated(list: &[u8]) -> Vec<String> {
    list.split(|byte| *byte == 0)
        .map(|name| String::from_utf8_lossy(name).trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn root_has_a_name_and_a_group() {
        let groups = PeerGroups { uid: 0 }.look_up().await;
        assert_eq!(groups.names, ["root"]);
        assert!(groups.groups.contains(&"root".to_owned()), "{groups:?}");
    }

    #[tokio::test]
    async fn a_number_without_an_account_has_no_groups() {
        let groups = PeerGroups { uid: 3_999_999_999 }.look_up().await;
        assert_eq!(groups.names, ["3999999999"]);
        assert!(groups.groups.is_empty() && !groups.is_in_admin_group);
    }

    #[test]
    fn names_of_groups_may_hold_spaces() {
        assert_eq!(nul_separated(b"domain users\0sudo\0"), ["domain users", "sudo"]);
    }
}
