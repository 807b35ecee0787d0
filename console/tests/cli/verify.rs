//! `muster package verify`, `encrypt` and `decrypt`: verdicts, exit codes and what is said in JSON.

use std::path::Path;

use serde_json::Value;

use crate::support::Place;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden");
const HOST: &str = "4C4C4544-004E-3510-8051-C7C04F325131.wapt";

fn golden(file: &str) -> String {
    format!("{GOLDEN}/{file}")
}

/// Exit code and what `--json` gave.
fn judged(place: &Place, files: &[String], more: &[&str]) -> (i32, Vec<Value>) {
    let trust = golden("certs");
    let mut words = vec!["package", "verify"];
    words.extend(files.iter().map(String::as_str));
    words.extend(["--trust", &trust, "--json"]);
    words.extend(more);
    let output = place.command(&words).output().unwrap();
    let value: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let files = value["files"].as_array().cloned().unwrap_or_default();
    (output.status.code().unwrap(), files)
}

#[test]
fn every_golden_file_gets_its_verdict_and_its_exit_code() {
    let place = Place::new();
    let table = fs_err::read_to_string(golden("expected.tsv")).unwrap();
    let rows: Vec<(String, bool)> = table
        .lines()
        .filter_map(|line| {
            let (file, rest) = line.split_once('\t')?;
            Some((golden(file), rest.starts_with('0')))
        })
        .collect();
    let files: Vec<String> = rows.iter().map(|(file, _accepted)| file.clone()).collect();
    let (code, verdicts) = judged(&place, &files, &[]);
    assert_eq!((code, verdicts.len()), (1, rows.len()));
    for ((file, accepted), verdict) in rows.iter().zip(&verdicts) {
        assert_eq!(verdict["file"], file.as_str());
        assert_eq!(verdict["accepted"], *accepted, "{verdict}");
        let word = if *accepted { "accepted" } else { "refused" };
        assert_eq!(verdict["verdict"], word);
        assert_eq!(verdict["reason"].is_string(), !accepted, "{verdict}");
        assert_eq!(verdict["code"].is_string(), !accepted, "{verdict}");
        assert_eq!(verdict["signer"].is_string(), *accepted, "{verdict}");
    }
    let good: Vec<String> = rows
        .into_iter()
        .filter_map(|(file, accepted)| accepted.then_some(file))
        .collect();
    assert_eq!(judged(&place, &good, &[]).0, 0);
    let missing = judged(&place, &["nowhere.wapt".to_owned()], &[]);
    assert_eq!(missing.0, 1);
    assert_eq!(missing.1[0]["accepted"], false);
    for words in [
        &["package", "verify"][..],
        &["package", "verify", "x.wapt"],
        &["package", "verify", "x.wapt", "--trust", "t", "--nonsense"],
    ] {
        assert!(place.muster(words).starts_with("exit code 2"), "{words:?}");
    }
}

#[test]
fn what_does_not_exist_is_wrong_usage_and_an_empty_trust_folder_refuses_each_file() {
    let place = Place::new();
    let file = golden("certs/signer.crt");
    let none = place.muster(&["package", "verify", &file, "--trust", "nodir"]);
    assert!(
        none.starts_with("exit code 2") && none.contains("the trust folder nodir does not exist"),
        "{none}"
    );
    let (code, verdicts) = judged(&place, &[file], &["--decrypt-key", "nokey.pem"]);
    assert_eq!((code, verdicts.len()), (2, 0));
    place.write("empty/readme.txt", "");
    let host = golden(&format!("host-encrypted/{HOST}"));
    let words = ["package", "verify", &host, "--trust", "empty", "--json"];
    let output = place.command(&words).output().unwrap();
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(value["files"][0]["verdict"], "refused");
    // A key beside the certificates is not passed over: nothing is half trusted.
    place.write(
        "mixed/signer.crt",
        fs_err::read(golden("certs/signer.crt")).unwrap(),
    );
    place.write(
        "mixed/signer.pem",
        fs_err::read(golden("keys/signer.pem")).unwrap(),
    );
    let mixed = place.muster(&["package", "verify", &host, "--trust", "mixed"]);
    assert!(
        mixed.starts_with("exit code 1") && mixed.contains("keep keys out of it"),
        "{mixed}"
    );
}

#[test]
fn twins_that_contradict_are_named_and_refuse_nothing() {
    let (code, verdicts) = judged(&Place::new(), &[golden("bad/extra-sha1-manifest.wapt")], &[]);
    assert_eq!(code, 0);
    let warning = verdicts[0]["warnings"][0].as_str().unwrap();
    assert!(warning.contains("SHA-1"), "{warning}");
}

#[test]
fn an_encrypted_host_package_needs_its_key() {
    let place = Place::new();
    let file = [golden(&format!("host-encrypted/{HOST}"))];
    let (code, verdicts) = judged(&place, &file, &[]);
    assert_eq!(code, 1);
    assert!(
        verdicts[0]["reason"].as_str().unwrap().contains("encrypted"),
        "{verdicts:?}"
    );
    let (code, verdicts) = judged(&place, &file, &["--decrypt-key", &golden("keys/leaf.pem")]);
    assert_eq!((code, &verdicts[0]["encrypted"]), (0, &Value::Bool(true)));
    let (code, verdicts) = judged(&place, &file, &["--decrypt-key", &golden("keys/signer.pem")]);
    assert_eq!(code, 1);
    assert!(
        verdicts[0]["reason"]
            .as_str()
            .unwrap()
            .contains("cannot be decrypted"),
        "{verdicts:?}"
    );
}

#[test]
fn a_package_is_encrypted_and_decrypted_with_a_key_that_has_a_password() {
    let place = Place::new();
    let plain = golden(&format!("repo-host/{HOST}"));
    let (certificate, key) = (golden("keys/encrypted.crt"), golden("keys/encrypted.pem"));
    place.ok(&[
        "package",
        "encrypt",
        &plain,
        "--for",
        &certificate,
        "-o",
        "out.wapt",
    ]);
    assert!(
        fs_err::read(place.path().join("out.wapt"))
            .unwrap()
            .starts_with(b"RSAFERNET256")
    );
    place.write("secret.txt", "secret-test\n");
    let words = ["--decrypt-key", &key, "--password-file", "secret.txt"];
    assert_eq!(judged(&place, &["out.wapt".to_owned()], &words).0, 0);
    let words = [
        &["package", "decrypt", "out.wapt", "-o", "plain.wapt"],
        &words[..],
    ]
    .concat();
    place.ok(&words);
    assert_eq!(
        fs_err::read(place.path().join("plain.wapt")).unwrap(),
        fs_err::read(Path::new(&plain)).unwrap()
    );
    let refused = place.muster(&[
        "package",
        "decrypt",
        "plain.wapt",
        "--decrypt-key",
        &golden("keys/leaf.pem"),
        "-o",
        "x",
    ]);
    assert!(
        refused.starts_with("exit code 1") && refused.contains("not encrypted"),
        "{refused}"
    );
    let twice = place.muster(&["package", "encrypt", "out.wapt", "--for", &certificate, "-o", "x"]);
    assert!(
        twice.starts_with("exit code 1") && twice.contains("encrypted already"),
        "{twice}"
    );
}
