//! Packages are tried on this machine by an agent of their own.

use crate::support::Place;

/// Sources whose script leaves a file below the trial's root, and one outside of it.
fn sources(place: &Place, name: &str, uninstall: &str, audit: &str) {
    place.muster(&["package", "new", name]);
    let outside = place.path().join("machine");
    fs_err::create_dir_all(&outside).unwrap();
    let script = format!(
        "from setuphelpers import *\n\nOUTSIDE = {outside:?}\n\n\
         def install():\n    mkdirs(makepath(programfiles(), control.package))\n\
         \x20   with open(makepath(programfiles(), control.package, 'tool'), 'w') as file:\n        file.write('x')\n\
         \x20   with open(makepath(OUTSIDE, control.package), 'w') as file:\n        file.write('x')\n\
         \x20   print('tool is in place')\n\n\
         def uninstall():\n    remove_tree(makepath(programfiles(), control.package))\n{uninstall}\n\
         def audit():\n    return {audit:?}\n\n\
         def session_setup():\n    print('session of', user)\n"
    );
    place.write(&format!("{name}/setup.py"), script);
}

#[test]
fn a_good_package_passes_and_what_it_did_is_shown() {
    let place = Place::new();
    sources(
        &place,
        "demo-good",
        "    remove_file(makepath(OUTSIDE, control.package))\n",
        "OK",
    );
    let passed = place.ok(&["package", "test", "demo-good", "--watch", "machine"]);
    for wanted in [
        "OK      install: ",
        "tool is in place",
        "OK      audit: ",
        "OK      session-setup: ",
        "OK      remove: ",
        "created  /opt/demo-good/tool (in the trial's folder)",
        "created  machine/demo-good",
    ] {
        assert!(passed.contains(wanted), "{wanted}: {passed}");
    }
    // The sources are as they were: nothing was signed or raised in them.
    assert!(!place.path().join("demo-good/WAPT/certificate.crt").exists());
    assert!(!place.names().iter().any(|name| name.contains(".wapt")));
}

#[test]
fn what_a_removal_leaves_over_and_a_failed_audit_are_told() {
    let place = Place::new();
    sources(&place, "demo-bad", "", "ERROR");
    let failed = place.muster(&["package", "test", "demo-bad", "--watch", "machine", "--json"]);
    let (_code, json) = failed.split_once("--- stdout\n").unwrap();
    let (json, errors) = json.split_once("--- stderr\n").unwrap();
    let report: serde_json::Value = serde_json::from_str(json).unwrap();
    assert!(failed.starts_with("exit code 1"), "{failed}");
    assert_eq!(report["passed"], false);
    assert_eq!(
        report["left_over"]["created"],
        serde_json::json!(["machine/demo-bad"])
    );
    let steps: Vec<(&str, bool)> = report["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| (step["step"].as_str().unwrap(), step["ok"].as_bool().unwrap()))
        .collect();
    assert_eq!(
        steps,
        [
            ("install", true),
            ("audit", false),
            ("session-setup", true),
            ("remove", true)
        ]
    );
    assert!(errors.contains("demo-bad failed: audit"), "{errors}");
}

#[test]
fn a_package_file_and_what_it_needs_are_tried_together() {
    let place = Place::new().with_key();
    sources(&place, "demo-lib", "", "OK");
    place.muster(&["package", "build", "demo-lib", "-o", "repo"]);
    place.muster(&["repo", "index", "repo"]);
    sources(&place, "demo-tool", "", "OK");
    let control = place.read("demo-tool/WAPT/control");
    place.write(
        "demo-tool/WAPT/control",
        control.replace("depends           : ", "depends           : demo-lib(>=1.0)"),
    );
    place.muster(&["package", "build", "demo-tool"]);
    let alone = place.muster(&["package", "test", "demo-tool_1.0-0.wapt"]);
    assert!(
        alone.starts_with("exit code 1") && alone.contains("demo-tool needs demo-lib(>=1.0)"),
        "{alone}"
    );
    place.write("trust/alice.crt", place.read("alice.crt"));
    let together = place.ok(&[
        "package",
        "test",
        "demo-tool_1.0-0.wapt",
        "--deps-from",
        "repo",
        "--deps-trust",
        "trust",
        "--watch",
        "machine",
    ]);
    for wanted in [
        "OK      install demo-lib: ",
        "OK      install: ",
        "OK      remove demo-lib: ",
    ] {
        assert!(together.contains(wanted), "{wanted}: {together}");
    }
}

#[test]
fn a_script_that_fails_shows_its_line_and_mistakes_are_explained() {
    let place = Place::new();
    place.muster(&["package", "new", "demo-broken"]);
    place.write(
        "demo-broken/setup.py",
        "from setuphelpers import *\n\ndef install():\n    error('no disk')\n",
    );
    let failed = place.muster(&["package", "test", "demo-broken", "--watch", "demo-broken"]);
    assert!(
        failed.starts_with("exit code 1")
            && failed.contains("FAILED  install: ")
            && failed.contains("no disk"),
        "{failed}"
    );
    let nothing = place.muster(&["package", "test", "./missing"]);
    assert!(nothing.starts_with("exit code 1"), "{nothing}");
    place.ok(&["package", "new", "demo-group", "--section", "group"]);
    place.ok(&["package", "test", "demo-group", "--watch", "demo-group"]);
}
