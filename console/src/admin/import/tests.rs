//! What an import would bring, from two small catalogues.

use muster_shared::control::{Control, Section};
use muster_shared::index::IndexEntry;
use muster_shared::request::Request;

use super::*;

fn entry(package: &str, version: &str, attributes: &[(&str, &str)]) -> IndexEntry {
    let mut control = Control::new(package, version, Section::Base).with("editor", "somebody");
    for (name, value) in attributes {
        control.set(name, value);
    }
    IndexEntry {
        filename: canonical_filename(&control, None),
        control,
        size: 1000,
        md5sum: String::new(),
        sha256sum: None,
        repository: String::new(),
    }
}

fn wishes(wanted: &[&str]) -> ImportWishes {
    ImportWishes {
        wanted: wanted.iter().map(|text| Request::parse(text).unwrap()).collect(),
        prefix: Some("acme".to_owned()),
        ..ImportWishes::default()
    }
}

fn own(packages: &[(&str, &str)]) -> Own {
    let controls: Vec<Control> = packages
        .iter()
        .map(|(name, version)| Control::new(name, version, Section::Base).with("editor", "Somebody"))
        .collect();
    Own::new(&controls)
}

fn names(plan: &ImportPlan) -> Vec<String> {
    plan.imports
        .iter()
        .map(|planned| format!("{} {}", planned.package, planned.version))
        .collect()
}

#[test]
fn the_newest_of_each_architecture_is_taken_under_the_own_prefix() {
    let entries = [
        entry("tis-vlc", "2.0-1", &[]),
        entry("tis-vlc", "3.0-1", &[("architecture", "x64")]),
        entry(
            "tis-vlc",
            "3.1-1",
            &[("architecture", "x64"), ("maturity", "DEV")],
        ),
        entry("tis-vlc", "3.0-1", &[("architecture", "x86")]),
    ];
    let plan = plan(&entries, &own(&[]), &wishes(&["tis-vlc"])).unwrap();
    assert_eq!(
        names(&plan),
        ["acme-vlc 2.0-1", "acme-vlc 3.0-1", "acme-vlc 3.0-1"]
    );
    let only_x64 = ImportWishes {
        architectures: vec!["x64".to_owned()],
        from_maturities: vec!["DEV".to_owned()],
        ..wishes(&["tis-vlc"])
    };
    let planned = super::plan(&entries, &own(&[]), &only_x64).unwrap();
    assert_eq!(names(&planned), ["acme-vlc 3.1-1"]);
}

#[test]
fn a_version_that_is_here_gets_a_packaging_above_it_and_another_does_not() {
    let entries = [entry("tis-a", "1.0-2", &[])];
    let version = |own_packages: &[(&str, &str)]| {
        let planned = plan(&entries, &own(own_packages), &wishes(&["tis-a"])).unwrap();
        planned.imports[0].version.clone()
    };
    assert_eq!(version(&[("acme-a", "1.0-2")]), "1.0-3");
    assert_eq!(version(&[("acme-a", "1.0-7"), ("acme-a", "0.9-9")]), "1.0-8");
    assert_eq!(version(&[("acme-a", "1.0-1")]), "1.0-2");
    assert_eq!(version(&[("acme-a", "2.0-1")]), "1.0-2");
    assert_eq!(version(&[("tis-a", "1.0-2")]), "1.0-2");
}

#[test]
fn only_newer_ones_are_taken_when_asked() {
    let entries = [
        entry("tis-new", "1.0-1", &[]),
        entry("tis-newer", "2.0-1", &[]),
        entry("tis-same", "1.0-1", &[]),
        entry("tis-older", "1.0-1", &[]),
    ];
    let own = own(&[
        ("acme-newer", "1.0-1"),
        ("acme-same", "1.0-4"),
        ("acme-older", "3.0-1"),
    ]);
    let only_newer = ImportWishes {
        only_newer: true,
        ..wishes(&[])
    };
    let plan = plan(&entries, &own, &only_newer).unwrap();
    assert_eq!(names(&plan), ["acme-new 1.0-1", "acme-newer 2.0-1"]);
    let skipped: Vec<&str> = plan.skipped.iter().map(|one| one.reason.as_str()).collect();
    assert_eq!(skipped, ["acme-older is newer here", "acme-same is here already"]);
}

#[test]
fn dependencies_come_first_and_own_ones_are_kept() {
    let entries = [
        entry("tis-office", "1.0-0", &[("depends", "tis-java(>=8),tis-fonts")]),
        entry("tis-java", "8.1-0", &[("depends", "tis-office")]),
        entry("tis-fonts", "1.0-0", &[]),
    ];
    let with_dependencies = ImportWishes {
        with_dependencies: true,
        ..wishes(&["tis-office"])
    };
    let planned = plan(&entries, &own(&[("acme-fonts", "0.1-0")]), &with_dependencies).unwrap();
    assert_eq!(names(&planned), ["acme-java 8.1-0", "acme-office 1.0-0"]);
    assert_eq!(planned.imports[0].needed_by.as_deref(), Some("tis-office"));
    // The own one is too old for what is asked.
    let planned = plan(&entries, &own(&[("acme-java", "7.0-0")]), &with_dependencies).unwrap();
    assert_eq!(planned.imports.len(), 3);
    let lacking = [entry("tis-office", "1.0-0", &[("depends", "tis-gone")])];
    assert_eq!(
        plan(&lacking, &own(&[]), &with_dependencies)
            .unwrap_err()
            .to_string(),
        "tis-office needs tis-gone, which the repository does not have"
    );
}

#[test]
fn what_is_not_there_is_said_with_what_is_near() {
    let entries = [
        entry("tis-firefox-esr", "1.0-0", &[]),
        entry("tis-vlc", "1.0-0", &[("maturity", "DEV")]),
    ];
    let unknown = plan(&entries, &own(&[]), &wishes(&["acme-firefox"])).unwrap_err();
    assert_eq!(
        unknown,
        PlanError::Unknown {
            request: "acme-firefox".to_owned(),
            near: vec!["tis-firefox-esr".to_owned()]
        }
    );
    let filtered = plan(&entries, &own(&[]), &wishes(&["tis-vlc"])).unwrap_err();
    assert_eq!(
        filtered.to_string(),
        "the repository has tis-vlc, but not as asked: 1.0-0 all DEV"
    );
}

#[test]
fn packages_of_hosts_are_never_taken() {
    let mut host = entry("4C4C-AB", "3", &[]);
    host.control.set("section", "host");
    let plan = plan(&[host], &own(&[]), &wishes(&[])).unwrap();
    assert!(plan.imports.is_empty());
    assert_eq!(plan.skipped.len(), 1);
}

#[test]
fn packages_that_act_or_grant_rights_are_named_and_wanted() {
    let section = |name: &str| entry(&format!("tis-{name}"), "1-0", &[("section", name)]);
    let entries = [
        section("base"),
        section("group"),
        section("unit"),
        section("selfservice"),
        section("restricted"),
    ];
    let everything = ImportWishes {
        any_section: true,
        ..wishes(&[])
    };
    let planned = plan(&entries, &own(&[]), &everything).unwrap();
    assert_eq!(names(&planned), ["acme-base 1-0", "acme-group 1-0"]);
    assert_eq!(planned.skipped.len(), 3);
    let named = wishes(&["tis-selfservice"]);
    let refused = plan(&entries, &own(&[]), &named).unwrap_err();
    assert!(matches!(refused, PlanError::Section { .. }), "{refused}");
    let wanted = ImportWishes {
        any_section: true,
        ..named
    };
    let planned = plan(&entries, &own(&[]), &wanted).unwrap();
    assert_eq!(names(&planned), ["acme-selfservice 1-0"]);
}

#[test]
fn two_packages_never_become_one() {
    let entries = [entry("tis-x", "1-0", &[]), entry("foo-x", "2-0", &[])];
    for wanted in [&[][..], &["tis-x", "foo-x"]] {
        let refused = plan(&entries, &own(&[]), &wishes(wanted)).unwrap_err();
        assert_eq!(
            refused.to_string().split(" would").next(),
            Some(if wanted.is_empty() {
                "foo-x and tis-x"
            } else {
                "tis-x and foo-x"
            })
        );
    }
    // Two builds of one package are one source.
    let builds = [
        entry("tis-x", "1-0", &[("architecture", "x64")]),
        entry("tis-x", "1-0", &[("architecture", "x86")]),
    ];
    assert_eq!(plan(&builds, &own(&[]), &wishes(&[])).unwrap().imports.len(), 2);
}

#[test]
fn what_is_here_under_that_name_and_may_be_other_software_is_taken_by_name_only() {
    let entries = [entry("foo-x", "2-0", &[("editor", "somebody else")])];
    let own = own(&[("acme-x", "1-0")]);
    let planned = plan(&entries, &own, &wishes(&[])).unwrap();
    assert!(planned.imports.is_empty());
    assert!(
        planned.skipped[0].reason.contains("import it by name"),
        "{planned:?}"
    );
    assert_eq!(
        names(&plan(&entries, &own, &wishes(&["foo-x"])).unwrap()),
        ["acme-x 2-0"]
    );
}

#[test]
fn a_chain_of_dependencies_as_long_as_the_catalogue_is_followed() {
    let entries: Vec<IndexEntry> = (0..5000)
        .map(|number| {
            let next = format!("tis-p{}", number + 1);
            let depends = if number == 4999 { "" } else { next.as_str() };
            entry(&format!("tis-p{number}"), "1-0", &[("depends", depends)])
        })
        .collect();
    let with_dependencies = ImportWishes {
        with_dependencies: true,
        ..wishes(&["tis-p0"])
    };
    let plan = plan(&entries, &own(&[]), &with_dependencies).unwrap();
    assert_eq!(plan.imports.len(), 5000);
    assert_eq!(plan.imports[0].package, "acme-p4999");
}
