//! Real MSI and NSIS installers through the whole chain on a Windows machine under Wine: ordered from the console, run
//! by the agent's service, seen in the inventory that the server has; and what the agent says of those that fail, want
//! a restart, or write their uninstall key late.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::path::Path;

use muster_tests::{Exe, Msi, WindowsMachine, World, eventually};
use serde_json::Value;

/// A machine that is registered, and how the server calls it.
fn registered(world: &World) -> (WindowsMachine, String) {
    let pc = WindowsMachine::new(world.folder(), &world.people().join("alice.crt"));
    let token = world.enrolment_token();
    pc.agent(&["register", "--server", world.address(), "--token", &token])
        .ok();
    let identifier = pc.json(&["self-test"])["identifier"].as_str().unwrap().to_owned();
    (pc, identifier)
}

/// Publishes a package that carries an installer.
fn publish(world: &World, package: &str, version: &str, script: &str, make: impl FnOnce(&Path)) {
    let sources = world
        .sources(package, &format!("{version}-1"))
        .with("target_os", "windows")
        .script(&format!("from setuphelpers import *\n\n{script}"));
    make(sources.folder());
    world.publish(&sources);
}

const FROM_MSI: &str = "\
uninstallkey = []

def install():
    install_msi_if_needed('setup.msi', remove_old_version=True)

def audit():
    return 'OK'
";

const FROM_EXE: &str = "\
uninstallkey = []

def install():
    install_exe_if_needed('setup.exe', '/S', key='Demo Editor')
";

/// Rows of the server's inventory whose names begin so: name, version, key, architecture.
fn software(world: &World, host: &str, name: &str) -> Vec<[String; 4]> {
    let host = world.host(host);
    let rows = host["blocks"]["software"].as_array().cloned().unwrap_or_default();
    let text = |row: &Value, field: &str| row[field].as_str().unwrap_or_default().to_owned();
    rows.iter()
        .filter(|row| text(row, "name").starts_with(name))
        .map(|row| ["name", "version", "key", "architecture"].map(|field| text(row, field)))
        .collect()
}

/// Waits until the inventory on the server says exactly this of the programs of that name.
fn is_seen(world: &World, host: &str, name: &str, rows: &[[&str; 4]]) {
    eventually(&format!("{rows:?} in the inventory"), || {
        match software(world, host, name) {
            seen if seen == rows => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    });
}

/// How a package stands in what the server has.
fn reported(world: &World, host: &str, package: &str) -> Value {
    let host = world.host(host);
    let rows = host["blocks"]["packages"]["installed"].as_array().cloned();
    rows.unwrap_or_default()
        .into_iter()
        .find(|row| row["package"] == package)
        .unwrap_or_default()
}

#[test]
fn an_msi_and_an_exe_are_installed_upgraded_and_removed_by_orders_and_the_inventory_follows() {
    let world = World::start();
    let (pc, host) = registered(&world);
    let viewer = |version| Msi::new("Demo Viewer", version);
    let editor = |version| Exe::new("Demo Editor", version).for_32_bits();
    let publish_both = |version: &'static str| {
        publish(&world, "demo-viewer", version, FROM_MSI, |folder| {
            viewer(version).make(&folder.join("setup.msi"));
        });
        publish(&world, "demo-editor", version, FROM_EXE, |folder| {
            editor(version).make(&folder.join("setup.exe"));
        });
    };
    let upgrade = || {
        world.wait_for_status(&host, "NEED-UPGRADE");
        world
            .muster(&["host", "act", "upgrade", &host, "--wait"], "")
            .ok();
        world.wait_for_status(&host, "OK");
    };
    let is_there = |version: &'static str| {
        let key = viewer(version).key();
        let viewer = ["Demo Viewer", version, &key, "x64"];
        is_seen(&world, &host, "Demo Viewer", &[viewer]);
        let editor = ["Demo Editor", version, "Demo Editor", "x86"];
        is_seen(&world, &host, "Demo Editor", &[editor]);
        for (package, program) in [("demo-viewer", "Demo Viewer"), ("demo-editor", "Demo Editor")] {
            assert_eq!(pc.program(program).as_deref(), Some(version));
            let row = reported(&world, &host, package);
            assert_eq!(
                (&row["status"], row["version"].as_str()),
                (&"OK".into(), Some(format!("{version}-1").as_str())),
                "{row}"
            );
        }
    };

    let _service = pc.service(&world.folder().join("service.log"));
    world.wait_for_status(&host, "OK");
    publish_both("1.0.0");
    let order = |what: &str| {
        let order = ["host", "edit", &host, what, "demo-viewer", what, "demo-editor"];
        world.muster(&order, "").ok();
    };
    order("--require");
    upgrade();
    is_there("1.0.0");

    publish_both("2.0.0");
    world.muster(&["host", "act", "update", &host, "--wait"], "").ok();
    upgrade();
    is_there("2.0.0");

    order("--forbid");
    upgrade();
    for program in ["Demo Viewer", "Demo Editor"] {
        is_seen(&world, &host, program, &[]);
        eventually(&format!("{program} is gone"), || match pc.program(program) {
            None => Ok(()),
            Some(version) => Err(version),
        });
    }
    assert_eq!(reported(&world, &host, "demo-viewer"), Value::Null);
}

#[test]
fn installers_that_fail_want_a_restart_or_finish_late_are_told_as_what_they_are() {
    let world = World::start();
    let (pc, host) = registered(&world);
    publish(&world, "demo-refusing", "1.0.0", FROM_MSI, |folder| {
        let msi = Msi::new("Demo Refusing", "1.0.0").refusing();
        msi.make(&folder.join("setup.msi"));
    });
    publish(&world, "demo-restart", "1.0.0", FROM_MSI, |folder| {
        let msi = Msi::new("Demo Restart", "1.0.0").wanting_restart();
        msi.make(&folder.join("setup.msi"));
    });
    let late = "uninstallkey = ['Demo Late']\n\ndef install():\n    run('setup.exe /S')\n    print(installed_softwares(uninstallkey='Demo Late'))\n";
    publish(&world, "demo-late", "1.0.0", late, |folder| {
        let exe = Exe::new("Demo Late", "1.0.0").finishing_later(4000);
        exe.make(&folder.join("setup.exe"));
    });
    let misspelt = "uninstallkey = ['Demo Mispelt']\n\ndef install():\n    run('setup.exe /S')\n";
    publish(&world, "demo-misspelt", "1.0.0", misspelt, |folder| {
        Exe::new("Demo Misspelt", "1.0.0").make(&folder.join("setup.exe"));
    });
    pc.agent(&["--standalone", "update"]).ok();
    let install = |package: &str| {
        let done = pc.agent(&["--standalone", "install", package]);
        let row = pc.package(package).unwrap_or_default();
        (done.code, row)
    };

    // Its installer ends with 1603: nothing is there, and the log says why.
    let (code, row) = install("demo-refusing");
    assert_eq!((code, &row["status"]), (3, &"ERROR".into()), "{row}");
    assert_eq!(row["failed_step"], "install", "{row}");
    assert!(row["log"].as_str().unwrap().contains("1603"), "{row}");
    assert_eq!(pc.program("Demo Refusing"), None);

    // Done, and the machine waits for a restart.
    let (code, row) = install("demo-restart");
    assert_eq!((code, &row["status"]), (0, &"OK".into()), "{row}");
    assert_eq!(pc.program("Demo Restart").as_deref(), Some("1.0.0"));
    let status = pc.json(&["status"]);
    assert_eq!(
        status["restart_wanted"]["packages"][0], "demo-restart",
        "{status}"
    );

    // Its key was not there when it had ended, and is waited for.
    let (code, row) = install("demo-late");
    assert_eq!((code, &row["status"]), (0, &"OK".into()), "{row}");
    assert!(row["log"].as_str().unwrap().contains("[]"), "{row}");
    let late = r"HKLM\Software\Microsoft\Windows\CurrentVersion\Uninstall\Demo Late";
    assert_eq!(pc.registry(late, "DisplayVersion").as_deref(), Some("1.0.0"));

    // A key that does not come is an error, which names the one that came.
    let (code, row) = install("demo-misspelt");
    assert_eq!((code, &row["status"]), (3, &"ERROR".into()), "{row}");
    assert_eq!(row["failed_step"], "uninstall-keys", "{row}");
    assert!(row["log"].as_str().unwrap().contains("Demo Misspelt"), "{row}");

    pc.agent(&["--standalone", "update-status"]).ok();
    let row = reported(&world, &host, "demo-refusing");
    assert_eq!(row["status"], "ERROR");
    assert!(row["log"].as_str().unwrap().contains("1603"), "{row}");
    let reasons = &world.host(&host)["blocks"]["host"]["reboot_reasons"];
    assert!(
        reasons.to_string().contains("asked for by demo-restart"),
        "{reasons}"
    );
    is_seen(&world, &host, "Demo Refusing", &[]);
    let version = "1.0.0";
    is_seen(
        &world,
        &host,
        "Demo Late",
        &[["Demo Late", version, "Demo Late", "x64"]],
    );
    let key = Msi::new("Demo Restart", version).key();
    is_seen(
        &world,
        &host,
        "Demo Restart",
        &[["Demo Restart", version, &key, "x64"]],
    );
}
