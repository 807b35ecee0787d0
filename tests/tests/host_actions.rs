//! What people order of hosts beside packages: messages, descriptions, proposals, registering again, restarts; and a
//! host that takes itself off the server.
#![cfg(unix)]

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;

use muster_tests::{Agent, Daemon, World, binary, eventually};

/// An agent that runs, and what it tells those who look on, in a file.
fn watched(world: &World, name: &str) -> (Agent, Daemon) {
    let mut agent = world.enrol(name);
    agent.start();
    running(&agent);
    connected(world, name);
    let log = world.folder().join(format!("{name}.events"));
    let arguments = [
        OsStr::new("--root"),
        agent.root().as_os_str(),
        OsStr::new("events"),
        OsStr::new("--json"),
    ];
    let watcher = Daemon::start(&binary("muster-agent"), &arguments, &log, &[]);
    (agent, watcher)
}

/// Waits until the agent answers.
fn running(agent: &Agent) {
    eventually("the agent answers", || {
        let status = agent.run(&["status"]);
        if status.stdout.contains("running") {
            Ok(())
        } else {
            Err(format!("{status:?}"))
        }
    });
}

/// Waits until the server has the agent on the line.
fn connected(world: &World, name: &str) {
    eventually("the agent is connected", || {
        let row = world.host_row(name);
        let is_so = row.as_ref().is_some_and(|row| row["reachable"] == true);
        if is_so { Ok(()) } else { Err(format!("{row:?}")) }
    });
}

fn seen(watcher: &Daemon, text: &str) {
    eventually(&format!("{text} is told"), || {
        let log = watcher.log();
        if log.contains(text) { Ok(()) } else { Err(log) }
    });
}

#[test]
fn a_message_and_a_proposal_reach_the_people_who_look_on_and_those_who_come_later() {
    let world = World::start();
    let (agent, watcher) = watched(&world, "pc-message");
    world
        .muster(
            &[
                "host",
                "act",
                "message",
                "pc-message",
                "--title",
                "Printer",
                "--text",
                "It is back.",
                "--wait",
            ],
            "",
        )
        .ok();
    seen(&watcher, "It is back.");
    // Whoever comes later hears it as well, first of all.
    let log = world.folder().join("later.events");
    let arguments = [
        OsStr::new("--root"),
        agent.root().as_os_str(),
        OsStr::new("events"),
        OsStr::new("--json"),
    ];
    let later = Daemon::start(&binary("muster-agent"), &arguments, &log, &[]);
    seen(&later, "\"title\":\"Printer\"");

    // Nothing is pending: nobody is asked. Then there is.
    let done = world
        .muster(&["host", "act", "propose-upgrade", "pc-message", "--wait"], "")
        .ok();
    assert!(done.contains("nothing is pending"), "{done}");
    world.publish(&world.sources("demo-app", "1").marker());
    agent.run(&["install", "demo-app"]).ok();
    world.publish(&world.sources("demo-app", "2").marker());
    agent.run(&["update"]).ok();
    world
        .muster(&["host", "act", "propose-upgrade", "pc-message", "--wait"], "")
        .ok();
    seen(&watcher, "\"kind\":\"propose-upgrade\"");

    let refused = world
        .muster(&["host", "act", "message", "pc-message"], "")
        .refused();
    assert!(refused.contains("needs a text"), "{refused}");
    let refused = world
        .muster(&["host", "act", "update", "pc-message", "--text", "x"], "")
        .refused();
    assert!(refused.contains("takes no text"), "{refused}");
}

#[test]
fn a_host_is_described_registers_again_and_begins_anew_by_order() {
    let world = World::start();
    let (agent, watcher) = watched(&world, "pc-orders");
    world
        .muster(
            &[
                "host",
                "act",
                "describe",
                "pc-orders",
                "--text",
                "Reception",
                "--wait",
            ],
            "",
        )
        .ok();
    let described = |text: &str| {
        eventually(&format!("the description is {text:?}"), || {
            let row = world.host_row("pc-orders");
            let is_so = row.as_ref().is_some_and(|row| row["description"] == text);
            if is_so { Ok(()) } else { Err(format!("{row:?}")) }
        });
    };
    described("Reception");
    // The system itself shows it, beside what else an administrator has written there.
    let shown = agent.root().join("etc/machine-info");
    assert_eq!(
        fs_err::read_to_string(&shown).unwrap(),
        "PRETTY_HOSTNAME=\"Reception\"\n"
    );
    fs_err::write(&shown, "CHASSIS=desktop\nPRETTY_HOSTNAME=\"Reception\"\n").unwrap();
    world
        .muster(&["host", "act", "register", "pc-orders", "--wait"], "")
        .ok();
    world
        .muster(&["host", "act", "service-restart", "pc-orders", "--wait"], "")
        .ok();
    // Whoever looked on is told that the agent begins anew; the description outlives it.
    seen(&watcher, "the agent is stopping");
    eventually("the agent answers again", || {
        let status = agent.run(&["status"]);
        if status.stdout.contains("connected      yes") {
            Ok(())
        } else {
            Err(status.stdout)
        }
    });
    agent.run(&["update-status"]).ok();
    described("Reception");
    agent.run(&["describe", ""]).ok();
    described("");
    assert_eq!(fs_err::read_to_string(&shown).unwrap(), "CHASSIS=desktop\n");
    // What an administrator gives the system, counts where nothing else is said.
    fs_err::write(&shown, "PRETTY_HOSTNAME='Back office'\n").unwrap();
    agent.run(&["update-status"]).ok();
    described("Back office");
}

#[test]
fn a_machine_restarts_by_order_only_where_its_configuration_allows_it_and_only_once() {
    let world = World::start();
    // The system's own program, as far as a test may go with it.
    let programs = world.folder().join("programs");
    fs_err::create_dir_all(&programs).unwrap();
    let noted = world.folder().join("shutdown.txt");
    let program = programs.join("shutdown");
    fs_err::write(
        &program,
        format!("#!/bin/sh\necho \"$@\" >> '{}'\n", noted.display()),
    )
    .unwrap();
    fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());

    let mut agent = world.enrol("pc-reboot");
    agent.start_with(&[], &[("PATH", OsStr::new(&path))]);
    connected(&world, "pc-reboot");
    let order = [
        "host",
        "act",
        "reboot",
        "pc-reboot",
        "--delay",
        "90s",
        "--text",
        "Updates.",
        "--wait",
    ];
    let refused = world.muster(&order, "");
    assert!(
        refused.code != 0 && format!("{}{}", refused.stdout, refused.stderr).contains("allow_remote_reboot"),
        "{refused:?}"
    );
    assert!(!noted.exists());

    agent.kill();
    agent.configure("allow_remote_reboot = true");
    agent.start_with(&[], &[("PATH", OsStr::new(&path))]);
    running(&agent);
    connected(&world, "pc-reboot");
    world.muster(&order, "").ok();
    assert_eq!(fs_err::read_to_string(&noted).unwrap(), "-r +2 -- Updates.\n");
    // The machine goes down and comes up: it does not go down again.
    agent.kill();
    agent.start_with(&[], &[("PATH", OsStr::new(&path))]);
    // Else the command would do the work itself, and the service find the agent's state in use.
    running(&agent);
    agent.run(&["update"]).ok();
    assert_eq!(fs_err::read_to_string(&noted).unwrap(), "-r +2 -- Updates.\n");
    // To switch it off is another permission.
    let refused = world.muster(&["host", "act", "shutdown", "pc-reboot", "--wait"], "");
    assert!(
        format!("{}{}", refused.stdout, refused.stderr).contains("allow_remote_shutdown"),
        "{refused:?}"
    );
}

#[test]
fn a_host_takes_itself_off_the_server_and_comes_back_with_a_token() {
    let world = World::start();
    let (agent, _watcher) = watched(&world, "pc-leaves");
    world.publish(&world.sources("demo-app", "1").marker());
    agent.run(&["install", "demo-app"]).ok();
    agent.run(&["unregister"]).ok();
    assert!(world.host_row("pc-leaves").is_none());
    // It does not come back by itself, and what is installed stays.
    agent.run(&["update-status"]).refused();
    assert!(world.host_row("pc-leaves").is_none());
    assert_eq!(agent.package("demo-app").unwrap()["status"], "OK");
    let token = world.enrolment_token();
    agent
        .run(&[
            "register",
            "--server",
            world.address(),
            "--token",
            &token,
            "Back again",
        ])
        .ok();
    eventually("the host is back", || {
        let row = world.host_row("pc-leaves");
        let is_so = row.as_ref().is_some_and(|row| row["description"] == "Back again");
        if is_so { Ok(()) } else { Err(format!("{row:?}")) }
    });
    // Another identifier is another machine.
    let made = agent.json(&["generate-uuid", "pc-other"]);
    assert_eq!(made["identifier"], "pc-other");
    let token = world.enrolment_token();
    agent.run(&["register", "--token", &token]).ok();
    eventually("the other host is there", || {
        world.host_row("pc-other").ok_or_else(|| "no row".to_owned())
    });
    let reset = agent.json(&["reset-uuid"]);
    assert_eq!(reset["origin"], "random");
}
