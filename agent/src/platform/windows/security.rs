//! The accounts behind processes and connections: their tokens, identifiers and names.
#![expect(unsafe_code, reason = "tokens and security identifiers")]

use std::io;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle, RawHandle};

use windows_sys::Win32::Foundation::{HANDLE, LocalFree};
use windows_sys::Win32::Security::Authorization::{ConvertSidToStringSidW, ConvertStringSidToSidW};
use windows_sys::Win32::Security::{
    CreateWellKnownSid, EqualSid, GetLengthSid, GetTokenInformation, LookupAccountSidW, PSID, RevertToSelf,
    TOKEN_ELEVATION, TOKEN_GROUPS, TOKEN_QUERY, TOKEN_USER, TokenElevation, TokenGroups, TokenUser,
    WELL_KNOWN_SID_TYPE, WinBuiltinAdministratorsSid, WinLocalSystemSid,
};
use windows_sys::Win32::System::Pipes::ImpersonateNamedPipeClient;
use windows_sys::Win32::System::Threading::{
    GetCurrentThread, OpenProcess, OpenProcessToken, OpenThreadToken, PROCESS_QUERY_LIMITED_INFORMATION,
};

use super::groups::{MAX_GROUPS, PeerGroups};
use super::wide::{from_pointer, from_wide, wide};
use crate::platform::Peer;

/// The user of a token, as `S-1-5-…`.
pub(super) fn user_of_token(token: &OwnedHandle) -> io::Result<String> {
    let user = information(token, TokenUser)?;
    // SAFETY: the system filled the buffer with a TOKEN_USER, whose SID points into the same buffer.
    Ok(unsafe { sid_text((*user.as_ptr().cast::<TOKEN_USER>()).User.Sid) })
}

/// The account that a process runs as, and whether it has an administrator's full rights.
pub(super) fn account_of_process(process_id: u32) -> io::Result<Peer> {
    account_of_token(&token_of_process(process_id)?)
}

/// The account of a token, and whether it has an administrator's full rights.
pub(super) fn account_of_token(token: &OwnedHandle) -> io::Result<Peer> {
    let user = information(token, TokenUser)?;
    // SAFETY: the system filled the buffer with a TOKEN_USER, whose SID points into the same buffer.
    let user_sid = unsafe { (*user.as_ptr().cast::<TOKEN_USER>()).User.Sid };
    let is_system = same_sid(user_sid, WinLocalSystemSid);
    let is_administrator =
        is_system || (is_elevated(token) && is_in_group(token, WinBuiltinAdministratorsSid));
    let user_sid = copy_of(user_sid);
    Ok(Peer {
        user: account_name(&user_sid),
        account: hex::encode(&user_sid),
        groups: PeerGroups {
            groups: groups_of(token),
            user: user_sid,
        },
        is_administrator,
    })
}

/// It has an administrator's full rights, if the account has any.
pub(super) fn is_elevated(token: &OwnedHandle) -> bool {
    information(token, TokenElevation).is_ok_and(|buffer| {
        // SAFETY: the system filled the buffer with a TOKEN_ELEVATION.
        unsafe { (*buffer.as_ptr().cast::<TOKEN_ELEVATION>()).TokenIsElevated != 0 }
    })
}

/// The token of a process, to be asked.
pub(super) fn token_of_process(process_id: u32) -> io::Result<OwnedHandle> {
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
    Ok(unsafe { OwnedHandle::from_raw_handle(token.cast()) })
}

/// This thread acts as the client of a pipe as long as this value lives.
struct AsClient;

impl AsClient {
    fn of(pipe: HANDLE) -> io::Result<Self> {
        // SAFETY: the caller keeps the pipe open; the success is undone once, on the same thread.
        if unsafe { ImpersonateNamedPipeClient(pipe) } == 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(Self)
        }
    }
}

impl Drop for AsClient {
    fn drop(&mut self) {
        // SAFETY: no arguments; this thread acts as somebody else since `of`.
        if unsafe { RevertToSelf() } == 0 {
            // To go on in somebody else's name would be worse than to end.
            std::process::abort();
        }
    }
}

/// The token of whoever wrote last into a pipe of ours, to be asked. Something must have been read from it.
///
/// A client may forbid to be asked; it is refused then.
pub(super) fn token_of_client(pipe: RawHandle) -> io::Result<OwnedHandle> {
    let mut token: HANDLE = std::ptr::null_mut();
    let client = AsClient::of(pipe.cast())?;
    // SAFETY: the pseudo handle of this thread is always valid; `token` outlives the call. The process's own rights
    // count for the opening, as the client's token is only good for being asked.
    let opened = unsafe { OpenThreadToken(GetCurrentThread(), TOKEN_QUERY, 1, &raw mut token) };
    let error = io::Error::last_os_error();
    drop(client);
    if opened == 0 {
        return Err(error);
    }
    // SAFETY: just opened, owned by nobody else.
    Ok(unsafe { OwnedHandle::from_raw_handle(token.cast()) })
}

/// Eight-byte units: the structures inside hold pointers and need that alignment.
pub(super) fn information(
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

/// Every group of the token, also those that count for refusals only: the other half of an administrator's account
/// that is not elevated.
fn groups_of(token: &OwnedHandle) -> Vec<Vec<u8>> {
    let Ok(buffer) = information(token, TokenGroups) else {
        return Vec::new();
    };
    let groups = buffer.as_ptr().cast::<TOKEN_GROUPS>();
    // SAFETY: the system filled the buffer with a TOKEN_GROUPS of GroupCount rows, within the buffer.
    let rows = unsafe {
        std::slice::from_raw_parts(
            (&raw const (*groups).Groups).cast::<windows_sys::Win32::Security::SID_AND_ATTRIBUTES>(),
            (*groups).GroupCount as usize,
        )
    };
    rows.iter().take(MAX_GROUPS).map(|row| copy_of(row.Sid)).collect()
}

/// The bytes of a security identifier.
fn copy_of(sid: PSID) -> Vec<u8> {
    // SAFETY: the SID is valid; its length is what the system says of it.
    let length = unsafe { GetLengthSid(sid) } as usize;
    // SAFETY: a SID of that length begins there.
    unsafe { std::slice::from_raw_parts(sid.cast::<u8>(), length) }.to_vec()
}

/// The group of this machine's administrators.
pub(super) fn is_administrators(sid: &[u8]) -> bool {
    // S-1-5-32-544
    sid == [1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 32, 2, 0, 0]
}

/// The group of some domain's administrators.
pub(super) fn is_domain_admins(sid: &[u8]) -> bool {
    // S-1-5-21-x-y-z-512
    sid.len() == 28 && sid.starts_with(&[1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0]) && sid.ends_with(&[0, 2, 0, 0])
}

pub(super) fn same_sid(sid: PSID, kind: WELL_KNOWN_SID_TYPE) -> bool {
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
pub(super) fn account_name(sid: &[u8]) -> String {
    // Aligned as the system aligns them.
    let mut aligned = [0_u32; 17];
    if !(8..=aligned.len() * 4).contains(&sid.len()) {
        return "?".to_owned();
    }
    for (place, byte) in sid.iter().enumerate() {
        aligned[place / 4] |= u32::from(*byte) << (8 * (place % 4));
    }
    let sid: PSID = aligned.as_mut_ptr().cast();
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

/// The identifier as people write it, `S-1-5-…`; empty for none.
///
/// # Safety
/// `sid` is null or points to a valid identifier that stays while this runs.
pub(super) unsafe fn sid_text(sid: PSID) -> String {
    if sid.is_null() {
        return String::new();
    }
    let mut text: *mut u16 = std::ptr::null_mut();
    // SAFETY: the identifier is valid by the caller's promise; the system allocates the text, freed below.
    if unsafe { ConvertSidToStringSidW(sid, &raw mut text) } == 0 {
        return String::new();
    }
    // SAFETY: the system's text ends with a NUL.
    let owned = unsafe { from_pointer(text) };
    // SAFETY: allocated by the system for us, freed once.
    unsafe { LocalFree(text.cast()) };
    owned
}

/// The account behind an identifier as people write it; the identifier itself when nobody knows it.
pub(super) fn account_of_sid(text: &str) -> String {
    let name = wide(text);
    let mut sid: PSID = std::ptr::null_mut();
    // SAFETY: the text ends with a NUL; the system allocates the identifier, freed below.
    if unsafe { ConvertStringSidToSidW(name.as_ptr(), &raw mut sid) } == 0 {
        return text.to_owned();
    }
    let account = account_name(&copy_of(sid));
    // SAFETY: allocated by the system for us, freed once.
    unsafe { LocalFree(sid) };
    if account == "?" { text.to_owned() } else { account }
}

/// What this system's language calls the group of administrators, without a domain.
pub(super) fn administrators_name() -> Option<String> {
    let name = account_of_sid("S-1-5-32-544");
    let bare = name.rsplit('\\').next().unwrap_or(&name);
    (!bare.starts_with("S-1-")).then(|| bare.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_an_account() {
        assert!(!account_of_process(std::process::id()).unwrap().user.is_empty());
    }

    #[test]
    fn identifiers_are_written_and_read() {
        assert_eq!(account_of_sid("nonsense"), "nonsense");
        assert_eq!(account_of_sid("S-1-5-21-1-2-3-4"), "S-1-5-21-1-2-3-4");
        let everyone = account_of_sid("S-1-1-0");
        assert!(!everyone.starts_with("S-1-"), "{everyone}");
        assert!(administrators_name().is_some());
    }
}
