//! An agent takes over the machine that a WAPT agent managed: nothing is installed again, and what it knew is here.

use std::path::Path;
use std::process::Command;

use muster_tests::{WAPT_UUID as UUID, WindowsMachine, World, eventually, wapt_agent};
use serde_json::Value;

fn fates(migration: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    migration["items"]
        .as_array()
        .unwrap_or_else(|| panic!("{migration}"))
        .iter()
        .map(|item| (text(&item["object"]), text(&item["fate"])))
        .collect()
}

fn fate(migration: &Value, object: &str) -> String {
    let all = fates(migration);
    let found = all.iter().find(|(name, _)| name == object);
    found.unwrap_or_else(|| panic!("{object} in {all:#?}")).1.clone()
}

/// What every system must have taken.
fn is_taken(migration: &Value) {
    for (object, wanted) in [
        ("[global] maturities", "taken"),
        ("[global] use_hostpackages", "changed"),
        ("[global] waptservice_password", "not-taken"),
        ("[global] repo_url", "not-taken"),
        ("identifier of this host", "taken"),
        ("certificate alice.crt", "taken"),
        ("certificate broken.crt", "not-taken"),
        ("package demo-app 2.0-1", "taken"),
        ("package demo-lib 1.0-0", "taken"),
        ("package demo-old 0.9-0", "taken"),
        ("package demo-group 1-0", "taken"),
        ("parameter site_code", "taken"),
        ("files kept by demo-app", "taken"),
    ] {
        assert_eq!(fate(migration, object), wanted, "{object}");
    }
    let host = format!("package {} 7", UUID.to_lowercase());
    assert_eq!(fate(migration, &host), "not-taken");
    let text = migration.to_string();
    assert!(!text.contains("5e884898"), "a secret is repeated: {text}");
}

#[test]
fn a_machine_with_a_wapt_agent_is_taken_over_and_nothing_is_installed_again() {
    let world = World::start();
    let base = wapt_agent(&world, world.folder());
    let mut agent = muster_tests::Agent::new(world.folder(), "pc-1");
    // As after the installation of the agent: nobody configured anything.
    fs_err::write(
        agent.root().join("etc/muster/agent.toml"),
        "fake_hostname = \"pc-1\"\n",
    )
    .unwrap();
    let from = base.to_str().unwrap();

    // A dry run says the same and writes nothing.
    let planned = agent.json(&["migrate", "--from", from, "--dry-run"]);
    is_taken(&planned);
    assert!(!agent.root().join("var/lib/muster/agent.sqlite").exists());
    let done = agent.json(&["migrate", "--from", from]);
    is_taken(&done);
    assert_eq!(fates(&planned), fates(&done));
    let again = agent.json(&["migrate", "--from", from]);
    let changes: Vec<_> = fates(&again)
        .into_iter()
        .filter(|(_, fate)| fate == "taken" || fate == "changed")
        .collect();
    assert!(changes.is_empty(), "{changes:?}");

    // The machine is who it was, and opens what was encrypted to it.
    let token = world.enrolment_token();
    agent
        .run(&["register", "--server", world.address(), "--token", &token])
        .ok();
    assert_eq!(agent.json(&["self-test"])["identifier"], UUID);
    let golden = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/golden/keys/leaf.pem"
    ));
    let ours = fs_err::read_to_string(agent.root().join("var/lib/muster/private/host-decrypt.pem")).unwrap();
    let public = |pem: &Path| {
        let shown = Command::new("openssl")
            .args(["pkey", "-pubout", "-in"])
            .arg(pem)
            .output()
            .unwrap();
        assert!(shown.status.success());
        shown.stdout
    };
    let copy = world.folder().join("ours.pem");
    fs_err::write(&copy, ours).unwrap();
    assert_eq!(public(&copy), public(golden));

    // The same versions are assigned: nothing runs. A newer one does.
    for (name, version) in [("demo-app", "2.0-1"), ("demo-lib", "1.0-0")] {
        world.publish(&world.sources(name, version).marker());
    }
    agent.start();
    world.wait_for_status(UUID, "ERROR");
    world
        .muster(
            &[
                "host",
                "edit",
                UUID,
                "--require",
                "demo-app",
                "--require",
                "demo-lib",
            ],
            "",
        )
        .ok();
    agent.run(&["update"]).ok();
    agent.run(&["forget", "demo-old"]).ok();
    agent.run(&["upgrade"]).ok();
    assert_eq!(agent.marker("demo-app"), None, "it was installed again");
    let app = agent.package("demo-app").unwrap();
    assert_eq!(
        (app["version"].as_str(), app["status"].as_str()),
        (Some("2.0-1"), Some("OK"))
    );
    let host = world.host(UUID).to_string();
    assert!(host.contains("demo-app"), "{host}");
    world.publish(&world.sources("demo-lib", "1.1-0").marker());
    agent.run(&["update"]).ok();
    agent.run(&["upgrade"]).ok();
    assert_eq!(agent.marker("demo-lib").as_deref(), Some("1.1-0"));

    // Its removal runs the script that WAPT stored, with the parameters and files that WAPT kept.
    world
        .muster(&["host", "edit", UUID, "--unrequire", "demo-app"], "")
        .ok();
    fs_err::create_dir_all(agent.root().join("opt")).unwrap();
    fs_err::write(agent.root().join("opt/demo-app.txt"), "by WAPT").unwrap();
    agent.run(&["remove", "demo-app"]).ok();
    assert_eq!(agent.marker("demo-app"), None);
    eventually("the package is off the list", || {
        match agent.package("demo-app") {
            None => Ok(()),
            Some(row) => Err(row.to_string()),
        }
    });
}

#[test]
fn a_folder_that_is_no_wapt_agent_is_refused() {
    let world = World::initialised();
    let agent = muster_tests::Agent::new(world.folder(), "pc-1");
    let place = world.folder().join("nothing");
    fs_err::create_dir_all(&place).unwrap();
    let refused = agent
        .run(&["migrate", "--from", place.to_str().unwrap()])
        .refused();
    assert!(
        refused.contains("wapt-get.ini") && refused.contains("--from"),
        "{refused}"
    );
}

#[test]
fn the_windows_agent_takes_a_windows_machine_over() {
    let world = World::start();
    let machine = WindowsMachine::new(world.folder(), &world.people().join("alice.crt"));
    let programs = machine.drive().join("Program Files (x86)");
    fs_err::create_dir_all(&programs).unwrap();
    wapt_agent(&world, &programs);
    // Where WAPT installs itself, nobody has to name the folder.
    let done = machine.json(&["migrate"]);
    for (object, wanted) in [
        ("package demo-app 2.0-1", "taken"),
        ("certificate alice.crt", "not-needed"),
        ("identifier of this host", "taken"),
        ("files kept by demo-app", "taken"),
    ] {
        assert_eq!(fate(&done, object), wanted, "{object}");
    }
    let row = machine.package("demo-app").unwrap();
    assert_eq!(row["version"], "2.0-1");
    assert_eq!(machine.json(&["self-test"])["identifier"], UUID);
}
