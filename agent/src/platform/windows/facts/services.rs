//! Services: what the registry says of each, and which run now.
#![expect(unsafe_code, reason = "EnumServicesStatusExW")]

use std::collections::BTreeSet;

use muster_shared::protocol::inventory::Service;
use windows_registry::LOCAL_MACHINE;
use windows_sys::Win32::System::Services::{
    CloseServiceHandle, ENUM_SERVICE_STATUS_PROCESSW, EnumServicesStatusExW, OpenSCManagerW,
    SC_ENUM_PROCESS_INFO, SC_MANAGER_CONNECT, SC_MANAGER_ENUMERATE_SERVICE, SERVICE_ACTIVE, SERVICE_WIN32,
};

use super::super::registry::{number, text};
use super::super::wide::from_pointer;
use crate::inventory::facts::FactError;

const KEY: &str = r"SYSTEM\CurrentControlSet\Services";
/// `SERVICE_WIN32_OWN_PROCESS | SERVICE_WIN32_SHARE_PROCESS`: the rest are drivers.
const PROGRAMS: u64 = 0x30;
/// `SERVICE_USER_SERVICE`: one copy for each session, named differently each time.
const PER_USER: u64 = 0x40;
/// At most this many.
const MOST: usize = 3000;

/// Services by name.
///
/// # Errors
/// When the registry does not list them.
pub fn read() -> Result<Vec<Service>, FactError> {
    let key = LOCAL_MACHINE.open(KEY).map_err(refused)?;
    let running = running();
    let mut list: Vec<Service> = key
        .keys()
        .map_err(refused)?
        .filter_map(|name| {
            let own = key.open(&name).ok()?;
            let kind = number(&own, "Type")?;
            if kind & PROGRAMS == 0 || kind & PER_USER != 0 {
                return None;
            }
            let start = match number(&own, "Start")? {
                0..=2 => "automatic",
                3 => "manual",
                _ => "disabled",
            };
            Some(Service {
                title: text(&own, "DisplayName"),
                account: text(&own, "ObjectName"),
                command: text(&own, "ImagePath"),
                is_running: running
                    .as_ref()
                    .filter(|_names| start == "automatic")
                    .map(|names| names.contains(&name.to_lowercase())),
                start: start.to_owned(),
                name,
            })
        })
        .take(MOST)
        .collect();
    list.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(list)
}

/// How a service starts: `automatic`, `manual` or `disabled`; empty when there is no such service.
pub(in crate::platform) fn start_of(name: &str) -> String {
    let start = LOCAL_MACHINE
        .open(format!(r"{KEY}\{name}"))
        .ok()
        .and_then(|key| number(&key, "Start"));
    match start {
        None => "",
        Some(0..=2) => "automatic",
        Some(3) => "manual",
        Some(_) => "disabled",
    }
    .to_owned()
}

/// Names of the services that run, in lower case; `None` when the system does not list them.
fn running() -> Option<BTreeSet<String>> {
    // SAFETY: no pointers but the two that may be null; a null handle is the error.
    let manager = unsafe {
        OpenSCManagerW(
            std::ptr::null(),
            std::ptr::null(),
            SC_MANAGER_CONNECT | SC_MANAGER_ENUMERATE_SERVICE,
        )
    };
    if manager.is_null() {
        return None;
    }
    let mut names = BTreeSet::new();
    let mut resume = 0_u32;
    // Eight-byte units: the structures inside hold pointers and need that alignment. 64 KiB is what a service
    // manager gives at most at once.
    let mut buffer = vec![0_u64; 8 * 1024];
    let mut is_whole = false;
    for _round in 0..64 {
        let (mut needed, mut count) = (0_u32, 0_u32);
        // SAFETY: the buffer has the size given; it and the results outlive the call; no group is asked for.
        let done = unsafe {
            EnumServicesStatusExW(
                manager,
                SC_ENUM_PROCESS_INFO,
                SERVICE_WIN32,
                SERVICE_ACTIVE,
                buffer.as_mut_ptr().cast(),
                u32::try_from(buffer.len() * 8).unwrap_or(0),
                &raw mut needed,
                &raw mut count,
                &raw mut resume,
                std::ptr::null(),
            )
        };
        let first = buffer.as_ptr().cast::<ENUM_SERVICE_STATUS_PROCESSW>();
        let most = buffer.len() * 8 / size_of::<ENUM_SERVICE_STATUS_PROCESSW>();
        for index in 0..(count as usize).min(most) {
            // SAFETY: the system filled `count` rows; their strings lie in the same buffer.
            let name = unsafe { from_pointer((*first.add(index)).lpServiceName) };
            names.insert(name.to_lowercase());
        }
        if done != 0 {
            is_whole = true;
            break;
        }
        if count == 0 {
            break;
        }
    }
    // SAFETY: opened above, closed once.
    unsafe { CloseServiceHandle(manager) };
    is_whole.then_some(names)
}

/// The registry's own word for why not.
fn refused(error: impl std::fmt::Display) -> FactError {
    FactError::Refused {
        what: KEY,
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_services() {
        let list = read().unwrap();
        assert!(!list.is_empty());
        assert!(list.iter().all(|service| !service.start.is_empty()));
    }
}
