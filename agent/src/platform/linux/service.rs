//! The agent as a systemd service.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::platform::{AskError, Asked, ask};

/// The unit's name.
pub const NAME: &str = "muster-agent";

const UNIT_FOLDER: &str = "/etc/systemd/system";

/// What `install` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The unit file.
    pub unit: PathBuf,
    /// The service was enabled and started; else systemd does not run here and a person does it later.
    pub started: bool,
}

/// Text of the unit that runs `program run`.
pub fn unit(program: &Path, root: Option<&Path>) -> String {
    let guard = root
        .unwrap_or(Path::new("/"))
        .join("var/lib/muster/private/self-upgrade/old/muster-agent");
    let root = root.map_or_else(String::new, |root| format!(" --root {}", quoted(root)));
    format!(
        "[Unit]\n\
         Description=Muster agent: installs what this organisation's people signed\n\
         Documentation=man:muster-agent(8)\n\
         After=network-online.target\n\
         Wants=network-online.target\n\
         \n\
         [Service]\n\
         Type=exec\n\
         # There only while the agent becomes another build: watches that one again after a reset.\n\
         ExecStartPre=-{guard}{root} self-upgrade --guard\n\
         ExecStart={program}{root} run\n\
         Restart=always\n\
         RestartSec=5\n\
         # No WatchdogSec: the agent sleeps until something is due, and a sign of life every few minutes would wake it\n\
         # for nothing; whatever it waits for has a limit of its own.\n\
         # Packages may be installing: give them time to finish the step they are in.\n\
         TimeoutStopSec=120\n\
         # Only the agent itself is told to stop; it ends its scripts in order.\n\
         KillMode=mixed\n\
         # A script that takes all memory is ended, the agent goes on.\n\
         OOMPolicy=continue\n\
         LimitNOFILE=65536\n\
         UMask=0022\n\
         # Package scripts inherit everything that is set here, and install software as root: only what no installation\n\
         # needs is taken away. Left out on purpose:\n\
         # ProtectSystem, ProtectHome, PrivateTmp, PrivateDevices, DeviceAllow, ProtectKernelTunables,\n\
         # ProtectKernelModules, ProtectKernelLogs, ProtectControlGroups, ProtectClock, ProtectHostname, ProtectProc,\n\
         # ProcSubset, PrivateMounts, RootDirectory: packages write to /usr, /etc and homes, load drivers, set the clock, the host name\n\
         # and the kernel's values, and what a script mounts is for the whole machine, not for the service alone.\n\
         # User, DynamicUser, SupplementaryGroups, PrivateUsers, CapabilityBoundingSet, AmbientCapabilities,\n\
         # NoNewPrivileges, RestrictSUIDSGID, RestrictNamespaces, RestrictFileSystems, SystemCallFilter,\n\
         # SystemCallArchitectures, LockPersonality, MemoryDenyWriteExecute, RemoveIPC, Delegate: dpkg and rpm give files\n\
         # their owners and setuid bits; installers bring 32-bit programs, compilers that write code, sandboxes of their\n\
         # own; session set-ups run as other users.\n\
         # PrivateNetwork, RestrictAddressFamilies, IPAddressDeny: agent and scripts download.\n\
         LimitCORE=0\n\
         KeyringMode=private\n\
         RestrictRealtime=yes\n\
         UnsetEnvironment=LD_PRELOAD LD_LIBRARY_PATH PYTHONPATH PYTHONHOME PYTHONSTARTUP\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n",
        program = quoted(program),
        guard = quoted(&guard),
    )
}

/// systemd's quoting: spaces, quotes and its own `%` and `$` are taken literally.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let escaped: String = text
        .chars()
        .flat_map(|letter| match letter {
            '%' => vec!['%', '%'],
            '$' => vec!['$', '$'],
            '"' | '\\' => vec!['\\', letter],
            other => vec![other],
        })
        .collect();
    if escaped.contains(char::is_whitespace) || escaped.contains(['"', '\\']) {
        format!("\"{escaped}\"")
    } else {
        escaped
    }
}

/// Writes the unit; enables and starts it where systemd runs and the agent owns the machine.
///
/// # Errors
/// When the unit cannot be written or systemd refuses it.
pub async fn install(program: &Path, root: Option<&Path>) -> io::Result<Installed> {
    let folder = root.map_or_else(
        || PathBuf::from(UNIT_FOLDER),
        |root| root.join(UNIT_FOLDER.trim_start_matches('/')),
    );
    fs_err::create_dir_all(&folder)?;
    let path = folder.join(format!("{NAME}.service"));
    fs_err::write(&path, unit(program, root))?;
    let started = root.is_none() && Path::new("/run/systemd/system").is_dir();
    if started {
        systemctl(&["daemon-reload"]).await?;
        systemctl(&["enable", "--now", NAME]).await?;
    }
    Ok(Installed { unit: path, started })
}

/// Stops the service and takes its unit away. Does nothing when it was not installed.
///
/// # Errors
/// When systemd refuses or the unit cannot be removed.
pub async fn uninstall(root: Option<&Path>) -> io::Result<()> {
    let folder = root.map_or_else(
        || PathBuf::from(UNIT_FOLDER),
        |root| root.join(UNIT_FOLDER.trim_start_matches('/')),
    );
    let path = folder.join(format!("{NAME}.service"));
    if !path.exists() {
        return Ok(());
    }
    let managed = root.is_none() && Path::new("/run/systemd/system").is_dir();
    if managed {
        systemctl(&["disable", "--now", NAME]).await?;
    }
    fs_err::remove_file(&path)?;
    if managed {
        systemctl(&["daemon-reload"]).await?;
    }
    Ok(())
}

/// Runs the agent under the service manager. systemd needs nothing special; `false` says that the
/// caller runs its ordinary way.
///
/// # Errors
/// Never on this system.
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Windows")]
pub fn run_under_manager(_work: fn(StopSignal) -> i32) -> io::Result<bool> {
    Ok(false)
}

/// What the service manager asks. On Linux it sends a signal instead, see `shutdown_signal`.
pub type StopSignal = tokio::sync::watch::Receiver<Option<Asked>>;

/// Nothing: systemd waits as long as its unit says.
pub fn still_working() {}

/// Nothing: logind's configuration says how long it waits.
///
/// # Errors
/// Never.
#[expect(clippy::unused_async, reason = "the same signature as on Windows")]
pub async fn allow_before_shutdown(_length: Duration) -> io::Result<()> {
    Ok(())
}

async fn systemctl(arguments: &[&str]) -> io::Result<()> {
    match ask("systemctl", arguments, Duration::from_secs(90), 64 * 1024).await {
        Ok(_output) => Ok(()),
        Err(AskError::Start { source, .. }) => Err(source),
        Err(other) => Err(io::Error::other(format!(
            "systemctl {}: {other}",
            arguments.join(" ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_quotes_paths_that_systemd_would_split_or_expand() {
        let text = unit(
            Path::new("/opt/my agent/muster-agent"),
            Some(Path::new("/srv/50%/a")),
        );
        assert!(
            text.contains("ExecStart=\"/opt/my agent/muster-agent\" --root /srv/50%%/a run\n"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn below_a_root_only_the_unit_is_written() {
        let place = tempfile::tempdir().unwrap();
        let done = install(Path::new("/usr/bin/muster-agent"), Some(place.path()))
            .await
            .unwrap();
        assert!(!done.started);
        assert!(done.unit.starts_with(place.path()) && done.unit.exists());
        uninstall(Some(place.path())).await.unwrap();
        assert!(!done.unit.exists());
        uninstall(Some(place.path())).await.unwrap();
    }
}
