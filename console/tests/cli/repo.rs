//! `muster repo index` and `muster repo verify`, run as people run them: side by side, and cut off.

use std::process::Stdio;

use serde_json::Value;

use crate::support::Place;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden");

/// A folder `repo` with some packages, and the folder `trust`.
fn repository(copies: usize) -> Place {
    let place = Place::new();
    let golden = |name: &str| fs_err::read(format!("{GOLDEN}/{name}")).unwrap();
    let package = golden("repo/peer-base_1.2.3-4_PROD.wapt");
    for number in 0..copies {
        place.write(&format!("repo/copy-{number}.wapt"), &package);
    }
    place.write("repo/peer-group_3.wapt", golden("repo/peer-group_3.wapt"));
    place.write("trust/signer.crt", golden("certs/signer.crt"));
    place
}

fn json(text: &str) -> Value {
    let start = text.find('{').unwrap();
    let end = text.rfind('}').unwrap();
    serde_json::from_str(&text[start..=end]).unwrap()
}

#[test]
fn a_repository_is_verified_with_stable_names_and_exit_codes() {
    let place = repository(1);
    place.ok(&["repo", "index", "repo", "--json"]);
    let good = place.ok(&["repo", "verify", "repo", "--trust", "trust", "--json"]);
    let good = json(&good);
    assert_eq!(good["rows"], 2);
    assert_eq!(good["accepted"], 2);
    assert_eq!(good["problems"], Value::Array(Vec::new()));

    place.write("repo/copy-0.wapt", "changed");
    let bad = place.muster(&["repo", "verify", "repo", "--trust", "trust", "--json"]);
    assert!(bad.starts_with("exit code 1"), "{bad}");
    let bad = json(&bad);
    assert_eq!(bad["accepted"], 1);
    assert_eq!(bad["problems"][0]["kind"], "size");
    assert_eq!(bad["problems"][0]["filename"], "copy-0.wapt");
    assert_eq!(bad["problems"][0]["package"], "peer-base");
    let text = place.muster(&["repo", "verify", "repo", "--trust", "trust"]);
    assert!(
        text.contains("refused  copy-0.wapt: the file has 7 bytes"),
        "{text}"
    );

    assert!(
        place
            .muster(&["repo", "verify", "repo"])
            .starts_with("exit code 2")
    );
    let full = place.muster(&["repo", "index", "repo", "--force"]);
    assert!(full.starts_with("exit code 3"), "{full}");
}

#[test]
fn two_runs_at_once_both_end_well() {
    let place = repository(20);
    let run = || {
        place
            .command(&["repo", "index", "repo", "--full"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let mut running = [run(), run(), run()];
    for child in &mut running {
        assert!(child.wait().unwrap().success());
    }
    let indexed = json(&place.muster(&["repo", "index", "repo", "--json"]));
    assert_eq!(indexed["packages"], 21);
    assert_eq!(indexed["unchanged"], true);
}

#[test]
fn a_run_that_is_killed_leaves_the_old_index_or_the_new_one() {
    let place = repository(0);
    let count = || {
        let checked = json(&place.muster(&["repo", "verify", "repo", "--trust", "trust", "--json"]));
        let problems = checked["problems"].as_array().unwrap();
        assert!(
            problems.iter().all(|problem| problem["kind"] != "index"),
            "{checked}"
        );
        checked["rows"].as_u64().unwrap()
    };
    assert!(
        place
            .muster(&["repo", "index", "repo"])
            .starts_with("exit code 0")
    );
    let package = fs_err::read(format!("{GOLDEN}/repo/peer-base_1.2.3-4_PROD.wapt")).unwrap();
    let mut files = 1;
    for round in 0_usize..12 {
        place.write(&format!("repo/new-{round}.wapt"), &package);
        let before = count();
        files += 1;
        let mut child = place
            .command(&["repo", "index", "repo", "--full"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Killed at different moments: at once, or when the run has written so many times into its folder.
        let mut seen = 0;
        let mut last = None;
        while seen < round / 2 && child.try_wait().unwrap().is_none() {
            let modified = fs_err::metadata(place.path().join("repo"))
                .unwrap()
                .modified()
                .unwrap();
            if last.replace(modified) != Some(modified) {
                seen += 1;
            }
        }
        child.kill().ok();
        child.wait().unwrap();
        let after = count();
        assert!(after == before || after == files, "{before}, {after} of {files}");
    }
    assert!(
        place
            .muster(&["repo", "index", "repo"])
            .starts_with("exit code 0")
    );
    assert_eq!(count(), files);
    let left: Vec<_> = fs_err::read_dir(place.path().join("repo"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains(".part"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn one_package_under_two_names_is_listed_and_accepted_with_a_warning() {
    let place = repository(0);
    let package = fs_err::read(format!("{GOLDEN}/repo/peer-base_1.2.3-4_PROD.wapt")).unwrap();
    let early = place.muster(&["repo", "verify", "repo", "--trust", "trust"]);
    assert!(
        early.starts_with("exit code 1") && early.contains("muster repo index repo"),
        "{early}"
    );
    place.write("repo/one-name.wapt", &package);
    place.write("repo/other-name.wapt", &package);
    place.ok(&["repo", "index", "repo"]);
    let verified = place.muster(&["repo", "verify", "repo", "--trust", "trust"]);
    assert!(
        verified.starts_with("exit code 0")
            && verified.contains("is the same package in the same version")
            && verified.contains("3 of 3 packages accepted"),
        "{verified}"
    );
}
