//! Levels, merge, delay and errors of Windows Update rules.

use super::*;

fn rules(text: &str) -> UpdateRules {
    UpdateRules::parse(text.as_bytes()).unwrap()
}

fn update() -> Update {
    Update {
        id: "aaaa-bbbb_200".to_owned(),
        kbs: vec!["KB123".to_owned()],
        products: vec!["Windows 11".to_owned()],
        classifications: vec!["Security Updates".to_owned()],
        severity: "Critical".to_owned(),
        published: Some("2026-11-20T00:00:00Z".parse().unwrap()),
    }
}

fn now() -> Timestamp {
    "2026-11-24T00:00:00Z".parse().unwrap()
}

fn is_allowed(text: &str) -> bool {
    matches!(rules(text).decide(&update(), now()), Decision::Allowed { .. })
}

#[test]
fn each_level_allows_and_forbids() {
    for (level, entry) in [
        ("updates", "aaaa-bbbb_200"),
        ("updates", "aaaa-bbbb"),
        ("kbs", "123"),
        ("kbs", "kb123"),
        ("products", "windows 11"),
        ("classifications", "Security Updates"),
        ("products_severities", "Windows 11:Critical"),
        ("severities", "critical"),
    ] {
        assert!(
            is_allowed(&format!(r#"{{"allowed_{level}": ["{entry}"]}}"#)),
            "{level}"
        );
        let text = format!(r#"{{"waptwua": {{"forbidden_{level}": "{entry}", "default_allow": true}}}}"#);
        assert!(!is_allowed(&text), "{level}");
    }
    assert!(!is_allowed(r#"{"allowed_kbs": [124]}"#));
    assert!(!is_allowed("{}") && is_allowed(r#"{"default_allow": true}"#));
}

#[test]
fn forbidden_beats_allowed_in_whatever_package_it_stands() {
    let one = rules(r#"{"allowed_kbs": ["123"], "install_delay": "1d", "default_allow": true}"#);
    let other =
        rules(r#"{"forbidden_products": ["Windows 11"], "install_delay": "2d", "default_allow": false}"#);
    for all in [[one.clone(), other.clone()], [other, one]] {
        let merged = UpdateRules::merged(all);
        let Decision::Forbidden { rule } = merged.decide(&update(), now()) else {
            panic!("forbidden")
        };
        assert_eq!(rule, "forbidden_products has Windows 11");
        assert_eq!(merged.default_allow, Some(false));
        assert_eq!(
            merged.install_delay.unwrap().length(),
            SignedDuration::from_hours(48)
        );
    }
}

#[test]
fn a_delay_counts_from_the_publication() {
    let delayed = rules(r#"{"allowed_severities": ["Critical"], "install_delay": "7d"}"#);
    assert_eq!(
        delayed.decide(&update(), now()),
        Decision::Delayed {
            until: "2026-11-27T00:00:00Z".parse().unwrap(),
            rule: "allowed_severities has Critical".to_owned()
        }
    );
    let later = "2026-11-27T00:00:00Z".parse().unwrap();
    assert!(matches!(
        delayed.decide(&update(), later),
        Decision::Allowed { .. }
    ));
    for (text, minutes) in [("90", 90), ("2h", 120), ("1 d", 1440), ("1w", 10_080)] {
        assert_eq!(
            Delay::parse(text).unwrap().length(),
            SignedDuration::from_mins(minutes)
        );
    }
    assert!(Delay::parse("soon").is_none() && Delay::parse("99999999w").is_none());
}

#[test]
fn unknown_keys_are_kept_and_errors_name_the_key() {
    let kept =
        rules(r#"{"waptwua": {"enabled": true, "filter": "Type='Software'", "forbidden_kbs": ["KB9"]}}"#);
    assert_eq!(kept.other.get("filter").unwrap(), "Type='Software'");
    assert_eq!(rules(&kept.to_json()), kept);
    for (text, word) in [
        (r#"{"waptwua": {"enabled": 1}}"#, "waptwua.enabled is a number"),
        (r#"{"allowed_kbs": {"a": 1}}"#, "allowed_kbs is an object"),
        (r#"{"allowed_severities": ["Worst"]}"#, "severities are Critical"),
        (r#"{"install_delay": "soon"}"#, "install_delay is \"soon\""),
        (r#"{"allowed_products": [""]}"#, "empty entry"),
        ("[]", "not a JSON object"),
    ] {
        let error = UpdateRules::parse(text.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(word), "{text}: {error}");
    }
}
