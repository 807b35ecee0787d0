//! The groups of a computer, also those that it is in only through other groups.
//!
//! Active Directory follows the chain of memberships by itself in one search. Other servers are asked level by level:
//! which groups have the computer as a member, which groups have these, and so on.

use std::collections::BTreeSet;

use ldap3::{Scope, SearchEntry, ldap_escape};

use super::error::LdapFailure;
use super::ldap::{Search, values};

/// What a server of Active Directory names among its capabilities: it knows the matching rule below.
pub(super) const FOLLOWS_CHAINS: &str = "1.2.840.113556.1.4.800";

/// The matching rule that follows memberships through groups.
const IN_CHAIN: &str = "1.2.840.113556.1.4.1941";

/// At most so many groups of one computer are read.
const MAX_GROUPS: usize = 1000;

/// Groups in groups are followed this far.
const MAX_DEPTH: usize = 16;

/// So many members are asked for in one search.
const PER_SEARCH: usize = 20;

const NAMES: [&str; 2] = ["sAMAccountName", "cn"];

const WHAT: &str = "groups";

/// The names of the groups of a computer.
pub(super) async fn of(
    search: &mut Search<'_>,
    base: &str,
    computer: &str,
    follows_chains: bool,
) -> Result<Vec<String>, LdapFailure> {
    if follows_chains {
        let filter = format!(
            "(&(objectClass=group)(member:{IN_CHAIN}:={}))",
            ldap_escape(computer)
        );
        let found = search
            .entries(WHAT, base, Scope::Subtree, &filter, &NAMES, MAX_GROUPS)
            .await?;
        return Ok(found.iter().filter_map(name).collect());
    }
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut names = Vec::new();
    let mut members = vec![computer.to_owned()];
    for _level in 0..MAX_DEPTH {
        let mut next = Vec::new();
        for some in members.chunks(PER_SEARCH) {
            let left = MAX_GROUPS.saturating_sub(seen.len());
            let found = search
                .entries(
                    WHAT,
                    base,
                    Scope::Subtree,
                    &having(some),
                    &NAMES,
                    left + PER_SEARCH,
                )
                .await?;
            for group in found {
                if !seen.insert(group.dn.to_lowercase()) {
                    continue;
                }
                if seen.len() > MAX_GROUPS {
                    return Err(LdapFailure::TooMany {
                        url: search.url.to_owned(),
                        what: WHAT,
                        limit: MAX_GROUPS,
                    });
                }
                names.extend(name(&group));
                next.push(group.dn);
            }
        }
        if next.is_empty() {
            break;
        }
        members = next;
    }
    Ok(names)
}

/// The filter for groups that have one of these as a member.
fn having(members: &[String]) -> String {
    let mut filter = String::from("(|");
    for member in members {
        let member = ldap_escape(member.as_str());
        for attribute in ["member", "uniqueMember"] {
            filter.extend(["(", attribute, "=", &member, ")"]);
        }
    }
    filter.push(')');
    filter
}

fn name(group: &SearchEntry) -> Option<String> {
    NAMES
        .iter()
        .find_map(|attribute| values(group, attribute).first())
        .cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_escaped_in_the_filter() {
        let members = ["cn=a(b),dc=x".to_owned()];
        assert_eq!(
            having(&members),
            "(|(member=cn=a\\28b\\29,dc=x)(uniqueMember=cn=a\\28b\\29,dc=x))"
        );
    }
}
