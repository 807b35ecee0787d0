//! A package developer's day with a real server: edit, compare, import and promote, to and from it.

use muster_tests::World;
use serde_json::Value;

fn versions(world: &World, package: &str) -> Vec<(String, String)> {
    let listed = world.muster_json(&[
        "package",
        "import",
        "--list",
        "--all-versions",
        "--from",
        &format!("{}/wapt", world.url()),
        "--pin",
        &pin(world),
    ]);
    let rows = listed.as_array().cloned().unwrap_or_default();
    rows.iter()
        .filter(|row| row["package"] == package)
        .map(|row| {
            let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
            (text("version"), text("maturity"))
        })
        .collect()
}

/// The fingerprint in the line with which people sign in.
fn pin(world: &World) -> String {
    let (_address, pin) = world.address().rsplit_once("sha256=").expect("a pinned address");
    pin.to_owned()
}

#[test]
fn packages_are_edited_compared_and_promoted_on_the_server() {
    let world = World::start();
    world.sign_in();
    world.publish(
        &world
            .sources("demo-app", "1.0-0")
            .marker()
            .with("maturity", "DEV"),
    );

    let work = world.people().join("work");
    let work = work.to_str().expect("a plain path");
    let edited = world.muster_json(&["package", "edit", "demo-app", "--target", work]);
    assert_eq!(edited["version"], "1.0-1");
    fs_err::write(world.people().join("work/setup.py"), "def install():\n    pass\n").expect("writing");
    let built = world.muster_json(&["package", "build", work]);
    let built = built["path"].as_str().expect("a path").to_owned();
    world.muster(&["package", "upload", &built], "").ok();

    let compared = world.muster_json(&["package", "diff", "demo-app", "1.0-0", "1.0-1"]);
    assert_eq!(compared["changed"][0]["name"], "setup.py");
    assert!(
        compared["changed"][0]["diff"]
            .as_str()
            .is_some_and(|diff| diff.contains("+    pass")),
        "{compared}"
    );

    let promoted = world.muster_json(&["package", "promote", "demo-app", "--maturity", "PROD"]);
    assert_eq!(
        (&promoted["version"], &promoted["uploaded"]),
        (&Value::from("1.0-1"), &Value::from(true))
    );
    let mut all = versions(&world, "demo-app");
    all.sort();
    let expected = [("1.0-0", "DEV"), ("1.0-1", "DEV"), ("1.0-1", "PROD")];
    assert_eq!(
        all,
        expected.map(|(version, maturity)| (version.to_owned(), maturity.to_owned()))
    );
}

#[test]
fn another_servers_packages_are_imported_over_tls_and_published() {
    let theirs = World::start();
    theirs.sign_in();
    theirs.publish(&theirs.sources("tis-lib", "1.0-0").marker());
    theirs.publish(
        &theirs
            .sources("tis-app", "2.0-0")
            .marker()
            .with("depends", "tis-lib(>=1.0)"),
    );
    let ours = World::start();
    ours.sign_in();
    let saved = ours.people().join("theirs");
    let saved = saved.to_str().expect("a plain path");
    ours.muster(
        &["import-source", "signers", theirs.address(), "--save", saved],
        "",
    )
    .ok();
    ours.muster(
        &[
            "import-source",
            "add",
            "sister",
            theirs.address(),
            "--trust",
            saved,
        ],
        "",
    )
    .ok();
    let words = [
        "package",
        "import",
        "tis-app",
        "--from",
        "sister",
        "--prefix",
        "ours",
        "--with-dependencies",
        "--upload",
    ];
    let imported = ours.muster_json(&words);
    assert_eq!(
        imported["imported"].as_array().map(Vec::len),
        Some(2),
        "{imported}"
    );
    assert_eq!(versions(&ours, "ours-app"), [("2.0-0".to_owned(), String::new())]);
    // Once more: the dependency is here, and the packaging goes above ours.
    let again = ours.muster_json(&words);
    assert_eq!(again["imported"].as_array().map(Vec::len), Some(1), "{again}");
    assert_eq!(again["imported"][0]["version"], "2.0-1");

    let wrong = "00".repeat(32);
    let refused = ours.muster(
        &[
            "package",
            "import",
            "--list",
            "--from",
            &format!("{}/wapt", theirs.url()),
            "--pin",
            &wrong,
        ],
        "",
    );
    assert_ne!(
        refused.code, 0,
        "a server with another certificate is refused: {refused:?}"
    );
}
