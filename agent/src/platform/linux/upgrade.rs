//! Replacing the agent's own program, and ending and starting its service from outside of it.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::process::Command;
use tokio::time::Instant;

use super::service::NAME;
use crate::platform::ask;

/// The program's file name.
pub const PROGRAM: &str = "muster-agent";

/// A program that runs can be replaced: the service need not be ended before.
pub const STOPS_FIRST: bool = false;

/// Where the Debian package puts the program.
const PACKAGED: &str = "/usr/bin/muster-agent";

/// How long a service that was told to end may take before it is killed.
const END_PATIENCE: Duration = Duration::from_secs(40);

/// Without systemd: how long whoever keeps the service running may take to start it again.
const START_PATIENCE: Duration = Duration::from_secs(6);

/// How long an installer may wait for another one's lock, and then work.
const INSTALL_PATIENCE: Duration = Duration::from_mins(10);

/// The program that runs, under the name that it would be started by again.
///
/// # Errors
/// When the system does not tell.
pub fn own_program() -> io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    // A program that was replaced while it runs is shown so.
    let text = path.to_string_lossy();
    Ok(text
        .strip_suffix(" (deleted)")
        .map_or_else(|| path.clone(), PathBuf::from))
}

/// The file that this process runs, whatever lies in its place by now.
pub fn running_image() -> PathBuf {
    PathBuf::from("/proc/self/exe")
}

/// Lets the owner run a file.
///
/// # Errors
/// When its rights cannot be set.
pub fn make_executable(path: &Path) -> io::Result<()> {
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o700))
}

/// Whether dpkg knows this program.
pub fn was_installed_by_package() -> bool {
    own_program().is_ok_and(|program| program == Path::new(PACKAGED))
        && Path::new("/var/lib/dpkg/info/muster-agent.list").is_file()
}

/// Puts a copy of `with` into the place of `program` in one rename; what runs goes on with the old file.
///
/// # Errors
/// When the copy cannot be written beside the program or renamed to it.
pub fn replace_program(with: &Path, program: &Path) -> io::Result<()> {
    let mut name = program.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let draft = program.with_file_name(name);
    fs_err::copy(with, &draft)?;
    fs_err::set_permissions(&draft, std::fs::Permissions::from_mode(0o755))?;
    fs_err::File::open(&draft)?.sync_all()?;
    fs_err::rename(&draft, program)?;
    if let Some(folder) = program.parent() {
        fs_err::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Takes the program out of a Debian package without installing it.
///
/// # Errors
/// Why it is not there.
pub async fn unpack_installer(file: &Path, program: &Path) -> Result<(), String> {
    let folder = program
        .parent()
        .ok_or_else(|| "it has no folder".to_owned())?
        .join("unpacked");
    let arguments = ["--extract".as_ref(), file.as_os_str(), folder.as_os_str()];
    run("dpkg-deb", &arguments).await?;
    let inside = folder.join(PACKAGED.trim_start_matches('/'));
    let moved = fs_err::rename(&inside, program).map_err(|error| error.to_string());
    fs_err::remove_dir_all(&folder).ok();
    moved
}

/// Installs a Debian package; the configuration that administrators changed stays.
///
/// # Errors
/// What dpkg says.
pub async fn run_installer(file: &Path) -> Result<(), String> {
    let arguments = [
        "--force-confdef".as_ref(),
        "--force-confold".as_ref(),
        "--install".as_ref(),
        file.as_os_str(),
    ];
    let deadline = Instant::now() + INSTALL_PATIENCE;
    loop {
        match run("dpkg", &arguments).await {
            Err(said) if said.contains("lock") && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
            other => return other,
        }
    }
}

async fn run(program: &str, arguments: &[&std::ffi::OsStr]) -> Result<(), String> {
    let output = Command::new(program)
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    match tokio::time::timeout(INSTALL_PATIENCE, output).await {
        Ok(Ok(output)) if output.status.success() => Ok(()),
        Ok(Ok(output)) => Err(format!(
            "{program} ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        )),
        Ok(Err(error)) => Err(format!("{program} cannot be started: {error}")),
        Err(_elapsed) => Err(format!("{program} did not end")),
    }
}

/// systemd runs here and the agent owns the machine.
fn is_managed(root: Option<&Path>) -> bool {
    root.is_none() && Path::new("/run/systemd/system").is_dir()
}

/// Starts the watchdog so that it outlives the service: as a unit of its own under systemd, which ends everything
/// that is left in the service's own.
///
/// # Errors
/// When it cannot be started.
pub fn spawn_watchdog(program: &Path, root: Option<&Path>, log: &Path) -> io::Result<()> {
    let mut command = if is_managed(root) {
        let mut command = std::process::Command::new("systemd-run");
        command.args(["--quiet", "--collect", "--property=TimeoutStopSec=900"]);
        command.arg("--").arg(program);
        command
    } else {
        std::process::Command::new(program)
    };
    command.args(["self-upgrade", "--watch"]);
    if let Some(root) = root {
        command.arg("--root").arg(root);
    }
    detached(&mut command, log)
}

/// A process group of its own, and nothing of this one's inputs and outputs.
fn detached(command: &mut std::process::Command, log: &Path) -> io::Result<()> {
    use std::os::unix::process::CommandExt as _;
    let file = fs_err::OpenOptions::new().create(true).append(true).open(log)?;
    let (file, _path) = file.into_parts();
    command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .process_group(0)
        .spawn()
        .map(|_child| ())
}

/// Nothing: the service's unit starts the watchdog before it starts the service.
///
/// # Errors
/// Never on this system.
#[expect(clippy::unused_async, reason = "the same signature as on Windows")]
pub async fn watch_at_boot(_program: &Path, _root: Option<&Path>) -> io::Result<()> {
    Ok(())
}

/// Nothing, see [`watch_at_boot`].
///
/// # Errors
/// Never on this system.
#[expect(clippy::unused_async, reason = "the same signature as on Windows")]
pub async fn watch_at_boot_no_more(_root: Option<&Path>) -> io::Result<()> {
    Ok(())
}

/// Ends the service and starts it again.
///
/// # Errors
/// When systemd refuses, or the program cannot be started.
pub async fn restart_service(program: &Path, root: Option<&Path>, log: &Path) -> io::Result<()> {
    if is_managed(root) {
        // After a series of failed starts systemd would not try again.
        ask(
            "systemctl",
            &["reset-failed", NAME],
            Duration::from_secs(30),
            64 * 1024,
        )
        .await
        .ok();
        return systemctl("restart").await;
    }
    end_processes(program, root).await?;
    let deadline = Instant::now() + START_PATIENCE;
    while processes(program, root)?.is_empty() {
        if Instant::now() >= deadline {
            let mut command = std::process::Command::new(program);
            command.arg("run");
            if let Some(root) = root {
                command.arg("--root").arg(root);
            }
            return detached(&mut command, log);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// Ends the service. Without systemd whoever keeps it running may start it again at once.
///
/// # Errors
/// When systemd refuses or the processes cannot be listed.
pub async fn stop_service(program: &Path, root: Option<&Path>) -> io::Result<()> {
    if is_managed(root) {
        return systemctl("stop").await;
    }
    end_processes(program, root).await
}

async fn systemctl(verb: &str) -> io::Result<()> {
    ask("systemctl", &[verb, NAME], Duration::from_mins(4), 64 * 1024)
        .await
        .map(|_output| ())
        .map_err(io::Error::other)
}

/// Tells the processes of the service to end, and kills those that do not.
async fn end_processes(program: &Path, root: Option<&Path>) -> io::Result<()> {
    let found = processes(program, root)?;
    for pid in &found {
        rustix::process::kill_process(*pid, Signal::TERM).ok();
    }
    let deadline = Instant::now() + END_PATIENCE;
    loop {
        let left: Vec<Pid> = processes(program, root)?
            .into_iter()
            .filter(|pid| found.contains(pid))
            .collect();
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            for pid in left {
                rustix::process::kill_process(pid, Signal::KILL).ok();
            }
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The processes that run this program as the service of this root.
fn processes(program: &Path, root: Option<&Path>) -> io::Result<Vec<Pid>> {
    let own = std::process::id();
    let mut found = Vec::new();
    for entry in fs_err::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        if u32::try_from(id) == Ok(own) {
            continue;
        }
        let folder = Path::new("/proc").join(&name);
        // It may have ended since, or be another user's.
        let Ok(line) = fs_err::read(folder.join("cmdline")) else {
            continue;
        };
        let image = fs_err::read_link(folder.join("exe")).unwrap_or_default();
        if is_service(&line, &image, program, root)
            && let Some(pid) = Pid::from_raw(id)
        {
            found.push(pid);
        }
    }
    Ok(found)
}

/// Whether a process with this command line and image is the service.
fn is_service(line: &[u8], image: &Path, program: &Path, root: Option<&Path>) -> bool {
    use std::os::unix::ffi::OsStrExt as _;
    let arguments: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
    let has = |text: &[u8]| arguments.contains(&text);
    let image = image.as_os_str().as_bytes();
    let image = image.strip_suffix(b" (deleted)").unwrap_or(image);
    // dpkg moves the old program aside before it deletes it.
    let image = image.strip_suffix(b".dpkg-tmp").unwrap_or(image);
    let is_program = image == program.as_os_str().as_bytes() || has(program.as_os_str().as_bytes());
    let is_root = match root {
        Some(root) => has(root.as_os_str().as_bytes()),
        None => !has(b"--root"),
    };
    is_program && has(b"run") && is_root
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_is_told_from_commands_and_from_agents_of_other_roots() {
        let program = Path::new("/usr/bin/muster-agent");
        let is = |line: &str, image: &str, root: Option<&str>| {
            is_service(
                line.replace(' ', "\0").as_bytes(),
                Path::new(image),
                program,
                root.map(Path::new),
            )
        };
        let own = "/usr/bin/muster-agent";
        assert!(is("/usr/bin/muster-agent run ", own, None));
        assert!(is("muster-agent run ", "/usr/bin/muster-agent (deleted)", None));
        assert!(is("/bin/sh /usr/bin/muster-agent run ", "/usr/bin/dash", None));
        assert!(!is("/usr/bin/muster-agent list ", own, None));
        assert!(!is("/usr/bin/muster-agent --root /x run ", own, None));
        assert!(is("/usr/bin/muster-agent --root /x run ", own, Some("/x")));
        assert!(!is("/usr/bin/muster-agent --root /x run ", own, Some("/y")));
        assert!(!is("/opt/muster-agent run ", "/opt/muster-agent", None));
    }

    #[test]
    fn a_program_is_replaced_whole_and_stays_executable() {
        let place = tempfile::tempdir().unwrap();
        let (program, new) = (place.path().join("muster-agent"), place.path().join("x"));
        fs_err::write(&program, "old").unwrap();
        fs_err::write(&new, "new").unwrap();
        replace_program(&new, &program).unwrap();
        assert_eq!(fs_err::read_to_string(&program).unwrap(), "new");
        let mode = fs_err::metadata(&program).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
    }
}
