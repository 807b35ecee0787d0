//! Restarting the machine or switching it off after a while.
#![expect(unsafe_code, reason = "the system's shutdown and the privilege for it")]

use std::io;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};
use std::time::Duration;

use windows_sys::Win32::Foundation::{ERROR_NOT_ALL_ASSIGNED, GetLastError, HANDLE, LUID};
use windows_sys::Win32::Security::{
    AdjustTokenPrivileges, LookupPrivilegeValueW, SE_PRIVILEGE_ENABLED, TOKEN_ADJUST_PRIVILEGES,
    TOKEN_PRIVILEGES, TOKEN_QUERY,
};
use windows_sys::Win32::System::Shutdown::{
    InitiateSystemShutdownExW, SHTDN_REASON_FLAG_PLANNED, SHTDN_REASON_MAJOR_APPLICATION,
    SHTDN_REASON_MINOR_MAINTENANCE,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

use super::wide::wide;
use crate::platform::Ending;

/// Less than this, and what was done might not be on disk and told before.
const SHORTEST: Duration = Duration::from_secs(30);

/// Has the system end after `delay`, with a notice for the people who use it. The system keeps the plan by itself.
///
/// # Errors
/// When the system refuses.
pub async fn schedule_ending(ending: Ending, delay: Duration, text: &str) -> io::Result<()> {
    enable_privilege("SeShutdownPrivilege")?;
    let message = wide(text);
    let seconds = u32::try_from(delay.max(SHORTEST).as_secs()).unwrap_or(u32::MAX);
    // SAFETY: no machine name means this one; the message ends with a NUL and outlives the call.
    let done = unsafe {
        InitiateSystemShutdownExW(
            std::ptr::null(),
            message.as_ptr(),
            seconds,
            1,
            i32::from(ending == Ending::Restart),
            SHTDN_REASON_MAJOR_APPLICATION | SHTDN_REASON_MINOR_MAINTENANCE | SHTDN_REASON_FLAG_PLANNED,
        )
    };
    if done == 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn enable_privilege(name: &str) -> io::Result<()> {
    let mut token: HANDLE = std::ptr::null_mut();
    // SAFETY: the pseudo handle of this process is always valid; `token` outlives the call.
    let opened = unsafe {
        OpenProcessToken(
            GetCurrentProcess(),
            TOKEN_ADJUST_PRIVILEGES | TOKEN_QUERY,
            &raw mut token,
        )
    };
    if opened == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, owned by nobody else.
    let token = unsafe { OwnedHandle::from_raw_handle(token.cast()) };
    let name = wide(name);
    let mut luid = LUID {
        LowPart: 0,
        HighPart: 0,
    };
    // SAFETY: the name ends with a NUL; `luid` outlives the call.
    if unsafe { LookupPrivilegeValueW(std::ptr::null(), name.as_ptr(), &raw mut luid) } == 0 {
        return Err(io::Error::last_os_error());
    }
    let mut privileges = TOKEN_PRIVILEGES {
        PrivilegeCount: 1,
        ..TOKEN_PRIVILEGES::default()
    };
    privileges.Privileges[0].Luid = luid;
    privileges.Privileges[0].Attributes = SE_PRIVILEGE_ENABLED;
    // SAFETY: one privilege is in the list, as it says; the previous state is not asked for.
    let done = unsafe {
        AdjustTokenPrivileges(
            token.as_raw_handle().cast(),
            0,
            &raw const privileges,
            0,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
        )
    };
    // SAFETY: only reads the last error of this thread.
    if done == 0 || unsafe { GetLastError() } == ERROR_NOT_ALL_ASSIGNED {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Windows has no terminals to write to: the windows of people are served by the local API.
pub async fn notify_terminals(_text: &str) {}
