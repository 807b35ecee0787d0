//! Replacing the agent's own program, and ending and starting its service from outside of it.

use std::ffi::OsStr;
use std::io;
use std::os::windows::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::Instant;
use windows_service::service::{Service, ServiceAccess, ServiceState};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};
use windows_sys::Win32::System::Threading::{
    CREATE_BREAKAWAY_FROM_JOB, CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW,
};

pub use super::boot_watch::{watch_at_boot, watch_at_boot_no_more};
use super::service::NAME;

/// The program's file name.
pub const PROGRAM: &str = "muster-agent.exe";

/// A program that does not run is replaced in one step, so that no reset finds none in its place.
pub const STOPS_FIRST: bool = true;

/// How long the service may take to stop before its process is ended.
const END_PATIENCE: Duration = Duration::from_mins(3);

/// How long an installer may work.
const INSTALL_PATIENCE: Duration = Duration::from_mins(10);

/// The program that runs.
///
/// # Errors
/// When the system does not tell.
pub fn own_program() -> io::Result<PathBuf> {
    std::env::current_exe()
}

/// The file that this process runs; the service is ended before another one takes its place.
pub fn running_image() -> PathBuf {
    std::env::current_exe().unwrap_or_default()
}

/// Nothing to do: Windows goes by the file's ending.
///
/// # Errors
/// Never on this system.
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Linux")]
pub fn make_executable(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Whether the installer put this program here: its uninstaller lies beside it.
pub fn was_installed_by_package() -> bool {
    own_program().is_ok_and(|program| program.with_file_name("uninstall.exe").is_file())
}

/// Puts a copy of `with` into the place of `program`: in one step unless it runs. A program that runs cannot be
/// overwritten, but renamed; what was renamed goes with the next replacement.
///
/// # Errors
/// When the files cannot be written or renamed; the old program is in place then.
pub fn replace_program(with: &Path, program: &Path) -> io::Result<()> {
    let beside = |ending: &str| {
        let mut name = program.file_name().unwrap_or_default().to_owned();
        name.push(ending);
        program.with_file_name(name)
    };
    let draft = beside(".new");
    fs_err::copy(with, &draft)?;
    fs_err::OpenOptions::new().write(true).open(&draft)?.sync_all()?;
    if fs_err::rename(&draft, program).is_ok() {
        return Ok(());
    }
    for number in 0..100 {
        // One of an earlier replacement may still run; its name is not free then.
        let old = beside(&format!(".old{number}"));
        fs_err::remove_file(&old).ok();
        if old.exists() {
            continue;
        }
        if program.exists() {
            fs_err::rename(program, &old)?;
        }
        return fs_err::rename(&draft, program).inspect_err(|_error| {
            fs_err::rename(&old, program).ok();
        });
    }
    Err(io::Error::other("too many earlier programs still run"))
}

/// Takes the program out of the installer without installing it.
///
/// # Errors
/// Why it is not there.
pub async fn unpack_installer(file: &Path, program: &Path) -> Result<(), String> {
    let folder = program
        .parent()
        .ok_or_else(|| "it has no folder".to_owned())?
        .join("unpacked");
    run(file, &format!("/S /UNPACK=\"{}\"", folder.display())).await?;
    let moved = fs_err::rename(folder.join(PROGRAM), program).map_err(|error| error.to_string());
    fs_err::remove_dir_all(&folder).ok();
    moved
}

/// Runs the installer over what is installed.
///
/// # Errors
/// How it ended.
pub async fn run_installer(file: &Path) -> Result<(), String> {
    run(file, "/S").await
}

async fn run(file: &Path, arguments: &str) -> Result<(), String> {
    let mut command = Command::new(file);
    // NSIS reads its own quoting, which is not that of other programs.
    command
        .raw_arg(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    match tokio::time::timeout(INSTALL_PATIENCE, command.status()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(format!("it ended with {status}")),
        Ok(Err(error)) => Err(format!("it cannot be started: {error}")),
        Err(_elapsed) => Err("it did not end".to_owned()),
    }
}

/// Starts the watchdog outside of the service's job, if that has one.
///
/// # Errors
/// When it cannot be started.
pub fn spawn_watchdog(program: &Path, root: Option<&Path>, log: &Path) -> io::Result<()> {
    let spawn = |flags: u32| -> io::Result<()> {
        let file = fs_err::OpenOptions::new().create(true).append(true).open(log)?;
        let (file, _path) = file.into_parts();
        let mut command = std::process::Command::new(program);
        command.args([OsStr::new("self-upgrade"), OsStr::new("--watch")]);
        if let Some(root) = root {
            command.arg("--root").arg(root);
        }
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .creation_flags(flags)
            .spawn()
            .map(|_child| ())
    };
    let flags = CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW;
    // A job that does not let go refuses the flag.
    spawn(flags | CREATE_BREAKAWAY_FROM_JOB).or_else(|_error| spawn(flags))
}

/// Ends the service and starts it again.
///
/// # Errors
/// When it is not installed or the service manager refuses.
pub async fn restart_service(program: &Path, root: Option<&Path>, _log: &Path) -> io::Result<()> {
    stop_service(program, root).await?;
    let service = open(ServiceAccess::START | ServiceAccess::QUERY_STATUS)?;
    // The installer may have started it.
    if state(&service)?.0 != ServiceState::Stopped {
        return Ok(());
    }
    service.start::<&OsStr>(&[]).map_err(into_io)
}

/// Ends the service; its process too when it does not end by itself.
///
/// # Errors
/// When it is not installed or the service manager refuses.
pub async fn stop_service(_program: &Path, _root: Option<&Path>) -> io::Result<()> {
    let service = open(ServiceAccess::STOP | ServiceAccess::QUERY_STATUS)?;
    if state(&service)?.0 == ServiceState::Stopped {
        return Ok(());
    }
    // One that hangs does not take the order; its process is ended below.
    service.stop().ok();
    let deadline = Instant::now() + END_PATIENCE;
    loop {
        match state(&service)? {
            (ServiceState::Stopped, _) => return Ok(()),
            (_, Some(id)) if Instant::now() >= deadline => {
                let id = id.to_string();
                let arguments = ["/F", "/T", "/PID", id.as_str()];
                let ended =
                    crate::platform::ask("taskkill.exe", &arguments, Duration::from_secs(30), 64 * 1024);
                return ended.await.map(|_output| ()).map_err(io::Error::other);
            }
            _ => tokio::time::sleep(Duration::from_millis(500)).await,
        }
    }
}

fn open(access: ServiceAccess) -> io::Result<Service> {
    ServiceManager::local_computer(None::<&str>, ServiceManagerAccess::CONNECT)
        .and_then(|manager| manager.open_service(NAME, access))
        .map_err(into_io)
}

fn state(service: &Service) -> io::Result<(ServiceState, Option<u32>)> {
    let status = service.query_status().map_err(into_io)?;
    Ok((status.current_state, status.process_id))
}

fn into_io(error: windows_service::Error) -> io::Error {
    match error {
        windows_service::Error::Winapi(error) => error,
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_not_run_is_replaced_in_one_step() {
        let place = tempfile::tempdir().unwrap();
        let (program, new) = (place.path().join("muster-agent.exe"), place.path().join("x"));
        fs_err::write(&program, "old").unwrap();
        fs_err::write(&new, "new").unwrap();
        replace_program(&new, &program).unwrap();
        assert_eq!(fs_err::read_to_string(&program).unwrap(), "new");
        // Nobody has it open: nothing is left of the one before.
        replace_program(&new, &program).unwrap();
        assert_eq!(fs_err::read_dir(place.path()).unwrap().count(), 2);
    }
}
