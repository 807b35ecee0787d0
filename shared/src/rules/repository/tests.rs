//! Which rule serves whom: tables of conditions, and what holds for any rules and any host.

use proptest::prelude::*;

use super::*;

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn rule(sequence: u32, condition: Condition, value: &str) -> Rule {
    Rule {
        sequence,
        name: format!("rule {sequence}"),
        condition,
        value: value.to_owned(),
        negation: false,
        no_fallback: false,
        repo_url: format!("https://mirror-{sequence}.example/wapt"),
        server_pin: None,
        repositories: Vec::new(),
    }
}

fn document(rules: Vec<Rule>) -> RepositoryRules {
    RepositoryRules {
        version: RULES_VERSION,
        issued_at: time("2026-03-01T00:00:00Z"),
        expires_at: time("2026-06-01T00:00:00Z"),
        rules,
    }
}

fn berlin() -> HostFacts {
    HostFacts {
        hostname: "pc-12.berlin.example.org".to_owned(),
        domain: Some("example.org".to_owned()),
        site: Some("Berlin".to_owned()),
        agent_ip: Some("10.1.2.3".parse().unwrap()),
        public_ip: Some("203.0.113.9".parse().unwrap()),
    }
}

#[test]
fn each_condition_fits_and_does_not_fit() {
    use Condition::{AgentIp, Domain, Hostname, PublicIp, Site};
    for (condition, value, expected) in [
        (AgentIp, "10.1.0.0/16", true),
        (AgentIp, "10.2.0.0/16", false),
        (AgentIp, "192.168.0.0/16, 10.1.2.0/24", true),
        (PublicIp, "203.0.113.0/24", true),
        (PublicIp, "203.0.114.0/24", false),
        (Domain, "EXAMPLE.org", true),
        (Domain, "example.com", false),
        (Domain, "*.org", true),
        (Hostname, "pc-*", true),
        (Hostname, "PC-12", true),
        (Hostname, "*.berlin.example.org", true),
        (Hostname, "srv-*", false),
        (Site, "berlin", true),
        (Site, "Paris,Berlin", true),
        (Site, "Paris", false),
    ] {
        let mut rule = rule(1, condition, value);
        assert_eq!(rule.holds(&berlin()), expected, "{condition} {value}");
        rule.negation = true;
        assert_eq!(rule.holds(&berlin()), !expected, "not {condition} {value}");
        // A host that does not know is no host of the one kind or of the other.
        assert!(!rule.holds(&HostFacts::default()), "{condition} {value}");
    }
}

#[test]
fn the_first_that_fits_serves_and_no_fallback_ends_the_search() {
    let mut rules = vec![
        rule(30, Condition::Site, "Berlin"),
        rule(10, Condition::Site, "Paris"),
        rule(20, Condition::Hostname, "pc-*"),
        rule(40, Condition::AgentIp, "0.0.0.0/0"),
    ];
    let order = |rules: &[Rule]| {
        let document = document(rules.to_vec()).checked().unwrap();
        let found = document.candidates(MAIN_REPOSITORY, &berlin());
        found.iter().map(|rule| rule.sequence).collect::<Vec<_>>()
    };
    assert_eq!(order(&rules), [20, 30, 40]);
    rules[0].no_fallback = true;
    assert_eq!(order(&rules), [20, 30]);
}

#[test]
fn a_rule_is_for_the_repositories_that_it_names() {
    let mut named = rule(1, Condition::Site, "Berlin");
    named.repositories = vec!["extra".to_owned(), "waptwua".to_owned()];
    let document = document(vec![named, rule(2, Condition::Site, "Berlin")])
        .checked()
        .unwrap();
    let of = |name| {
        let found = document.candidates(name, &berlin());
        found.iter().map(|rule| rule.sequence).collect::<Vec<_>>()
    };
    assert_eq!(of(MAIN_REPOSITORY), [2]);
    assert_eq!(of("extra"), [1]);
    assert!(of("other").is_empty());
}

type Change = dyn Fn(&mut Rule);

#[test]
fn a_document_that_breaks_a_rule_is_refused_with_the_rule() {
    let one = |change: &Change| {
        let mut rule = rule(7, Condition::AgentIp, "10.0.0.0/8");
        change(&mut rule);
        document(vec![rule]).checked().unwrap_err().to_string()
    };
    let cases: [(&Change, &str); 8] = [
        (&|rule| rule.name = " ".to_owned(), "rule 7: name is empty"),
        (&|rule| rule.value = ", ,".to_owned(), "nothing to compare"),
        (&|rule| rule.value = "10.0.0.0/99".to_owned(), "no network"),
        (&|rule| rule.repo_url = "http://a/wapt".to_owned(), "https://"),
        (&|rule| rule.repo_url = "https:///wapt".to_owned(), "https://"),
        (&|rule| rule.repo_url = "https://u@a/wapt".to_owned(), "https://"),
        (&|rule| rule.server_pin = Some("12".to_owned()), "server_pin"),
        (
            &|rule| rule.repositories = vec!["../x".to_owned()],
            "repositories",
        ),
    ];
    for (change, word) in cases {
        let error = one(change);
        assert!(error.contains(word), "{error} has no {word}");
    }
    let twice = document(vec![rule(1, Condition::Site, "a"), rule(1, Condition::Site, "b")]);
    assert_eq!(twice.checked().unwrap_err(), RepositoryRulesError::Sequence(1));
    let mut newer = document(Vec::new());
    newer.version = 2;
    assert_eq!(newer.checked().unwrap_err(), RepositoryRulesError::Version(2));
    let mut endless = document(Vec::new());
    endless.expires_at = time("2036-01-01T00:00:00Z");
    assert_eq!(endless.checked().unwrap_err(), RepositoryRulesError::Unbounded);
    let many = (0..=MAX_REPOSITORY_RULES as u32).map(|sequence| rule(sequence, Condition::Site, "a"));
    assert!(matches!(
        document(many.collect()).checked().unwrap_err(),
        RepositoryRulesError::TooMany(_)
    ));
}

#[test]
fn expired_future_and_older_documents_are_refused() {
    let document = document(Vec::new()).checked().unwrap();
    let at = |now: &str, seen: Option<&str>| document.check_times(time(now), seen.map(time));
    at("2026-03-02T00:00:00Z", None).unwrap();
    at("2026-03-02T00:00:00Z", Some("2026-03-01T00:00:00Z")).unwrap();
    // A clock that is a little behind is no reason.
    at("2026-02-28T12:00:00Z", None).unwrap();
    assert!(matches!(
        at("2026-02-27T00:00:00Z", None),
        Err(RepositoryRulesError::Ahead { .. })
    ));
    assert!(matches!(
        at("2026-06-01T00:00:01Z", None),
        Err(RepositoryRulesError::Expired { .. })
    ));
    assert!(matches!(
        at("2026-03-02T00:00:00Z", Some("2026-03-01T00:00:01Z")),
        Err(RepositoryRulesError::Older { .. })
    ));
}

#[test]
fn unknown_fields_and_conditions_are_refused() {
    let good = serde_json::to_value(document(vec![rule(1, Condition::PublicIp, "10.0.0.0/8")])).unwrap();
    assert_eq!(good["rules"][0]["condition"], "PUBLIC IP");
    serde_json::from_value::<RepositoryRules>(good.clone()).unwrap();
    for (pointer, value) in [
        ("/rules/0/condition", serde_json::json!("MOON PHASE")),
        ("/rules/0/extra", serde_json::json!(1)),
        ("/extra", serde_json::json!(1)),
    ] {
        let mut bad = good.clone();
        let (place, key) = pointer.rsplit_once('/').unwrap();
        bad.pointer_mut(place).unwrap()[key] = value;
        assert!(
            serde_json::from_value::<RepositoryRules>(bad).is_err(),
            "{pointer}"
        );
    }
}

prop_compose! {
    fn any_rule()(
        sequence in 0..50_u32,
        condition in proptest::sample::select(Condition::ALL.to_vec()),
        address: u32,
        prefix in 0..=32_u8,
        text in "[a-c*?]{1,3}",
        negation: bool,
        no_fallback in proptest::bool::weighted(0.2),
        other: bool,
    ) -> Rule {
        let value = match condition {
            Condition::AgentIp | Condition::PublicIp => format!("{}/{prefix}", std::net::Ipv4Addr::from(address)),
            _ => text,
        };
        Rule {
            negation,
            no_fallback,
            repositories: if other { vec!["other".to_owned()] } else { Vec::new() },
            ..rule(sequence, condition, &value)
        }
    }
}

prop_compose! {
    fn any_facts()(
        hostname in "[a-c]{0,3}(\\.[a-c])?",
        domain in proptest::option::of("[a-c]{1,2}"),
        site in proptest::option::of("[a-c]{1,2}"),
        agent_ip in proptest::option::of(any::<u32>()),
        public_ip in proptest::option::of(any::<u32>()),
    ) -> HostFacts {
        let address = |bits: u32| IpAddr::V4(bits.into());
        HostFacts {
            hostname,
            domain,
            site,
            agent_ip: agent_ip.map(address),
            public_ip: public_ip.map(address),
        }
    }
}

proptest! {
    #[test]
    fn what_serves_is_in_order_fits_and_ends_with_no_fallback(rules in proptest::collection::vec(any_rule(), 0..12), facts in any_facts()) {
        if let Ok(document) = document(rules).checked() {
            let found = document.candidates(MAIN_REPOSITORY, &facts);
            prop_assert!(found.is_sorted_by_key(|rule| rule.sequence));
            prop_assert!(found.iter().all(|rule| rule.is_for(MAIN_REPOSITORY) && rule.holds(&facts)));
            let ends = found.iter().position(|rule| rule.no_fallback);
            prop_assert!(ends.is_none_or(|end| end + 1 == found.len()));
            // Nothing that fits is passed over before the end.
            let last = found.last().filter(|rule| rule.no_fallback).map_or(u32::MAX, |rule| rule.sequence);
            let fitting = document.rules.iter().filter(|rule| {
                rule.sequence <= last && rule.is_for(MAIN_REPOSITORY) && rule.holds(&facts)
            });
            prop_assert_eq!(fitting.count(), found.len());
        }
    }

    #[test]
    fn a_rule_and_its_negation_never_both_hold(rule in any_rule(), facts in any_facts()) {
        let opposite = Rule { negation: !rule.negation, ..rule.clone() };
        prop_assert!(!(rule.holds(&facts) && opposite.holds(&facts)));
    }

    #[test]
    fn the_order_in_the_document_does_not_matter(rules in proptest::collection::vec(any_rule(), 0..8), facts in any_facts()) {
        let mut backwards = rules.clone();
        backwards.reverse();
        match (document(rules).checked(), document(backwards).checked()) {
            (Ok(one), Ok(other)) => prop_assert_eq!(
                one.candidates(MAIN_REPOSITORY, &facts),
                other.candidates(MAIN_REPOSITORY, &facts)
            ),
            (one, other) => prop_assert_eq!(one.is_err(), other.is_err()),
        }
    }

    #[test]
    fn documents_read_back_as_written(rules in proptest::collection::vec(any_rule(), 0..8)) {
        let document = document(rules);
        let bytes = serde_json::to_vec(&document).unwrap();
        prop_assert_eq!(crate::envelope::parse_payload::<RepositoryRules>(&bytes).unwrap(), document);
    }
}
