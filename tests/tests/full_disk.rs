//! A disk without room: every step says so in words, nothing is lost, and the next try goes on when there is room.
#![cfg(unix)]

use muster_tests::{Agent, SmallDisk, World, eventually};

/// An agent whose state is on a disk of its own, registered.
fn machine(world: &World) -> Option<(Agent, SmallDisk)> {
    let agent = world.unregistered("pc-1");
    let disk = SmallDisk::mount(&agent.root().join("var/lib/muster"), 48)?;
    agent.configure("disk_reserve_mib = 0");
    let token = world.enrolment_token();
    agent
        .run(&["register", "--server", world.address(), "--token", &token])
        .ok();
    agent.run(&["update"]).ok();
    Some((agent, disk))
}

/// Bytes that no archive makes smaller.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    })
    .take(length)
    .collect()
}

fn left_in(agent: &Agent, folder: &str) -> usize {
    let folder = agent.root().join("var/lib/muster").join(folder);
    fs_err::read_dir(folder).map(Iterator::count).unwrap_or_default()
}

#[test]
fn a_package_that_the_disk_cannot_hold_is_an_error_that_ends_when_there_is_room() {
    let world = World::start();
    let Some((agent, disk)) = machine(&world) else {
        return;
    };
    let sources = world.sources("demo-big", "1").marker();
    fs_err::write(sources.folder().join("program.bin"), noise(4 * 1024 * 1024)).unwrap();
    world.publish(&sources);
    world.publish(&world.sources("demo-small", "1").marker());
    for package in ["demo-big", "demo-small"] {
        world
            .muster(&["host", "edit", "pc-1", "--require", package], "")
            .ok();
    }
    // The first script unpacks what scripts need.
    agent.run(&["install", "demo-small"]).ok();
    agent.run(&["remove", "demo-small"]).ok();

    // Not even the download fits: the other package is not held up.
    disk.leave_kib(2 * 1024);
    let failed = agent.run(&["upgrade"]);
    assert_eq!(failed.code, 3, "{failed:?}");
    let package = agent.package("demo-big").unwrap();
    assert_eq!(
        (&package["status"], &package["failed_step"]),
        (&"ERROR".into(), &"download".into())
    );
    let log = package["log"].as_str().unwrap();
    assert!(
        log.contains("var/lib/muster/cache") && log.contains("bytes"),
        "{log}"
    );
    assert_eq!(agent.marker("demo-small").as_deref(), Some("1"));
    let seen = world.wait_for_package("pc-1", "demo-big", |row| row["status"] == "ERROR");
    assert_eq!(seen["failed_step"], "download");
    assert_eq!(world.wait_for_status("pc-1", "ERROR")["packages_failed"], 1);

    // The download fits, what is in it does not: no script begins.
    disk.leave_kib(6 * 1024);
    let failed = agent.run(&["upgrade"]);
    assert_eq!(failed.code, 3, "{failed:?}");
    let package = agent.package("demo-big").unwrap();
    assert_eq!(package["failed_step"], "checks", "{package}");
    assert!(
        package["log"].as_str().unwrap().contains("bytes of disk space"),
        "{package}"
    );
    assert_eq!(agent.marker("demo-big"), None);
    assert_eq!(left_in(&agent, "private/staging"), 0);

    disk.make_room();
    agent.run(&["upgrade"]).ok();
    assert_eq!(agent.marker("demo-big").as_deref(), Some("1"));
    world.wait_for_status("pc-1", "OK");
}

#[test]
fn a_script_that_fills_the_disk_is_recorded_and_done_again_when_there_is_room() {
    let world = World::start();
    let Some((mut agent, disk)) = machine(&world) else {
        return;
    };
    // It works, and fills the disk the first time: what it did can be written down nowhere.
    let filler = disk.filler();
    let sources = world.sources("demo-fills", "1").script(&format!(
        "from setuphelpers import *\n\ndef install():\n    mkdirs(programfiles())\n\
         \x20   tries = makepath(programfiles(), 'tries')\n    first = not isfile(tries)\n\
         \x20   with open(tries, 'a') as file:\n        file.write('x')\n\
         \x20   with open(makepath(programfiles(), 'demo-fills.txt'), 'w') as file:\n        file.write('1')\n\
         \x20   if first:\n        with open({filler:?}, 'wb', buffering=0) as file:\n\
         \x20           for size in (65536, 4096, 1):\n                try:\n\
         \x20                   while True:\n                        file.write(b'x' * size)\n\
         \x20               except OSError:\n                    pass\n\
         \x20       for line in range(1000):\n            print('written while the disk was full', line)\n",
        filler = filler.display().to_string(),
    ));
    world.publish(&sources);
    world
        .muster(&["host", "edit", "pc-1", "--require", "demo-fills"], "")
        .ok();
    agent.start();
    world.wait_until_reachable("pc-1");
    let order = world.order(&["upgrade", "pc-1"]);
    let tries = agent.root().join("opt/tries");
    // It is told in words, and the service lives.
    agent.service().wait_for_log("disk is full");
    assert!(filler.exists());
    let pid = agent.service().pid();
    disk.make_room();
    let target = world.wait_until_over(&order);
    if target["state"] == "failed" {
        assert!(
            target["text"].as_str().unwrap().contains("disk is full"),
            "{target}"
        );
        let again = world.order(&["upgrade", "pc-1"]);
        world.wait_for_target(&again, "done");
    }
    assert_eq!(agent.service().pid(), pid);
    assert_eq!(agent.package("demo-fills").unwrap()["status"], "OK");
    // What could not be written down was done again, and no more often than that.
    assert_eq!(fs_err::read_to_string(tries).unwrap(), "xx");
    assert_eq!(left_in(&agent, "private/staging"), 0);
    world.wait_for_status("pc-1", "OK");
}

#[test]
fn a_service_without_room_for_its_database_says_so_and_goes_on_when_there_is_some() {
    let world = World::start();
    let Some((mut agent, disk)) = machine(&world) else {
        return;
    };
    world.publish(&world.sources("demo-app", "1").marker());
    world.publish(&world.sources("demo-next", "1").marker());
    agent.start();
    world.wait_until_reachable("pc-1");
    world
        .muster(
            &[
                "host",
                "act",
                "install",
                "pc-1",
                "--package",
                "demo-app",
                "--wait",
            ],
            "",
        )
        .ok();
    agent.wait_until_idle();
    let pid = agent.service().pid();
    disk.leave_kib(0);

    // A person at the machine, and one at the console, are told why; nothing is half done.
    let said = agent.run(&["install", "demo-next"]).refused();
    assert!(said.contains("room") || said.contains("full"), "{said}");
    let order = world.order(&["install", "pc-1", "--package", "demo-next", "--expires", "1d"]);
    let target = eventually("the order is answered", || {
        let target = world.target(&order);
        if matches!(target["state"].as_str(), Some("queued" | "sent")) {
            Err(target.to_string())
        } else {
            Ok(target)
        }
    });
    assert_eq!(target["state"], "refused", "{target}");
    assert!(
        target["text"].as_str().unwrap().contains("storage_full"),
        "{target}"
    );
    // What is there is still shown, and the hints of the server end nothing.
    assert_eq!(agent.package("demo-app").unwrap()["status"], "OK");
    world.publish(&world.sources("demo-other", "1").marker());
    let said = agent.run(&["update"]);
    assert_ne!(said.code, 0, "{said:?}");
    assert!(
        format!("{said:?}").contains("full") || format!("{said:?}").contains("No space"),
        "{said:?}"
    );
    assert_eq!(agent.marker("demo-next"), None);

    disk.make_room();
    let order = world.order(&["install", "pc-1", "--package", "demo-next", "--expires", "1d"]);
    world.wait_for_target(&order, "done");
    assert_eq!(agent.marker("demo-next").as_deref(), Some("1"));
    assert_eq!(agent.service().pid(), pid);
    // The index of before could not be kept; it comes now.
    agent.run(&["install", "demo-other"]).ok();
    assert_eq!(agent.marker("demo-other").as_deref(), Some("1"));
    agent.run(&["update"]).ok();
    assert_eq!(agent.package("demo-app").unwrap()["status"], "OK");
    world.wait_for_status("pc-1", "OK");
}
