//! What filters read, refuse and answer.

use super::*;

const NOW: &str = "2026-11-24T12:00:00Z";

#[test]
fn the_example_of_the_documentation_holds_for_its_host() {
    let text = r#"status:error os:windows software:"7-zip"<24 group:accounting last_seen>7d not reachable"#;
    let filter = Filter::parse(text).unwrap();
    assert_eq!(filter.terms().len(), 6);
    assert!(holds(text));
    assert_eq!(Filter::parse(&filter.to_string()).unwrap(), filter);
}

#[test]
fn text_is_found_in_part_or_compared_whole() {
    assert!(holds("os:WINDOWS"));
    assert!(!holds("os=windows"));
    assert!(holds("os:\"windows 10*\""));
    assert!(!holds("os:\"10*\""));
    assert!(holds("name=pc-é1"));
    assert!(holds("name:É"));
}

#[test]
fn versions_of_named_things_compare_like_conditions() {
    for text in [
        "package:tis-firefox<2.0",
        "package=tis-firefox>=1.2",
        "package:tis-firefox=1.2",
        "software:7-zip<=23.1",
    ] {
        assert!(holds(text), "{text}");
    }
    for text in [
        "package:tis-firefox>1.2",
        "package=firefox",
        "software:7-zip>=24",
        "software:vlc",
        "package:tis-firefox=2",
    ] {
        assert!(!holds(text), "{text}");
    }
    assert!(holds("software:odd>1.2.3.4.5"));
    assert!(holds("os_version:10.0 os_version>=10.0.19041 os_version<11"));
    assert!(holds("os_version:10.0.*"));
}

#[test]
fn times_compare_by_age_and_by_date() {
    for text in [
        "last_seen>7d",
        "last_seen<30d",
        "last_seen:2w",
        "last_seen<2026-11-20",
        "last_seen=2026-11-14",
    ] {
        assert!(holds(text), "{text}");
    }
    for text in ["last_seen<7d", "last_seen>2026-11-20", "last_seen=2026-11-13"] {
        assert!(!holds(text), "{text}");
    }
}

#[test]
fn numbers_take_units() {
    assert!(holds("memory<=8G memory>4G memory:8G"));
    assert!(!holds("memory<8G"));
}

#[test]
fn words_are_looked_for_everywhere() {
    assert!(holds("DELL"));
    assert!(holds("\"windows 10\""));
    assert!(holds("lat*de"));
    assert!(!holds("\"reachable\""));
}

#[test]
fn terms_are_combined_and_negated() {
    assert!(holds("os:linux or os:windows"));
    assert!(holds("(os:linux or os:windows) and status:error"));
    assert!(!holds("os:linux or os:windows status:ok"));
    assert!(holds("-os:linux"));
    assert!(holds("not (os:linux or status:ok)"));
    assert!(holds("not not os:windows"));
    assert!(holds("reachable:no"));
    assert!(holds(""));
    assert!(Filter::parse("  ").unwrap().is_empty());
}

#[test]
fn a_field_that_a_row_lacks_never_holds() {
    assert!(!holds("section:base"));
    assert!(holds("not section:base"));
}

#[test]
fn mistakes_are_placed_and_come_with_advice() {
    for (text, position, message, hint) in [
        (
            "os:linux sofware:x",
            9,
            "there is no field \"sofware\"",
            "did you mean software?",
        ),
        (
            "http://x",
            0,
            "there is no field \"http\"",
            "quote the text to look for it anywhere",
        ),
        (
            "status<3",
            7,
            "status has no order, so < means nothing",
            "use : or =, for example status:error",
        ),
        (
            "memory<much",
            7,
            "\"much\" is not a whole number, for example 100 or 8G",
            "write for example memory<8G",
        ),
        (
            "status:",
            7,
            "a value is missing for status",
            "write for example status:error",
        ),
        (
            "(os:linux",
            0,
            "a \"(\" without its \")\"",
            "close it, or quote the text",
        ),
        (
            "os:linux)",
            8,
            "a \")\" without its \"(\"",
            "remove it, or quote the text",
        ),
        ("os:\"linux", 3, "a quote without its end", "add a \" at the end"),
        (
            "os:linux or",
            11,
            "a term is missing here",
            "write for example status:error",
        ),
        (
            "or os:linux",
            0,
            "a term is missing here",
            "write for example status:error",
        ),
        (
            "os:linux and",
            12,
            "a term is missing after \"and\"",
            "remove the \"and\"",
        ),
        (
            "()",
            1,
            "a term is missing here",
            "write for example status:error",
        ),
        (
            "not",
            3,
            "a term is missing here",
            "write for example status:error",
        ),
    ] {
        let expected = FilterError {
            position,
            message: message.into(),
            hint: hint.into(),
        };
        assert_eq!(Filter::parse(text), Err(expected), "{text}");
    }
}

#[test]
fn length_terms_and_depth_are_bounded() {
    assert!(Filter::parse(&"a".repeat(MAX_FILTER_BYTES + 1)).is_err());
    assert!(Filter::parse(&"a ".repeat(MAX_TERMS)).is_ok());
    assert!(Filter::parse(&"a ".repeat(MAX_TERMS + 1)).is_err());
    assert!(Filter::parse(&"(".repeat(1000)).is_err());
    assert!(Filter::parse(&"-".repeat(1000)).is_err());
}

#[test]
fn written_filters_read_back() {
    for text in [
        "a b or c",
        "(a or b) c",
        "not (a b)",
        "\"or\" \"a \\\" \\\\ b\" \"-x\" \"reachable\"",
        "last_seen>90s signed<2026-01-31T10:00:00Z",
        "package=a<=1.2 mac:00:1a",
        "",
    ] {
        let filter = Filter::parse(text).unwrap();
        assert_eq!(
            Filter::parse(&filter.to_string()).unwrap(),
            filter,
            "{text} became {filter}"
        );
    }
    let json = serde_json::to_string(&Filter::parse("os:linux  status:ok").unwrap()).unwrap();
    assert_eq!(json, "\"os:linux  status:ok\"");
}

fn holds(text: &str) -> bool {
    let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    filter.matches(&Host, NOW.parse().unwrap())
}

struct Host;

impl Row for Host {
    fn field(&self, name: &str) -> Option<Value<'_>> {
        Some(match name {
            "name" => "PC-É1".into(),
            "status" => "ERROR".into(),
            "os" => "Windows 10 Pro".into(),
            "os_version" => "10.0.19045".into(),
            "group" => Value::Texts(vec!["accounting".into(), "all".into()]),
            "software" => Value::Named(vec![
                ("7-Zip".into(), "23.1".into()),
                ("Odd".into(), "1.2.3.4.6 beta".into()),
            ]),
            "package" => Value::Named(vec![("tis-firefox".into(), "1.2.5-3".into())]),
            "last_seen" => Value::Time("2026-11-14T08:00:00Z".parse().ok()?),
            "memory" => Value::Number(8 << 30),
            "reachable" => Value::Flag(false),
            _ => return None,
        })
    }

    fn any_text(&self, needle_lower: &str) -> bool {
        ["dell latitude", "windows 10 pro"]
            .iter()
            .any(|text| text.contains(needle_lower))
    }
}
