//! The machine's own accounts and groups, and who is an administrator.
#![expect(unsafe_code, reason = "NetUserEnum and NetLocalGroupEnum")]

use std::collections::{BTreeMap, BTreeSet};

use muster_shared::protocol::inventory::{LocalGroup, LocalUser};
use windows_sys::Win32::NetworkManagement::NetManagement::{
    FILTER_NORMAL_ACCOUNT, LOCALGROUP_INFO_0, LOCALGROUP_MEMBERS_INFO_2, MAX_PREFERRED_LENGTH,
    NetApiBufferFree, NetLocalGroupEnum, NetLocalGroupGetMembers, NetUserEnum, UF_ACCOUNTDISABLE,
    USER_INFO_23,
};

use super::super::security::{administrators_name, sid_text};
use super::super::wide::{from_pointer, wide};
use crate::inventory::facts::{Accounts, FactError};

/// `ERROR_MORE_DATA`: what came counts, the rest is beyond our limit anyway.
const MORE_DATA: u32 = 234;
/// At most this many accounts, groups, and members of a group.
const MOST: usize = 2000;

/// Accounts have no stamp that we may read; asking for them is cheap.
pub fn stamp() -> Option<String> {
    None
}

/// Accounts, groups and administrators of the machine itself. A domain controller's are the domain's.
///
/// # Errors
/// When the system lists neither.
pub fn read() -> Result<Accounts, FactError> {
    let groups = groups();
    let users = users();
    if let (Err(error), Err(_)) = (&users, &groups) {
        return Err(FactError::Refused {
            what: "the machine's accounts",
            reason: format!("code {error}"),
        });
    }
    let (mut users, groups) = (users.unwrap_or_default(), groups.unwrap_or_default());
    let own_name = administrators_name();
    let administrators: BTreeSet<String> = groups
        .iter()
        .filter(|(name, _members)| Some(name.as_str()) == own_name.as_deref())
        .flat_map(|(_name, members)| members.values().cloned())
        .collect();
    let administrator_ids: BTreeSet<&String> = groups
        .iter()
        .filter(|(name, _members)| Some(name.as_str()) == own_name.as_deref())
        .flat_map(|(_name, members)| members.keys())
        .collect();
    for user in &mut users {
        user.is_administrator = administrator_ids.contains(&user.id);
    }
    users.sort_by(|one, other| one.name.cmp(&other.name));
    let mut groups: Vec<LocalGroup> = groups
        .into_iter()
        .map(|(name, members)| {
            let members: BTreeSet<String> = members.into_values().collect();
            LocalGroup {
                name,
                members: members.into_iter().collect(),
            }
        })
        .collect();
    groups.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Accounts {
        users,
        groups,
        administrators: administrators.into_iter().collect(),
    })
}

fn users() -> Result<Vec<LocalUser>, u32> {
    let list = List::<USER_INFO_23>::of(|buffer, read, total| {
        // SAFETY: the three results outlive the call; no server, no resumption.
        unsafe {
            NetUserEnum(
                std::ptr::null(),
                23,
                FILTER_NORMAL_ACCOUNT,
                buffer,
                MAX_PREFERRED_LENGTH,
                read,
                total,
                std::ptr::null_mut(),
            )
        }
    })?;
    Ok(list
        .rows()
        .iter()
        .take(MOST)
        .map(|row| LocalUser {
            // SAFETY: strings and identifier of the row live as long as the list.
            name: unsafe { from_pointer(row.usri23_name) },
            // SAFETY: as above.
            full_name: unsafe { from_pointer(row.usri23_full_name) },
            // SAFETY: as above.
            id: unsafe { sid_text(row.usri23_user_sid) },
            is_enabled: row.usri23_flags & UF_ACCOUNTDISABLE == 0,
            is_administrator: false,
        })
        .collect())
}

/// Groups with their members: identifier → name.
type Groups = Vec<(String, BTreeMap<String, String>)>;

fn groups() -> Result<Groups, u32> {
    let list = List::<LOCALGROUP_INFO_0>::of(|buffer, read, total| {
        // SAFETY: the three results outlive the call; no server, no resumption.
        unsafe {
            NetLocalGroupEnum(
                std::ptr::null(),
                0,
                buffer,
                MAX_PREFERRED_LENGTH,
                read,
                total,
                std::ptr::null_mut(),
            )
        }
    })?;
    Ok(list
        .rows()
        .iter()
        .take(MOST)
        .map(|row| {
            // SAFETY: the string lives as long as the list.
            let name = unsafe { from_pointer(row.lgrpi0_name) };
            let members = members(&name).unwrap_or_default();
            (name, members)
        })
        .collect())
}

fn members(group: &str) -> Result<BTreeMap<String, String>, u32> {
    let group = wide(group);
    let list = List::<LOCALGROUP_MEMBERS_INFO_2>::of(|buffer, read, total| {
        // SAFETY: the name ends with a NUL, the three results outlive the call; no server, no resumption.
        unsafe {
            NetLocalGroupGetMembers(
                std::ptr::null(),
                group.as_ptr(),
                2,
                buffer,
                MAX_PREFERRED_LENGTH,
                read,
                total,
                std::ptr::null_mut(),
            )
        }
    })?;
    Ok(list
        .rows()
        .iter()
        .take(MOST)
        .map(|row| {
            // SAFETY: string and identifier of the row live as long as the list.
            let (id, name) = unsafe { (sid_text(row.lgrmi2_sid), from_pointer(row.lgrmi2_domainandname)) };
            // An account that was deleted has only its identifier left.
            let name = if name.trim_matches('\\').is_empty() {
                id.clone()
            } else {
                name
            };
            (id, name)
        })
        .collect())
}

/// A list that the system allocated.
struct List<T> {
    first: *mut T,
    count: usize,
}

impl<T> List<T> {
    /// Has the list made; the closure gets where to put it, the count and the total.
    fn of(ask: impl FnOnce(*mut *mut u8, *mut u32, *mut u32) -> u32) -> Result<Self, u32> {
        let (mut buffer, mut read, mut total) = (std::ptr::null_mut::<u8>(), 0_u32, 0_u32);
        let code = ask(&raw mut buffer, &raw mut read, &raw mut total);
        let list = Self {
            first: buffer.cast(),
            count: if buffer.is_null() { 0 } else { read as usize },
        };
        if code == 0 || code == MORE_DATA {
            Ok(list)
        } else {
            Err(code)
        }
    }

    fn rows(&self) -> &[T] {
        if self.count == 0 {
            return &[];
        }
        // SAFETY: the system made `count` rows of this kind, aligned, which live until `drop`.
        unsafe { std::slice::from_raw_parts(self.first, self.count) }
    }
}

impl<T> Drop for List<T> {
    fn drop(&mut self) {
        if !self.first.is_null() {
            // SAFETY: allocated by the system for us, freed once.
            unsafe { NetApiBufferFree(self.first.cast()) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_answers_or_says_why_not() {
        match read() {
            Ok(accounts) => assert!(accounts.users.iter().all(|user| !user.name.is_empty())),
            Err(error) => assert!(error.to_string().contains("accounts")),
        }
    }
}
