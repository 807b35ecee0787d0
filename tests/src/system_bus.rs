//! A message bus of its own with a logind on it that announces shutdowns when a test says so.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::eventually::eventually;
use crate::process::{Daemon, run};

const LOGIND: [&str; 2] = ["org.freedesktop.login1", "/org/freedesktop/login1"];
const MANAGER: &str = "org.freedesktop.login1.Manager";
const MOCK: &str = "org.freedesktop.DBus.Mock";

/// The bus and its logind; both end with this value.
pub struct SystemBus {
    address: OsString,
    _logind: Daemon,
    _bus: Daemon,
}

impl SystemBus {
    /// Starts both. This logind waits for locks as long as the seconds say.
    ///
    /// # Panics
    /// When they do not start.
    pub fn start(folder: &Path, inhibit_delay_secs: u64) -> Self {
        let socket = folder.join("system-bus");
        let configuration = folder.join("system-bus.conf");
        fs_err::write(
            &configuration,
            CONFIGURATION.replace("SOCKET", &socket.to_string_lossy()),
        )
        .expect("the bus configuration");
        let argument = format!("--config-file={}", configuration.display());
        let bus = Daemon::start(
            Path::new("/usr/bin/dbus-daemon"),
            &[argument.as_str(), "--nofork"],
            &folder.join("system-bus.log"),
            &[],
        );
        eventually("the bus", || {
            socket.exists().then_some(()).ok_or_else(|| "no socket".into())
        });
        let mut address = OsString::from("unix:path=");
        address.push(&socket);
        // The system's own Python: the mock is a Debian package.
        let logind = Daemon::start(
            Path::new("/usr/bin/python3"),
            &["-m", "dbusmock", "--system", "--template", "logind"],
            &folder.join("logind.log"),
            &[("DBUS_SYSTEM_BUS_ADDRESS", address.as_os_str())],
        );
        let started = Self {
            address,
            _logind: logind,
            _bus: bus,
        };
        let delay = (inhibit_delay_secs * 1_000_000).to_string();
        eventually("logind on the bus", || {
            let property = ["AddProperty", "ssv", MANAGER, "InhibitDelayMaxUSec", "t", &delay];
            let done = started.busctl(&[&["call"], &LOGIND[..], &[MOCK], &property].concat());
            if done.code == 0 { Ok(()) } else { Err(done.stderr) }
        });
        started
    }

    /// `DBUS_SYSTEM_BUS_ADDRESS`.
    pub fn address(&self) -> &OsString {
        &self.address
    }

    /// Who holds locks: what and who.
    ///
    /// # Panics
    /// When logind does not answer.
    pub fn locks(&self) -> Vec<(String, String)> {
        let question = [
            &["--json=short", "call"],
            &LOGIND[..],
            &[MANAGER, "ListInhibitors"],
        ]
        .concat();
        let answer: Value = serde_json::from_str(&self.busctl(&question).ok()).expect("JSON of busctl");
        let text = |row: &Value, place: usize| row[place].as_str().unwrap_or_default().to_owned();
        let rows = answer["data"][0].as_array().cloned().unwrap_or_default();
        rows.iter().map(|row| (text(row, 0), text(row, 1))).collect()
    }

    /// Announces that the machine goes down.
    ///
    /// # Panics
    /// When logind does not do it.
    pub fn announce_shutdown(&self) {
        let signal = [
            "EmitSignal",
            "sssav",
            MANAGER,
            "PrepareForShutdown",
            "b",
            "1",
            "b",
            "true",
        ];
        self.busctl(&[&["call"], &LOGIND[..], &[MOCK], &signal].concat())
            .ok();
    }

    /// A program that holds a lock as long as this value lives.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn hold(&self, what: &str, mode: &str) -> std::process::Child {
        Command::new("systemd-inhibit")
            .args([
                format!("--what={what}"),
                format!("--mode={mode}"),
                "--who=Show".to_owned(),
                "--why=slides".to_owned(),
                "cat".to_owned(),
            ])
            .env("DBUS_SYSTEM_BUS_ADDRESS", &self.address)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("systemd-inhibit")
    }

    fn busctl(&self, arguments: &[&str]) -> crate::process::Done {
        let environment = [("DBUS_SYSTEM_BUS_ADDRESS", self.address.as_os_str())];
        run(Path::new("busctl"), arguments, "", &environment)
    }
}

const CONFIGURATION: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=SOCKET</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;
