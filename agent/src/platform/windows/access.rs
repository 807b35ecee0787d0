//! Access lists of files and pipes, and whose something is.
#![expect(unsafe_code, reason = "security descriptors")]

use std::io;
use std::os::windows::io::{AsRawHandle as _, OwnedHandle};
use std::path::Path;

use windows_sys::Win32::Foundation::{HANDLE, LocalFree};
use windows_sys::Win32::Security::Authorization::{
    ConvertSecurityDescriptorToStringSecurityDescriptorW,
    ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::{
    DACL_SECURITY_INFORMATION, EqualSid, GetFileSecurityW, GetKernelObjectSecurity,
    GetSecurityDescriptorOwner, OWNER_SECURITY_INFORMATION, PROTECTED_DACL_SECURITY_INFORMATION,
    PSECURITY_DESCRIPTOR, PSID, SECURITY_ATTRIBUTES, SetFileSecurityW, TOKEN_OWNER, TOKEN_USER, TokenOwner,
    TokenUser, WinBuiltinAdministratorsSid, WinLocalSystemSid,
};

use super::security::{information, is_elevated, same_sid, token_of_process, user_of_token};
use super::wide::{from_pointer, wide};

/// SYSTEM and administrators only, inherited by what is inside; nothing comes from the parent.
pub(super) const PRIVATE: &str = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)";

/// SYSTEM and administrators fully; every user of this machine may read, nobody else may change.
pub(super) const READABLE: &str = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FRFX;;;BU)";

/// What a client of the pipe needs: to read and write, attributes too, and to see whose the pipe is. The generic
/// right to write has one more, which for a pipe means: to make instances of it.
pub(super) const CONNECT: u32 = 0x0012_019b;

/// SYSTEM and administrators fully; not over the network. Everybody else is added below.
const PIPE: &str = "D:P(D;;GA;;;NU)(A;;GA;;;SY)(A;;GA;;;BA)";

/// The access list of the pipe: every authenticated user may connect and talk, and only SYSTEM, administrators and
/// the account that this process runs as may make further instances.
pub(super) fn pipe_access() -> io::Result<String> {
    let token = token_of_process(std::process::id())?;
    let own = user_of_token(&token)?;
    // An administrator's belongs to administrators, whoever owns what the account makes otherwise.
    let owner = if is_elevated(&token) { "O:BA" } else { "" };
    Ok(format!("{owner}{PIPE}(A;;GA;;;{own})(A;;{CONNECT:#x};;;AU)"))
}

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
    set_access(path, PRIVATE)
}

/// Sets the access list of a file or folder.
pub(super) fn set_access(path: &Path, sddl: &str) -> io::Result<()> {
    let descriptor = Descriptor::parse(sddl)?;
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

/// Whether the access list of a file or folder is this one, and nothing comes from its parent.
pub(super) fn has_access(path: &Path, sddl: &str) -> io::Result<bool> {
    let mut buffer = vec![0_u64; 8 * 1024];
    let length = u32::try_from(buffer.len() * 8).unwrap_or(0);
    let (name, mut needed) = (wide(path), 0_u32);
    // SAFETY: the name ends with a NUL; the buffer has the length given; all outlive the call.
    let done = unsafe {
        GetFileSecurityW(
            name.as_ptr(),
            DACL_SECURITY_INFORMATION,
            buffer.as_mut_ptr().cast(),
            length,
            &raw mut needed,
        )
    };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    let mut text: *mut u16 = std::ptr::null_mut();
    // SAFETY: the buffer holds the descriptor that was just made; the system allocates the text, freed below.
    let done = unsafe {
        ConvertSecurityDescriptorToStringSecurityDescriptorW(
            buffer.as_mut_ptr().cast(),
            SDDL_REVISION_1,
            DACL_SECURITY_INFORMATION,
            &raw mut text,
            std::ptr::null_mut(),
        )
    };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the system's text ends with a NUL.
    let found = unsafe { from_pointer(text) };
    // SAFETY: allocated by the system for us, freed once.
    unsafe { LocalFree(text.cast()) };
    Ok(is_same_list(&found, sddl))
}

/// The entries are the same, and both lists are closed to what a parent hands down. The other marks of a list only say
/// how it came about.
fn is_same_list(one: &str, other: &str) -> bool {
    let parts = |text: &str| {
        let list = text.strip_prefix("D:")?;
        let (marks, entries) = list.split_at(list.find('(')?);
        marks.contains('P').then(|| entries.to_owned())
    };
    parts(one).is_some() && parts(one) == parts(other)
}

/// Something that has an owner.
enum Object<'a> {
    /// A file or folder.
    Path(&'a Path),
    /// A pipe that is open with the right to look at its owner.
    Pipe(&'a OwnedHandle),
}

/// Whom something belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// SYSTEM or the group of administrators.
    Administrators,
    /// The account of this very process.
    Own,
    /// Who owns what this very process makes, where that is not its account.
    OfOurs,
    Other,
}

/// Whether it belongs to SYSTEM, to administrators or to this very process's account. Whoever owns a file may open
/// it to anybody again, whatever its access list says.
pub(super) fn is_owned_by_us(path: &Path) -> io::Result<bool> {
    owner_of(Object::Path(path)).map(|owner| owner != Owner::Other)
}

/// Whether a pipe was made by SYSTEM or an administrator: whoever makes one owns it, and nobody can give it to
/// another account. A process without an administrator's rights also trusts its own account; one with them does not,
/// because that account has processes without them.
pub(super) fn is_pipe_of_administrators(pipe: &OwnedHandle) -> io::Result<bool> {
    Ok(match owner_of(Object::Pipe(pipe))? {
        Owner::Administrators | Owner::OfOurs => true,
        Owner::Own => !is_elevated(&token_of_process(std::process::id())?),
        Owner::Other => false,
    })
}

fn owner_of(object: Object<'_>) -> io::Result<Owner> {
    // Eight-byte units: a descriptor holds identifiers, which need alignment. None is larger.
    let mut buffer = vec![0_u64; 8 * 1024];
    let length = u32::try_from(buffer.len() * 8).unwrap_or(0);
    let mut needed = 0_u32;
    let (wanted, place) = (OWNER_SECURITY_INFORMATION, buffer.as_mut_ptr().cast());
    let done = match object {
        Object::Path(path) => {
            let name = wide(path);
            // SAFETY: the name ends with a NUL; the buffer has the length given; all outlive the call.
            unsafe { GetFileSecurityW(name.as_ptr(), wanted, place, length, &raw mut needed) }
        }
        Object::Pipe(handle) => {
            let handle: HANDLE = handle.as_raw_handle().cast();
            // SAFETY: the handle is open; the buffer has the length given; both outlive the call.
            unsafe { GetKernelObjectSecurity(handle, wanted, place, length, &raw mut needed) }
        }
    };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    let (mut owner, mut defaulted): (PSID, i32) = (std::ptr::null_mut(), 0);
    // SAFETY: the buffer holds the descriptor that was just made; the results outlive the call.
    let done =
        unsafe { GetSecurityDescriptorOwner(buffer.as_mut_ptr().cast(), &raw mut owner, &raw mut defaulted) };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    if owner.is_null() {
        return Ok(Owner::Other);
    }
    if same_sid(owner, WinLocalSystemSid) || same_sid(owner, WinBuiltinAdministratorsSid) {
        return Ok(Owner::Administrators);
    }
    let token = token_of_process(std::process::id())?;
    let user = information(&token, TokenUser)?;
    // SAFETY: the system filled the buffer with a TOKEN_USER, whose SID points into the same buffer; the owner
    // points into the descriptor.
    if unsafe { EqualSid(owner, (*user.as_ptr().cast::<TOKEN_USER>()).User.Sid) } != 0 {
        return Ok(Owner::Own);
    }
    let default = information(&token, TokenOwner)?;
    // SAFETY: the same with a TOKEN_OWNER.
    let is_default = unsafe { EqualSid(owner, (*default.as_ptr().cast::<TOKEN_OWNER>()).Owner) } != 0;
    Ok(if is_default { Owner::OfOurs } else { Owner::Other })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_may_connect_to_the_pipe_and_make_none_of_its_instances() {
        use windows_sys::Win32::Storage::FileSystem::{
            FILE_CREATE_PIPE_INSTANCE, FILE_READ_DATA, FILE_WRITE_DATA, READ_CONTROL, SYNCHRONIZE,
        };
        let needed = FILE_READ_DATA | FILE_WRITE_DATA | READ_CONTROL | SYNCHRONIZE;
        assert_eq!(CONNECT & needed, needed);
        assert_eq!(CONNECT & FILE_CREATE_PIPE_INSTANCE, 0);
        let list = pipe_access().unwrap();
        assert!(list.ends_with("(A;;0x12019b;;;AU)"), "{list}");
        assert!(list.contains("D:P(D;;GA;;;NU)"), "{list}");
    }

    #[test]
    fn access_lists_are_compared_by_what_they_allow() {
        assert!(is_same_list("D:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)", PRIVATE));
        assert!(!is_same_list("D:AI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)", PRIVATE));
        assert!(!is_same_list(
            "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FR;;;BU)",
            PRIVATE
        ));
        assert!(!is_same_list("D:P", PRIVATE) && !is_same_list("", PRIVATE));
    }

    #[test]
    fn what_this_process_makes_is_its_own() {
        let place = tempfile::tempdir().unwrap();
        assert!(is_owned_by_us(place.path()).unwrap());
    }

    #[test]
    fn the_access_lists_are_such() {
        Descriptor::parse(PRIVATE).unwrap();
        Descriptor::parse(READABLE).unwrap();
        Descriptor::parse(&pipe_access().unwrap()).unwrap();
        assert!(Descriptor::parse("nonsense").is_err());
    }
}
