//! The names and groups of an account, from the token of the process that connected.

use crate::platform::Groups;

use super::security::{account_name, is_administrators, is_domain_admins};

/// More groups than this are not looked at.
pub(crate) const MAX_GROUPS: usize = 1024;

/// What names the groups of a peer: the identifiers in its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerGroups {
    pub(crate) user: Vec<u8>,
    pub(crate) groups: Vec<Vec<u8>>,
}

impl PeerGroups {
    /// The account's names and groups. What the system does not say is empty: then there are fewer rights.
    pub async fn look_up(&self) -> Groups {
        let sids = self.clone();
        // Names of a domain's groups may come from far away.
        tokio::task::spawn_blocking(move || sids.names())
            .await
            .unwrap_or_default()
    }

    fn names(&self) -> Groups {
        let known = |sid: &Vec<u8>| Some(account_name(sid)).filter(|name| name != "?");
        Groups {
            names: known(&self.user).into_iter().collect(),
            groups: self.groups.iter().filter_map(known).collect(),
            is_in_admin_group: self
                .groups
                .iter()
                .any(|sid| is_administrators(sid) || is_domain_admins(sid)),
        }
    }
}
