//! Who may do what: access lists of files and pipes, and the account behind a process.
#![expect(unsafe_code, reason = "security descriptors and tokens")]

use std::io;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};
use std::path::Path;

use windows_sys::Win32::Foundation::{HANDLE, LocalFree};
use windows_sys::Win32::Security::Authorization::{
    ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::{
    CreateWellKnownSid, DACL_SECURITY_INFORMATION, EqualSid, GetTokenInformation, LookupAccountSidW,
    PROTECTED_DACL_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR, SECURITY_ATTRIBUTES, SetFileSecurityW,
    TOKEN_ELEVATION, TOKEN_GROUPS, TOKEN_QUERY, TOKEN_USER, TokenElevation, TokenGroups, TokenUser,
    WELL_KNOWN_SID_TYPE, WinBuiltinAdministratorsSid, WinLocalSystemSid,
};
use windows_sys::Win32::System::Threading::{
    OpenProcess, OpenProcessToken, PROCESS_QUERY_LIMITED_INFORMATION,
};

use super::wide::{from_wide, wide};
use crate::platform::Peer;

/// SYSTEM and administrators only, inherited by what is inside; nothing comes from the parent.
pub(super) const PRIVATE: &str = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)";

/// SYSTEM and administrators fully; every authenticated user may connect and talk; not over the network.
pub(super) const PIPE: &str = "D:P(D;;GA;;;NU)(A;;GA;;;SY)(A;;GA;;;BA)(A;;GRGW;;;AU)";

/// A security descriptor out of its text form.
pub(super) struct Descriptor(PSECURITY_DESCRIPTOR);

impl Descriptor {
    pub(super) fn parse(sddl: &str) -> io::Result<Self> {
        let text = wide(sddl);
        let mut descriptor: PSECURITY_DESCRIPTOR = std::ptr::null_mut();
        // SAFETY: the text ends with a NUL; the system allocates the descriptor, which Drop frees.
        let done = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &raw mut descriptor,
                std::ptr::null_mut(),
            )
        };
        if done == 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(Self(descriptor))
        }
    }

    /// Attributes for creating an object; they borrow this descriptor.
    pub(super) fn attributes(&self) -> SECURITY_ATTRIBUTES {
        SECURITY_ATTRIBUTES {
            nLength: u32::try_from(size_of::<SECURITY_ATTRIBUTES>()).unwrap_or(0),
            lpSecurityDescriptor: self.0,
            bInheritHandle: 0,
        }
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: allocated by the system for us in `parse`, freed once.
        unsafe { LocalFree(self.0) };
    }
}

/// Gives a file or folder to SYSTEM and administrators alone.
pub(super) fn close_to_others(path: &Path) -> io::Result<()> {
    let descriptor = Descriptor::parse(PRIVATE)?;
    let name = wide(path);
    // SAFETY: the name ends with a NUL, the descriptor is valid while this runs.
    let done = unsafe {
        SetFileSecurityW(
            name.as_ptr(),
            DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION,
            descriptor.0,
        )
    };
    if done == 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// The account that a process runs as, and whether it has an administrator's full rights.
pub(super) fn account_of_process(process_id: u32) -> io::Result<Peer> {
    // SAFETY: no pointers; a null handle is the error.
    let process = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, process_id) };
    if process.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, owned by nobody else.
    let process = unsafe { OwnedHandle::from_raw_handle(process.cast()) };
    let mut token: HANDLE = std::ptr::null_mut();
    // SAFETY: the process handle is open; `token` outlives the call.
    let opened = unsafe { OpenProcessToken(process.as_raw_handle().cast(), TOKEN_QUERY, &raw mut token) };
    if opened == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, owned by nobody else.
    let token = unsafe { OwnedHandle::from_raw_handle(token.cast()) };

    let user = information(&token, TokenUser)?;
    // SAFETY: the system filled the buffer with a TOKEN_USER, whose SID points into the same buffer.
    let user_sid = unsafe { (*user.as_ptr().cast::<TOKEN_USER>()).User.Sid };
    let is_system = same_sid(user_sid, WinLocalSystemSid);
    let is_elevated = information(&token, TokenElevation).is_ok_and(|buffer| {
        // SAFETY: the system filled the buffer with a TOKEN_ELEVATION.
        unsafe { (*buffer.as_ptr().cast::<TOKEN_ELEVATION>()).TokenIsElevated != 0 }
    });
    let is_administrator = is_system || (is_elevated && is_in_group(&token, WinBuiltinAdministratorsSid));
    Ok(Peer {
        user: account_name(user_sid),
        is_administrator,
    })
}

/// Eight-byte units: the structures inside hold pointers and need that alignment.
fn information(
    token: &OwnedHandle,
    class: windows_sys::Win32::Security::TOKEN_INFORMATION_CLASS,
) -> io::Result<Vec<u64>> {
    let handle: HANDLE = token.as_raw_handle().cast();
    let mut needed = 0_u32;
    // SAFETY: a null buffer of length 0 only asks for the length.
    unsafe { GetTokenInformation(handle, class, std::ptr::null_mut(), 0, &raw mut needed) };
    let mut buffer = vec![0_u64; (needed as usize).div_ceil(8).max(8)];
    let length = u32::try_from(buffer.len() * 8).unwrap_or(0);
    // SAFETY: the buffer has `length` bytes and outlives the call.
    let done =
        unsafe { GetTokenInformation(handle, class, buffer.as_mut_ptr().cast(), length, &raw mut needed) };
    if done == 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(buffer)
    }
}

fn is_in_group(token: &OwnedHandle, kind: WELL_KNOWN_SID_TYPE) -> bool {
    const SE_GROUP_ENABLED: u32 = 4;
    let Ok(buffer) = information(token, TokenGroups) else {
        return false;
    };
    let groups = buffer.as_ptr().cast::<TOKEN_GROUPS>();
    // SAFETY: the system filled the buffer with a TOKEN_GROUPS of GroupCount rows, within the buffer.
    let rows = unsafe {
        std::slice::from_raw_parts(
            (&raw const (*groups).Groups).cast::<windows_sys::Win32::Security::SID_AND_ATTRIBUTES>(),
            (*groups).GroupCount as usize,
        )
    };
    rows.iter()
        .any(|row| row.Attributes & SE_GROUP_ENABLED != 0 && same_sid(row.Sid, kind))
}

fn same_sid(sid: windows_sys::Win32::Security::PSID, kind: WELL_KNOWN_SID_TYPE) -> bool {
    let mut known = [0_u64; 16];
    let mut length = u32::try_from(size_of_val(&known)).unwrap_or(0);
    // SAFETY: the buffer is larger than any SID (68 bytes) and outlives the call.
    let made = unsafe {
        CreateWellKnownSid(
            kind,
            std::ptr::null_mut(),
            known.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    // SAFETY: both point to valid SIDs.
    made != 0 && unsafe { EqualSid(sid, known.as_mut_ptr().cast()) } != 0
}

/// `DOMAIN\name`, the bare name when there is no domain, `?` when the account is gone.
fn account_name(sid: windows_sys::Win32::Security::PSID) -> String {
    let (mut name, mut domain) = ([0_u16; 256], [0_u16; 256]);
    let (mut name_length, mut domain_length) = (256_u32, 256_u32);
    let mut kind = 0;
    // SAFETY: the SID is valid; the buffers have the lengths given and outlive the call.
    let found = unsafe {
        LookupAccountSidW(
            std::ptr::null(),
            sid,
            name.as_mut_ptr(),
            &raw mut name_length,
            domain.as_mut_ptr(),
            &raw mut domain_length,
            &raw mut kind,
        )
    };
    if found == 0 {
        return "?".to_owned();
    }
    let (name, domain) = (from_wide(&name), from_wide(&domain));
    if domain.is_empty() {
        name
    } else {
        format!("{domain}\\{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_an_account() {
        assert!(!account_of_process(std::process::id()).unwrap().user.is_empty());
    }

    #[test]
    fn the_access_lists_are_such() {
        Descriptor::parse(PRIVATE).unwrap();
        Descriptor::parse(PIPE).unwrap();
        assert!(Descriptor::parse("nonsense").is_err());
    }
}
