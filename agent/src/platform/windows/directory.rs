//! What the system itself knows of the directory: the registry as group policy last left it.
#![expect(unsafe_code, reason = "LookupAccountSidW for the names of groups")]

use windows_registry::{Key, LOCAL_MACHINE};
use windows_sys::Win32::Foundation::{ERROR_NONE_MAPPED, GetLastError, LocalFree};
use windows_sys::Win32::Security::Authorization::ConvertStringSidToSidW;
use windows_sys::Win32::Security::{LookupAccountSidW, PSID, SID_NAME_USE};

use super::wide::{from_wide, wide};
use crate::directory::Computer;

const STATE: &str = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Group Policy\State\Machine";
const GROUPS: &str = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Group Policy\GroupMembership";

/// Where a machine that is in a domain says so.
const TCPIP: &str = r"SYSTEM\CurrentControlSet\Services\Tcpip\Parameters";

/// At most so many groups of the machine are read.
const MAX_GROUPS: u32 = 1000;

/// The file or key is not there.
const NOT_FOUND: i32 = 0x8007_0002_u32.cast_signed();

/// The computer's name, site and groups; nothing on a machine that is in no domain.
///
/// # Errors
/// When the machine is in a domain and the registry, or the domain asked for the names of groups, does not answer.
pub fn computer(wants_groups: bool) -> Result<Option<Computer>, String> {
    let state = match LOCAL_MACHINE.open(STATE) {
        Ok(key) => Some(key),
        Err(error) if error.code().0 == NOT_FOUND => None,
        Err(error) => return Err(format!("HKLM\\{STATE} cannot be read: {error}")),
    };
    let text = |name: &str| match &state {
        Some(key) => key.get_string(name).unwrap_or_default(),
        None => String::new(),
    };
    let (dn, site) = (text("Distinguished-Name"), text("Site-Name"));
    if dn.is_empty() {
        return if is_in_domain() {
            // Group policy has not run yet, or runs right now.
            Err(format!("HKLM\\{STATE} has no Distinguished-Name yet"))
        } else {
            Ok(None)
        };
    }
    let groups = if wants_groups {
        match LOCAL_MACHINE.open(GROUPS) {
            Ok(key) => Some(groups(&key)?),
            Err(_absent) => None,
        }
    } else {
        None
    };
    Ok(Some(Computer { dn, site, groups }))
}

fn is_in_domain() -> bool {
    let domain = LOCAL_MACHINE.open(TCPIP).and_then(|key| {
        key.get_string("Domain")
            .or_else(|_error| key.get_string("NV Domain"))
    });
    domain.is_ok_and(|domain| !domain.is_empty())
}

/// The names of the groups that a key lists as `Group0`, `Group1` …, as many as `Count` says.
fn groups(key: &Key) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for sid in domain_groups(key) {
        names.extend(name_of(&sid)?);
    }
    Ok(names)
}

/// The SIDs of the domain's groups; those that every Windows has are no profiles.
fn domain_groups(key: &Key) -> Vec<String> {
    let count = key.get_u32("Count").unwrap_or(0).min(MAX_GROUPS);
    (0..count)
        .filter_map(|number| key.get_string(format!("Group{number}")).ok())
        .filter(|sid| sid.starts_with("S-1-5-21-"))
        .collect()
}

/// The name of an account without its domain; nothing when there is none any more.
fn name_of(sid: &str) -> Result<Option<String>, String> {
    let text = wide(sid);
    let mut binary: PSID = std::ptr::null_mut();
    // SAFETY: the text ends in NUL and outlives the call, which on success gives memory that is freed below.
    if unsafe { ConvertStringSidToSidW(text.as_ptr(), &raw mut binary) } == 0 {
        return Ok(None);
    }
    let mut name = [0_u16; 257];
    let mut domain = [0_u16; 257];
    let (mut name_length, mut domain_length) = (257_u32, 257_u32);
    let mut kind: SID_NAME_USE = 0;
    // SAFETY: `binary` is a SID that the system made; both buffers have the lengths given and outlive the call.
    let done = unsafe {
        LookupAccountSidW(
            std::ptr::null(),
            binary,
            name.as_mut_ptr(),
            &raw mut name_length,
            domain.as_mut_ptr(),
            &raw mut domain_length,
            &raw mut kind,
        )
    };
    // SAFETY: no arguments; nothing was called since.
    let error = if done == 0 { unsafe { GetLastError() } } else { 0 };
    // SAFETY: the memory is the one that the conversion gave, freed once.
    unsafe { LocalFree(binary) };
    match error {
        0 => Ok(Some(from_wide(&name))),
        ERROR_NONE_MAPPED => Ok(None),
        code => Err(format!(
            "the name of the group {sid} cannot be asked for: error {code}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use windows_registry::CURRENT_USER;

    use super::*;

    #[test]
    fn a_machine_without_a_domain_has_no_computer_there() {
        if !is_in_domain() && LOCAL_MACHINE.open(STATE).is_err() {
            assert_eq!(computer(true), Ok(None));
        }
    }

    #[test]
    fn only_groups_of_a_domain_are_looked_at_and_unknown_ones_are_left_out() {
        const PLACE: &str = r"Software\muster-test\GroupMembership";
        let key = CURRENT_USER.create(PLACE).unwrap();
        key.set_u32("Count", 3).unwrap();
        key.set_string("Group0", "S-1-5-32-544").unwrap();
        key.set_string("Group1", "S-1-5-21-1-2-3-513").unwrap();
        key.set_string("Group2", "S-1-5-21-1-2-3-1104").unwrap();
        key.set_string("Group3", "S-1-5-21-1-2-3-9999").unwrap();
        assert_eq!(domain_groups(&key), ["S-1-5-21-1-2-3-513", "S-1-5-21-1-2-3-1104"]);
        assert_eq!(name_of("not a SID"), Ok(None));
        CURRENT_USER.remove_tree(r"Software\muster-test").unwrap();
    }
}
