//! Holding the machine's shutdown back for a while: a delay lock of logind.
//!
//! `systemd-inhibit` holds the lock as long as our pipe to it is open, so that the lock goes with the agent
//! however that ends; `busctl` tells of the announcement. Both come with systemd. Where logind does not answer,
//! nothing is held.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::platform::ask;

const SERVICE: &str = "org.freedesktop.login1";
const OBJECT: &str = "/org/freedesktop/login1";
const INTERFACE: &str = "org.freedesktop.login1.Manager";

/// How long logind may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A longer line is no announcement.
const MAX_LINE: usize = 64 * 1024;

/// The lock, and an ear for the announcement. Both end with this value.
#[derive(Debug)]
pub struct ShutdownDelay {
    /// The lock is held as long as this is open.
    lock: Option<ChildStdin>,
    holder: Child,
    announcements: Lines<BufReader<ChildStdout>>,
    _listener: Child,
    limit: Duration,
}

#[derive(Deserialize)]
struct Property {
    data: u64,
}

#[derive(Deserialize)]
struct Signal {
    #[serde(default)]
    member: String,
    payload: SignalPayload,
}

#[derive(Deserialize)]
struct SignalPayload {
    data: (bool,),
}

impl ShutdownDelay {
    /// Takes the lock; nothing where no logind answers.
    ///
    /// # Errors
    /// When logind is there and refuses, or its tools are missing.
    pub async fn take(why: &str) -> io::Result<Option<Self>> {
        let bus = std::env::var_os("DBUS_SYSTEM_BUS_ADDRESS").is_some();
        if !bus && !Path::new("/run/systemd/system").is_dir() {
            return Ok(None);
        }
        let Some(limit) = allowed().await? else {
            return Ok(None);
        };
        // First the ear, then the lock: an announcement in between is heard.
        let matching =
            format!("type='signal',sender='{SERVICE}',interface='{INTERFACE}',member='PrepareForShutdown'");
        let mut listener = Command::new("busctl")
            .args(["--json=short", "monitor", "--match", &matching])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let output = listener
            .stdout
            .take()
            .ok_or_else(|| io::Error::other("no pipe to busctl"))?;
        let mut holder = Command::new("systemd-inhibit")
            .args(["--what=shutdown", "--mode=delay", "--who=Muster"])
            .arg(format!("--why={why}"))
            .arg("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let lock = holder.stdin.take();
        Ok(Some(Self {
            lock,
            holder,
            announcements: BufReader::new(output).lines(),
            _listener: listener,
            limit,
        }))
    }

    /// How long logind waits for the lock once the shutdown is announced.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// Waits for the announcement: `true` when the machine goes down, `false` when that was called off.
    ///
    /// # Errors
    /// When the lock or the ear is gone.
    pub async fn announced(&mut self) -> io::Result<bool> {
        loop {
            let line = tokio::select! {
                line = self.announcements.next_line() => line?,
                status = self.holder.wait() => {
                    return Err(io::Error::other(format!("systemd-inhibit ended with {}", status?)));
                }
            };
            let Some(line) = line else {
                return Err(io::Error::other("busctl ended"));
            };
            if let Some(going_down) = announcement(&line) {
                return Ok(going_down);
            }
        }
    }

    /// Lets the machine go down.
    pub async fn release(&mut self) {
        self.lock = None;
        tokio::time::timeout(PATIENCE, self.holder.wait()).await.ok();
    }
}

fn announcement(line: &str) -> Option<bool> {
    if line.len() > MAX_LINE {
        return None;
    }
    let signal: Signal = serde_json::from_str(line).ok()?;
    (signal.member == "PrepareForShutdown").then_some(signal.payload.data.0)
}

/// `InhibitDelayMaxSec` of logind; nothing when logind does not answer.
async fn allowed() -> io::Result<Option<Duration>> {
    let question = [
        "--json=short",
        "get-property",
        SERVICE,
        OBJECT,
        INTERFACE,
        "InhibitDelayMaxUSec",
    ];
    match ask("busctl", &question, PATIENCE, 64 * 1024).await {
        Ok(answer) => Ok(serde_json::from_slice::<Property>(&answer)
            .ok()
            .map(|property| Duration::from_micros(property.data))),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => {
            tracing::debug!(%error, "logind does not answer");
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_are_told_from_what_else_the_bus_says() {
        let line = |member: &str, data: &str| {
            format!(
                r#"{{"type":"signal","interface":"{INTERFACE}","member":"{member}","payload":{{"type":"b","data":[{data}]}}}}"#
            )
        };
        assert_eq!(announcement(&line("PrepareForShutdown", "true")), Some(true));
        assert_eq!(announcement(&line("PrepareForShutdown", "false")), Some(false));
        assert_eq!(announcement(&line("PrepareForSleep", "true")), None);
        assert_eq!(announcement("Monitoring bus message stream."), None);
    }
}
