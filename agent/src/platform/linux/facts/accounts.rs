//! The machine's own accounts: `/etc/passwd`, `/etc/group`, and whose password may log on.

use std::collections::{BTreeMap, BTreeSet};

use muster_shared::protocol::inventory::{LocalGroup, LocalUser};

use super::text::{file_stamp, read_limited};
use crate::inventory::facts::{Accounts, FactError};

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// Members of these may become root wherever sudo or polkit is set up as distributions do.
const ADMINISTRATORS: [&str; 3] = ["sudo", "wheel", "admin"];

/// At most this many accounts, and groups.
const MOST: usize = 2000;

/// Changes when an account or group does.
pub fn stamp() -> Option<String> {
    Some(format!("{} {}", file_stamp(PASSWD)?, file_stamp(GROUP)?))
}

/// Accounts, groups and administrators of the machine itself; those of a directory are not listed.
///
/// # Errors
/// When `/etc/passwd` cannot be read.
pub fn read() -> Result<Accounts, FactError> {
    let passwd = read_limited(PASSWD).map_err(|source| FactError::Unreadable { what: PASSWD, source })?;
    let group = read_limited(GROUP).unwrap_or_default();
    Ok(parse(&passwd, &group))
}

fn parse(passwd: &str, group: &str) -> Accounts {
    let mut by_number: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut users = Vec::new();
    for fields in rows(passwd) {
        let [name, _password, uid, gid, comment, _home, shell, ..] = fields.as_slice() else {
            continue;
        };
        by_number.entry(gid).or_default().push(name);
        users.push(LocalUser {
            name: (*name).to_owned(),
            full_name: comment.split(',').next().unwrap_or_default().trim().to_owned(),
            id: (*uid).to_owned(),
            is_enabled: !(shell.ends_with("/nologin") || shell.ends_with("/false")),
            is_administrator: *uid == "0",
        });
    }
    let mut administrators: BTreeSet<String> = users
        .iter()
        .filter(|user| user.is_administrator)
        .map(|user| user.name.clone())
        .collect();
    let mut groups = Vec::new();
    for fields in rows(group) {
        let [name, _password, gid, members, ..] = fields.as_slice() else {
            continue;
        };
        let mut all: BTreeSet<String> = members
            .split(',')
            .map(str::trim)
            .filter(|member| !member.is_empty())
            .map(str::to_owned)
            .collect();
        // The group that stands in an account's own row counts as well, except for a person's group of one.
        let first: Vec<&str> = by_number.get(gid).cloned().unwrap_or_default();
        all.extend(first.into_iter().filter(|user| user != name).map(str::to_owned));
        if ADMINISTRATORS.contains(name) {
            administrators.extend(all.iter().cloned());
        }
        groups.push(LocalGroup {
            name: (*name).to_owned(),
            members: all.into_iter().collect(),
        });
    }
    for user in &mut users {
        user.is_administrator = administrators.contains(&user.name);
    }
    users.sort_by(|one, other| one.name.cmp(&other.name));
    groups.sort_by(|one, other| one.name.cmp(&other.name));
    users.truncate(MOST);
    groups.truncate(MOST);
    Accounts {
        users,
        groups,
        administrators: administrators.into_iter().collect(),
    }
}

/// Rows of seven or four fields; `+` and `-` stand for a directory's accounts.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with(['#', '+', '-']))
        .map(|line| line.split(':').collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn administrators_are_root_and_whoever_may_become_it() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000:Ann Example,,,:/home/ann:/bin/bash\n\
            bob:x:1001:27::/home/bob:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n+::::::\ncut:x\n";
        let group = "root:x:0:\nsudo:x:27:ann, eve\nann:x:1000:\nbad\n";
        let accounts = parse(passwd, group);
        assert_eq!(accounts.administrators, ["ann", "bob", "eve", "root"]);
        let names: Vec<_> = accounts.users.iter().map(|user| user.name.as_str()).collect();
        assert_eq!(names, ["ann", "bob", "root", "www-data"]);
        assert_eq!(accounts.users[0].full_name, "Ann Example");
        assert!(accounts.users[0].is_administrator && accounts.users[0].is_enabled);
        assert!(!accounts.users[3].is_enabled && !accounts.users[3].is_administrator);
        assert_eq!(accounts.groups[2].members, ["ann", "bob", "eve"]);
        assert!(accounts.groups[0].members.is_empty(), "{:?}", accounts.groups);
    }

    #[test]
    fn this_machine_has_an_administrator() {
        assert!(read().unwrap().administrators.contains(&"root".to_owned()));
        assert_eq!(stamp(), stamp());
    }
}
