//! The person at the other end of the local API: names, groups and standing, all from the operating system.

use crate::config::People;
use crate::platform::{Groups, Peer};

/// The group whose members may install whatever can be offered (wapt-reference.md B.5).
pub const MANAGERS: &str = "waptselfservice";

/// How many groups a refusal names.
const NAMED_GROUPS: usize = 6;

/// How far a person's rights go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// What the self-service rules say.
    User,
    /// Whatever can be offered to people.
    Manager,
    /// Everything.
    Administrator,
}

impl Standing {
    /// The word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Manager => "manager",
            Self::Administrator => "administrator",
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// As the system names the account; tasks are ordered under this name.
    pub name: String,
    /// Login name and groups, each also without its domain: what rules are compared with.
    pub identities: Vec<String>,
    /// The groups as the system names them.
    pub groups: Vec<String>,
    pub standing: Standing,
}

impl Person {
    /// The person behind a connection.
    pub async fn of(peer: &Peer, policy: &People) -> Self {
        if peer.is_administrator {
            return Self {
                name: peer.user.clone(),
                identities: vec![peer.user.clone()],
                groups: Vec::new(),
                standing: Standing::Administrator,
            };
        }
        Self::from_groups(&peer.user, peer.groups.look_up().await, policy)
    }

    /// A person who is no administrator, with what the system says of the account.
    pub fn from_groups(user: &str, groups: Groups, policy: &People) -> Self {
        let name = groups.names.first().cloned().unwrap_or_else(|| user.to_owned());
        let is_manager = groups
            .groups
            .iter()
            .any(|group| without_domain(group).eq_ignore_ascii_case(MANAGERS))
            || (groups.is_in_admin_group && !policy.admin_filter);
        let mut identities: Vec<String> = Vec::new();
        for known in groups.names.iter().chain(&groups.groups) {
            for form in [known.as_str(), without_domain(known)] {
                if !identities.iter().any(|identity| identity == form) {
                    identities.push(form.to_owned());
                }
            }
        }
        Self {
            name,
            identities,
            groups: groups.groups,
            standing: if is_manager {
                Standing::Manager
            } else {
                Standing::User
            },
        }
    }

    /// Everything is allowed.
    pub fn is_administrator(&self) -> bool {
        self.standing == Standing::Administrator
    }

    /// The login name and the groups, for sentences.
    pub fn in_words(&self) -> String {
        if self.groups.is_empty() {
            return self.name.clone();
        }
        let mut named = self.groups.iter().take(NAMED_GROUPS).cloned().collect::<Vec<_>>();
        if self.groups.len() > NAMED_GROUPS {
            named.push("…".to_owned());
        }
        format!("{} or one of the groups {}", self.name, named.join(", "))
    }
}

/// `DOMAIN\name` and `name@domain` without the domain.
fn without_domain(name: &str) -> &str {
    let name = name.rsplit_once('\\').map_or(name, |(_domain, name)| name);
    name.split_once('@').map_or(name, |(name, _domain)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(names: &[&str], is_in_admin_group: bool) -> Groups {
        Groups {
            names: vec![r"CORP\ann".to_owned()],
            groups: names.iter().map(|name| (*name).to_owned()).collect(),
            is_in_admin_group,
        }
    }

    #[test]
    fn rules_may_name_people_and_groups_with_or_without_their_domain() {
        let person = Person::from_groups(
            "?",
            groups(&[r"CORP\Accounting", "staff@corp.lan"], false),
            &People::default(),
        );
        for identity in [r"CORP\ann", "ann", "Accounting", "staff", "staff@corp.lan"] {
            assert!(person.identities.iter().any(|own| own == identity), "{identity}");
        }
        assert_eq!(person.standing, Standing::User);
        assert!(person.in_words().contains("Accounting"));
    }

    #[test]
    fn members_of_admin_groups_are_managers_unless_filtered_those_of_waptselfservice_always() {
        let filtered = People {
            admin_filter: true,
            ..People::default()
        };
        let of = |groups, policy: &People| Person::from_groups("ann", groups, policy).standing;
        assert_eq!(of(groups(&["sudo"], true), &People::default()), Standing::Manager);
        assert_eq!(of(groups(&["sudo"], true), &filtered), Standing::User);
        assert_eq!(
            of(groups(&[r"PC-12\WaptSelfService"], false), &filtered),
            Standing::Manager
        );
    }
}
