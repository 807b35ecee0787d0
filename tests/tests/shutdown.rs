//! The machine goes down: it waits for pending updates, as long as it is allowed and no longer.
//!
//! A real bus with a logind of `python-dbusmock` on it; the lock is taken and the announcement heard by the same
//! programs as on any machine with systemd.

use std::time::Instant;

use muster_tests::{Agent, SystemBus, World, eventually};

fn start(agent: &mut Agent, bus: &SystemBus) {
    agent.start_with(&[], &[("DBUS_SYSTEM_BUS_ADDRESS", bus.address().as_os_str())]);
}

fn muster_holds_the_shutdown(bus: &SystemBus) -> bool {
    bus.locks()
        .iter()
        .any(|(what, who)| what == "shutdown" && who == "Muster")
}

fn until_held(bus: &SystemBus) {
    eventually("the lock", || {
        muster_holds_the_shutdown(bus)
            .then_some(())
            .ok_or_else(|| format!("{:?}", bus.locks()))
    });
}

fn until_free(bus: &SystemBus) {
    eventually("the machine may go down", || {
        (!muster_holds_the_shutdown(bus))
            .then_some(())
            .ok_or_else(|| format!("{:?}", bus.locks()))
    });
}

fn pending(world: &World, agent: &Agent, package: &str) {
    world
        .muster(&["host", "edit", &agent.identifier, "--require", package], "")
        .ok();
    eventually("the package is pending", || {
        let status = agent.json(&["status"]);
        (status["pending"].as_u64() >= Some(1))
            .then_some(())
            .ok_or_else(|| status.to_string())
    });
}

#[test]
fn what_is_pending_is_installed_before_the_machine_goes_down() {
    let world = World::start();
    let bus = SystemBus::start(world.folder(), 60);
    world.publish(&world.sources("demo-late", "1").marker());
    let mut agent = world.enrol("pc-1");
    agent.configure("upgrade_at_shutdown = true");
    start(&mut agent, &bus);
    pending(&world, &agent, "demo-late");
    assert_eq!(agent.marker("demo-late"), None);
    until_held(&bus);
    bus.announce_shutdown();
    until_free(&bus);
    assert_eq!(agent.marker("demo-late").as_deref(), Some("1"));
    assert!(agent.end("TERM").success());
}

#[test]
fn a_script_that_takes_too_long_does_not_hold_the_machine_for_ever() {
    let world = World::start();
    let bus = SystemBus::start(world.folder(), 60);
    let sources = world
        .sources("demo-slow", "1")
        .script("import time\n\ndef install():\n    time.sleep(600)\n");
    world.publish(&sources);
    let mut agent = world.enrol("pc-1");
    agent.configure("upgrade_at_shutdown = true\npre_shutdown_timeout = \"3s\"");
    start(&mut agent, &bus);
    pending(&world, &agent, "demo-slow");
    until_held(&bus);
    let announced = Instant::now();
    bus.announce_shutdown();
    until_free(&bus);
    assert!(announced.elapsed().as_secs() >= 2, "it was not even tried");
    assert!(announced.elapsed().as_secs() < 60, "{:?}", announced.elapsed());
    let log = agent.service().log();
    assert!(
        log.contains("the time before the machine goes down is over"),
        "{log}"
    );
}

#[test]
fn a_machine_that_waits_five_seconds_only_begins_nothing() {
    let world = World::start();
    // logind's own default.
    let bus = SystemBus::start(world.folder(), 5);
    world.publish(&world.sources("demo-late", "1").marker());
    let mut agent = world.enrol("pc-1");
    agent.configure("upgrade_at_shutdown = true");
    start(&mut agent, &bus);
    pending(&world, &agent, "demo-late");
    until_held(&bus);
    bus.announce_shutdown();
    until_free(&bus);
    agent.service().wait_for_log("InhibitDelayMaxSec");
    assert_eq!(agent.marker("demo-late"), None);
}

#[test]
fn without_being_asked_to_the_agent_holds_nothing_back() {
    let world = World::start();
    let bus = SystemBus::start(world.folder(), 60);
    let mut agent = world.enrol("pc-1");
    start(&mut agent, &bus);
    world.wait_for_status("pc-1", "OK");
    assert_eq!(bus.locks(), []);
}
