//! A clock that is a year off: the machine is managed all the same, and what has dates is judged by its own time.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use muster_tests::{Agent, Daemon, Done, World, binary, eventually, run};

/// Runs a command of the agent with another time.
fn at(agent: &Agent, offset: &str, arguments: &[&str]) -> Done {
    let program = binary("muster-agent").to_str().unwrap().to_owned();
    let root = agent.root().to_str().unwrap().to_owned();
    let all = [&["-f", offset, &program, "--root", &root], arguments].concat();
    run(Path::new("faketime"), &all, "", &[])
}

fn library() -> PathBuf {
    let folders = fs_err::read_dir("/usr/lib").unwrap();
    folders
        .map(|entry| entry.unwrap().path().join("faketime/libfaketime.so.1"))
        .find(|path| path.exists())
        .expect("libfaketime is installed")
}

/// The service with a clock whose offset stands in a file: it may jump while the service runs.
fn start(agent: &Agent, offset: &Path) -> Daemon {
    let library = library();
    let arguments = [OsStr::new("--root"), agent.root().as_os_str(), OsStr::new("run")];
    let environment = [
        ("LD_PRELOAD", library.as_os_str()),
        ("FAKETIME_TIMESTAMP_FILE", offset.as_os_str()),
        ("FAKETIME_CACHE_DURATION", OsStr::new("1")),
        ("FAKETIME_DONT_FAKE_MONOTONIC", OsStr::new("1")),
    ];
    let log = agent.root().join("service.log");
    Daemon::start(&binary("muster-agent"), &arguments, &log, &environment)
}

#[test]
fn a_machine_a_year_ahead_registers_reports_and_installs_and_one_a_year_behind_is_told_to_set_its_clock() {
    let world = World::start();
    world.publish(&world.sources("demo-app", "1").marker());
    let register = |agent: &Agent, offset: &str| {
        let token = world.enrolment_token();
        at(
            agent,
            offset,
            &["register", "--server", world.address(), "--token", &token],
        )
    };
    let ahead = world.unregistered("ahead");
    let done = register(&ahead, "+360d");
    assert_eq!(done.code, 0, "{done:?}");
    world
        .muster(&["host", "edit", "ahead", "--require", "demo-app"], "")
        .ok();
    let done = at(&ahead, "+360d", &["upgrade"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(ahead.marker("demo-app").as_deref(), Some("1"));
    // The server sees it as of now, and set right all is as it was.
    let row = world.host_row("ahead").unwrap();
    let seen: jiff::Timestamp = row["last_seen"].as_str().unwrap().parse().unwrap();
    let age = muster_shared::clock::now().duration_since(seen);
    assert!(age.as_secs().abs() < 120, "{row}");
    ahead.run(&["upgrade"]).ok();
    world.wait_for_status("ahead", "OK");

    // No certificate of the server counts yet there: that says what to do, and nothing of a stranger.
    let behind = world.unregistered("behind");
    let said = register(&behind, "-360d").refused();
    assert!(
        said.contains("this machine's clock") && said.contains("set this machine's clock"),
        "{said}"
    );
    assert!(!said.contains("server_pin"), "{said}");
    assert!(world.host_row("behind").is_none());
    register(&behind, "+0").ok();
    world
        .muster(&["host", "edit", "behind", "--require", "demo-app"], "")
        .ok();
    behind.run(&["update"]).ok();
    // A machine that knows its assignment already loses nothing by the wrong clock, and gains nothing.
    let done = at(&behind, "-360d", &["upgrade"]);
    assert_ne!(done.code, 0, "{done:?}");
    assert_eq!(behind.marker("demo-app"), None);
    assert_eq!(
        behind.json(&["status"])["assigned"],
        serde_json::json!(["demo-app"])
    );
    behind.run(&["upgrade"]).ok();
    assert_eq!(behind.marker("demo-app").as_deref(), Some("1"));
    world.wait_for_status("behind", "OK");
}

#[test]
fn a_clock_that_jumps_while_the_service_runs_brings_no_expired_order_to_life_and_stops_nothing() {
    let world = World::start();
    world.publish(&world.sources("demo-app", "1").marker());
    let agent = world.enrol("pc-1");
    let offset = agent.root().join("offset");
    let set = |text: &str| {
        let draft = agent.root().join("offset.new");
        fs_err::write(&draft, format!("{text}\n")).unwrap();
        fs_err::rename(&draft, &offset).unwrap();
    };
    set("+0");
    let service = start(&agent, &offset);
    world.wait_until_reachable("pc-1");
    let order = world.order(&["update", "pc-1"]);
    world.wait_for_target(&order, "done");

    // The clock is looked at within a second; an order of now is told by it then.
    let refused = |word: &str| {
        eventually(&format!("an order is refused because it is {word}"), || {
            let order = world.order(&["install", "pc-1", "--package", "demo-app", "--expires", "1d"]);
            let target = world.wait_until_over(&order);
            let said = target["text"].as_str().unwrap_or_default();
            if target["state"] == "refused" && said.contains(word) {
                Ok(())
            } else {
                agent.run(&["remove", "demo-app"]);
                Err(target.to_string())
            }
        });
    };
    // A year back in the middle of its life: nobody's certificate counts yet.
    set("-360d");
    refused("not valid before");
    // A year ahead: everything of now has expired long ago.
    set("+360d");
    refused("expired");
    assert_eq!(agent.marker("demo-app"), None);
    // And right again.
    set("+0");
    eventually("an order is carried out again", || {
        let order = world.order(&["install", "pc-1", "--package", "demo-app"]);
        world.wait_until_over(&order);
        agent.marker("demo-app").ok_or_else(|| service.log())
    });
    assert_eq!(agent.marker("demo-app").as_deref(), Some("1"));
    world.wait_for_status("pc-1", "OK");
    assert!(service.end("TERM").success());
}
