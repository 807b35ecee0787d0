//! What plans come to.

use super::*;
use crate::catalogue::tests::entry;
use crate::catalogue::{Capabilities, Catalogue};
use crate::index::IndexEntry;
use crate::request::parse_list;

#[test]
fn dependencies_come_before_what_depends_on_them() {
    let catalogue = catalogue(&[
        ("app", "1", "lib,tool"),
        ("lib", "1", "core"),
        ("tool", "1", "core"),
        ("core", "1", ""),
    ]);
    let result = plan(&catalogue, &[], &asked("app"));
    assert_eq!(steps(&result), ["core 1", "lib 1", "tool 1", "app 1"]);
    assert_eq!(result.step("app").unwrap().needs, ["lib", "tool"]);
    assert_eq!(
        result.step("core").unwrap().because,
        "needed by lib (core), tool (core)"
    );
    assert_eq!(result.step("app").unwrap().because, "asked for");
    assert!(result.errors.is_empty());
}

#[test]
fn the_newest_that_satisfies_every_request_is_taken() {
    let catalogue = catalogue(&[
        ("a", "1", "lib(>=1.2)"),
        ("b", "1", "lib(<2)"),
        ("lib", "1.0", ""),
        ("lib", "1.5", ""),
        ("lib", "2.0", ""),
    ]);
    let result = plan(&catalogue, &[], &asked("a,b"));
    assert_eq!(steps(&result), ["lib 1.5", "a 1", "b 1"]);
}

#[test]
fn an_installed_version_that_satisfies_stays() {
    let catalogue = catalogue(&[("a", "1", "lib"), ("lib", "2", "")]);
    let installed = [Installed::new("lib", "1")];
    let result = plan(&catalogue, &installed, &asked("a"));
    assert_eq!(steps(&result), ["a 1"]);
    let result = plan(&catalogue, &installed, &asked("lib"));
    assert_eq!(result.kept[0].version, "1");
    assert!(!result.is_settled() || result.steps.is_empty());
}

#[test]
fn an_upgrade_takes_the_newest_but_never_an_older_one() {
    let catalogue = catalogue(&[("lib", "2", "")]);
    let upgrade = [wanted("lib", Why::Upgrade)];
    let result = plan(&catalogue, &[Installed::new("lib", "1")], &upgrade);
    assert_eq!(steps(&result), ["lib 2"]);
    assert_eq!(result.steps[0].change, Change::Upgrade);
    assert_eq!(result.steps[0].because, "newer than 1, which is installed");
    let result = plan(&catalogue, &[Installed::new("lib", "3")], &upgrade);
    assert!(result.is_settled());
    let result = plan(&catalogue, &[Installed::new("lib", "2")], &upgrade);
    assert!(result.is_settled());
}

#[test]
fn pins_of_installed_parents_hold_for_upgrades() {
    let catalogue = catalogue(&[("lib", "1.5", ""), ("lib", "2", "")]);
    let installed = [Installed::new("lib", "1.0"), installed("host", "1", "lib(=1)")];
    let result = plan(&catalogue, &installed, &[wanted("lib", Why::Upgrade)]);
    assert_eq!(steps(&result), ["lib 1.5"]);
}

#[test]
fn a_pin_that_excludes_the_installed_version_replaces_it() {
    let catalogue = catalogue(&[("a", "1", "lib(=1)"), ("lib", "1", "")]);
    let result = plan(&catalogue, &[Installed::new("lib", "2")], &asked("a"));
    assert_eq!(steps(&result), ["lib 1", "a 1"]);
    assert_eq!(result.steps[0].change, Change::Downgrade);
}

#[test]
fn a_retry_installs_the_same_version_again() {
    let catalogue = catalogue(&[("lib", "1", "")]);
    let installed = [Installed::new("lib", "1")];
    let result = plan(&catalogue, &installed, &[wanted("lib", Why::Retry)]);
    assert_eq!(result.steps[0].change, Change::Reinstall);
}

#[test]
fn parents_that_disagree_become_errors_naming_both_requests() {
    let catalogue = catalogue(&[
        ("a", "1", "lib(<2)"),
        ("b", "1", "lib(>=2)"),
        ("c", "1", ""),
        ("lib", "1", ""),
        ("lib", "2", ""),
    ]);
    let result = plan(&catalogue, &[], &asked("a,b,c"));
    assert_eq!(steps(&result), ["c 1"]);
    let error = result.error("lib").unwrap();
    assert_eq!(error.wanted_by, ["a", "b"]);
    assert_eq!(
        error.sentence,
        "lib is needed: lib(<2) by a, lib(>=2) by b; no version satisfies that, visible are 2, 1"
    );
    for parent in ["a", "b"] {
        let sentence = &result.error(parent).unwrap().sentence;
        assert!(sentence.starts_with(&format!(
            "{parent} 1 is not installed because lib is needed: lib(<2) by a, lib(>=2) by b"
        )));
    }
}

#[test]
fn no_older_parent_is_tried() {
    let catalogue = catalogue(&[("a", "2", "missing"), ("a", "1", "")]);
    let result = plan(&catalogue, &[], &asked("a"));
    assert!(result.steps.is_empty());
    assert!(
        result
            .error("missing")
            .unwrap()
            .sentence
            .ends_with("the repository has no package of that name")
    );
}

#[test]
fn what_is_missing_takes_down_every_ancestor_and_nothing_else() {
    let catalogue = catalogue(&[
        ("top", "1", "middle"),
        ("middle", "1", "missing,side"),
        ("side", "1", ""),
        ("other", "1", ""),
    ]);
    let result = plan(&catalogue, &[], &asked("top,other"));
    assert_eq!(steps(&result), ["other 1"]);
    let failed: Vec<_> = result.errors.iter().map(|error| error.package.as_str()).collect();
    assert_eq!(failed, ["missing", "middle", "top"]);
}

#[test]
fn when_an_upgrade_cannot_be_the_installed_version_serves_the_others() {
    let catalogue = catalogue(&[("top", "1", "lib"), ("lib", "2", "missing")]);
    let installed = [Installed::new("lib", "1")];
    let result = plan(
        &catalogue,
        &installed,
        &[wanted("lib", Why::Upgrade), wanted("top", Why::Asked)],
    );
    assert_eq!(steps(&result), ["top 1"]);
    assert!(
        result
            .error("lib")
            .unwrap()
            .sentence
            .starts_with("lib 2 is not installed because missing is needed")
    );
}

#[test]
fn a_package_that_the_host_refuses_is_explained() {
    let mut entries = entries(&[("a", "1", "lib")]);
    entries.push(entry("lib", "1", &[("maturity", "DEV")]));
    let catalogue = Catalogue::new(entries, &Capabilities::default());
    let result = plan(&catalogue, &[], &asked("a"));
    assert!(
        result
            .error("lib")
            .unwrap()
            .sentence
            .contains("the host does not take this maturity")
    );
}

#[test]
fn circles_are_installed_once_each() {
    let catalogue = catalogue(&[("a", "1", "b"), ("b", "1", "c"), ("c", "1", "a")]);
    let result = plan(&catalogue, &[], &asked("a"));
    assert_eq!(steps(&result), ["c 1", "b 1", "a 1"]);
}

#[test]
fn what_a_package_that_stays_misses_comes_before_its_parents() {
    let catalogue = catalogue(&[("app", "1", "old"), ("tool", "1", "core"), ("core", "1", "")]);
    let installed = [installed("old", "1", "tool")];
    assert_eq!(
        steps(&plan(&catalogue, &installed, &asked("app"))),
        ["core 1", "tool 1", "app 1"]
    );
    let circle = self::catalogue(&[("app", "1", "old"), ("tool", "1", "app")]);
    assert_eq!(
        steps(&plan(&circle, &installed, &asked("app"))),
        ["app 1", "tool 1"]
    );
}

#[test]
fn a_circle_of_constraints_ends_in_something_consistent() {
    let catalogue = catalogue(&[
        ("a", "2", "b"),
        ("a", "1", "b(<2)"),
        ("b", "2", "a(<2)"),
        ("b", "1", ""),
    ]);
    let result = plan(&catalogue, &[], &asked("a"));
    assert_eq!(steps(&result), ["b 1", "a 1"]);
}

#[test]
fn a_constraint_of_a_version_not_taken_does_not_count() {
    let catalogue = catalogue(&[
        ("p", "2", "q(<5)"),
        ("p", "1", "q"),
        ("q", "5", ""),
        ("q", "4", ""),
        ("r", "1", "s"),
        ("s", "1", "p(<2)"),
    ]);
    let result = plan(&catalogue, &[], &asked("p,r"));
    assert_eq!(steps(&result), ["q 5", "p 1", "s 1", "r 1"]);
}

#[test]
fn more_than_thirty_levels_are_refused() {
    let chain = |length: usize| {
        let rows: Vec<(String, String)> = (0..length)
            .map(|level| {
                (
                    format!("p{level}"),
                    if level + 1 < length {
                        format!("p{}", level + 1)
                    } else {
                        String::new()
                    },
                )
            })
            .collect();
        let entries = rows
            .iter()
            .map(|(name, depends)| entry(name, "1", &[("depends", depends)]))
            .collect();
        Catalogue::new(entries, &Capabilities::default())
    };
    assert_eq!(
        plan(&chain(MAX_DEPTH + 1), &[], &asked("p0")).steps.len(),
        MAX_DEPTH + 1
    );
    let result = plan(&chain(MAX_DEPTH + 2), &[], &asked("p0"));
    assert!(result.steps.is_empty());
    assert!(result.errors[0].sentence.contains("more than 30 levels"));
    assert!(result.error("p0").is_some());
}

#[test]
fn installed_packages_in_conflict_go_first_with_what_depends_on_them() {
    let mut entries = entries(&[("new", "1", "")]);
    entries[0].control.set("conflicts", "old(<2)");
    let catalogue = Catalogue::new(entries, &Capabilities::default());
    let installed = [
        Installed::new("old", "1"),
        installed("leaf", "1", "middle"),
        installed("middle", "1", "old"),
        Installed::new("other", "1"),
    ];
    let result = plan(&catalogue, &installed, &asked("new"));
    let removed: Vec<_> = result
        .removals
        .iter()
        .map(|removal| removal.package.as_str())
        .collect();
    assert_eq!(removed, ["leaf", "middle", "old"]);
    assert_eq!(result.removals[2].because, "new 1 conflicts with it");
    assert_eq!(
        result.removals[0].because,
        "it depends on old, with which new 1 conflicts"
    );
    assert_eq!(steps(&result), ["new 1"]);
    let upgraded = plan(&catalogue, &[Installed::new("old", "2")], &asked("new"));
    assert!(upgraded.removals.is_empty());
}

#[test]
fn a_conflict_with_something_needed_is_an_error_of_the_later() {
    let mut entries = entries(&[("a", "1", "lib"), ("b", "1", ""), ("lib", "1", "")]);
    entries[1].control.set("conflicts", "lib");
    let catalogue = Catalogue::new(entries, &Capabilities::default());
    let result = plan(&catalogue, &[], &asked("a,b"));
    assert_eq!(steps(&result), ["lib 1", "a 1"]);
    assert_eq!(
        result.error("b").unwrap().sentence,
        "b 1 is not installed because its conflicts name lib, and lib 1 is needed too"
    );
    let installed = [Installed::new("lib", "1"), installed("keep", "1", "lib")];
    let result = plan(&catalogue, &installed, &asked("keep,b"));
    assert!(result.removals.is_empty() && result.steps.is_empty());
    assert!(result.error("b").is_some());
}

#[test]
fn two_that_conflict_with_each_other_leave_the_first() {
    let mut entries = entries(&[("a", "1", ""), ("b", "1", "")]);
    entries[0].control.set("conflicts", "b");
    entries[1].control.set("conflicts", "a");
    let catalogue = Catalogue::new(entries, &Capabilities::default());
    assert_eq!(steps(&plan(&catalogue, &[], &asked("a,b"))), ["a 1"]);
    assert_eq!(steps(&plan(&catalogue, &[], &asked("b,a"))), ["b 1"]);
}

#[test]
fn what_goes_away_constrains_no_longer() {
    let mut entries = entries(&[("new", "1", "lib(>=2)"), ("lib", "2", "")]);
    entries[0].control.set("conflicts", "old");
    let catalogue = Catalogue::new(entries, &Capabilities::default());
    let installed = [installed("old", "1", "lib(<2)"), Installed::new("lib", "1")];
    let result = plan(&catalogue, &installed, &asked("new"));
    assert_eq!(result.removals[0].package, "old");
    assert_eq!(steps(&result), ["lib 2", "new 1"]);
    assert!(result.errors.is_empty());
}

#[test]
fn what_stays_is_named_when_it_stands_in_the_way() {
    let catalogue = catalogue(&[("new", "1", "lib(>=2)"), ("lib", "2", "")]);
    let installed = [installed("old", "1", "lib(<2)"), Installed::new("lib", "1")];
    let result = plan(&catalogue, &installed, &asked("new"));
    assert!(result.steps.is_empty() && result.removals.is_empty());
    assert_eq!(
        result.error("lib").unwrap().sentence,
        "lib is needed: lib(>=2) by new, lib(<2) by old, which is installed; no version satisfies that, visible are 2 (1 is installed)"
    );
}

#[test]
fn implicit_names_take_only_implicit_sections_and_the_newest() {
    let entries = vec![
        entry("accounting", "9", &[("section", "group")]),
        entry("accounting", "2", &[("section", "profile")]),
        entry("OU=a,DC=b", "3", &[("section", "unit"), ("depends", "tool")]),
        entry("tool", "1", &[]),
    ];
    let catalogue = Catalogue::new(entries, &Capabilities::default());
    let installed = [
        Installed::new("accounting", "1"),
        Installed::new("OU=a,DC=b", "2"),
    ];
    let wants = [
        wanted("accounting", Why::Implicit),
        wanted("OU=a_DC=b", Why::Implicit),
    ];
    let result = plan(&catalogue, &installed, &wants);
    assert_eq!(steps(&result), ["accounting 2", "tool 1", "OU=a,DC=b 3"]);
}

#[test]
fn missing_dependencies_of_what_stays_are_installed_but_do_not_fail_it() {
    let catalogue = catalogue(&[("tool", "1", "")]);
    let installed = [installed("host", "7", "tool,missing")];
    let result = plan(&catalogue, &installed, &asked("host"));
    assert_eq!(steps(&result), ["tool 1"]);
    assert_eq!(result.error("missing").unwrap().wanted_by, ["host"]);
    assert_eq!(result.kept[0].package, "host");
}

#[test]
fn sixty_thousand_packages_are_planned() {
    let count = 60_000;
    let rows: Vec<IndexEntry> = (0..count)
        .map(|number| {
            let depends = format!(
                "p{},p{}(>=1)",
                (number * 7 + 1) % count,
                (number * 13 + 5) % count
            );
            entry(&format!("p{number}"), "1.0-1", &[("depends", &depends)])
        })
        .collect();
    let catalogue = Catalogue::new(rows, &Capabilities::default());
    let wants: Vec<Wanted> = (0..count)
        .step_by(2)
        .map(|number| wanted(&format!("p{number}"), Why::Asked))
        .collect();
    let result = plan(&catalogue, &[], &wants);
    assert!(result.steps.len() > 30_000);
    assert!(result.errors.is_empty());
}

pub(super) fn catalogue(rows: &[(&str, &str, &str)]) -> Catalogue {
    Catalogue::new(entries(rows), &Capabilities::default())
}

pub(super) fn entries(rows: &[(&str, &str, &str)]) -> Vec<IndexEntry> {
    rows.iter()
        .map(|(package, version, depends)| entry(package, version, &[("depends", depends)]))
        .collect()
}

pub(super) fn installed(package: &str, version: &str, depends: &str) -> Installed {
    Installed::new(package, version).with_depends(parse_list(depends).unwrap())
}

pub(super) fn asked(list: &str) -> Vec<Wanted> {
    parse_list(list)
        .unwrap()
        .into_iter()
        .map(|request| Wanted {
            request,
            why: Why::Asked,
        })
        .collect()
}

pub(super) fn wanted(name: &str, why: Why) -> Wanted {
    Wanted {
        request: Request::any(name),
        why,
    }
}

pub(super) fn steps(resolution: &Resolution) -> Vec<String> {
    resolution
        .steps
        .iter()
        .map(|step| format!("{} {}", step.package, step.version))
        .collect()
}
