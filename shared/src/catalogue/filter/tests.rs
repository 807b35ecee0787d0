//! Each rule refuses by name, and what fits is taken.

use super::*;
use crate::control::Section;

#[test]
fn a_plain_package_is_taken() {
    assert_eq!(refusal(&package(), &host()), None);
}

#[test]
fn each_rule_refuses_by_name() {
    for (attribute, value, rule) in [
        ("version", "1_0", Rule::InvalidVersion),
        ("valid_from", "2026-11-25", Rule::NotYetValid),
        ("valid_until", "2026-11-24T11:59:59Z", Rule::NoLongerValid),
        ("valid_until", "soon", Rule::Unreadable),
        ("min_wapt_version", "2.0", Rule::AgentTooOld),
        ("min_wapt_version", "new", Rule::Unreadable),
        ("target_os", "linux,darwin", Rule::OtherSystem),
        ("target_os", "unix", Rule::OtherSystem),
        ("architecture", "arm64", Rule::OtherArchitecture),
        ("locale", "de,it", Rule::OtherLocale),
        ("maturity", "DEV", Rule::OtherMaturity),
        ("min_os_version", "11", Rule::SystemTooOld),
        ("max_os_version", "6.3", Rule::SystemTooNew),
    ] {
        let refusal = refusal(&package().with(attribute, value), &host())
            .unwrap_or_else(|| panic!("{attribute} {value}"));
        assert_eq!((refusal.attribute.as_str(), refusal.rule), (attribute, rule));
        assert!(refusal.to_string().contains(&refusal.package_value));
    }
}

#[test]
fn what_fits_is_taken() {
    for (attribute, value) in [
        ("valid_from", "2026-11-24T12:00:00Z"),
        ("valid_until", "2026-11-24T12:00:00Z"),
        ("min_wapt_version", "1.8"),
        ("target_os", "linux, Windows"),
        ("target_os", "all"),
        ("architecture", "x86"),
        ("locale", "de,fr"),
        ("locale", "all"),
        ("maturity", "PROD"),
        ("maturity", ""),
        ("min_os_version", "10.0.19045"),
        ("max_os_version", "10"),
        ("max_os_version", "10.0"),
    ] {
        assert_eq!(
            refusal(&package().with(attribute, value), &host()),
            None,
            "{attribute} {value}"
        );
    }
}

#[test]
fn lists_of_names_are_patterns_and_the_deny_list_comes_first() {
    let denied = Capabilities {
        packages_blacklist: vec!["tis-*".into()],
        ..host()
    };
    assert_eq!(refusal(&package(), &denied).unwrap().rule, Rule::Denied);
    let allowed = Capabilities {
        packages_whitelist: vec!["other-*".into()],
        ..host()
    };
    assert_eq!(refusal(&package(), &allowed).unwrap().rule, Rule::NotAllowed);
    let both = Capabilities {
        packages_blacklist: vec!["TIS-?".into()],
        ..allowed
    };
    assert_eq!(refusal(&package(), &both).unwrap().rule, Rule::Denied);
}

#[test]
fn the_order_of_the_rules_decides_which_is_named() {
    let control = package()
        .with("maturity", "DEV")
        .with("target_os", "linux")
        .with("valid_until", "2020-01-01");
    assert_eq!(refusal(&control, &host()).unwrap().rule, Rule::NoLongerValid);
}

#[test]
fn dates_without_zone_are_local() {
    let control = package().with("valid_from", "2026-11-24T13:00:00");
    assert!(refusal(&control, &host()).is_some());
    assert!(
        refusal(
            &control,
            &Capabilities {
                utc_offset_secs: 3600,
                ..host()
            }
        )
        .is_none()
    );
}

#[test]
fn an_unknown_system_version_keeps_bounded_packages_away() {
    let unknown = Capabilities {
        os_version: String::new(),
        ..host()
    };
    assert_eq!(
        refusal(&package().with("min_os_version", "6.1"), &unknown)
            .unwrap()
            .rule,
        Rule::Unreadable
    );
    assert_eq!(refusal(&package(), &unknown), None);
}

#[test]
fn an_unknown_system_or_architecture_takes_any() {
    let unknown = Capabilities {
        os: String::new(),
        architecture: String::new(),
        ..host()
    };
    for (attribute, value) in [("target_os", "darwin"), ("architecture", "arm64")] {
        assert_eq!(
            refusal(&package().with(attribute, value), &unknown),
            None,
            "{attribute}"
        );
    }
}

#[test]
fn a_sentence_names_attribute_values_and_rule() {
    let refusal = refusal(&package().with("target_os", "linux"), &host()).unwrap();
    assert_eq!(
        refusal.to_string(),
        r#"its target_os is "linux" and the host has "windows": it is for other operating systems"#
    );
}

#[test]
fn named_values_rank_above_open_ones() {
    let host = Capabilities {
        maturities: vec!["PREPROD".into(), "PROD".into()],
        ..host()
    };
    let rules = Rules::new(&host);
    assert_eq!(rules.rank(&package()), [2, 2, 2]);
    assert_eq!(
        rules.rank(
            &package()
                .with("architecture", "x64")
                .with("locale", "de,en")
                .with("maturity", "PROD")
        ),
        [0, 1, 1]
    );
}

fn package() -> Control {
    Control::new("tis-a", "1.0-0", Section::Base)
}

fn host() -> Capabilities {
    Capabilities {
        os: "windows".into(),
        os_version: "10.0.19045".into(),
        architecture: "x64".into(),
        locales: vec!["fr".into(), "en".into()],
        now: "2026-11-24T12:00:00Z".parse().unwrap(),
        ..Capabilities::default()
    }
}
