//! What the oracle of `shared/tests/resolution_oracle.rs` once found wrong, each as small as it gets.

use super::tests::{asked, catalogue, entries, installed, steps, wanted};
use super::*;
use crate::catalogue::{Capabilities, Catalogue};

#[test]
fn a_package_is_not_removed_when_that_undoes_its_cause() {
    // Without `pinned`, which it conflicts with, `lib` 1 would not be installed at all.
    let mut entries = entries(&[("lib", "1", "")]);
    entries[0].control.set("conflicts", "pinned");
    let catalogue = Catalogue::new(entries, &Capabilities::default());
    let installed = [Installed::new("lib", "2"), installed("pinned", "1", "lib(<2)")];
    let result = plan(&catalogue, &installed, &asked("lib"));
    assert!(
        result.removals.is_empty() && result.steps.is_empty(),
        "{result:?}"
    );
    assert_eq!(result.error("lib").unwrap().requests, ["pinned"]);
}

#[test]
fn a_version_that_excludes_itself_is_an_error_and_no_older_one_is_tried() {
    let catalogue = catalogue(&[("a", "2", "a(>2)"), ("a", "1", "a(=1)")]);
    let result = plan(&catalogue, &[], &asked("a"));
    assert!(result.steps.is_empty(), "{result:?}");
    assert!(result.error("a").is_some());
}

#[test]
fn a_ring_that_nothing_leads_to_any_more_is_let_go() {
    let catalogue = catalogue(&[
        ("root", "2", "a"),
        ("root", "1", ""),
        ("a", "1", "b"),
        ("b", "1", "c"),
        ("c", "1", "a,root(<2)"),
    ]);
    let result = plan(&catalogue, &[], &asked("root"));
    assert_eq!(steps(&result), ["root 1"]);
    assert!(result.errors.is_empty());
}

#[test]
fn what_a_restless_circle_only_moves_is_not_changed_by_it() {
    let catalogue = catalogue(&[
        ("top", "1", "lib(>=1)"),
        ("lib", "3", ""),
        ("odd", "1", "lib(>=3),odd(<1)"),
    ]);
    let result = plan(&catalogue, &[Installed::new("lib", "1")], &asked("odd,top"));
    assert_eq!(steps(&result), ["top 1"]);
    assert_eq!(result.kept[0].package, "lib");
    assert!(result.error("odd").is_some());
}

#[test]
fn an_upgrade_given_up_after_its_parents_is_still_said() {
    let catalogue = catalogue(&[("pin", "1", "lib(=1)"), ("lib", "3", "ghost")]);
    let wants = [wanted("lib", Why::Upgrade), wanted("pin", Why::Asked)];
    let result = plan(&catalogue, &[Installed::new("lib", "2")], &wants);
    assert!(result.steps.is_empty());
    let sentence = &result.error("lib").unwrap().sentence;
    assert!(
        sentence.starts_with("lib 3 is not installed because ghost is needed"),
        "{sentence}"
    );
}

#[test]
fn dependents_are_removed_first_whatever_the_order_of_the_list() {
    let mut entries = entries(&[("new", "1", "")]);
    entries[0].control.set("conflicts", "old");
    let catalogue = Catalogue::new(entries, &Capabilities::default());
    let mut have = vec![
        installed("leaf", "1", "middle,old"),
        installed("middle", "1", "old"),
        Installed::new("old", "1"),
    ];
    for _turn in 0..3 {
        have.rotate_left(1);
        let result = plan(&catalogue, &have, &asked("new"));
        let removed: Vec<&str> = result.removals.iter().map(|one| one.package.as_str()).collect();
        assert_eq!(removed, ["leaf", "middle", "old"]);
    }
}

#[test]
fn every_different_request_is_named_however_many_ask() {
    let mut rows = vec![("lib", "1", ""), ("last", "1", "lib(>=2)")];
    let names = ["a", "b", "c", "d", "e", "f", "g"];
    rows.extend(names.map(|name| (name, "1", "lib(<2)")));
    let catalogue = catalogue(&rows);
    let result = plan(&catalogue, &[], &asked("a,b,c,d,e,f,g,last"));
    let error = result.error("lib").unwrap();
    assert_eq!(error.requests, ["lib(<2)", "lib(>=2)"]);
    assert!(
        error
            .sentence
            .contains("lib(<2) by a, lib(>=2) by last, lib(<2) by b"),
        "{}",
        error.sentence
    );
    assert!(error.sentence.contains("and 3 more"), "{}", error.sentence);
}

#[test]
fn a_name_of_the_host_that_no_package_has_is_no_error() {
    let catalogue = catalogue(&[("accounting", "1", "")]);
    let result = plan(&catalogue, &[], &[wanted("accounting", Why::Implicit)]);
    assert!(result.is_settled(), "{result:?}");
    // A package that somebody depends on is taken whatever its section.
    let wants = [
        wanted("accounting", Why::Implicit),
        wanted("accounting", Why::Asked),
    ];
    assert_eq!(steps(&plan(&catalogue, &[], &wants)), ["accounting 1"]);
}
