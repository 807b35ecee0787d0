//! A WAPT repository is taken over from its web server, byte for byte, into a folder and onto a real server.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use muster_tests::{Done, Takeover, World};
use serde_json::Value;

fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(path)
}

/// The golden repository as its web server has it.
fn files() -> BTreeMap<String, Vec<u8>> {
    let entries = fs_err::read_dir(golden("repo")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.is_file())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            (format!("/wapt/{name}"), fs_err::read(&path).unwrap())
        })
        .collect()
}

/// An organisation whose server knows the signer of the golden packages, and the old web server beside it.
fn world_beside(files: BTreeMap<String, Vec<u8>>) -> (World, Takeover) {
    let world = World::start();
    let signer = golden("certs/signer.crt");
    world
        .server_command(&["trust", "add", signer.to_str().unwrap()])
        .ok();
    let old = Takeover::serve(0, &world.server_data().join("ca/tls.pem"), files);
    (world, old)
}

fn migrate(world: &World, old: &Takeover, more: &[&str]) -> Done {
    let url = format!("https://localhost:{}/wapt", old.port());
    let (_address, pin) = world.address().rsplit_once("sha256=").unwrap();
    let trust = golden("certs");
    let words = [
        "migrate",
        "repository",
        &url,
        "--pin",
        pin,
        "--trust",
        trust.to_str().unwrap(),
        "--json",
    ];
    world.muster(&[&words[..], more].concat(), "")
}

/// The item about an object in a report.
fn item<'a>(report: &'a Value, object: &str) -> &'a Value {
    let mut items = report["items"].as_array().unwrap().iter();
    let found = items.find(|item| item["object"] == object);
    found.unwrap_or_else(|| panic!("{object} in {report:#}"))
}

fn report(done: &Done) -> Value {
    serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"))
}

#[test]
fn packages_are_taken_from_a_web_server_and_what_is_wrong_with_the_others_is_said() {
    let mut there = files();
    let app = there.get_mut("/wapt/peer-app_1.0-0.wapt").unwrap();
    let middle = app.len() / 2;
    app[middle] ^= 1;
    there.remove("/wapt/peer-base_1.2.3-4_PROD.wapt").unwrap();
    let (world, old) = world_beside(there);
    let done = migrate(&world, &old, &["--out", "new"]);
    assert_eq!(done.code, 3, "{done:?}");
    let report = report(&done);
    for (object, why) in [
        ("peer-app_1.0-0.wapt", "is refused"),
        ("peer-base_1.2.3-4_PROD.wapt", "the server answered 404"),
        ("host packages", "copy the folder wapt-host"),
    ] {
        let item = item(&report, object);
        assert_eq!(item["fate"], "not-taken", "{item}");
        assert!(item["reason"].as_str().unwrap().contains(why), "{item}");
    }
    let mut taken = 0;
    for entry in fs_err::read_dir(world.people().join("new")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(item(&report, name)["became"], format!("new/{name}"));
        assert_eq!(
            fs_err::read(&path).unwrap(),
            fs_err::read(golden("repo").join(name)).unwrap(),
            "{name}"
        );
        taken += 1;
    }
    assert_eq!(taken, files().len() - 3, "all but the two and the index");
}

#[test]
fn what_is_sent_to_the_server_is_the_same_file_and_sending_it_again_changes_nothing() {
    let (world, old) = world_beside(files());
    let first = migrate(&world, &old, &["--upload"]);
    // The host packages, which no web server lists.
    assert_eq!(first.code, 3, "{first:?}");
    let first = report(&first);
    let published = world.server_data().join("repository/wapt");
    for name in files().keys().filter_map(|path| path.strip_prefix("/wapt/")) {
        if name == "Packages" {
            continue;
        }
        let sent = item(&first, &format!("upload of {name}"));
        let became = sent["became"].as_str().unwrap_or_else(|| panic!("{sent}"));
        assert_eq!(
            fs_err::read(published.join(became)).unwrap(),
            fs_err::read(golden("repo").join(name)).unwrap(),
            "{name}"
        );
    }
    assert_eq!(report(&migrate(&world, &old, &["--upload"])), first);
    // Nothing of it stays here.
    assert!(!world.people().join("wapt").exists());

    // Machines that trust the old signer install from the new server.
    let agent = world.enrol("pc-1");
    agent.trust(&golden("certs/signer.crt"));
    agent.run(&["update"]).ok();
    agent.run(&["install", "peer-app"]).ok();
    for package in ["peer-app", "peer-base"] {
        let row = agent.package(package).unwrap();
        assert_eq!(row["status"], "OK", "{row}");
    }
}

#[test]
fn a_server_that_does_not_know_the_old_signer_refuses_what_is_sent() {
    let world = World::start();
    let old = Takeover::serve(0, &world.server_data().join("ca/tls.pem"), files());
    let done = migrate(&world, &old, &["--upload"]);
    assert_eq!(done.code, 3, "{done:?}");
    let report = report(&done);
    let sent = item(&report, "upload of peer-app_1.0-0.wapt");
    assert_eq!(sent["fate"], "not-taken", "{sent}");
    assert!(sent["reason"].as_str().unwrap().contains("not trusted"), "{sent}");
}
