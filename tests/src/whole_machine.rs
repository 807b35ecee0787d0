//! An agent that owns the whole machine: a service without `--root`, in a mount namespace whose `/etc`, `/var/lib`,
//! `/run` and `/home` are its own.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use crate::agent::Agent;
use crate::process::{Daemon, Done, binary, run};

/// Prepares the places and becomes the service; the arguments: the folder, the program, and the people's names.
const BEGIN: &str = r#"
set -e
place=$1; program=$2; shift 2
mount --bind "$place/etc" /etc
mount --bind "$place/lib" /var/lib
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs -o mode=755 home /home
cp "$program" /run/muster-agent
mkdir -p /run/systemd/sessions
for name in "$@"; do
    install -d -m 700 -o "$name" -g "$name" "$(getent passwd "$name" | cut -d: -f6)"
done
exec /run/muster-agent run
"#;

/// The machine; its service ends with this value.
pub struct WholeMachine {
    service: Daemon,
}

impl WholeMachine {
    /// Lets a registered agent that does not run be the one of the whole machine. The people are accounts of it, and
    /// have homes.
    ///
    /// # Panics
    /// When it cannot be prepared: that needs root.
    pub fn start(agent: &Agent, people: &[&str]) -> Self {
        let place = agent.root().join("machine");
        fs_err::create_dir_all(place.join("lib")).expect("a folder for the machine");
        let copy = |from: &Path, to: &Path| {
            let done = Command::new("cp").arg("-a").arg(from).arg(to).status();
            assert!(
                done.is_ok_and(|status| status.success()),
                "copying {}",
                from.display()
            );
        };
        copy(Path::new("/etc"), &place.join("etc"));
        copy(&agent.root().join("etc/muster"), &place.join("etc/muster"));
        copy(&agent.root().join("var/lib/muster"), &place.join("lib/muster"));
        let program = binary("muster-agent");
        let mut arguments = ["--mount", "--propagation", "private", "sh", "-c", BEGIN, "sh"]
            .map(OsStr::new)
            .to_vec();
        arguments.extend([place.as_os_str(), program.as_os_str()]);
        arguments.extend(people.iter().map(OsStr::new));
        let log = agent.root().join("machine.log");
        let mut service = Daemon::start(Path::new("/usr/bin/unshare"), &arguments, &log, &[]);
        service.wait_for_log("agent running");
        Self { service }
    }

    /// The service.
    pub fn service(&mut self) -> &mut Daemon {
        &mut self.service
    }

    /// Runs a line of shell as root on this machine.
    pub fn shell(&self, line: &str) -> Done {
        self.as_user("root", &["sh", "-c", line])
    }

    /// Runs `muster-agent` as somebody on this machine.
    pub fn agent(&self, user: &str, arguments: &[&str]) -> Done {
        self.as_user(user, &[&["/run/muster-agent"], arguments].concat())
    }

    /// Notes that somebody has a session, as logind does.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn log_in(&self, user: &str) {
        let id = format!("$(id -u {user})");
        let line = format!(
            "printf 'UID=%s\\nUSER=%s\\nACTIVE=1\\nSTATE=active\\nCLASS=user\\n' {id} {user} > /run/systemd/sessions/{user}"
        );
        self.shell(&line).ok();
    }

    fn as_user(&self, user: &str, program: &[&str]) -> Done {
        let pid = self.service.pid().to_string();
        let mut all = vec!["-t", &pid, "-m", "sh", "-c", "cd / && exec \"$@\"", "sh"];
        if user != "root" {
            all.extend(["runuser", "-u", user, "--"]);
        }
        all.extend(program);
        run(Path::new("nsenter"), &all, "", &[])
    }
}
