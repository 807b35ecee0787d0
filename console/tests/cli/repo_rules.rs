//! `muster repo rules`: written by people, signed, shown, and refused where machines would refuse.

use serde_json::Value;

use crate::support::Place;

const RULES: &str = r#"
[[rule]]
sequence = 20
name = "everybody else"
condition = "HOSTNAME"
value = "*"
repo_url = "https://mirror.example.org/wapt"

[[rule]]
sequence = 10
name = "Berlin"
condition = "AGENT IP"
value = "10.1.0.0/16, 2001:db8:1::/48"
negation = true
no_fallback = true
repo_url = "https://berlin.example.org/wapt"
repositories = ["wapt", "extra"]
"#;

fn stdout(text: &str) -> Value {
    let (start, end) = text.find('{').zip(text.rfind('}')).expect("an object");
    serde_json::from_str(&text[start..=end]).expect("JSON")
}

#[test]
fn rules_are_signed_shown_in_their_order_and_judged_by_a_trust_folder() {
    let place = Place::new().with_key();
    place.write("rules.toml", RULES);
    place.write("certs/alice.crt", place.read("alice.crt"));
    let signed = place.muster(&[
        "repo",
        "rules",
        "sign",
        "rules.toml",
        "--certificate",
        "alice.crt",
    ]);
    assert!(signed.starts_with("exit code 0"), "{signed}");
    assert!(
        signed.contains("rules.json: 2 rules, signed by alice"),
        "{signed}"
    );

    let shown = place.muster(&["repo", "rules", "show", "--trust", "certs"]);
    assert!(
        shown.starts_with("exit code 0") && shown.contains("take it"),
        "{shown}"
    );
    let (berlin, others) = (shown.find("Berlin").unwrap(), shown.find("everybody").unwrap());
    assert!(berlin < others, "{shown}");
    assert!(shown.contains("not AGENT IP 10.1.0.0/16"), "{shown}");
    let json = stdout(&place.muster(&["repo", "rules", "show", "rules.json", "--json"]));
    assert_eq!(json["rules"][0]["repositories"][1], "extra");
    assert_eq!(json["accepted"], Value::Null);

    let other = place.muster(&["key", "create", "bob", "--type", "ec", "--no-password"]);
    assert!(other.starts_with("exit code 0"), "{other}");
    place.write("others/bob.crt", place.read("bob.crt"));
    let refused = place.muster(&["repo", "rules", "show", "--trust", "others"]);
    assert!(
        refused.starts_with("exit code 1") && refused.contains("refuse it"),
        "{refused}"
    );
    // A changed byte of what was signed.
    let mut envelope: Value = serde_json::from_str(&place.read("rules.json")).unwrap();
    let payload = envelope["payload"].as_str().unwrap().replacen("eyJ2", "eyJ1", 1);
    envelope["payload"] = payload.into();
    place.write("rules.json", envelope.to_string());
    let changed = place.muster(&["repo", "rules", "show", "--trust", "certs"]);
    assert!(changed.starts_with("exit code 1"), "{changed}");
}

#[test]
fn what_machines_would_refuse_is_not_signed() {
    let place = Place::new().with_key();
    let cases = [
        (
            RULES.replace("https://berlin", "http://berlin"),
            "repo_url must be",
        ),
        (RULES.replace("10.1.0.0/16", "10.1.0.0/99"), "is no network"),
        (RULES.replace("sequence = 20", "sequence = 10"), "there twice"),
        (RULES.replace("HOSTNAME", "MOON"), "unknown variant"),
        (RULES.replace("no_fallback", "no_fall_back"), "unknown field"),
    ];
    for (text, word) in cases {
        place.write("rules.toml", text);
        let refused = place.muster(&[
            "repo",
            "rules",
            "sign",
            "rules.toml",
            "--certificate",
            "alice.crt",
        ]);
        assert!(refused.starts_with("exit code 1"), "{refused}");
        assert!(refused.contains(word), "{word}: {refused}");
        assert!(!place.path().join("rules.json").exists());
    }
    let made = place.muster(&[
        "key",
        "create",
        "dora",
        "--no-code-signing",
        "--type",
        "ec",
        "--no-password",
    ]);
    assert!(made.starts_with("exit code 0"), "{made}");
    place.write("rules.toml", RULES);
    let sign = ["repo", "rules", "sign", "rules.toml", "--certificate", "dora.crt"];
    let refused = place.muster(&sign);
    assert!(refused.contains("not made for signing code"), "{refused}");
    let forced = place.muster(&[&sign[..], &["--any-certificate"]].concat());
    assert!(forced.starts_with("exit code 0"), "{forced}");
}

#[test]
fn several_files_and_json_become_one_document_and_an_empty_one_ends_all_rules() {
    let place = Place::new().with_key();
    let (first, second) = RULES.split_once("\n\n").unwrap();
    place.write("a.toml", first);
    place.write("b.toml", second);
    let sign = |files: &[&str]| {
        let words = [
            &["repo", "rules", "sign"][..],
            files,
            &["--certificate", "alice.crt", "--json"],
        ]
        .concat();
        stdout(&place.muster(&words))
    };
    assert_eq!(sign(&["a.toml", "b.toml"])["rules"], 2);
    let shown = stdout(&place.muster(&["repo", "rules", "show", "--json"]));
    let json = serde_json::json!({ "rules": shown["rules"] });
    place.write("all.json", json.to_string());
    assert_eq!(sign(&["all.json"])["rules"], 2);
    place.write("none.toml", "");
    assert_eq!(sign(&["none.toml"])["rules"], 0);
}
