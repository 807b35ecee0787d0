//! A real service is killed at every step that the journal names; its successor brings everything to the same end
//! as if nothing had happened.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use muster_agent::install::Step;
use muster_agent::install::journal::{INSTALL, REMOVE};
use muster_agent::paths::Paths;
use muster_agent::state::State;
use muster_agent::state::packages::StoredScript;
use muster_shared::clock;
use muster_shared::control::{Control, Section};
use muster_shared::crypto::FileSigner;
use muster_shared::package::build::{BuildOptions, build_control_only, build_folder};
use serde_json::Value;

const AGENT: &str = env!("CARGO_BIN_EXE_muster-agent");
const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/keys");

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(5);

/// Between two looks; programs under test need the processor too.
const PAUSE: Duration = Duration::from_millis(20);

/// The process ended as if it had been killed: SIGKILL; on Windows the code that it gave itself.
fn was_killed(status: ExitStatus) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt as _;
        status.signal() == Some(9)
    }
    #[cfg(windows)]
    {
        status.code() == Some(137)
    }
}

/// Leaves files, takes those of the version before away, keeps something for later, and needs what it kept in order
/// to go again. It may be cut off anywhere and run again, as a package's script should.
const SCRIPT: &str = "\
from setuphelpers import *

def folder():
    return makepath(programfiles(), 'demo')

def install():
    print('installing', control.version)
    mkdirs(folder())
    for old in glob.glob(makepath(folder(), '*.txt')):
        remove_file(old)
    with open(makepath(folder(), control.version + '.txt'), 'w') as file:
        file.write(open('payload.txt').read())
    with open(makepath(persistent_dir, 'written.txt'), 'w') as file:
        file.write(control.version)

def uninstall():
    assert open(makepath(persistent_dir, 'kept.txt')).read() == control.version
    assert open(makepath(persistent_dir, 'written.txt')).read() == control.version
    remove_tree(folder())

def audit():
    return 'OK' if isfile(makepath(folder(), control.version + '.txt')) else 'ERROR'
";

/// Built packages, the same for every machine of a test.
struct Packages {
    folder: tempfile::TempDir,
}

impl Packages {
    fn build() -> Self {
        let packages = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for version in ["1.0-1", "2.0-1"] {
            let sources = packages.folder.path().join(format!("sources-{version}"));
            fs_err::create_dir_all(sources.join("WAPT/persistent")).unwrap();
            fs_err::write(sources.join("setup.py"), SCRIPT).unwrap();
            fs_err::write(sources.join("payload.txt"), format!("payload of {version}")).unwrap();
            fs_err::write(sources.join("WAPT/persistent/kept.txt"), version).unwrap();
            let control = Control::new("demo-a", version, Section::Base).with("audit_schedule", "1d");
            fs_err::write(sources.join("WAPT/control"), control.to_text()).unwrap();
            let out = packages.file(version);
            let built = build_folder(
                &sources,
                packages.folder.path(),
                &signer(),
                &BuildOptions::default(),
                clock::now(),
            );
            fs_err::rename(built.unwrap().path, out).unwrap();
        }
        let group = Control::new("demo-group", "1", Section::Group);
        let bytes = build_control_only(group, &signer(), clock::now()).unwrap();
        fs_err::write(packages.file("group"), bytes).unwrap();
        packages
    }

    fn file(&self, version: &str) -> PathBuf {
        self.folder.path().join(format!("demo_{version}.wapt"))
    }
}

fn signer() -> FileSigner {
    let keys = Path::new(KEYS);
    FileSigner::open(&keys.join("signer.crt"), &keys.join("signer.pem"), None).unwrap()
}

/// A machine below a root of its own.
struct Machine {
    root: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self {
            root: tempfile::tempdir().unwrap(),
        };
        let trust = machine.paths().trust_dir();
        fs_err::create_dir_all(&trust).unwrap();
        fs_err::copy(Path::new(KEYS).join("signer.crt"), trust.join("signer.crt")).unwrap();
        machine
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(AGENT);
        command.arg("--root").arg(self.root.path()).args(arguments);
        command
    }

    /// Has something done without a service.
    fn alone(&self, arguments: &[&str]) {
        let output = self.command(arguments).arg("--standalone").output().unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// The service, once it listens; it dies at the point, if there is one.
    fn service(&self, crash_at: Option<&str>) -> Service {
        let mut command = self.command(&["run"]);
        if let Some(point) = crash_at {
            command.env("MUSTER_CRASH_AT", point);
        }
        let mut child = command
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

    /// Orders something of the running service and does not care what it answers.
    fn order(&self, arguments: &[&str]) -> std::process::Output {
        self.command(arguments).output().unwrap()
    }

    fn paths(&self) -> Paths {
        Paths::new(Some(self.root.path()))
    }

    /// Waits until no task waits or runs, and gives what is on the machine then.
    fn settled(&self) -> Snapshot {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let limit = Instant::now() + PATIENCE;
        loop {
            let is_over = runtime.block_on(async {
                let state = State::open_read_only(&self.paths().database()).await.unwrap();
                let open = state.open_tasks().await.unwrap();
                let journal = state.open_journal().await.unwrap();
                let scripts = state.recorded_scripts().await.unwrap();
                // The audit that follows an installation.
                let audit = state.next_audit(clock::now()).await.unwrap();
                state.close().await;
                let audited = audit.is_none_or(|due| due > clock::now());
                open.is_empty() && journal.is_empty() && scripts.is_empty() && audited
            });
            if is_over {
                return runtime.block_on(self.snapshot());
            }
            assert!(Instant::now() < limit, "the machine does not settle");
            std::thread::park_timeout(PAUSE);
        }
    }

    async fn snapshot(&self) -> Snapshot {
        let state = State::open_read_only(&self.paths().database()).await.unwrap();
        let mut rows = Vec::new();
        for row in state.installed().await.unwrap() {
            let script = state.stored_script(row.package()).await.unwrap();
            let mut shown = serde_json::to_value(row.shown()).unwrap();
            for time in ["changed_at", "audited_at"] {
                shown.as_object_mut().unwrap().remove(time);
            }
            rows.push(Row {
                shown,
                is_in_place: row.in_place,
                has_next_audit: row.next_audit_at.is_some(),
                script,
            });
        }
        state.close().await;
        let mut files = BTreeMap::new();
        walk(self.root.path(), self.root.path(), &mut files);
        Snapshot { rows, files }
    }
}

/// A package: as it is shown, whether it is in place and will be audited, and what its later hooks need.
#[derive(Debug, PartialEq)]
struct Row {
    shown: Value,
    is_in_place: bool,
    has_next_audit: bool,
    script: Option<StoredScript>,
}

#[derive(Debug, PartialEq)]
struct Snapshot {
    rows: Vec<Row>,
    /// Every file and folder, without what belongs to the agent itself.
    files: BTreeMap<String, String>,
}

fn walk(root: &Path, folder: &Path, files: &mut BTreeMap<String, String>) {
    for entry in fs_err::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let name = path.strip_prefix(root).unwrap().to_string_lossy();
        let name = name.replace('\\', "/").to_lowercase();
        // The database is compared by its content; keys and identifiers are of each machine alone.
        let is_own = [
            "agent.sqlite",
            "agent.lock",
            "muster/python",
            "run/",
            "etc/muster",
            "program files/muster",
            "private/identity",
            "-key.pem",
        ]
        .iter()
        .any(|part| name.contains(part));
        if is_own {
            continue;
        }
        if path.is_dir() {
            // The folder of unpacked packages may be there, empty.
            if !name.ends_with("private/staging") {
                files.insert(format!("{name}/"), String::new());
            }
            walk(root, &path, files);
        } else {
            let bytes = fs_err::read(&path).unwrap();
            files.insert(name, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
}

struct Service {
    child: Child,
    _log: BufReader<std::process::ChildStderr>,
}

impl Service {
    /// Waits until it has died at its point.
    fn died(mut self, point: &str) {
        let limit = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(was_killed(status), "{point}: {status}");
                return;
            }
            assert!(Instant::now() < limit, "the service never came to {point}");
            std::thread::park_timeout(PAUSE);
        }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Something that is ordered of a machine in a certain state.
struct Scenario<'a> {
    name: &'a str,
    /// What is done before, without a crash.
    before: &'a [&'a [&'a str]],
    order: &'a [&'a str],
    operation: &'a str,
    steps: &'a [Step],
}

impl Scenario<'_> {
    fn machine(&self) -> Machine {
        let machine = Machine::new();
        for arguments in self.before {
            machine.alone(arguments);
        }
        machine
    }

    fn undisturbed(&self) -> Snapshot {
        let machine = self.machine();
        let service = machine.service(None);
        let output = machine.order(self.order);
        assert!(output.status.success(), "{}: {output:?}", self.name);
        let end = machine.settled();
        service.kill();
        end
    }

    fn check(&self) {
        let expected = self.undisturbed();
        for step in self.steps {
            for edge in ["begin", "end"] {
                let point = format!("{}.{}.{edge}", self.operation, step.as_str());
                let machine = self.machine();
                let service = machine.service(Some(&point));
                let output = machine.order(self.order);
                service.died(&point);
                assert!(!output.status.success(), "{}: {point}: {output:?}", self.name);
                let service = machine.service(None);
                let end = machine.settled();
                service.kill();
                assert_eq!(end, expected, "{}: {point}", self.name);
            }
        }
    }
}

#[test]
fn a_crash_at_any_step_of_an_installation_ends_as_if_there_had_been_none() {
    let packages = Packages::build();
    let file = packages.file("1.0-1").display().to_string();
    Scenario {
        name: "install",
        before: &[],
        order: &["install", &file],
        operation: INSTALL,
        steps: &Step::INSTALL,
    }
    .check();
}

#[test]
fn a_crash_at_any_step_of_an_upgrade_ends_as_if_there_had_been_none() {
    let packages = Packages::build();
    let old = packages.file("1.0-1").display().to_string();
    let new = packages.file("2.0-1").display().to_string();
    Scenario {
        name: "upgrade",
        before: &[&["install", &old, "--params", "{\"colour\": \"green\"}"]],
        order: &["install", &new],
        operation: INSTALL,
        steps: &Step::INSTALL,
    }
    .check();
}

#[test]
fn a_crash_at_any_step_of_a_removal_ends_as_if_there_had_been_none() {
    let packages = Packages::build();
    let old = packages.file("1.0-1").display().to_string();
    let new = packages.file("2.0-1").display().to_string();
    Scenario {
        name: "remove",
        before: &[&["install", &old], &["install", &new]],
        order: &["remove", "demo-a"],
        operation: REMOVE,
        steps: &Step::REMOVE,
    }
    .check();
}

#[test]
fn a_crash_at_any_step_of_a_group_ends_as_if_there_had_been_none() {
    let packages = Packages::build();
    let group = packages.file("group").display().to_string();
    for (name, before, order, operation, steps) in [
        (
            "install a group",
            &[] as &[&[&str]],
            ["install", &group],
            INSTALL,
            &[Step::Checks, Step::Finish] as &[Step],
        ),
        (
            "remove a group",
            &[&["install", &group]],
            ["remove", "demo-group"],
            REMOVE,
            &[Step::Forget],
        ),
    ] {
        Scenario {
            name,
            before,
            order: &order,
            operation,
            steps,
        }
        .check();
    }
}

#[test]
fn a_script_that_outlives_its_agent_is_ended_at_the_next_start_and_nothing_else() {
    let packages = tempfile::tempdir().unwrap();
    let sources = packages.path().join("sources");
    fs_err::create_dir_all(sources.join("WAPT")).unwrap();
    // The first run never ends, and neither does what it started in a session of its own without its environment.
    let script = "\
from setuphelpers import *
import subprocess, sys, time

def install():
    mkdirs(programfiles())
    marker = makepath(programfiles(), 'pids')
    if isfile(marker):
        return
    apart = {} if os.name == 'nt' else dict(start_new_session=True, env={})
    other = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **apart)
    with open(marker + '.new', 'w') as file:
        file.write('%d %d' % (os.getpid(), other.pid))
    os.rename(marker + '.new', marker)
    while True:
        time.sleep(1)
";
    fs_err::write(sources.join("setup.py"), script).unwrap();
    let control = Control::new("demo-stuck", "1", Section::Base);
    fs_err::write(sources.join("WAPT/control"), control.to_text()).unwrap();
    let options = BuildOptions::default();
    let built = build_folder(&sources, packages.path(), &signer(), &options, clock::now()).unwrap();

    let machine = Machine::new();
    let service = machine.service(None);
    let mut order = machine
        .command(&["install", &built.path.display().to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let programs = if cfg!(windows) { "C/Program Files" } else { "opt" };
    let marker = machine.root.path().join(programs).join("pids");
    let limit = Instant::now() + PATIENCE;
    while !marker.exists() {
        assert!(Instant::now() < limit, "the script never ran");
        std::thread::park_timeout(PAUSE);
    }
    let text = fs_err::read_to_string(&marker).unwrap();
    let pids: Vec<&str> = text.split(' ').collect();
    // Somebody else's program, which must not be touched.
    let mut bystander = bystander().stdout(Stdio::null()).spawn().unwrap();
    service.kill();
    order.wait().unwrap();
    // On Windows their job ends with the agent.
    if cfg!(unix) {
        assert!(pids.iter().all(|pid| runs(pid)), "they outlive the agent");
    }

    let service = machine.service(None);
    assert!(!pids.iter().any(|pid| runs(pid)), "they are ended");
    assert!(bystander.try_wait().unwrap().is_none());
    bystander.kill().unwrap();
    bystander.wait().unwrap();
    let end = machine.settled();
    service.kill();
    assert_eq!(end.rows[0].shown["status"], "OK", "{:?}", end.rows);
    assert_eq!(end.rows[0].shown["tries"], 0);
}

/// A program that runs for a long time and has nothing to do with the agent.
fn bystander() -> Command {
    let words: &[&str] = if cfg!(windows) {
        &["ping", "-n", "600", "127.0.0.1"]
    } else {
        &["sleep", "600"]
    };
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}

/// A process is there.
#[cfg(windows)]
fn runs(pid: &str) -> bool {
    muster_agent::platform::birth_of(pid.parse().unwrap()).is_some()
}

/// A process is there and not only its entry that nobody has waited for.
#[cfg(unix)]
fn runs(pid: &str) -> bool {
    fs_err::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        let state = stat.rsplit(')').next().unwrap_or_default().trim_start();
        !state.starts_with('Z')
    })
}
