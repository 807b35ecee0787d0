//! Script processes in a job, so that all of them end together.
#![expect(unsafe_code, reason = "job objects, times and handles of processes")]

use std::io;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};
use std::os::windows::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::Arc;

use tokio::io::AsyncRead;
use tokio::process::{Child, Command};
use windows_sys::Win32::Foundation::{FILETIME, HANDLE, WAIT_OBJECT_0};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation, SetInformationJobObject,
    TerminateJobObject,
};
#[cfg(debug_assertions)]
use windows_sys::Win32::System::Threading::GetCurrentProcess;
use windows_sys::Win32::System::Threading::{
    CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW, GetExitCodeProcess, GetProcessTimes, INFINITE, OpenProcess,
    PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_TERMINATE, TerminateProcess, WaitForSingleObject,
};

/// Environment variable that marks a script and all that it starts.
pub(super) const MARK: &str = "MUSTER_SCRIPT";

/// A program and everything that it started.
#[derive(Debug)]
pub struct GroupChild {
    program: Program,
    /// Closing it ends what is inside, also when the agent itself dies.
    job: OwnedHandle,
    is_over: bool,
}

#[derive(Debug)]
enum Program {
    Own(Box<Child>),
    /// In a user's session; its pipes are read by threads of the pool.
    Foreign {
        process: Arc<OwnedHandle>,
        id: u32,
        output: Option<std::io::PipeReader>,
    },
}

/// Starts `command` inside a job of its own; it and all that it starts carry the mark.
///
/// What the program starts in the instant before it is put into the job would be outside; the Python
/// child reads its job file first, so it starts nothing that early.
///
/// # Errors
/// When the program cannot be started or put into a job; it is ended then.
pub fn spawn_in_group(command: &mut Command, mark: &str) -> io::Result<GroupChild> {
    let job = new_job()?;
    let mut child = command
        .env(MARK, mark)
        .creation_flags(CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP)
        .kill_on_drop(true)
        .spawn()?;
    let process = child
        .raw_handle()
        .ok_or_else(|| io::Error::other("the program ended before it could be put into a job"))?;
    if let Err(error) = assign(&job, process.cast()) {
        child.start_kill().ok();
        return Err(error);
    }
    Ok(GroupChild {
        program: Program::Own(Box::new(child)),
        job,
        is_over: false,
    })
}

/// A program that another way of starting made; it waits to be put into a job.
pub(super) fn group_of(process: OwnedHandle, id: u32, output: std::io::PipeReader) -> io::Result<GroupChild> {
    let job = new_job()?;
    if let Err(error) = assign(&job, process.as_raw_handle().cast()) {
        // SAFETY: the handle is open.
        unsafe { TerminateProcess(process.as_raw_handle().cast(), 1) };
        return Err(error);
    }
    Ok(GroupChild {
        program: Program::Foreign {
            process: Arc::new(process),
            id,
            output: Some(output),
        },
        job,
        is_over: false,
    })
}

fn assign(job: &OwnedHandle, process: HANDLE) -> io::Result<()> {
    // SAFETY: both handles are open while this runs.
    let assigned = unsafe { AssignProcessToJobObject(job.as_raw_handle().cast(), process) };
    if assigned == 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn new_job() -> io::Result<OwnedHandle> {
    // SAFETY: null means no name and the default access list; a null handle is the error.
    let job = unsafe { CreateJobObjectW(std::ptr::null(), std::ptr::null()) };
    if job.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just made, owned by nobody else.
    let job = unsafe { OwnedHandle::from_raw_handle(job.cast()) };
    limit(&job, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE)?;
    Ok(job)
}

fn limit(job: &OwnedHandle, flags: u32) -> io::Result<()> {
    let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
    limits.BasicLimitInformation.LimitFlags = flags;
    // SAFETY: the structure is the one that this class names, with its size, and outlives the call.
    let done = unsafe {
        SetInformationJobObject(
            job.as_raw_handle().cast(),
            JobObjectExtendedLimitInformation,
            (&raw const limits).cast(),
            u32::try_from(size_of::<JOBOBJECT_EXTENDED_LIMIT_INFORMATION>()).unwrap_or(0),
        )
    };
    if done == 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

impl GroupChild {
    /// Its number, until it was waited for.
    pub fn id(&self) -> Option<u32> {
        match &self.program {
            Program::Own(child) => child.id(),
            Program::Foreign { id, .. } => Some(*id),
        }
    }

    /// Its standard output and its standard error, those that are pipes; once.
    pub fn take_output(&mut self) -> Vec<Box<dyn AsyncRead + Send + Unpin>> {
        let mut streams: Vec<Box<dyn AsyncRead + Send + Unpin>> = Vec::new();
        match &mut self.program {
            Program::Own(child) => {
                if let Some(stdout) = child.stdout.take() {
                    streams.push(Box::new(stdout));
                }
                if let Some(stderr) = child.stderr.take() {
                    streams.push(Box::new(stderr));
                }
            }
            Program::Foreign { output, .. } => {
                if let Some(output) = output.take() {
                    let file = std::fs::File::from(OwnedHandle::from(output));
                    streams.push(Box::new(tokio::fs::File::from_std(file)));
                }
            }
        }
        streams
    }

    /// Waits for the program itself.
    ///
    /// # Errors
    /// When the system does not tell how it ended.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        match &mut self.program {
            Program::Own(child) => child.wait().await,
            Program::Foreign { process, .. } => {
                let process = process.clone();
                tokio::task::spawn_blocking(move || exit_of(&process))
                    .await
                    .map_err(io::Error::other)?
            }
        }
    }

    /// Ends the program and everything that is in its job, at once. Does nothing a second time.
    pub fn kill_tree(&mut self) {
        if self.is_over {
            return;
        }
        self.is_over = true;
        // SAFETY: the job's handle is open as long as `self` lives.
        unsafe { TerminateJobObject(self.job.as_raw_handle().cast(), 1) };
        if let Program::Own(child) = &mut self.program {
            child.start_kill().ok();
        }
    }

    /// The program did its work: what it left running may go on, as the second half of many uninstallers does.
    pub fn release(&mut self) {
        self.is_over = true;
        if let Err(error) = limit(&self.job, 0) {
            tracing::warn!(%error, "what a script left running ends with it");
        }
    }
}

impl Drop for GroupChild {
    fn drop(&mut self) {
        self.kill_tree();
    }
}

fn exit_of(process: &OwnedHandle) -> io::Result<ExitStatus> {
    let handle: HANDLE = process.as_raw_handle().cast();
    // SAFETY: the handle is open while this waits.
    let waited = unsafe { WaitForSingleObject(handle, INFINITE) };
    let mut code = 0_u32;
    // SAFETY: the handle is open, the number outlives the call.
    if waited != WAIT_OBJECT_0 || unsafe { GetExitCodeProcess(handle, &raw mut code) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(ExitStatus::from_raw(code))
}

/// When a process was born, in a form that no other process of this number ever has; `None` when it is gone.
pub fn birth_of(pid: u32) -> Option<String> {
    born(&open(pid, PROCESS_QUERY_LIMITED_INFORMATION)?)
}

/// Ends what an agent that was killed left of a script; gives how many processes that were.
///
/// The job ends with the agent that made it, so that normally nothing is left. `pid` counts only with this birth:
/// otherwise the number belongs to somebody else by now.
pub fn end_leftover(pid: u32, birth: &str, _mark: &str) -> usize {
    let Some(process) = open(pid, PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_TERMINATE) else {
        return 0;
    };
    if born(&process).as_deref() != Some(birth) {
        return 0;
    }
    // SAFETY: the handle is open.
    usize::from(unsafe { TerminateProcess(process.as_raw_handle().cast(), 1) } != 0)
}

fn open(pid: u32, rights: u32) -> Option<OwnedHandle> {
    if pid == 0 {
        return None;
    }
    // SAFETY: no pointers; a null handle is the error.
    let process = unsafe { OpenProcess(rights, 0, pid) };
    // SAFETY: just opened, owned by nobody else.
    (!process.is_null()).then(|| unsafe { OwnedHandle::from_raw_handle(process.cast()) })
}

fn born(process: &OwnedHandle) -> Option<String> {
    let (mut created, mut ended) = (FILETIME::default(), FILETIME::default());
    let (mut kernel, mut user) = (FILETIME::default(), FILETIME::default());
    // SAFETY: the handle is open, the four times outlive the call.
    let done = unsafe {
        GetProcessTimes(
            process.as_raw_handle().cast(),
            &raw mut created,
            &raw mut ended,
            &raw mut kernel,
            &raw mut user,
        )
    };
    (done != 0).then(|| format!("{:08x}{:08x}", created.dwHighDateTime, created.dwLowDateTime))
}

/// Ends this very process without a word, as a power cut would; for tests.
#[cfg(debug_assertions)]
pub fn die() -> ! {
    /// What shells say of a program that was killed.
    const KILLED: u32 = 137;
    // SAFETY: no pointers; the handle stands for this process. Unlike an abort nobody is told of an error.
    unsafe { TerminateProcess(GetCurrentProcess(), KILLED) };
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    fn waiting() -> GroupChild {
        let mut command = Command::new("cmd.exe");
        command
            .args(["/c", "ping -n 600 127.0.0.1 >NUL"])
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        spawn_in_group(&mut command, "mark").unwrap()
    }

    async fn ended(group: &mut GroupChild) -> ExitStatus {
        tokio::time::timeout(std::time::Duration::from_secs(20), group.wait())
            .await
            .expect("the program still runs")
            .unwrap()
    }

    #[tokio::test]
    async fn killing_the_tree_ends_the_program() {
        let mut group = waiting();
        group.kill_tree();
        assert!(!ended(&mut group).await.success());
    }

    #[tokio::test]
    async fn what_is_left_over_is_ended_only_when_it_is_the_same_process() {
        let mut group = waiting();
        let pid = group.id().unwrap();
        let birth = birth_of(pid).unwrap();
        assert_eq!(end_leftover(pid, "another", ""), 0);
        assert_eq!(birth_of(pid).as_deref(), Some(birth.as_str()));
        assert_eq!(end_leftover(pid, &birth, ""), 1);
        ended(&mut group).await;
    }
}
