//! The main job, end to end: built, signed, uploaded, assigned, pushed, verified, installed, reported.

use std::ffi::OsStr;

use muster_tests::{Token, World, eventually};
use serde_json::Value;

fn packages(host: &Value) -> Vec<Value> {
    let block = host
        .pointer("/blocks/packages/installed")
        .or_else(|| host.get("packages"));
    block.and_then(Value::as_array).cloned().unwrap_or_default()
}

fn package<'a>(packages: &'a [Value], name: &str) -> Option<&'a Value> {
    packages.iter().find(|row| row["package"] == name)
}

#[test]
fn a_package_goes_from_a_folder_to_a_host_that_turns_ok() {
    let world = World::start();
    let mut agent = world.enrol("pc-1");
    agent.start();
    world.wait_for_status("pc-1", "OK");

    world.publish(&world.sources("demo-lib", "1.0-0").marker());
    world.publish(
        &world
            .sources("demo-app", "2.1-3")
            .marker()
            .with("depends", "demo-lib(>=1.0)"),
    );
    world
        .muster(&["host", "edit", "pc-1", "--require", "demo-app"], "")
        .ok();
    // The hint reaches the agent at once; nobody waits two hours.
    let row = world.wait_for_status("pc-1", "NEED-UPGRADE");
    assert_eq!(row["reachable"], true);

    world
        .muster(&["host", "act", "upgrade", "pc-1", "--wait"], "")
        .ok();
    world.wait_for_status("pc-1", "OK");
    assert_eq!(agent.marker("demo-app").as_deref(), Some("2.1-3"));
    assert_eq!(agent.marker("demo-lib").as_deref(), Some("1.0-0"));
    let host = world.host("pc-1");
    let installed = packages(&host);
    let app = package(&installed, "demo-app").unwrap_or_else(|| panic!("demo-app in {host}"));
    assert_eq!(
        (app["status"].as_str(), app["version"].as_str()),
        (Some("OK"), Some("2.1-3"))
    );
    assert_eq!(app["signer"], "alice");
    assert!(
        app["log"].as_str().is_some_and(|log| log.contains("writing")),
        "{app}"
    );

    // A newer version: hint, upgrade, done.
    world.publish(
        &world
            .sources("demo-app", "2.2-0")
            .marker()
            .with("depends", "demo-lib(>=1.0)"),
    );
    world.wait_for_status("pc-1", "NEED-UPGRADE");
    world
        .muster(&["host", "act", "upgrade", "pc-1", "--wait"], "")
        .ok();
    eventually("the newer version", || {
        agent
            .marker("demo-app")
            .filter(|text| text == "2.2-0")
            .ok_or_else(|| "older".into())
    });
    world.wait_for_status("pc-1", "OK");

    // Forbidden: it goes, by the script that was stored when it came.
    world
        .muster(
            &[
                "host",
                "edit",
                "pc-1",
                "--unrequire",
                "demo-app",
                "--forbid",
                "demo-app",
            ],
            "",
        )
        .ok();
    world.wait_for_status("pc-1", "NEED-UPGRADE");
    world
        .muster(&["host", "act", "upgrade", "pc-1", "--wait"], "")
        .ok();
    world.wait_for_status("pc-1", "OK");
    assert_eq!(agent.marker("demo-app"), None);
    assert_eq!(agent.package("demo-app"), None);

    // Install, audit and remove by action, without assigning.
    world.publish(&world.sources("demo-extra", "1").marker());
    world
        .muster(
            &[
                "host",
                "act",
                "install",
                "pc-1",
                "--package",
                "demo-extra",
                "--wait",
            ],
            "",
        )
        .ok();
    assert_eq!(agent.marker("demo-extra").as_deref(), Some("1"));
    world
        .muster(
            &[
                "host",
                "act",
                "audit",
                "pc-1",
                "--package",
                "demo-extra",
                "--wait",
            ],
            "",
        )
        .ok();
    eventually("the audit's result", || {
        agent
            .package("demo-extra")
            .filter(|row| row["audit_status"] == "OK")
            .ok_or_else(|| "none".into())
    });
    world
        .muster(
            &[
                "host",
                "act",
                "remove",
                "pc-1",
                "--package",
                "demo-extra",
                "--wait",
            ],
            "",
        )
        .ok();
    assert_eq!(agent.marker("demo-extra"), None);
}

#[test]
fn a_smartcard_signs_package_assignment_and_action() {
    let world = World::start();
    let people = world.people();
    let token = Token::holding(
        world.folder(),
        &people.join("alice.pem"),
        &people.join("alice.crt"),
    );
    // From here on there is no key file.
    fs_err::remove_file(people.join("alice.pem")).unwrap();
    let mut agent = world.enrol("pc-1");
    agent.start();
    world.wait_for_status("pc-1", "OK");

    let signed = |args: &[&str], pin: &str| {
        let module = token.module().to_str().unwrap().to_owned();
        let token_args = ["--module", &module, "--token", Token::LABEL, "--pin-stdin"];
        let settings = world.folder().join("settings");
        muster_tests::run(
            &muster_tests::binary("muster"),
            &[args, &token_args].concat(),
            &format!("{pin}\n"),
            &[
                ("MUSTER_CONFIG_DIR", settings.as_os_str()),
                ("SOFTHSM2_CONF", token.conf().as_os_str()),
                ("NO_COLOR", OsStr::new("1")),
            ],
        )
    };
    let sources = world.sources("demo-card", "1.0-0").marker();
    let folder = sources.folder().to_str().unwrap().to_owned();
    let out = people.to_str().unwrap().to_owned();
    let wrong = signed(&["package", "build", &folder, "--out", &out], "000000").refused();
    assert!(wrong.contains("PIN") && wrong.contains("hint:"), "{wrong}");
    assert!(!people.join("demo-card_1.0-0.wapt").exists());

    signed(&["package", "build", &folder, "--out", &out], Token::PIN).ok();
    world
        .muster(
            &[
                "package",
                "upload",
                people.join("demo-card_1.0-0.wapt").to_str().unwrap(),
            ],
            "",
        )
        .ok();
    signed(&["host", "edit", "pc-1", "--require", "demo-card"], Token::PIN).ok();
    world.wait_for_status("pc-1", "NEED-UPGRADE");
    signed(&["host", "act", "upgrade", "pc-1", "--wait"], Token::PIN).ok();
    world.wait_for_status("pc-1", "OK");
    assert_eq!(agent.marker("demo-card").as_deref(), Some("1.0-0"));
}

#[test]
fn a_package_that_raises_shows_its_traceback_and_is_retried() {
    let world = World::start();
    let mut agent = world.enrol("pc-1");
    agent.start();
    world.wait_for_status("pc-1", "OK");
    let sources = world.sources("demo-broken", "1.0-0").script(
        "from setuphelpers import *\n\ndef install():\n    print('first line of the log')\n\
         \x20   if not isfile(makepath(programfiles(), 'mended')):\n        error('the licence server said no')\n",
    );
    world.publish(&sources);
    world
        .muster(&["host", "edit", "pc-1", "--require", "demo-broken"], "")
        .ok();
    world.wait_for_status("pc-1", "NEED-UPGRADE");
    let failed = world.muster(&["host", "act", "upgrade", "pc-1", "--wait"], "");
    assert_ne!(failed.code, 0, "an action that failed somewhere says so");
    world.wait_for_status("pc-1", "ERROR");

    let host = world.host("pc-1");
    let row = package(&packages(&host), "demo-broken").cloned().unwrap();
    let log = row["log"].as_str().unwrap();
    for expected in [
        "first line of the log",
        "the licence server said no",
        "setup.py",
        "line 6",
    ] {
        assert!(log.contains(expected), "{expected:?} in {log}");
    }
    assert_eq!(
        (row["status"].as_str(), row["failed_step"].as_str()),
        (Some("ERROR"), Some("install"))
    );
    let shown = world.muster(&["host", "show", "pc-1", "--log"], "").ok();
    assert!(shown.contains("the licence server said no"), "{shown}");

    // The reason goes away; the next ordered upgrade tries again by itself.
    fs_err::create_dir_all(agent.root().join("opt")).unwrap();
    fs_err::write(agent.root().join("opt/mended"), "").unwrap();
    world
        .muster(&["host", "act", "upgrade", "pc-1", "--wait"], "")
        .ok();
    world.wait_for_status("pc-1", "OK");
}

#[test]
fn a_package_that_the_server_lacks_is_warned_of_and_assigned_all_the_same() {
    let world = World::start();
    let agent = world.enrol("pc-1");
    world.publish(&world.sources("demo-app", "1.0-0").marker());
    let assign = |request: &str| {
        let done = world.muster(&["host", "edit", "pc-1", "--require", request], "");
        assert_eq!(done.code, 0, "{done:?}");
        done.stderr
    };
    let said = assign("demo-ap");
    assert!(
        said.contains("warning: the server has no package demo-ap yet; there is: demo-app"),
        "{said}"
    );
    let said = assign("demo-app(>=2)");
    assert!(
        said.contains("warning: the server has no package demo-app(>=2) yet; there is: 1.0-0"),
        "{said}"
    );
    let said = assign("demo-app(=1.0-0)");
    assert!(!said.contains("warning"), "{said}");

    // It may come later.
    world.publish(&world.sources("demo-ap", "1").marker());
    agent.run(&["update"]).ok();
    agent.run(&["upgrade"]).ok();
    assert_eq!(agent.marker("demo-ap").as_deref(), Some("1"));
    assert_eq!(agent.marker("demo-app").as_deref(), Some("1.0-0"));
}
