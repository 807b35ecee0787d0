//! Child programs in a job, so that all of them end together.
#![expect(unsafe_code, reason = "job objects")]

use std::io;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};

use tokio::process::{Child, Command};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation, SetInformationJobObject,
    TerminateJobObject,
};
use windows_sys::Win32::System::Threading::{CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW};

/// A program and everything that it started.
#[derive(Debug)]
pub struct GroupChild {
    /// The program itself.
    pub child: Child,
    /// Closing it ends what is inside, also when the agent itself dies.
    job: OwnedHandle,
}

/// Starts `command` inside a job of its own.
///
/// What the program starts in the instant before it is put into the job would be outside; the Python
/// child reads its job file first, so it starts nothing that early.
///
/// # Errors
/// When the program cannot be started or put into a job; it is ended then.
pub fn spawn_in_group(command: &mut Command) -> io::Result<GroupChild> {
    let job = new_job()?;
    let mut child = command
        .creation_flags(CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP)
        .kill_on_drop(true)
        .spawn()?;
    let process = child
        .raw_handle()
        .ok_or_else(|| io::Error::other("the program ended before it could be put into a job"))?;
    // SAFETY: both handles are open while this runs.
    let assigned = unsafe { AssignProcessToJobObject(job.as_raw_handle().cast(), process.cast()) };
    if assigned == 0 {
        let error = io::Error::last_os_error();
        child.start_kill().ok();
        return Err(error);
    }
    Ok(GroupChild { child, job })
}

fn new_job() -> io::Result<OwnedHandle> {
    // SAFETY: null means no name and the default access list; a null handle is the error.
    let job = unsafe { CreateJobObjectW(std::ptr::null(), std::ptr::null()) };
    if job.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just made, owned by nobody else.
    let job = unsafe { OwnedHandle::from_raw_handle(job.cast()) };
    let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
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
        Ok(job)
    }
}

impl GroupChild {
    /// Ends the program and everything that is in its job, at once. Does nothing a second time.
    pub fn kill_tree(&mut self) {
        // SAFETY: the job's handle is open as long as `self` lives.
        unsafe { TerminateJobObject(self.job.as_raw_handle().cast(), 1) };
        self.child.start_kill().ok();
    }
}

impl Drop for GroupChild {
    fn drop(&mut self) {
        self.kill_tree();
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    #[tokio::test]
    async fn killing_the_tree_ends_the_program() {
        let mut command = Command::new("cmd.exe");
        command
            .args(["/c", "ping -n 600 127.0.0.1 >NUL"])
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let mut group = spawn_in_group(&mut command).unwrap();
        group.kill_tree();
        let status = tokio::time::timeout(std::time::Duration::from_secs(20), group.child.wait())
            .await
            .expect("the program still runs")
            .unwrap();
        assert!(!status.success());
    }
}
