//! Session set-ups as a real second user of this machine: rights, groups, home, environment, and what stays closed.
//!
//! Making the user needs root; without it these tests say so and end.

// Accounts, setpriv and signals are the system's own here.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
#![expect(clippy::print_stderr, reason = "a test that cannot run here says so")]

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use muster_shared::clock;
use muster_shared::control::{Control, Section};
use muster_shared::crypto::FileSigner;
use muster_shared::package::build::{BuildOptions, build_folder};
use serde_json::Value;

const AGENT: &str = env!("CARGO_BIN_EXE_muster-agent");
const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/keys");

/// A person's account with a group besides its own; both go with this value.
struct User {
    name: String,
    home: PathBuf,
    uid: u32,
}

impl User {
    /// `None` without root.
    fn create(tag: &str) -> Option<Self> {
        if !ok(Command::new("id").arg("-u")).trim().eq("0") {
            eprintln!("skipped: making a user needs root");
            return None;
        }
        let name = format!("mt-{tag}-{}", std::process::id());
        let home = PathBuf::from(format!("/home/{name}"));
        let group = format!("{name}-g");
        ok(Command::new("groupadd").arg(&group));
        ok(Command::new("useradd")
            .args([
                "--create-home",
                "--user-group",
                "--shell",
                "/bin/sh",
                "--groups",
                &group,
            ])
            .args(["--home-dir", home.to_str().unwrap(), &name]));
        let uid = ok(Command::new("id").args(["-u", &name])).trim().parse().unwrap();
        Some(Self { name, home, uid })
    }
}

impl Drop for User {
    fn drop(&mut self) {
        for arguments in [
            vec!["userdel", "--remove", "--force", &self.name],
            vec!["groupdel", &format!("{}-g", self.name)],
        ] {
            Command::new(arguments[0])
                .args(&arguments[1..])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .ok();
        }
    }
}

fn ok(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A machine below a root of its own, which every user may pass through as they may through `/`.
struct Machine {
    root: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let everybody = std::fs::Permissions::from_mode(0o755);
        fs_err::set_permissions(root.path(), everybody).unwrap();
        let trust = root.path().join("etc/muster/trust");
        fs_err::create_dir_all(&trust).unwrap();
        fs_err::copy(Path::new(KEYS).join("signer.crt"), trust.join("signer.crt")).unwrap();
        // Where every user may start it from.
        let program = root.path().join("muster-agent");
        fs_err::copy(AGENT, &program).unwrap();
        Self { root }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(AGENT);
        command.arg("--root").arg(self.root.path()).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn install(&self, package: &str, version: &str, script: &str) {
        let sources = self.root.path().join(format!("sources-{package}-{version}"));
        fs_err::create_dir_all(sources.join("WAPT/persistent/wallpapers")).unwrap();
        fs_err::write(sources.join("WAPT/persistent/wallpapers/a.txt"), "blue").unwrap();
        fs_err::write(sources.join("setup.py"), script).unwrap();
        let control = Control::new(package, version, Section::Base);
        fs_err::write(sources.join("WAPT/control"), control.to_text()).unwrap();
        let keys = Path::new(KEYS);
        let signer = FileSigner::open(&keys.join("signer.crt"), &keys.join("signer.pem"), None).unwrap();
        let options = BuildOptions::default();
        let built = build_folder(&sources, self.root.path(), &signer, &options, clock::now()).unwrap();
        let file = built.path.display().to_string();
        let output = self.run(&["install", &file, "--params", "{\"company\": \"Example\"}"]);
        assert!(output.status.success(), "{output:?}");
    }

    fn service(&self) -> Service {
        let mut child = self
            .command(&["run"])
            .env("LEAK", "a variable of the service")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("agent running") {
            line.clear();
            assert!(
                log.read_line(&mut line).unwrap() > 0,
                "the service ended before it ran"
            );
        }
        Service { child, _log: log }
    }
}

struct Service {
    child: Child,
    _log: BufReader<std::process::ChildStderr>,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Writes what the hook sees into the user's home, a line more for each run.
fn script(private: &Path) -> String {
    format!(
        "\
from setuphelpers import *
import grp, json

def install():
    pass

def session_setup():
    old = os.umask(0)
    os.umask(old)
    try:
        os.listdir({private:?})
        closed = False
    except PermissionError:
        closed = True
    seen = dict(user=user, usergroups=usergroups, uid=os.getuid(), euid=os.geteuid(), gid=os.getgid(),
                groups=sorted(grp.getgrgid(number).gr_name for number in os.getgroups()),
                home=os.environ['HOME'], logname=os.environ['LOGNAME'], cwd=os.getcwd(), umask=old,
                kept=open(makepath(persistent_dir, 'wallpapers', 'a.txt')).read(), params=params, closed=closed,
                environment=sorted(os.environ), version=control.version)
    with open(makepath(os.environ['HOME'], 'seen.txt'), 'a') as file:
        file.write(json.dumps(seen) + '\\n')
    print('prepared for', user)
",
        private = private.display().to_string()
    )
}

fn seen(user: &User) -> Vec<Value> {
    fs_err::read_to_string(user.home.join("seen.txt"))
        .unwrap_or_default()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_hook_runs_as_its_user_once_per_build_and_sees_nothing_of_the_agent() {
    let Some(user) = User::create("once") else { return };
    let machine = Machine::new();
    let _service = machine.service();
    let private = machine.root.path().join("var/lib/muster/private");
    machine.install("demo-session", "1", &script(&private));

    let setup = |more: &[&str]| {
        let output = machine.run(&[&["session-setup", "--user", &user.name], more].concat());
        assert!(output.status.success(), "{output:?}");
    };
    setup(&[]);
    let runs = seen(&user);
    assert_eq!(runs.len(), 1);
    let run = &runs[0];
    assert_eq!(run["user"], user.name.as_str());
    assert_eq!(
        (run["uid"].as_u64(), run["euid"].as_u64()),
        (Some(user.uid.into()), Some(user.uid.into()))
    );
    let group = format!("{}-g", user.name);
    for groups in [&run["groups"], &run["usergroups"]] {
        let groups = groups.as_array().unwrap();
        assert!(groups.contains(&Value::from(group.as_str())), "{run}");
        assert!(!groups.contains(&Value::from("root")), "{run}");
    }
    let home = user.home.to_str().unwrap();
    assert_eq!(
        (run["home"].as_str(), run["cwd"].as_str()),
        (Some(home), Some(home))
    );
    assert_eq!(run["logname"], user.name.as_str());
    assert_eq!(run["kept"], "blue");
    assert_eq!(run["params"]["company"], "Example");
    assert_eq!(
        run["closed"], true,
        "the agent's private folder is open to {}",
        user.name
    );
    assert!(
        !run["environment"]
            .as_array()
            .unwrap()
            .contains(&Value::from("LEAK")),
        "{run}"
    );
    assert_eq!(
        fs_err::metadata(user.home.join("seen.txt")).unwrap().uid(),
        user.uid
    );
    assert!(!machine.root.path().join("var/lib/muster-session").exists());

    setup(&[]);
    assert_eq!(seen(&user).len(), 1, "the same build is not set up again");
    setup(&["--force", "demo-session"]);
    assert_eq!(seen(&user).len(), 2);
    machine.install("demo-session", "2", &script(&private));
    setup(&["ALL"]);
    setup(&[]);
    let runs = seen(&user);
    assert_eq!(runs.len(), 3);
    assert_eq!(runs[2]["version"], "2");
}

#[test]
fn an_ordinary_user_has_their_own_session_prepared_and_nobody_elses() {
    let (Some(user), Some(other)) = (User::create("own"), User::create("oth")) else {
        return;
    };
    let machine = Machine::new();
    let _service = machine.service();
    let private = machine.root.path().join("var/lib/muster/private");
    machine.install("demo-session", "1", &script(&private));
    let as_user = |arguments: &[&str]| {
        let mut command = Command::new("setpriv");
        command
            .args([
                "--reuid",
                &user.name,
                "--regid",
                &user.name,
                "--init-groups",
                "--",
            ])
            .arg(machine.root.path().join("muster-agent"))
            .arg("--root")
            .arg(machine.root.path())
            .args(arguments)
            .current_dir("/");
        command.output().unwrap()
    };
    let output = as_user(&["session-setup", "--logon"]);
    assert!(output.status.success(), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    assert_eq!(seen(&user).len(), 1);
    assert_eq!(seen(&user)[0]["uid"].as_u64(), Some(user.uid.into()));

    let output = as_user(&["session-setup", "--user", &other.name]);
    assert!(!output.status.success(), "{output:?}");
    assert!(seen(&other).is_empty());
}

#[test]
fn a_hook_that_asks_for_it_runs_again_and_one_that_fails_says_so() {
    let Some(user) = User::create("again") else { return };
    let machine = Machine::new();
    let _service = machine.service();
    let again = "\
import os
def install():
    pass
def session_setup():
    with open(os.path.join(os.environ['HOME'], 'count'), 'a') as file:
        file.write('x')
    return os.path.getsize(os.path.join(os.environ['HOME'], 'count')) < 2
";
    machine.install("demo-again", "1", again);
    for _run in 0..4 {
        let output = machine.run(&["session-setup", "--user", &user.name]);
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(fs_err::read_to_string(user.home.join("count")).unwrap(), "xx");

    machine.install(
        "demo-failing",
        "1",
        "def install():\n    pass\ndef session_setup():\n    open('/etc/muster-test', 'w')\n",
    );
    let output = machine.run(&["session-setup", "--user", &user.name, "--json"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["value"]["users"][0]["failed"][0], "demo-failing");
    assert!(!Path::new("/etc/muster-test").exists());
}

#[test]
fn sessions_of_system_accounts_and_of_nobody_are_refused() {
    let machine = Machine::new();
    let _service = machine.service();
    for (name, said) in [
        ("daemon", "system account"),
        ("no-such-account", "there is no account"),
    ] {
        let output = machine.run(&["session-setup", "--user", name]);
        assert!(!output.status.success());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(said), "{text}");
    }
}
