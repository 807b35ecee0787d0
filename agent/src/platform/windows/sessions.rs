//! People's accounts, and programs that run in their sessions with their token, profile and variables.
//!
//! Only SYSTEM may take the token of a session; everybody else gets the system's own refusal.
#![expect(unsafe_code, reason = "tokens of sessions, and processes that run with them")]

use std::io;
use std::os::windows::ffi::OsStrExt as _;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};
use std::path::{Path, PathBuf};

use tokio::process::Command;
use windows_sys::Win32::Foundation::{HANDLE, HANDLE_FLAG_INHERIT, SetHandleInformation};
use windows_sys::Win32::Security::{DuplicateTokenEx, SecurityImpersonation, TOKEN_ALL_ACCESS, TokenPrimary};
use windows_sys::Win32::System::Environment::{CreateEnvironmentBlock, DestroyEnvironmentBlock};
use windows_sys::Win32::System::RemoteDesktop::WTSQueryUserToken;
use windows_sys::Win32::System::Threading::{
    CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW, CREATE_SUSPENDED, CREATE_UNICODE_ENVIRONMENT,
    CreateProcessAsUserW, DeleteProcThreadAttributeList, EXTENDED_STARTUPINFO_PRESENT,
    InitializeProcThreadAttributeList, LPPROC_THREAD_ATTRIBUTE_LIST, PROC_THREAD_ATTRIBUTE_HANDLE_LIST,
    PROCESS_INFORMATION, ResumeThread, STARTF_USESTDHANDLES, STARTUPINFOEXW, UpdateProcThreadAttribute,
};

use super::process::{GroupChild, MARK, group_of};
use super::users::open_sessions;
use super::wide::wide;
use super::{access, security};
use crate::platform::command_line::command_line;

/// Accounts that sit in front of no screen, whatever their sessions look like.
const SYSTEM_ACCOUNTS: [&str; 4] = ["SYSTEM", "LOCAL SERVICE", "NETWORK SERVICE", "ANONYMOUS LOGON"];

/// Domains of the window manager's and the font driver's own accounts.
const SYSTEM_DOMAINS: [&str; 4] = ["NT AUTHORITY", "NT SERVICE", "WINDOW MANAGER", "FONT DRIVER HOST"];

/// An account with an open session, or the one that this process runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// `DOMAIN\name`.
    name: String,
    /// Its session; `None` when it has none.
    session: Option<u32>,
    is_own: bool,
    home: PathBuf,
}

/// The account of this name, with or without its domain; `None` when it neither has a session nor runs this.
pub async fn find_account(name: &str) -> Option<Account> {
    let matches = |full: &str| {
        full.eq_ignore_ascii_case(name)
            || full
                .rsplit('\\')
                .next()
                .is_some_and(|bare| bare.eq_ignore_ascii_case(name))
    };
    let own = own_account().await.filter(|own| matches(&own.name));
    if own.is_some() {
        return own;
    }
    let (session, name) = open_sessions()
        .into_iter()
        .find(|(_session, name)| matches(name))?;
    Some(Account {
        name,
        session: Some(session),
        is_own: false,
        home: PathBuf::new(),
    })
}

/// The account of a session; `None` when nobody is logged in there.
pub(super) fn account_of_session(number: u32) -> Option<Account> {
    let (session, name) = open_sessions()
        .into_iter()
        .find(|(session, _name)| *session == number)?;
    Some(Account {
        name,
        session: Some(session),
        is_own: false,
        home: PathBuf::new(),
    })
}

/// The account that this process runs as.
pub async fn own_account() -> Option<Account> {
    let peer = security::account_of_process(std::process::id()).ok()?;
    Some(Account {
        name: peer.user,
        session: None,
        is_own: true,
        home: std::env::var_os("USERPROFILE")
            .map(PathBuf::from)
            .unwrap_or_default(),
    })
}

impl Account {
    /// The name as the system writes it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The groups that it is a member of; its token has them, nobody asks for their names here.
    #[expect(clippy::unused_self, reason = "the same name as on the other platform")]
    pub fn groups(&self) -> &[String] {
        &[]
    }

    /// It is the account that this process runs as.
    pub fn is_own(&self) -> bool {
        self.is_own
    }

    /// Why nobody sits in front of its sessions; `None` for accounts of people.
    pub fn refusal(&self) -> Option<String> {
        is_system(&self.name).then(|| format!("{} is a system account", self.name))
    }

    /// Windows has none.
    #[expect(clippy::unused_self, reason = "the same name as on the other platform")]
    pub fn umask(&self) -> Option<u32> {
        None
    }

    /// Where its programs begin; empty when its variables say it.
    pub fn home(&self) -> &Path {
        &self.home
    }
}

fn is_system(name: &str) -> bool {
    let (domain, bare) = name.rsplit_once('\\').unwrap_or(("", name));
    SYSTEM_ACCOUNTS
        .iter()
        .any(|known| bare.eq_ignore_ascii_case(known))
        || SYSTEM_DOMAINS
            .iter()
            .any(|known| domain.eq_ignore_ascii_case(known))
}

/// Starts a program in the account's session, in a job of its own, with the variables of its profile.
///
/// # Errors
/// When it has no session, or the system does not give its token: only SYSTEM gets it.
pub fn spawn_as(account: &Account, command: &Command, mark: &str) -> io::Result<GroupChild> {
    let session = account.session.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            format!("{} has no open session", account.name),
        )
    })?;
    let token = primary_token(session)?;
    let environment = environment_of(&token, mark)?;
    let (reader, writer) = std::io::pipe()?;
    let writer = OwnedHandle::from(writer);
    let output: HANDLE = writer.as_raw_handle().cast();
    // SAFETY: the handle is open.
    if unsafe { SetHandleInformation(output, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT) } == 0 {
        return Err(io::Error::last_os_error());
    }
    let mut inherited = [output];
    let mut list = HandleList::of(&mut inherited)?;
    let mut startup = STARTUPINFOEXW::default();
    startup.StartupInfo.cb = u32::try_from(size_of::<STARTUPINFOEXW>()).unwrap_or(0);
    startup.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
    startup.StartupInfo.hStdOutput = output;
    startup.StartupInfo.hStdError = output;
    startup.lpAttributeList = list.pointer();
    let mut desktop = wide("winsta0\\default");
    startup.StartupInfo.lpDesktop = desktop.as_mut_ptr();
    let program = wide(command.as_std().get_program());
    let mut line = line_of(command)?;
    let folder = wide(std::env::var_os("SystemRoot").unwrap_or_else(|| "C:\\".into()));
    let mut started = PROCESS_INFORMATION::default();
    // SAFETY: all texts end with a NUL and, with the structures and handles, outlive the call; only the handle of
    // the list is inherited; the environment is a block of UTF-16, as the flag says.
    let done = unsafe {
        CreateProcessAsUserW(
            token.as_raw_handle().cast(),
            program.as_ptr(),
            line.as_mut_ptr(),
            std::ptr::null(),
            std::ptr::null(),
            1,
            CREATE_SUSPENDED
                | CREATE_NO_WINDOW
                | CREATE_NEW_PROCESS_GROUP
                | CREATE_UNICODE_ENVIRONMENT
                | EXTENDED_STARTUPINFO_PRESENT,
            environment.as_ptr().cast(),
            folder.as_ptr(),
            (&raw const startup).cast(),
            &raw mut started,
        )
    };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: both were just made and are owned by nobody else.
    let (process, thread) = unsafe {
        (
            OwnedHandle::from_raw_handle(started.hProcess.cast()),
            OwnedHandle::from_raw_handle(started.hThread.cast()),
        )
    };
    let group = group_of(process, started.dwProcessId, reader)?;
    // In its job now: it may begin.
    // SAFETY: the handle is open.
    unsafe { ResumeThread(thread.as_raw_handle().cast()) };
    Ok(group)
}

fn primary_token(session: u32) -> io::Result<OwnedHandle> {
    let mut token: HANDLE = std::ptr::null_mut();
    // SAFETY: the handle outlives the call.
    if unsafe { WTSQueryUserToken(session, &raw mut token) } == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, owned by nobody else.
    let token = unsafe { OwnedHandle::from_raw_handle(token.cast()) };
    let mut primary: HANDLE = std::ptr::null_mut();
    // SAFETY: the token is open; null means the default access list; the handle outlives the call.
    let done = unsafe {
        DuplicateTokenEx(
            token.as_raw_handle().cast(),
            TOKEN_ALL_ACCESS,
            std::ptr::null(),
            SecurityImpersonation,
            TokenPrimary,
            &raw mut primary,
        )
    };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just made, owned by nobody else.
    Ok(unsafe { OwnedHandle::from_raw_handle(primary.cast()) })
}

/// The variables of the user's profile, with the mark, as a block.
fn environment_of(token: &OwnedHandle, mark: &str) -> io::Result<Vec<u16>> {
    let mut block: *mut core::ffi::c_void = std::ptr::null_mut();
    // SAFETY: the token is open; the block outlives the call and is freed below.
    if unsafe { CreateEnvironmentBlock(&raw mut block, token.as_raw_handle().cast(), 0) } == 0 {
        return Err(io::Error::last_os_error());
    }
    let mut variables = Vec::new();
    let mut position = block.cast::<u16>().cast_const();
    loop {
        // SAFETY: the system's block is texts that each end with a NUL, and ends with an empty one; this reads up
        // to there and not further.
        let unit = unsafe { *position };
        if unit == 0 && variables.last().is_none_or(|last| *last == 0) {
            break;
        }
        variables.push(unit);
        // SAFETY: not past the empty text, as above.
        position = unsafe { position.add(1) };
    }
    // SAFETY: made by the system for us, freed once.
    unsafe { DestroyEnvironmentBlock(block) };
    variables.extend(wide(format!("{MARK}={mark}")));
    variables.push(0);
    Ok(variables)
}

/// Program and arguments as one line.
fn line_of(command: &Command) -> io::Result<Vec<u16>> {
    let inner = command.as_std();
    let parts: Vec<Vec<u16>> = std::iter::once(inner.get_program())
        .chain(inner.get_args())
        .map(|part| part.encode_wide().collect())
        .collect();
    command_line(parts.iter().map(Vec::as_slice))
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

/// The list of the handles that a new process inherits.
struct HandleList {
    memory: Vec<u64>,
}

impl HandleList {
    fn of(handles: &mut [HANDLE]) -> io::Result<Self> {
        let mut bytes = 0_usize;
        // SAFETY: null only asks for the size.
        unsafe { InitializeProcThreadAttributeList(std::ptr::null_mut(), 1, 0, &raw mut bytes) };
        let mut memory = vec![0_u64; bytes.div_ceil(8).max(1)];
        // SAFETY: the memory has the size that was asked for, and stays where it is when the vector moves.
        let done =
            unsafe { InitializeProcThreadAttributeList(memory.as_mut_ptr().cast(), 1, 0, &raw mut bytes) };
        if done == 0 {
            return Err(io::Error::last_os_error());
        }
        let mut list = Self { memory };
        // SAFETY: the list is initialised; the caller keeps the handles as long as it uses the list.
        let done = unsafe {
            UpdateProcThreadAttribute(
                list.pointer(),
                0,
                PROC_THREAD_ATTRIBUTE_HANDLE_LIST as usize,
                handles.as_mut_ptr().cast_const().cast(),
                size_of_val(handles),
                std::ptr::null_mut(),
                std::ptr::null(),
            )
        };
        if done == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(list)
    }

    fn pointer(&mut self) -> LPPROC_THREAD_ATTRIBUTE_LIST {
        self.memory.as_mut_ptr().cast()
    }
}

impl Drop for HandleList {
    fn drop(&mut self) {
        // SAFETY: initialised in `of`.
        unsafe { DeleteProcThreadAttributeList(self.pointer()) };
    }
}

/// Makes a folder that everybody may read and only administrators may change.
///
/// # Errors
/// When it cannot be made, or something else has its name.
pub fn make_passage(folder: &Path) -> io::Result<()> {
    super::private::lock_down_dir(folder)?;
    open_to_all(folder)
}

/// Lets everybody read what is in a folder.
///
/// # Errors
/// When the access list cannot be set.
pub fn open_to_all(folder: &Path) -> io::Result<()> {
    set_all(folder, access::READABLE)
}

/// Lets the account read and change a folder and what is in it, besides administrators.
///
/// # Errors
/// When the access list cannot be set.
pub fn give_to(folder: &Path, account: &Account) -> io::Result<()> {
    let session = account
        .session
        .ok_or_else(|| io::Error::other(format!("{} has no open session", account.name)))?;
    let sid = security::user_of_token(&primary_token(session)?)?;
    set_all(folder, &format!("{}(A;OICI;FA;;;{sid})", access::PRIVATE))
}

/// What is already inside does not inherit by itself.
fn set_all(folder: &Path, sddl: &str) -> io::Result<()> {
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            set_all(&entry.path(), sddl)?;
        } else {
            access::set_access(&entry.path(), sddl)?;
        }
    }
    access::set_access(folder, sddl)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_of_the_system_are_no_people() {
        for name in [
            "NT AUTHORITY\\SYSTEM",
            "Window Manager\\DWM-1",
            "Font Driver Host\\UMFD-0",
            "system",
        ] {
            assert!(is_system(name), "{name}");
        }
        assert!(!is_system("CORP\\ann") && !is_system("ann"));
    }

    #[test]
    fn every_part_of_a_command_line_is_quoted() {
        let mut command = Command::new("C:\\Program Files\\python.exe");
        command.args(["-I", "C:\\a b\\job.json"]);
        let line = String::from_utf16(&line_of(&command).unwrap()).unwrap();
        assert_eq!(
            line,
            "\"C:\\Program Files\\python.exe\" \"-I\" \"C:\\a b\\job.json\"\0"
        );
    }
}
