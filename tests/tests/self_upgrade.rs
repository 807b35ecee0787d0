//! The agent becomes another build of itself, and goes back from one that does not live.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use muster_tests::{Agent, Done, World, binary, eventually, run};
use serde_json::Value;

/// An installed agent whose service is kept running, as a service manager does it.
struct Installed {
    root: PathBuf,
    program: PathBuf,
    ends: Arc<AtomicBool>,
    child: Arc<Mutex<Option<Child>>>,
    keeper: Option<JoinHandle<()>>,
}

impl Installed {
    fn start(agent: &Agent) -> Self {
        Self::start_with(agent, None)
    }

    /// The service of another build, if one is given.
    fn start_with(agent: &Agent, build: Option<&Path>) -> Self {
        let root = agent.root().to_owned();
        let program = root.join("usr/bin/muster-agent");
        fs_err::create_dir_all(program.parent().unwrap()).unwrap();
        match build {
            Some(build) => {
                fs_err::copy(build, &program).unwrap();
            }
            None => stripped(&program),
        }
        let ends = Arc::new(AtomicBool::new(false));
        let child = Arc::new(Mutex::new(None));
        let keeper = {
            let (root, program, ends, child) = (root.clone(), program.clone(), ends.clone(), child.clone());
            std::thread::Builder::new()
                .name("service manager".to_owned())
                .spawn(move || keep(&root, &program, &ends, &child))
                .unwrap()
        };
        let installed = Self {
            root,
            program,
            ends,
            child,
            keeper: Some(keeper),
        };
        installed.wait_until_it_runs();
        installed
    }

    fn agent(&self, args: &[&str]) -> Done {
        let root = self.root.to_str().unwrap();
        run(&self.program, &[&["--root", root], args].concat(), "", &[])
    }

    fn json(&self, args: &[&str]) -> Value {
        let done = self.agent(&[args, &["--json"]].concat());
        serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {done:?}"))
    }

    fn wait_until_it_runs(&self) {
        eventually("the service answers", || {
            let status = self.json(&["status"]);
            if status["service"] == "running" {
                Ok(())
            } else {
                Err(format!("{status}\n{}", self.log()))
            }
        });
    }

    fn log(&self) -> String {
        fs_err::read_to_string(self.root.join("service.log")).unwrap_or_default()
    }

    /// What the watchdog wrote, for messages.
    fn watch_log(&self) -> String {
        fs_err::read_to_string(self.place().join("watch.log")).unwrap_or_default()
    }

    fn bytes(&self) -> Vec<u8> {
        fs_err::read(&self.program).unwrap()
    }

    fn place(&self) -> PathBuf {
        self.root.join("var/lib/muster/private/self-upgrade")
    }

    /// The watchdog has ended: it starts the service once more after it has said how the order ended.
    fn wait_for_the_watchdog(&self) {
        eventually("the watchdog is done", || {
            let lock =
                fs_err::File::open(self.place().join("watch.lock")).map_err(|error| error.to_string())?;
            lock.file()
                .try_lock()
                .map_err(|error| format!("{error}\n{}", self.watch_log()))
        });
    }

    /// The service runs again with the program that it had, and says why it did not stay the other one.
    fn is_back(&self, old: &[u8], reason: &str) {
        self.wait_for_the_watchdog();
        assert!(
            self.bytes() == old,
            "the old program is back: {}",
            self.watch_log()
        );
        self.wait_until_it_runs();
        eventually("the reason in the status", || {
            let status = self.json(&["status"]);
            match status["notice"].as_str() {
                Some(notice) if notice.contains(reason) => Ok(()),
                _ => Err(format!("{status}\n{}", self.watch_log())),
            }
        });
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        if let Some(child) = self.child.lock().unwrap().as_mut() {
            child.kill().ok();
        }
        self.keeper.take().unwrap().join().ok();
    }
}

fn keep(root: &Path, program: &Path, ends: &AtomicBool, child: &Mutex<Option<Child>>) {
    while !ends.load(Ordering::SeqCst) {
        let log = fs_err::OpenOptions::new()
            .create(true)
            .append(true)
            .open(root.join("service.log"))
            .unwrap();
        let (log, _path) = log.into_parts();
        let started = Command::new(program)
            .args(["--root", root.to_str().unwrap(), "run"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        *child.lock().unwrap() = started.ok();
        loop {
            let over = match child.lock().unwrap().as_mut() {
                Some(child) => !matches!(child.try_wait(), Ok(None)),
                None => true,
            };
            if over || ends.load(Ordering::SeqCst) {
                break;
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
        std::thread::park_timeout(Duration::from_millis(200));
    }
}

/// A small copy of the agent.
fn stripped(to: &Path) {
    let done = Command::new("strip")
        .arg("-o")
        .arg(to)
        .arg(binary("muster-agent"))
        .status()
        .unwrap();
    assert!(done.success());
}

/// The agent once more: the same program in another file, as a build of the next day would be.
fn another_build(folder: &Path) -> PathBuf {
    build_of(folder, "another day")
}

fn build_of(folder: &Path, day: &str) -> PathBuf {
    let path = folder.join("muster-agent-linux-x64");
    stripped(&path);
    let mut bytes = fs_err::read(&path).unwrap();
    bytes.extend_from_slice(format!("built on {day}").as_bytes());
    fs_err::write(&path, bytes).unwrap();
    path
}

/// A program that says the right things when it is asked and does something else as a service.
fn broken_build(folder: &Path, as_service: &str) -> PathBuf {
    let path = folder.join("muster-agent-linux-x64");
    let real = binary("muster-agent");
    let text = format!(
        "#!/bin/sh\nreal='{}'\ncase \"$*\" in *--version*|*self-test*|*status*|*list*) exec \"$real\" \"$@\" ;; esac\n{as_service}\n",
        real.display()
    );
    fs_err::write(&path, text).unwrap();
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn phase(done: &Done) -> String {
    let value: Value = serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"));
    value["phase"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn an_agent_becomes_another_build_and_keeps_its_identity_and_packages() {
    let world = World::start();
    let agent = world.enrol("pc-1");
    world.publish(&world.sources("demo-app", "1.0-0").marker());
    let installed = Installed::start(&agent);
    installed.agent(&["update"]).ok();
    installed.agent(&["install", "demo-app"]).ok();
    let new = another_build(world.folder());

    let new_text = new.to_str().unwrap();
    let wrong = installed.agent(&["self-upgrade", new_text, "--sha256", &"0".repeat(64)]);
    assert!(wrong.refused().contains("SHA-256"));

    let done = installed.agent(&["self-upgrade", new_text, "--json"]);
    assert_eq!(phase(&done), "done", "{done:?}\n{}", installed.watch_log());
    assert!(installed.bytes() == fs_err::read(&new).unwrap());
    installed.wait_until_it_runs();
    let rows = installed.json(&["list"]).to_string();
    assert!(rows.contains("demo-app"), "{rows}");
    assert_eq!(world.host_row("pc-1").unwrap()["identifier"], "pc-1");
    // The second time there is nothing to do.
    let again = installed.agent(&["self-upgrade", new_text, "--json"]);
    assert_eq!(phase(&again), "not-needed");
}

#[test]
fn a_server_that_is_away_does_not_keep_a_healthy_agent_from_taking_over() {
    let mut world = World::start();
    let agent = world.enrol("pc-1");
    let installed = Installed::start(&agent);
    world.kill_server();
    let new = another_build(world.folder());
    let done = installed.agent(&["self-upgrade", new.to_str().unwrap(), "--json"]);
    assert_eq!(phase(&done), "done", "{done:?}\n{}", installed.watch_log());
    assert!(installed.bytes() == fs_err::read(&new).unwrap());
}

#[test]
fn a_program_that_ends_at_once_is_taken_back() {
    let world = World::start();
    let agent = world.enrol("pc-1");
    let installed = Installed::start(&agent);
    let old = installed.bytes();
    let new = broken_build(world.folder(), "exit 1");
    let new = new.to_str().unwrap();
    let done = installed.agent(&["self-upgrade", new, "--within", "8s", "--json"]);
    assert_eq!((done.code, phase(&done).as_str()), (1, "went-back"), "{done:?}");
    installed.is_back(&old, "no sign of life within 8 s");
}

#[test]
fn a_program_that_hangs_is_ended_and_taken_back() {
    let world = World::start();
    let agent = world.enrol("pc-1");
    let installed = Installed::start(&agent);
    let old = installed.bytes();
    let new = broken_build(world.folder(), "while :; do sleep 1; done");
    let new = new.to_str().unwrap();
    let done = installed.agent(&["self-upgrade", new, "--within", "8s", "--json"]);
    assert_eq!(phase(&done), "went-back", "{done:?}\n{}", installed.watch_log());
    installed.is_back(&old, "no sign of life");
}

#[test]
fn an_agent_that_spoils_the_database_for_itself_is_taken_back_with_the_database_from_before() {
    let world = World::start();
    let agent = world.enrol("pc-1");
    world.publish(&world.sources("demo-app", "1.0-0").marker());
    let installed = Installed::start(&agent);
    installed.agent(&["update"]).ok();
    installed.agent(&["install", "demo-app"]).ok();
    let old = installed.bytes();
    let database = agent.root().join("var/lib/muster/agent.sqlite");
    // One process from beginning to end, with the arguments of the service.
    let newer = format!(
        "exec python3 -c \"import os, sqlite3, sys; c = sqlite3.connect('{}'); c.execute(\\\"INSERT OR IGNORE INTO \
         _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', 1, x'00', \
         0)\\\"); c.commit(); os.execv('$real', sys.argv[1:])\" \"$0\" \"$@\"",
        database.display()
    );
    let new = broken_build(world.folder(), &newer);
    let done = installed.agent(&["self-upgrade", new.to_str().unwrap(), "--json"]);
    // Its own words end the waiting, not the clock.
    assert_eq!(phase(&done), "went-back", "{done:?}\n{}", installed.watch_log());
    installed.is_back(&old, "times to start");
    // Three are enough; on a busy machine the watchdog may look a start later.
    let status = installed.json(&["status"]);
    let said = status["notice"]
        .as_str()
        .unwrap()
        .split("it failed ")
        .nth(1)
        .unwrap();
    let times: u32 = said.split(' ').next().unwrap().parse().unwrap();
    assert!(times >= 3, "{status}");
    let rows = installed.json(&["list"]).to_string();
    assert!(rows.contains("demo-app"), "{rows}");
}

#[test]
fn a_package_brings_the_next_agent_and_fails_when_that_does_not_live() {
    let world = World::start();
    let agent = world.enrol("pc-1");
    let installed = Installed::start(&agent);
    let old = installed.bytes();
    let sources = |version: &str| {
        world
            .sources("test-muster-agent", version)
            .script("from setuphelpers import *\n\n\ndef install():\n    print('the agent follows')\n")
    };
    let status = |version: &'static str, wanted: &'static str| {
        eventually(&format!("the package {version} is {wanted}"), || {
            let rows = installed.json(&["list"]);
            let rows = rows.as_array().cloned().unwrap_or_default();
            let row = rows.into_iter().find(|row| row["package"] == "test-muster-agent");
            match row {
                Some(row) if row["status"] == wanted && row["version"] == version => Ok(row),
                other => Err(format!("{other:?}\n{}", installed.watch_log())),
            }
        })
    };

    // One that does not even pass its test on this machine: nothing is touched.
    let unfit = sources("1.0-0");
    fs_err::write(
        unfit.folder().join("muster-agent-linux-x64"),
        "#!/bin/sh\nexit 7\n",
    )
    .unwrap();
    world.publish(&unfit);
    installed.agent(&["update"]).ok();
    let refused = installed.agent(&["install", "test-muster-agent"]);
    assert_eq!(refused.code, 3, "{refused:?}");
    status("1.0-0", "ERROR");
    assert!(installed.bytes() == old);

    // One that passes and then does not live.
    let broken = sources("1.1-0");
    broken_build(broken.folder(), "exec \"$real\" --root /dev/null/nowhere run");
    let failing = broken.folder().join("muster-agent-linux-x64");
    let text = fs_err::read_to_string(&failing).unwrap();
    let noting = format!(
        "printf '{{\"count\":3,\"reason\":\"no way\"}}' > '{}/var/lib/muster/private/self-upgrade/failed.json'\nexec",
        agent.root().display()
    );
    fs_err::write(&failing, text.replace("\nexec", &format!("\n{noting}"))).unwrap();
    world.publish(&broken);
    installed.agent(&["update"]).ok();
    installed.agent(&["install", "test-muster-agent"]);
    status("1.1-0", "ERROR");
    installed.is_back(&old, "no way");
    world.wait_for_status("pc-1", "ERROR");

    // One that lives.
    let good = sources("1.2-0");
    another_build(good.folder());
    world.publish(&good);
    installed.agent(&["update"]).ok();
    installed.agent(&["install", "test-muster-agent"]);
    let new = fs_err::read(good.folder().join("muster-agent-linux-x64")).unwrap();
    eventually("the new agent took over", || {
        let order = installed.json(&["self-upgrade", "--status"]);
        if installed.bytes() == new && order["phase"] == "done" {
            Ok(())
        } else {
            Err(format!("{order}\n{}", installed.watch_log()))
        }
    });
    status("1.2-0", "OK");
    world.wait_for_status("pc-1", "OK");
}

/// Stages a program without a service, and leaves what a reset in the middle of the switch leaves.
fn reset_in_the_middle(agent: &Agent, new: &Path) {
    let program = agent.root().join("usr/bin/muster-agent");
    let root = agent.root().to_str().unwrap();
    let stage = ["--root", root, "self-upgrade", new.to_str().unwrap(), "--later"];
    run(&program, &stage, "", &[]).ok();
    let order = agent
        .root()
        .join("var/lib/muster/private/self-upgrade/order.json");
    let text = fs_err::read_to_string(&order).unwrap();
    let switched = text.replace("\"staged\"", "\"switched\"");
    assert_ne!(text, switched);
    fs_err::write(&order, switched).unwrap();
}

#[test]
fn a_reset_before_the_program_was_replaced_does_not_pass_the_old_agent_off_as_the_new_one() {
    let world = World::start();
    let agent = world.enrol("pc-1");
    drop(Installed::start(&agent));
    let new = another_build(world.folder());
    reset_in_the_middle(&agent, &new);
    let installed = Installed::start(&agent);
    let bytes = fs_err::read(&new).unwrap();
    eventually("the switch goes on", || {
        let order = installed.json(&["self-upgrade", "--status"]);
        if order["phase"] == "done" && installed.bytes() == bytes {
            Ok(())
        } else {
            Err(format!("{order}\n{}", installed.watch_log()))
        }
    });
    installed.wait_until_it_runs();
}

#[test]
fn a_program_that_an_administrator_installed_after_a_reset_is_left_in_place() {
    let world = World::start();
    let agent = world.enrol("pc-1");
    drop(Installed::start(&agent));
    let new = another_build(world.folder());
    reset_in_the_middle(&agent, &new);
    let other = build_of(world.folder(), "a third day");
    let installed = Installed::start_with(&agent, Some(&other));
    eventually("the order is over", || {
        let order = installed.json(&["self-upgrade", "--status"]);
        if order["phase"] == "went-back" {
            Ok(())
        } else {
            Err(format!("{order}\n{}", installed.watch_log()))
        }
    });
    installed.wait_for_the_watchdog();
    assert!(installed.bytes() == fs_err::read(&other).unwrap());
}
