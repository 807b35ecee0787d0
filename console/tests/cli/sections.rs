//! Packages of every section, built and shown as people do it.

use crate::support::Place;

fn sources(place: &Place, section: &str, package: &str) {
    place.write(
        &format!("{section}/WAPT/control"),
        format!("package : {package}\nversion : 1-0\narchitecture : all\nsection : {section}\npriority : optional\n"),
    );
}

#[test]
fn a_folder_of_each_section_is_built_and_verified() {
    let place = Place::new().with_key();
    place.write("trust/alice.crt", place.read("alice.crt"));
    for (section, package, file) in [
        ("base", "demo-base", "demo-base_1-0.wapt"),
        ("restricted", "demo-restricted", "demo-restricted_1-0.wapt"),
        ("group", "demo-group", "demo-group_1-0.wapt"),
        ("host", "4C4C-AB", "4C4C-AB.wapt"),
        ("unit", "OU=computers,OU=site,DC=ad,DC=example,DC=lan", ""),
        ("profile", "Domain~Computers", "Domain~Computers_1-0.wapt"),
        ("wsus", "demo-wsus", "demo-wsus_1-0.wapt"),
        ("waptwua", "demo-waptwua", "demo-waptwua_1-0.wapt"),
        ("selfservice", "demo-selfservice", "demo-selfservice_1-0.wapt"),
    ] {
        sources(&place, section, package);
        match section {
            "base" | "restricted" => {
                place.write(&format!("{section}/setup.py"), "def install():\n    pass\n");
            }
            "wsus" | "waptwua" => {
                place.write(
                    &format!("{section}/WAPT/waptwua_rules.json"),
                    r#"{"allowed_kbs": ["KB5"]}"#,
                );
            }
            "selfservice" => {
                place.write(
                    "selfservice/WAPT/selfservice.json",
                    r#"{"accounting": ["demo-base", "demo-x"]}"#,
                );
            }
            _ => {}
        }
        let built = place.ok(&["package", "build", section, "--json"]);
        let json: serde_json::Value = serde_json::from_str(
            built
                .split("--- stdout\n")
                .nth(1)
                .unwrap()
                .split("--- stderr")
                .next()
                .unwrap(),
        )
        .unwrap();
        let path = json["path"].as_str().unwrap();
        if section == "unit" {
            // The name that agents look for, and its hash as the file's name.
            assert_eq!(
                json["control"]["package"],
                "OU=computers_OU=site_DC=ad_DC=example_DC=lan"
            );
        } else {
            assert_eq!(path.trim_start_matches("./"), file);
        }
        let verified = place.muster(&["package", "verify", path, "--trust", "trust"]);
        assert!(
            verified.starts_with("exit code 0") && !verified.contains("warning"),
            "{verified}"
        );
    }
    let shown = place.muster(&["package", "show", "demo-selfservice_1-0.wapt"]);
    assert!(shown.contains("accounting     demo-base, demo-x"), "{shown}");
    let shown = place.muster(&["package", "show", "demo-wsus_1-0.wapt", "--json"]);
    assert!(shown.contains("allowed_kbs"), "{shown}");
}

#[test]
fn a_broken_section_builds_nothing_and_names_file_and_key() {
    let place = Place::new().with_key();
    sources(&place, "selfservice", "demo-rights");
    let refused = place.muster(&["package", "build", "selfservice"]);
    assert!(
        refused.starts_with("exit code 1") && refused.contains("WAPT/selfservice.json"),
        "{refused}"
    );
    place.write(
        "selfservice/WAPT/selfservice.json",
        r#"{"accounting": {"demo-a": true}}"#,
    );
    let refused = place.muster(&["package", "build", "selfservice"]);
    assert!(
        refused.contains("WAPT/selfservice.json: \"accounting\" is an object"),
        "{refused}"
    );
    sources(&place, "group", "demo-group");
    place.write("group/setup.py", "def install():\n    pass\n");
    let refused = place.muster(&["package", "build", "group"]);
    assert!(
        refused.contains("hold no code") && refused.contains("hint:"),
        "{refused}"
    );
    let refused = place.muster(&["package", "build", "group", "--no-lint"]);
    assert!(
        refused.contains("carry no code") && refused.contains("hint:"),
        "{refused}"
    );
}
