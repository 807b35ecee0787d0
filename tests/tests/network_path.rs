//! The path to the server dies without a word, as when a laptop changes its network.
#![cfg(unix)]

use std::process::Command;
use std::time::{Duration, Instant};

use muster_tests::{World, eventually, in_own_network};

fn ip(words: &str) {
    let done = Command::new("ip").args(words.split(' ')).status();
    assert!(done.is_ok_and(|status| status.success()), "ip {words}");
}

#[test]
fn a_channel_whose_path_died_silently_is_noticed_when_the_network_changes_and_opened_anew() {
    if !in_own_network(
        "a_channel_whose_path_died_silently_is_noticed_when_the_network_changes_and_opened_anew",
    ) {
        return;
    }
    let (world, proxy) = World::start_behind_proxy();
    world.publish(&world.sources("demo-app", "1").marker());
    let mut agent = world.enrol("pc-1");
    agent.start();
    world.wait_until_reachable("pc-1");
    agent.wait_until_idle();

    // A change that leaves the path alone: the channel proves that it lives, and stays.
    let opened = |log: &str| log.matches("live channel open").count();
    ip("link add muster0 type veth peer name muster1");
    ip("link set muster1 up");
    ip("link set muster0 up");
    ip("address add 192.0.2.7/24 dev muster0");
    agent.service().wait_for_log("the network changed");
    assert_eq!(opened(&agent.service().log()), 1);

    // The path dies: neither side is told, and to the server the machine is there.
    proxy.forget_open();
    let order = world.order(&["install", "pc-1", "--package", "demo-app", "--expires", "1d"]);
    assert_ne!(world.target(&order)["state"], "accepted");
    let began = Instant::now();
    ip("address del 192.0.2.7/24 dev muster0");
    ip("address add 198.51.100.7/24 dev muster0");
    agent
        .service()
        .wait_for_log("the live channel did not survive the change of the network");
    eventually("the channel is open again", || {
        let log = agent.service().log();
        if opened(&log) == 2 { Ok(()) } else { Err(log) }
    });
    // Silence alone is believed only after a minute.
    let took = began.elapsed();
    assert!(took < Duration::from_secs(25), "{took:?}");
    // What the server had sent over the dead path comes again, once.
    world.wait_for_target(&order, "done");
    assert_eq!(agent.marker("demo-app").as_deref(), Some("1"));
    let tasks = agent.tasks();
    let installs = tasks.iter().filter(|task| task["kind"] == "install").count();
    assert_eq!(installs, 1, "{tasks:?}");
}
