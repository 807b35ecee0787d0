//! What filters, dates and conflicts make of packages: the machine's own commands, and the server's row of the host, say
//! the same.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use muster_tests::{Agent, World, eventually};
use serde_json::Value;

fn require(world: &World, packages: &[&str]) {
    let mut arguments = vec!["host", "edit", "pc-1"];
    for package in packages {
        arguments.extend(["--require", package]);
    }
    world.muster(&arguments, "").ok();
}

/// What the next upgrade does with a package: the change, and why or why not.
fn pending(agent: &Agent, package: &str) -> Option<(String, String)> {
    let list = agent.json(&["list-upgrade"]);
    said_of(list.as_array().unwrap(), package)
}

fn said_of(rows: &[Value], package: &str) -> Option<(String, String)> {
    let row = rows.iter().find(|row| row["package"] == package)?;
    let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let why = if text("error").is_empty() {
        text("reason")
    } else {
        text("error")
    };
    Some((text("change"), why))
}

/// The same as the server has it.
fn on_server(world: &World, package: &str) -> Option<(String, String)> {
    let host = world.host("pc-1");
    let rows = host.pointer("/blocks/packages/pending").and_then(Value::as_array);
    said_of(rows?, package)
}

#[test]
fn lists_of_the_configuration_hide_packages_and_say_so_on_both_sides() {
    let world = World::start();
    for package in ["demo-app", "demo-game", "demo-tool", "other-app"] {
        world.publish(&world.sources(package, "1").marker());
    }
    let mut agent = world.enrol("pc-1");
    require(&world, &["demo-app", "demo-game", "other-app"]);
    agent.configure("packages_whitelist = [\"demo-*\"]\npackages_blacklist = [\"*-game\"]");
    let done = agent.run(&["upgrade"]);
    assert_eq!(done.code, 3, "{done:?}");
    assert_eq!(agent.marker("demo-app").as_deref(), Some("1"));
    for (package, word) in [("demo-game", "blacklist"), ("other-app", "whitelist")] {
        assert_eq!(agent.marker(package), None);
        let (change, why) = pending(&agent, package).unwrap();
        assert_eq!(change, "impossible", "{package}: {why}");
        assert!(why.contains(word), "{package}: {why}");
        assert_eq!(on_server(&world, package), Some((change, why)));
        let explained = agent.run(&["explain", package]).ok();
        assert!(explained.contains(word), "{explained}");
    }
    // What is wanted and cannot be had is a failure of the host as a whole.
    let row = world.host_row("pc-1").unwrap();
    let counts = ["packages_pending", "packages_failed"].map(|key| row[key].as_u64());
    assert_eq!(
        (counts, &row["status"]),
        ([Some(2), Some(2)], &"ERROR".into()),
        "{row}"
    );
    // Whoever asks by name is told the same.
    let said = agent.run(&["install", "demo-game"]);
    assert!(
        said.code != 0 && format!("{said:?}").contains("blacklist"),
        "{said:?}"
    );

    // One that is in place stays when it is hidden, and does not follow newer versions.
    agent.configure("maturities = [\"PROD\"]");
    let path = agent.root().join("etc/muster/agent.toml");
    let text = fs_err::read_to_string(&path).unwrap();
    fs_err::write(&path, text.replace("\"*-game\"", "\"demo-app\"")).unwrap();
    world.publish(&world.sources("demo-app", "2").marker());
    agent.start();
    agent.wait_until_running();
    agent.run(&["upgrade"]);
    assert_eq!(agent.marker("demo-app").as_deref(), Some("1"));
    assert_eq!(agent.marker("demo-game").as_deref(), Some("1"));
    assert_eq!(agent.package("demo-app").unwrap()["status"], "OK");
    // The running service takes up a list that was changed, and the server hears of it.
    let text = fs_err::read_to_string(&path).unwrap();
    let lists = text.replace("packages_blacklist = [\"demo-app\"]\n", "");
    fs_err::write(&path, lists.replace("packages_whitelist = [\"demo-*\"]\n", "")).unwrap();
    eventually("nothing is impossible any more", || {
        let all = agent.json(&["list-upgrade"]).to_string();
        if all.contains("other-app") && !all.contains("impossible") {
            Ok(())
        } else {
            Err(all)
        }
    });
    agent.run(&["upgrade"]).ok();
    assert_eq!(agent.marker("demo-app").as_deref(), Some("2"));
    assert_eq!(agent.marker("other-app").as_deref(), Some("1"));
    world.wait_for_status("pc-1", "OK");
    assert_eq!(on_server(&world, "other-app"), None);
}

#[test]
fn a_package_past_its_valid_until_is_offered_no_more_and_stays_where_it_is() {
    let world = World::start();
    let mut agent = world.enrol("pc-1");
    let end = muster_shared::clock::now() + jiff::SignedDuration::from_secs(12);
    for package in ["demo-lease", "demo-other"] {
        let sources = world.sources(package, "1").marker();
        world.publish(&sources.with("valid_until", &end.to_string()));
    }
    world.publish(&world.sources("demo-app", "1").marker());
    require(&world, &["demo-lease"]);
    agent.start();
    world.wait_until_reachable("pc-1");
    agent.run(&["upgrade"]).ok();
    assert_eq!(
        agent.marker("demo-lease").as_deref(),
        Some("1"),
        "slower than the lease"
    );
    require(&world, &["demo-other", "demo-app"]);
    // By itself, when the moment has come: the server sees that it cannot be had any more.
    let (change, why) = eventually("the server sees the end of the lease", || {
        let found = on_server(&world, "demo-other");
        match found {
            Some((change, why)) if change == "impossible" => Ok((change, why)),
            other => Err(format!("{other:?}")),
        }
    });
    assert!(muster_shared::clock::now() >= end);
    assert!(why.contains("valid_until"), "{why}");
    assert_eq!(pending(&agent, "demo-other"), Some((change, why)));
    assert_eq!(agent.run(&["upgrade"]).code, 3);
    assert_eq!(agent.marker("demo-app").as_deref(), Some("1"));
    assert_eq!(agent.marker("demo-other"), None);
    // What is in place is not taken away, needs nothing, and can be removed.
    assert_eq!(agent.marker("demo-lease").as_deref(), Some("1"));
    assert_eq!(pending(&agent, "demo-lease"), None);
    world.wait_for_package("pc-1", "demo-lease", |row| row["status"] == "OK");
    agent.run(&["remove", "demo-lease"]).ok();
    assert_eq!(agent.marker("demo-lease"), None);
}

#[test]
fn a_package_whose_uninstall_key_does_not_come_is_an_error_that_names_it_on_both_sides() {
    let world = World::start();
    let agent = world.enrol("pc-1");
    world.publish(
        &world.sources("demo-key", "1").script(
            "uninstallkey = ['muster-no-such-package']\n\ndef install():\n    print('all went well')\n",
        ),
    );
    require(&world, &["demo-key"]);
    assert_eq!(agent.run(&["upgrade"]).code, 3);
    let own = agent.package("demo-key").unwrap();
    let seen = world.wait_for_package("pc-1", "demo-key", |row| row["status"] == "ERROR");
    for row in [&own, &seen] {
        assert_eq!(row["failed_step"], "uninstall-keys");
        let log = row["log"].as_str().unwrap();
        assert!(
            log.contains("all went well") && log.contains("muster-no-such-package"),
            "{log}"
        );
        assert!(log.contains("appeared meanwhile"), "{log}");
    }
    let row = world.wait_for_status("pc-1", "ERROR");
    assert_eq!(row["packages_failed"], 1);
}

/// A program that runs until this value goes.
struct Program(std::process::Child);

impl Program {
    fn start(world: &World, name: &str) -> Self {
        let path = world.folder().join(name);
        fs_err::copy("/bin/sleep", &path).unwrap();
        Self(std::process::Command::new(path).arg("600").spawn().unwrap())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn an_order_for_some_priorities_and_for_programs_that_do_not_run_leaves_the_rest_pending_on_both_sides() {
    let world = World::start();
    world.publish(&world.sources("demo-game", "1").marker());
    world.publish(
        &world
            .sources("demo-shield", "1")
            .marker()
            .with("priority", "critical"),
    );
    let player = world.sources("demo-player", "1").marker();
    world.publish(
        &player
            .with("priority", "critical")
            .with("impacted_process", "mst-seen"),
    );
    let mut agent = world.enrol("pc-1");
    require(&world, &["demo-game", "demo-shield", "demo-player"]);
    agent.start();
    world.wait_until_reachable("pc-1");
    let program = Program::start(&world, "mst-seen");
    let order = [
        "upgrade",
        "pc-1",
        "--only-priorities",
        "critical",
        "--only-if-not-running",
    ];
    let target = world.wait_for_target(&world.order(&order), "done");
    let said = target["text"].as_str().unwrap();
    for word in ["demo-game", "priority", "demo-player", "mst-seen runs"] {
        assert!(said.contains(word), "{word} in {said}");
    }
    assert_eq!(agent.marker("demo-shield").as_deref(), Some("1"));
    assert_eq!(
        (agent.marker("demo-game"), agent.marker("demo-player")),
        (None, None)
    );
    // The machine and the server say the same of what was left.
    let postponed = world.wait_for_package("pc-1", "demo-player", |row| row["status"] == "POSTPONED");
    let own = agent.package("demo-player").unwrap();
    for key in ["status", "log", "version", "tries"] {
        assert_eq!(own[key], postponed[key], "{key}");
    }
    assert!(own["log"].as_str().unwrap().contains("mst-seen runs"), "{own}");
    for package in ["demo-game", "demo-player"] {
        let here = pending(&agent, package).unwrap();
        assert_eq!(here.0, "install");
        assert_eq!(on_server(&world, package), Some(here));
    }
    let row = world.wait_for_status("pc-1", "NEED-UPGRADE");
    assert_eq!(
        (&row["packages_pending"], &row["packages_failed"]),
        (&2.into(), &0.into()),
        "{row}"
    );
    drop(program);
    world.wait_for_target(
        &world.order(&["upgrade", "pc-1", "--only-if-not-running"]),
        "done",
    );
    assert_eq!(agent.marker("demo-game").as_deref(), Some("1"));
    assert_eq!(agent.marker("demo-player").as_deref(), Some("1"));
    world.wait_for_status("pc-1", "OK");
}

#[test]
fn what_a_unit_forbids_and_what_no_unit_assigns_any_more_is_said_alike_on_both_sides() {
    const UNIT: &str = "OU=Sales_DC=ad_DC=example_DC=org";
    let world = World::start();
    for package in ["demo-app", "demo-game"] {
        world.publish(&world.sources(package, "1").marker());
    }
    let unit = world.sources(UNIT, "1").with("section", "unit");
    world.publish(&unit.with("depends", "demo-app").with("conflicts", "demo-game"));
    let mut agent = world.enrol("pc-1");
    agent.run(&["install", "demo-game"]).ok();
    agent.start();
    world.wait_until_reachable("pc-1");
    // The machine moves into the unit: its configuration says so, and the running service takes that up.
    agent.configure("host_organizational_unit_dn = \"OU=Sales,DC=ad,DC=example,DC=org\"");
    eventually("the server sees what the unit forbids", || {
        let found = on_server(&world, "demo-game");
        match &found {
            Some((change, _why)) if change == "remove" => Ok(()),
            _ => Err(format!("{found:?}")),
        }
    });
    for package in ["demo-app", "demo-game"] {
        let here = pending(&agent, package).unwrap();
        assert!(here.1.contains(UNIT), "{here:?}");
        assert_eq!(on_server(&world, package), Some(here));
    }
    world.wait_for_target(&world.order(&["upgrade", "pc-1"]), "done");
    assert_eq!(agent.marker("demo-game"), None);
    assert_eq!(agent.marker("demo-app").as_deref(), Some("1"));
    world.wait_for_status("pc-1", "OK");
    let (host, status) = (world.host("pc-1"), agent.json(&["status"]));
    assert_eq!(status["assigned"], serde_json::json!(["demo-app"]));
    assert_eq!(status["forbidden"], serde_json::json!(["demo-game"]));
    assert_eq!(
        host.pointer("/row/ou"),
        Some(&"OU=Sales,DC=ad,DC=example,DC=org".into())
    );
    let of_unit = world.wait_for_package("pc-1", UNIT, |_row| true);
    assert_eq!(
        (&of_unit["section"], &of_unit["status"]),
        (&"unit".into(), &"OK".into())
    );

    // It moves out: the unit's package goes, and nothing that it brought.
    let path = agent.root().join("etc/muster/agent.toml");
    let text = fs_err::read_to_string(&path).unwrap();
    fs_err::write(&path, text.replace("OU=Sales,", "OU=Lab,")).unwrap();
    eventually("the server sees that the unit is not in force any more", || {
        let host = world.host("pc-1");
        let is_gone = !host["blocks"]["packages"]["installed"].to_string().contains(UNIT);
        if is_gone { Ok(()) } else { Err(host.to_string()) }
    });
    assert_eq!(agent.package(UNIT), None);
    assert_eq!(agent.json(&["status"])["forbidden"], serde_json::json!([]));
    assert_eq!(agent.marker("demo-app").as_deref(), Some("1"));
    world.wait_for_package("pc-1", "demo-app", |row| row["status"] == "OK");
    agent.run(&["install", "demo-game"]).ok();
}
