//! Who is logged in now, who was last.
#![expect(unsafe_code, reason = "terminal services")]

use std::collections::BTreeSet;

use windows_registry::LOCAL_MACHINE;
use windows_sys::Win32::System::RemoteDesktop::{
    WTS_CURRENT_SERVER_HANDLE, WTS_INFO_CLASS, WTS_SESSION_INFOW, WTSDomainName, WTSEnumerateSessionsW,
    WTSFreeMemory, WTSQuerySessionInformationW, WTSUserName,
};

use super::wide::from_pointer;

/// Users with an open session, sorted.
pub fn logged_in_users() -> Vec<String> {
    let users: BTreeSet<String> = open_sessions().into_iter().map(|(_session, user)| user).collect();
    users.into_iter().collect()
}

/// Sessions of users, each by its number.
pub(super) fn open_sessions() -> Vec<(u32, String)> {
    let mut users = Vec::new();
    let mut sessions: *mut WTS_SESSION_INFOW = std::ptr::null_mut();
    let mut count = 0_u32;
    // SAFETY: the two results outlive the call; the system allocates the list, which is freed below.
    let done =
        unsafe { WTSEnumerateSessionsW(WTS_CURRENT_SERVER_HANDLE, 0, 1, &raw mut sessions, &raw mut count) };
    if done == 0 || sessions.is_null() {
        return Vec::new();
    }
    for index in 0..count as usize {
        // SAFETY: the list has `count` rows.
        let session = unsafe { (*sessions.add(index)).SessionId };
        let name = session_text(session, WTSUserName);
        if !name.is_empty() {
            let domain = session_text(session, WTSDomainName);
            let user = if domain.is_empty() {
                name
            } else {
                format!("{domain}\\{name}")
            };
            users.push((session, user));
        }
    }
    // SAFETY: allocated by the system for us, freed once.
    unsafe { WTSFreeMemory(sessions.cast()) };
    users
}

fn session_text(session: u32, what: WTS_INFO_CLASS) -> String {
    let mut text: *mut u16 = std::ptr::null_mut();
    let mut bytes = 0_u32;
    // SAFETY: the two results outlive the call; the system allocates the text, which is freed below.
    let done = unsafe {
        WTSQuerySessionInformationW(
            WTS_CURRENT_SERVER_HANDLE,
            session,
            what,
            &raw mut text,
            &raw mut bytes,
        )
    };
    if done == 0 || text.is_null() {
        return String::new();
    }
    // SAFETY: for these two classes the system gives a string that ends with a NUL.
    let value = unsafe { from_pointer(text) };
    // SAFETY: allocated by the system for us, freed once.
    unsafe { WTSFreeMemory(text.cast()) };
    value
}

/// Who logged on last, empty when the system does not say.
pub fn last_user() -> String {
    LOCAL_MACHINE
        .open(r"SOFTWARE\Microsoft\Windows\CurrentVersion\Authentication\LogonUI")
        .and_then(|key| {
            key.get_string("LastLoggedOnUser")
                .or_else(|_error| key.get_string("LastLoggedOnSAMUser"))
        })
        .map(|name| name.trim_start_matches(".\\").to_owned())
        .unwrap_or_default()
}
