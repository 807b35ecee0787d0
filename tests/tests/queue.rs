//! Orders that wait: for a machine that is off, for their turn, for a window; and what ends them.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::path::{Path, PathBuf};

use muster_tests::{Agent, Sources, World, eventually};

/// A package that says where it is, starts a process that would outlive it, and goes on when `go` is there.
fn slow(world: &World, package: &str) -> Sources {
    world.sources(package, "1").script(
        "from setuphelpers import *\nimport subprocess, time\n\n\
         def note(name, text):\n    with open(makepath(programfiles(), name + '.new'), 'w') as file:\n\
         \x20       file.write(text)\n\
         \x20   os.rename(makepath(programfiles(), name + '.new'), makepath(programfiles(), name))\n\n\
         def install():\n    mkdirs(programfiles())\n\
         \x20   child = subprocess.Popen(['setsid', 'sleep', '600'], stdin=subprocess.DEVNULL,\n\
         \x20                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n\
         \x20   note(control.package + '.pids', '%s %s' % (os.getpid(), child.pid))\n\
         \x20   while not isfile(makepath(programfiles(), 'go')):\n        time.sleep(0.05)\n\
         \x20   child.kill()\n    child.wait()\n\
         \x20   note(control.package + '.txt', control.version)\n",
    )
}

fn opt(agent: &Agent, name: &str) -> PathBuf {
    agent.root().join("opt").join(name)
}

/// Waits until the script of [`slow`] runs: its process and the one that it started.
fn running(agent: &Agent, package: &str) -> Vec<String> {
    let file = opt(agent, &format!("{package}.pids"));
    eventually(&format!("the script of {package} runs"), || {
        let text = fs_err::read_to_string(&file).map_err(|error| error.to_string())?;
        Ok(text.split_whitespace().map(str::to_owned).collect())
    })
}

fn is_alive(pid: &str) -> bool {
    // A zombie whose parent has not looked yet is not alive.
    fs_err::read_to_string(Path::new("/proc").join(pid).join("stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().starts_with(" Z"))
}

fn ended(pids: &[String]) {
    eventually("the processes of the script have ended", || {
        let alive: Vec<&String> = pids.iter().filter(|pid| is_alive(pid)).collect();
        if alive.is_empty() {
            Ok(())
        } else {
            Err(format!("{alive:?}"))
        }
    });
}

#[test]
fn a_machine_that_was_off_gets_its_orders_in_their_order_unless_they_expired() {
    let world = World::start();
    let mut agent = world.enrol("pc-1");
    agent.start();
    world.wait_until_reachable("pc-1");
    agent.end("TERM");
    // The second removes what the first brought: only in this order nothing is left of it.
    world.publish(&world.sources("demo-app", "1").marker());
    world.publish(&world.sources("demo-tool", "1").marker());
    world.publish(&world.sources("demo-late", "1").marker());
    let short = world.order(&["install", "pc-1", "--package", "demo-late", "--expires", "10s"]);
    let first = world.order(&["install", "pc-1", "--package", "demo-app", "--expires", "1d"]);
    let second = world.order(&["remove", "pc-1", "--package", "demo-app", "--expires", "1d"]);
    let third = world.order(&["install", "pc-1", "--package", "demo-tool", "--expires", "1d"]);
    for batch in [&first, &second, &third] {
        assert_eq!(world.target(batch)["state"], "queued");
    }
    world.wait_for_target(&short, "expired");

    agent.start();
    for batch in [&first, &second, &third] {
        world.wait_for_target(batch, "done");
    }
    assert_eq!(agent.marker("demo-app"), None);
    assert_eq!(agent.marker("demo-tool").as_deref(), Some("1"));
    let removal = world.target(&second)["text"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(removal.contains("demo-app"), "{removal}");
    // What expired stays so, and never reached the machine.
    assert_eq!(world.target(&short)["state"], "expired");
    assert_eq!(agent.marker("demo-late"), None);
    let orders: Vec<String> = agent
        .tasks()
        .iter()
        .filter(|task| !task["batch"].is_null())
        .map(|task| task["batch"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(orders, [third, second, first]);
}

#[test]
fn a_waiting_order_and_a_running_one_are_cancelled_with_all_that_the_script_started() {
    let world = World::start();
    world.publish(&slow(&world, "demo-slow"));
    world.publish(&world.sources("demo-app", "1").marker());
    let mut agent = world.enrol("pc-1");
    agent.start();
    world.wait_until_reachable("pc-1");
    let slow = world.order(&["install", "pc-1", "--package", "demo-slow"]);
    let pids = running(&agent, "demo-slow");
    assert!(
        pids.len() == 2 && pids.iter().all(|pid| is_alive(pid)),
        "{pids:?}"
    );
    world.wait_for_target(&slow, "running");

    // The one that waits never begins; the running one is not disturbed by that.
    let waiting = world.order(&["install", "pc-1", "--package", "demo-app"]);
    world.wait_for_target(&waiting, "accepted");
    world
        .muster(
            &["host", "act", "cancel", "pc-1", "--batch", &waiting, "--wait"],
            "",
        )
        .ok();
    let target = world.wait_for_target(&waiting, "cancelled");
    assert!(target["text"].as_str().unwrap().contains("alice"), "{target}");
    assert_eq!(world.target(&slow)["state"], "running");
    assert!(pids.iter().all(|pid| is_alive(pid)), "{pids:?}");

    // Cancelled while it runs: its process, and what it started in a session of its own.
    let cancel = world.order(&["cancel", "pc-1", "--batch", &slow]);
    world.wait_for_target(&slow, "cancelled");
    world.wait_for_target(&cancel, "done");
    ended(&pids);
    let package = world.wait_for_package("pc-1", "demo-slow", |row| row["status"] == "ERROR");
    assert!(
        package["log"].as_str().unwrap().contains("cancelled"),
        "{package}"
    );
    assert_eq!(agent.package("demo-slow").unwrap()["status"], "ERROR");
    assert_eq!(agent.marker("demo-app"), None);

    // Nothing of that stands in the way of doing it again.
    fs_err::remove_file(opt(&agent, "demo-slow.pids")).unwrap();
    fs_err::write(opt(&agent, "go"), "").unwrap();
    let again = world.order(&[
        "install",
        "pc-1",
        "--package",
        "demo-slow",
        "--package",
        "demo-app",
    ]);
    world.wait_for_target(&again, "done");
    assert_eq!(agent.package("demo-slow").unwrap()["status"], "OK");
    assert_eq!(agent.marker("demo-app").as_deref(), Some("1"));
}

#[test]
fn two_orders_are_carried_out_one_after_the_other_and_an_update_goes_before_what_waits() {
    let world = World::start();
    world.publish(&slow(&world, "demo-slow"));
    world.publish(&world.sources("demo-app", "1").marker());
    let mut agent = world.enrol("pc-1");
    agent.start();
    world.wait_until_reachable("pc-1");
    agent.wait_until_idle();
    let slow = world.order(&["install", "pc-1", "--package", "demo-slow"]);
    running(&agent, "demo-slow");
    let app = world.order(&["install", "pc-1", "--package", "demo-app"]);
    let update = world.order(&["update", "pc-1"]);
    world.wait_for_target(&app, "accepted");
    world.wait_for_target(&update, "accepted");
    assert_eq!(agent.marker("demo-app"), None);
    fs_err::write(opt(&agent, "go"), "").unwrap();
    for batch in [&slow, &app, &update] {
        world.wait_for_target(batch, "done");
    }
    let tasks = agent.tasks();
    let begun = |batch: &str| -> jiff::Timestamp {
        let task = tasks.iter().find(|task| task["batch"] == batch).unwrap();
        task["started_at"].as_str().unwrap().parse().unwrap()
    };
    assert!(
        begun(&slow) < begun(&update) && begun(&update) < begun(&app),
        "{tasks:?}"
    );
}

/// A window of all day today by the machine's time, or of every day but today and tomorrow.
fn window(is_open: bool) -> String {
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let now = jiff::tz::TimeZone::system().to_datetime(muster_shared::clock::now());
    let today = usize::try_from(now.date().weekday().to_monday_zero_offset()).unwrap();
    let near = [(today + 6) % 7, today, (today + 1) % 7];
    let named: Vec<String> = days
        .iter()
        .enumerate()
        .filter(|(day, _name)| near.contains(day) == is_open)
        .map(|(_day, name)| format!("\"{name}\""))
        .collect();
    format!(
        "maintenance = [{{ days = [{}], from = \"00:00\", to = \"23:59\" }}, {{ days = [{}], from = \"23:59\", to = \"00:00\" }}]",
        named.join(", "),
        named.join(", ")
    )
}

#[test]
fn a_window_holds_back_the_schedule_until_it_opens_and_no_order_and_nothing_forced() {
    let world = World::start();
    for package in ["demo-app", "demo-tool", "demo-must"] {
        let sources = world.sources(package, "1").marker();
        world.publish(&if package == "demo-must" {
            sources.with("forced_install_on", "2026-01-01T00:00:00")
        } else {
            sources
        });
    }
    let mut agent = world.enrol("pc-1");
    for package in ["demo-app", "demo-must"] {
        world
            .muster(&["host", "edit", "pc-1", "--require", package], "")
            .ok();
    }
    agent.configure("waptupgrade_task_period = \"1m\"");
    agent.configure(&window(false));
    // A minute of the scheduler is half a second: many periods pass while the window is closed.
    agent.start_with(&["--clock-speed", "120"], &[]);
    eventually("what is forced is there", || {
        agent
            .marker("demo-must")
            .ok_or_else(|| agent.json(&["status"]).to_string())
    });
    world.wait_until_reachable("pc-1");
    world
        .muster(
            &[
                "host",
                "act",
                "install",
                "pc-1",
                "--package",
                "demo-tool",
                "--expires",
                "1d",
                "--wait",
            ],
            "",
        )
        .ok();
    assert_eq!(agent.marker("demo-tool").as_deref(), Some("1"));
    let status = agent.wait_for_status("the rest waits", |status| status["pending"] == 1);
    let next: jiff::Timestamp = status["next_upgrade_at"].as_str().unwrap().parse().unwrap();
    assert!(
        next > muster_shared::clock::now() + jiff::SignedDuration::from_hours(1),
        "{status}"
    );
    assert_eq!(agent.marker("demo-app"), None);
    let scheduled = |agent: &Agent| {
        agent
            .tasks()
            .iter()
            .any(|task| task["kind"] == "upgrade" && task["packages"].as_array().is_some_and(Vec::is_empty))
    };
    assert!(!scheduled(&agent), "{:?}", agent.tasks());

    // It opens: here because the configuration says so, which a running service takes up.
    let path = agent.root().join("etc/muster/agent.toml");
    let text = fs_err::read_to_string(&path).unwrap();
    fs_err::write(&path, text.replace(&window(false), &window(true))).unwrap();
    eventually("the scheduled upgrade", || {
        agent
            .marker("demo-app")
            .ok_or_else(|| agent.json(&["status"]).to_string())
    });
    eventually("it is on record as the schedule's", || {
        if scheduled(&agent) {
            Ok(())
        } else {
            Err(format!("{:?}", agent.tasks()))
        }
    });
    world.wait_for_status("pc-1", "OK");
}
