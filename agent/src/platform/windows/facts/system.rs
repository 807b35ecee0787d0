//! The operating system: name and version, language, last start, directory.
#![expect(
    unsafe_code,
    reason = "GetTickCount64, the system's locale and NetGetJoinInformation"
)]

use jiff::{SignedDuration, Timestamp};
use muster_shared::protocol::inventory::SystemDetails;
use windows_registry::LOCAL_MACHINE;
use windows_sys::Win32::Globalization::GetSystemDefaultLocaleName;
use windows_sys::Win32::NetworkManagement::NetManagement::{
    NetApiBufferFree, NetGetJoinInformation, NetSetupWorkgroupName,
};
use windows_sys::Win32::System::SystemInformation::GetTickCount64;

use super::super::registry::{number, text};
use super::super::wide::{from_pointer, from_wide};
use crate::inventory::facts::{FactError, System, uac_level};

const KEY: &str = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion";
const POLICIES: &str = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System";
const PREFETCH: &str =
    r"SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management\PrefetchParameters";
const GROUP_POLICY: &str = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Group Policy\History";

/// Name, version and kernel of the system.
///
/// # Errors
/// When the registry does not say.
pub fn read() -> Result<System, FactError> {
    let key = LOCAL_MACHINE.open(KEY).map_err(|error| FactError::Refused {
        what: KEY,
        reason: error.to_string(),
    })?;
    let text = |name: &str| key.get_string(name).unwrap_or_default();
    let build = text("CurrentBuildNumber");
    let revision = key.get_u32("UBR").ok();
    let major = key.get_u32("CurrentMajorVersionNumber").ok();
    let version = match major {
        Some(major) => format!(
            "{major}.{}.{build}",
            key.get_u32("CurrentMinorVersionNumber").unwrap_or(0)
        ),
        None => format!("{}.{build}", text("CurrentVersion")),
    };
    let release = [text("DisplayVersion"), text("ReleaseId")]
        .into_iter()
        .find(|text| !text.is_empty())
        .unwrap_or_default();
    Ok(System {
        name: product(&text("ProductName"), &build, &release),
        kernel: revision.map_or_else(|| version.clone(), |revision| format!("{version}.{revision}")),
        version,
    })
}

/// Windows 11 still calls itself 10 in the registry; its builds begin at 22000.
fn product(name: &str, build: &str, release: &str) -> String {
    let is_eleven = build.parse::<u32>().is_ok_and(|build| build >= 22_000);
    let name = if is_eleven {
        name.replace("Windows 10", "Windows 11")
    } else {
        name.to_owned()
    };
    format!("{name} {release}").trim().to_owned()
}

/// The system's language, `en-GB` style, empty when none is set.
pub fn language() -> String {
    let mut buffer = [0_u16; 85];
    // SAFETY: the buffer has the length given (LOCALE_NAME_MAX_LENGTH) and outlives the call.
    let length = unsafe { GetSystemDefaultLocaleName(buffer.as_mut_ptr(), 85) };
    if length > 0 {
        from_wide(&buffer)
    } else {
        String::new()
    }
}

/// When the machine was started, to the minute: it is computed from now and would else change each time.
pub fn booted_at() -> Option<Timestamp> {
    // SAFETY: no arguments.
    let up = unsafe { GetTickCount64() };
    let at = muster_shared::clock::now() - SignedDuration::from_millis(i64::try_from(up).ok()?);
    Timestamp::from_second((at.as_second() + 30) / 60 * 60).ok()
}

/// Changes with each start of the machine.
pub fn boot_stamp() -> Option<String> {
    booted_at().map(|at| at.to_string())
}

/// What else the system says about itself.
pub fn details() -> SystemDetails {
    let mut details = SystemDetails::default();
    if let Ok(key) = LOCAL_MACHINE.open(KEY) {
        details.registered_owner = text(&key, "RegisteredOwner");
        details.registered_organization = text(&key, "RegisteredOrganization");
        details.installed_at = number(&key, "InstallDate")
            .and_then(|seconds| i64::try_from(seconds).ok())
            .filter(|seconds| *seconds > 0)
            .and_then(|seconds| Timestamp::from_second(seconds).ok());
    }
    if let Ok(key) = LOCAL_MACHINE.open(POLICIES) {
        details.uac_level = uac_level(
            number(&key, "EnableLUA"),
            number(&key, "ConsentPromptBehaviorAdmin"),
            number(&key, "PromptOnSecureDesktop"),
        );
    }
    if let Ok(key) = LOCAL_MACHINE.open(PREFETCH) {
        details.boot_count = number(&key, "BootId");
    }
    if let Ok(key) = LOCAL_MACHINE.open(GROUP_POLICY) {
        text(&key, "DCName")
            .trim_start_matches('\\')
            .clone_into(&mut details.domain_controller);
    }
    details.workgroup = workgroup();
    details.wuauserv = super::services::start_of("wuauserv");
    details.wua_agent_version = super::super::windows_update::agent_version().unwrap_or_default();
    details
}

/// The workgroup of a machine that is in no domain.
fn workgroup() -> String {
    let (mut name, mut status) = (std::ptr::null_mut::<u16>(), 0);
    // SAFETY: the two results outlive the call; the system allocates the name, freed below.
    let code = unsafe { NetGetJoinInformation(std::ptr::null(), &raw mut name, &raw mut status) };
    if code != 0 || name.is_null() {
        return String::new();
    }
    // SAFETY: the system's text ends with a NUL.
    let owned = unsafe { from_pointer(name) };
    // SAFETY: allocated by the system for us, freed once.
    unsafe { NetApiBufferFree(name.cast()) };
    if status == NetSetupWorkgroupName {
        owned
    } else {
        String::new()
    }
}

/// The directory domain that the machine is joined to, empty when it is not.
pub fn domain() -> String {
    LOCAL_MACHINE
        .open(r"SYSTEM\CurrentControlSet\Services\Tcpip\Parameters")
        .and_then(|key| {
            key.get_string("Domain")
                .or_else(|_error| key.get_string("NV Domain"))
        })
        .unwrap_or_default()
}

/// The machine's organisational unit, out of its name in the directory as group policy last saw it.
pub fn organisational_unit() -> String {
    let name = LOCAL_MACHINE
        .open(r"SOFTWARE\Microsoft\Windows\CurrentVersion\Group Policy\State\Machine")
        .and_then(|key| key.get_string("Distinguished-Name"))
        .unwrap_or_default();
    name.split_once(',')
        .map_or_else(String::new, |(_machine, unit)| unit.to_owned())
}

/// The directory site as group policy last saw it.
pub fn site() -> String {
    LOCAL_MACHINE
        .open(r"SOFTWARE\Microsoft\Windows\CurrentVersion\Group Policy\State\Machine")
        .and_then(|key| key.get_string("Site-Name"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_eleven_is_called_so() {
        assert_eq!(product("Windows 10 Pro", "22631", "23H2"), "Windows 11 Pro 23H2");
        assert_eq!(product("Windows 10 Pro", "19045", "22H2"), "Windows 10 Pro 22H2");
        assert_eq!(
            product("Windows Server 2016 Standard", "14393", ""),
            "Windows Server 2016 Standard"
        );
    }

    #[test]
    fn this_machine_was_started_in_the_past_and_says_the_same_twice() {
        let at = booted_at().unwrap();
        assert!(at <= muster_shared::clock::now() + SignedDuration::from_secs(60));
        assert_eq!(at.as_second() % 60, 0);
    }
}
