//! The real binary on really signed packages: commands alone, the service and its local API, exit codes.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use muster_agent::paths::Paths;
use muster_shared::clock;
use muster_shared::control::{Control, Section};
use muster_shared::crypto::FileSigner;
use muster_shared::package::build::{BuildOptions, build_folder};
use serde_json::Value;

const AGENT: &str = env!("CARGO_BIN_EXE_muster-agent");
const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/keys");

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// Between two looks; programs under test need the processor too.
const PAUSE: Duration = Duration::from_millis(20);

struct Place {
    root: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            root: tempfile::tempdir().unwrap(),
        };
        let trust = place.paths().trust_dir();
        fs_err::create_dir_all(&trust).unwrap();
        fs_err::copy(Path::new(KEYS).join("signer.crt"), trust.join("signer.crt")).unwrap();
        place
    }

    fn agent_root(&self) -> PathBuf {
        self.root.path().join("agent")
    }

    fn paths(&self) -> Paths {
        Paths::new(Some(&self.agent_root()))
    }

    fn package(&self, name: &str, version: &str, setup_py: &str) -> String {
        let sources = self.root.path().join(format!("sources-{name}-{version}"));
        fs_err::create_dir_all(sources.join("WAPT")).unwrap();
        fs_err::write(sources.join("setup.py"), setup_py).unwrap();
        let control = Control::new(name, version, Section::Base);
        fs_err::write(sources.join("WAPT/control"), control.to_text()).unwrap();
        let keys = Path::new(KEYS);
        let signer = FileSigner::open(&keys.join("signer.crt"), &keys.join("signer.pem"), None).unwrap();
        let options = BuildOptions::default();
        let built = build_folder(&sources, self.root.path(), &signer, &options, clock::now()).unwrap();
        built.path.display().to_string()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.push("--json");
        let output = self.run(&all);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!(
                "{arguments:?}: {error}: {}",
                String::from_utf8_lossy(&output.stdout)
            )
        })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(AGENT);
        command.arg("--root").arg(self.agent_root()).args(arguments);
        command
    }

    /// The service, once it listens.
    fn service(&self) -> Service {
        let mut child = self
            .command(&["run"])
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

impl Service {
    /// Asks it to end, and gives its exit code.
    #[cfg(unix)]
    fn terminate(mut self) -> i32 {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(sent.success());
        eventually(|| {
            self.child
                .try_wait()
                .unwrap()
                .map(|status| status.code().unwrap_or(-1))
        })
    }

    /// Ends it without asking: a console or the service manager asks, and a test has neither.
    #[cfg(windows)]
    fn terminate(mut self) -> i32 {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        0
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn eventually<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let limit = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < limit, "waited {PATIENCE:?} in vain");
        std::thread::park_timeout(PAUSE);
    }
}

const SCRIPT: &str = "def install():\n    print('here I am')\n\ndef uninstall():\n    print('gone')\n\ndef audit():\n    return 'ERROR'\n";

#[test]
fn a_package_file_is_installed_listed_audited_and_removed_by_commands_alone() {
    let place = Place::new();
    let file = place.package("demo-a", "1.0-1", SCRIPT);
    let installed = place.run(&["install", &file]);
    assert_eq!(
        installed.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&installed.stderr)
    );
    let list = place.json(&["list"]);
    assert_eq!(
        (list[0]["package"].as_str(), list[0]["status"].as_str()),
        (Some("demo-a"), Some("OK"))
    );
    assert_eq!(place.json(&["log", "demo-a"])["log"], "here I am\n");
    // An audit that finds an error ran well; the exit code says what it found.
    assert_eq!(place.run(&["audit", "demo-a"]).status.code(), Some(3));
    assert_eq!(place.json(&["list"])[0]["audit_status"], "ERROR");
    assert_eq!(place.run(&["remove", "demo-a"]).status.code(), Some(0));
    assert_eq!(place.json(&["list"]), serde_json::json!([]));
}

#[test]
fn failures_have_one_clear_message_advice_and_their_exit_code() {
    let place = Place::new();
    let file = place.package(
        "demo-bad",
        "1.0-1",
        "def install():\n    raise ValueError('no')\n",
    );
    let failed = place.run(&["install", &file]);
    assert_eq!(failed.status.code(), Some(3));
    assert_eq!(place.json(&["list"])[0]["failed_step"], "install");
    for (arguments, code) in [
        (&["install", "/nowhere/x.wapt"][..], 1),
        (&["install", "unknown"], 4),
        (&["log", "unknown"], 1),
        (&["show", "unknown"], 1),
        (&["list-upgrade"], 4),
        (&["explain", "demo(=1)"], 2),
        (&["frobnicate"], 2),
        (&["register", "--server", "http://plain"], 2),
    ] {
        let output = place.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains("error: "), "{arguments:?}: {said}");
    }
    let output = place.run(&["explain", "unknown"]);
    assert_eq!(output.status.code(), Some(4));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("no index was fetched yet") && !said.contains("no package of that name"),
        "{said}"
    );
    let body = place.json(&["log", "unknown"]);
    assert_eq!(body["error"]["code"], "not_found");
    assert!(!body["error"]["hints"].as_array().unwrap().is_empty());
}

#[test]
fn a_package_of_the_index_is_explained_and_a_misspelt_name_finds_the_right_one() {
    let place = Place::new();
    place.json(&["status"]);
    let made = place.package("demo-a", "1.0-1", SCRIPT);
    place.run(&["install", &made]);
    let index = place.paths().index_file();
    fs_err::create_dir_all(index.parent().unwrap()).unwrap();
    let golden = Path::new(KEYS).parent().unwrap().join("repo/Packages");
    fs_err::copy(golden, &index).unwrap();
    let explain = |package: &str| {
        let output = place.run(&["explain", package]);
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    let (code, said) = explain("peer-app");
    assert!(code == Some(0) && said.contains("is offered"), "{said}");
    let (code, said) = explain("peer-ap");
    assert!(code == Some(1) && said.contains("there is: peer-app"), "{said}");

    // Nobody trusted signed it: it is there, and refused.
    let trust = place.paths().trust_dir();
    fs_err::remove_file(trust.join("signer.crt")).unwrap();
    fs_err::copy(Path::new(KEYS).join("ca.crt"), trust.join("ca.crt")).unwrap();
    for arguments in [["explain", "peer-app"], ["install", "peer-app"]] {
        let output = place.run(&arguments);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(
            said.contains("no trusted certificate") && !said.contains("no package of that name"),
            "{said}"
        );
    }
}

#[test]
fn an_untrusted_package_changes_nothing() {
    let place = Place::new();
    let file = place.package("demo-a", "1.0-1", SCRIPT);
    fs_err::remove_dir_all(place.paths().trust_dir()).unwrap();
    let refused = place.run(&["install", &file]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(
        String::from_utf8_lossy(&refused.stdout).contains("not trusted"),
        "{refused:?}"
    );
    assert_eq!(place.json(&["list"]), serde_json::json!([]));
}

#[test]
fn commands_go_through_the_running_service_which_ends_cleanly() {
    let place = Place::new();
    let file = place.package("demo-a", "1.0-1", SCRIPT);
    let service = place.service();
    assert_eq!(place.json(&["status"])["service"], "running");
    let installed = place.run(&["install", &file]);
    assert_eq!(
        installed.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&installed.stderr)
    );
    assert!(
        String::from_utf8_lossy(&installed.stderr).contains("here I am"),
        "progress is streamed"
    );
    assert_eq!(place.json(&["list"])[0]["status"], "OK");
    // The state has one owner.
    assert_eq!(place.run(&["update", "--standalone"]).status.code(), Some(5));
    assert_eq!(service.terminate(), 0);
    assert_eq!(place.json(&["status"])["service"], "stopped");
}

// Being asked to end is tried on Unix only.
#[cfg(unix)]
#[test]
fn stopping_the_service_in_the_middle_of_a_script_ends_it_and_the_next_start_goes_on() {
    let place = Place::new();
    let marker = place.root.path().join("marker");
    let script = format!(
        "import os, time\ndef install():\n    if os.path.exists({marker:?}):\n        return\n    open({marker:?}, 'w').close()\n    time.sleep(600)\n"
    );
    let file = place.package("demo-slow", "1.0-1", &script);
    let service = place.service();
    let mut waiting = place
        .command(&["install", &file])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually(|| marker.exists().then_some(()));
    assert_eq!(service.terminate(), 0);
    assert_ne!(waiting.wait().unwrap().code(), Some(0));
    let row = &place.json(&["list"])[0];
    assert_eq!(row["status"], "ERROR");
    assert!(
        row["log"].as_str().unwrap().contains("the agent stopped"),
        "{row}"
    );

    let service = place.service();
    eventually(|| (place.json(&["list"])[0]["status"] == "OK").then_some(()));
    assert_eq!(service.terminate(), 0);
}

#[test]
fn a_service_killed_in_the_middle_of_a_script_runs_it_again_at_the_next_start() {
    let place = Place::new();
    let marker = place.root.path().join("marker");
    let script = format!(
        "import os, time\ndef install():\n    if os.path.exists({marker:?}):\n        return\n    open({marker:?}, 'w').close()\n    time.sleep(600)\n"
    );
    let file = place.package("demo-slow", "1.0-1", &script);
    let mut service = place.service();
    let mut waiting = place
        .command(&["install", &file])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually(|| marker.exists().then_some(()));
    service.child.kill().unwrap();
    service.child.wait().unwrap();
    waiting.wait().unwrap();

    let service = place.service();
    eventually(|| (place.json(&["list"])[0]["status"] == "OK").then_some(()));
    eventually(|| {
        let tasks = place.json(&["tasks"]);
        let is_done = tasks
            .as_array()
            .unwrap()
            .iter()
            .any(|task| task["state"] == "done");
        is_done.then_some(())
    });
    assert_eq!(service.terminate(), 0);
}

#[test]
fn the_queue_is_listed_and_cancelled_by_commands() {
    let place = Place::new();
    let marker = place.root.path().join("marker");
    let script =
        format!("import time\ndef install():\n    open({marker:?}, 'w').close()\n    time.sleep(600)\n");
    let file = place.package("demo-slow", "1.0-1", &script);
    let service = place.service();
    let mut waiting = place
        .command(&["install", &file])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually(|| marker.exists().then_some(()));
    let tasks = place.json(&["tasks"]);
    let running = tasks
        .as_array()
        .unwrap()
        .iter()
        .find(|task| task["state"] == "running")
        .unwrap();
    assert_eq!(running["kind"], "install");
    let id = running["id"].as_str().unwrap().to_owned();
    assert_eq!(place.run(&["cancel", &id]).status.code(), Some(0));
    assert_ne!(waiting.wait().unwrap().code(), Some(0));
    let again = place.run(&["cancel", &id]);
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(again.status.code() == Some(1) && said.contains(&id), "{said}");
    assert_eq!(place.run(&["cancel-all"]).status.code(), Some(0));
    assert_eq!(service.terminate(), 0);
    // Without the service the history is still there, and nothing can be cancelled.
    assert!(place.json(&["tasks"]).to_string().contains("cancelled"));
    let refused = place.run(&["cancel-all"]);
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("does not run"),
        "{refused:?}"
    );
}

#[test]
fn only_the_hook_of_a_package_runs_for_its_developer() {
    let place = Place::new();
    let file = place.package("demo-a", "1.0-1", SCRIPT);
    assert_eq!(
        place
            .run(&["install", &file, "--params", "{\"colour\": \"green\"}"])
            .status
            .code(),
        Some(0)
    );
    assert_eq!(place.json(&["show-params", "demo-a"])["colour"], "green");
    assert_eq!(
        place.json(&["show-log", "demo-a"])["log"],
        place.json(&["log", "demo-a"])["log"]
    );
    let ran = place.json(&["uninstall", "demo-a"]);
    assert_eq!(
        (ran["status"].as_str(), ran["log"].as_str()),
        (Some("OK"), Some("gone\n"))
    );
    assert_eq!(place.json(&["list"])[0]["package"], "demo-a");
    assert_eq!(place.run(&["uninstall", "demo-b"]).status.code(), Some(1));
}

#[test]
fn commands_of_wapt_that_need_nothing_say_what_takes_their_place() {
    let place = Place::new();
    for (command, code, word) in [
        ("get-server-certificate", 0, "always checked"),
        ("enable-check-certificate", 0, "always checked"),
        ("upgradedb", 0, "nothing to do"),
        ("setlocalpassword", 1, "operating system"),
        ("enable-tasks", 1, "waptupdate_task_period"),
        ("setup-tasks", 1, "waptupdate_task_period"),
    ] {
        let output = place.run(&[command]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.code() == Some(code) && said.contains(word),
            "{command}: {said}"
        );
    }
    // Without an index nothing is known to be offered.
    place.run(&["status"]);
    place.json(&["config", "show"]);
    let file = place.package("demo-a", "1.0-1", SCRIPT);
    place.run(&["install", &file]);
    for command in [&["search"][..], &["download", "demo-a"], &["download-upgrade"]] {
        assert_eq!(place.run(command).status.code(), Some(4), "{command:?}");
    }
    assert_eq!(place.json(&["clean"])["files"], 0);
    let software = place.json(&["list-registry", "libc"]);
    assert!(software.as_array().is_some(), "{software}");
}

#[test]
fn shells_and_man_find_every_command() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let output = place.run(&["completions", shell]);
        let script = String::from_utf8_lossy(&output.stdout).into_owned();
        for command in [
            "list-upgrade",
            "session-setup",
            "cancel-all",
            "add-upgrade-shutdown",
        ] {
            assert!(script.contains(command), "{command} for {shell}");
        }
        if shell == "bash" && cfg!(unix) {
            let file = place.root.path().join("completions");
            fs_err::write(&file, &output.stdout).unwrap();
            assert!(
                Command::new("bash")
                    .arg("-n")
                    .arg(&file)
                    .status()
                    .unwrap()
                    .success()
            );
        }
    }
    let page = place.run(&["man"]);
    assert!(String::from_utf8_lossy(&page.stdout).contains(".TH MUSTER-AGENT 8"));
    let folder = place.root.path().join("man8");
    let pages = place.json(&["man", "--dir", folder.to_str().unwrap()]);
    assert!(pages.as_array().unwrap().len() > 30, "{pages}");
    let search = fs_err::read_to_string(folder.join("muster-agent-search.8")).unwrap();
    assert!(search.contains("newest version of each"), "{search}");
}

#[test]
fn progress_is_a_bar_on_a_terminal_lines_elsewhere_and_nothing_when_quiet() {
    let place = Place::new();
    let file = place.package("demo-a", "1.0-1", SCRIPT);
    let plain = place.run(&["install", &file, "--force"]);
    let said = String::from_utf8_lossy(&plain.stderr).into_owned();
    assert!(said.contains("here I am") && !said.contains('\u{1b}'), "{said}");
    let quiet = place.run(&["install", &file, "--force", "--quiet"]);
    assert_eq!(String::from_utf8_lossy(&quiet.stderr), "");
    assert!(String::from_utf8_lossy(&quiet.stdout).contains("1 package installed"));
    // A terminal of its own, as a person has it.
    let command = format!(
        "{AGENT} --root '{}' install '{file}' --force",
        place.agent_root().display()
    );
    let Ok(terminal) = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .output()
    else {
        std::io::Write::write_all(
            &mut std::io::stderr(),
            b"skipped: no script(1) to make a terminal\n",
        )
        .ok();
        return;
    };
    let shown = String::from_utf8_lossy(&terminal.stdout).into_owned();
    assert!(shown.contains('\u{1b}') && shown.contains('%'), "{shown}");
    assert!(shown.contains("1 package installed"), "{shown}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_has_the_service_cancel_what_was_ordered_and_a_lost_terminal_takes_nothing_with_it() {
    let place = Place::new();
    let marker = place.root.path().join("marker");
    let script =
        format!("import time\ndef install():\n    open({marker:?}, 'w').close()\n    time.sleep(600)\n");
    let file = place.package("demo-slow", "1.0-1", &script);
    let service = place.service();
    let order = || {
        let waiting = place
            .command(&["install", &file, "--force"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        eventually(|| marker.exists().then_some(()));
        fs_err::remove_file(&marker).unwrap();
        waiting
    };
    let signal = |waiting: &Child, name: &str| {
        let pid = waiting.id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &pid])
                .status()
                .unwrap()
                .success()
        );
    };
    let open = |state: &str| {
        let tasks = place.json(&["tasks"]);
        let mut tasks = tasks.as_array().unwrap().iter();
        tasks.any(|task| task["state"] == state)
    };
    let mut waiting = order();
    signal(&waiting, "-INT");
    assert_eq!(waiting.wait().unwrap().code(), Some(3));
    assert!(open("cancelled") && !open("running"));

    let mut waiting = order();
    signal(&waiting, "-HUP");
    waiting.wait().unwrap();
    assert!(open("running"));
    // Without a name, the one that runs.
    assert_eq!(place.run(&["cancel"]).status.code(), Some(0));
    eventually(|| (!open("running")).then_some(()));
    assert_eq!(service.terminate(), 0);
}
