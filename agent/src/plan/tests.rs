//! Plans: one table of situations, and properties that hold for any of them.

mod assigning;

use muster_shared::control::Section;
use proptest::prelude::*;

use super::*;
use crate::state::packages::tests::row;

fn entry(package: &str, version: &str, depends: &str, conflicts: &str) -> IndexEntry {
    IndexEntry {
        control: Control::new(package, version, Section::Base)
            .with("depends", depends)
            .with("conflicts", conflicts),
        filename: format!("{package}_{version}.wapt"),
        size: 1,
        md5sum: "0".repeat(32),
        sha256sum: None,
        repository: String::new(),
    }
}

fn host(depends: &str, conflicts: &str) -> Control {
    Control::new("host-1", "3", Section::Host)
        .with("depends", depends)
        .with("conflicts", conflicts)
}

fn present(package: &str, version: &str, depends: &str) -> Installed {
    let mut found = row(package, version);
    found.control.set("depends", depends);
    found
}

fn failed(package: &str, version: &str, step: &str) -> Installed {
    let mut found = row(package, version);
    found.status = InstallStatus::Error;
    found.in_place = false;
    step.clone_into(&mut found.failed_step);
    found
}

fn planned(installed: &[Installed], host: Option<&Control>, entries: &[IndexEntry], wish: &Wish) -> Plan {
    plan(Inputs {
        installed,
        implicit: host.into_iter().collect(),
        entries: entries.to_vec(),
        refused: Vec::new(),
        capabilities: &Capabilities::default(),
        wish,
        attempts: &BTreeMap::new(),
    })
}

fn upgrade(installed: &[Installed], host: Option<&Control>, entries: &[IndexEntry]) -> Plan {
    planned(installed, host, entries, &Wish::Upgrade)
}

fn steps(plan: &Plan) -> Vec<String> {
    plan.installs
        .iter()
        .map(|install| format!("{} {}", install.package(), install.entry.control.version()))
        .collect()
}

fn names(removals: &[PlannedRemoval]) -> Vec<&str> {
    removals.iter().map(|removal| removal.package.as_str()).collect()
}

fn unit(depends: &str, conflicts: &str) -> Control {
    Control::new("OU=a_DC=b", "1", Section::Unit)
        .with("depends", depends)
        .with("conflicts", conflicts)
}

fn planned_by(installed: &[Installed], implicit: &[&Control], entries: &[IndexEntry], wish: &Wish) -> Plan {
    plan(Inputs {
        installed,
        implicit: implicit.to_vec(),
        entries: entries.to_vec(),
        refused: Vec::new(),
        capabilities: &Capabilities {
            now: "2026-12-01T12:00:00Z".parse().unwrap(),
            ..Capabilities::default()
        },
        wish,
        attempts: &BTreeMap::new(),
    })
}

#[test]
fn what_is_assigned_comes_with_its_dependencies_first() {
    let entries = [
        entry("app", "1", "lib(>=2)", ""),
        entry("lib", "2.1", "", ""),
        entry("lib", "1", "", ""),
    ];
    let done = upgrade(&[], Some(&host("app", "")), &entries);
    assert_eq!(steps(&done), ["lib 2.1", "app 1"]);
    assert_eq!(done.installs[1].reason, "assigned to this host");
    assert!(
        done.installs[0].reason.contains("app"),
        "{}",
        done.installs[0].reason
    );
    assert_eq!(done.summary(), "2 to install");
}

#[test]
fn nothing_is_to_be_done_when_everything_is_there() {
    let entries = [entry("app", "1", "lib", ""), entry("lib", "2", "", "")];
    let installed = [present("app", "1", "lib"), present("lib", "2", "")];
    let done = upgrade(&installed, Some(&host("app", "")), &entries);
    assert!(done.is_empty() && done.impossible.is_empty(), "{done:?}");
    assert_eq!(done.summary(), "everything is as it should be");
}

#[test]
fn a_newer_version_is_an_upgrade_unless_a_pin_holds_it_back() {
    let entries = [entry("app", "1", "", ""), entry("app", "2", "", "")];
    let installed = [present("app", "1", "")];
    assert_eq!(steps(&upgrade(&installed, None, &entries)), ["app 2"]);
    assert!(upgrade(&installed, Some(&host("app(=1)", "")), &entries).is_empty());
    // A pin below what is installed brings the older version back.
    let newer = [present("app", "2", "")];
    let back = upgrade(&newer, Some(&host("app(=1)", "")), &entries);
    assert_eq!(steps(&back), ["app 1"]);
    assert_eq!(back.pending()[0].change, Change::Upgrade);
    assert_eq!(back.summary(), "1 to downgrade");
}

#[test]
fn forbidden_packages_go_with_what_depends_on_them() {
    let entries = [entry("app", "1", "lib", ""), entry("lib", "2", "", "")];
    let installed = [
        present("app", "1", "lib"),
        present("lib", "2", ""),
        present("other", "1", ""),
    ];
    let done = upgrade(&installed, Some(&host("", "lib")), &entries);
    assert_eq!(names(&done.forbidden), ["app", "lib"]);
    assert!(done.installs.is_empty(), "{done:?}");
    assert_eq!(done.pending().len(), 2);
}

#[test]
fn a_package_that_is_assigned_and_forbidden_is_impossible() {
    let done = upgrade(&[], Some(&host("app", "app")), &[entry("app", "1", "", "")]);
    assert!(done.installs.is_empty());
    assert!(
        done.impossible[0].reason.contains("forbidden on this host"),
        "{done:?}"
    );
}

#[test]
fn what_is_forbidden_is_not_called_missing_by_what_needs_it() {
    let entries = [
        entry("a", "1", "b(>=2)", ""),
        entry("b", "1-0", "", ""),
        entry("b", "3-0", "", ""),
    ];
    let done = upgrade(&[], Some(&host("a", "b")), &entries);
    assert_eq!(
        done.impossible[0].reason,
        "b is needed: b(>=2) by a; the host takes none of its versions (3-0, 1-0): it is forbidden on this host: the \
         conflicts of the host's package host-1 3 name b"
    );
}

#[test]
fn what_a_new_package_excludes_is_removed_for_it() {
    let entries = [entry("new", "1", "", "old"), entry("old", "1", "", "")];
    let done = upgrade(&[present("old", "1", "")], Some(&host("new", "")), &entries);
    assert_eq!(names(&done.in_the_way), ["old"]);
    assert_eq!(steps(&done), ["new 1"]);
}

#[test]
fn a_missing_package_is_said_and_the_rest_goes_on() {
    let done = upgrade(&[], Some(&host("app,ghost", "")), &[entry("app", "1", "", "")]);
    assert_eq!(steps(&done), ["app 1"]);
    assert_eq!(done.impossible[0].package, "ghost");
    let pending = done.pending();
    assert!(
        pending
            .iter()
            .any(|one| one.change == Change::Impossible && one.error.is_some())
    );
}

#[test]
fn a_failed_package_is_tried_again_while_somebody_wants_it() {
    let entries = [entry("app", "1", "", "")];
    let rows = [failed("app", "1", "install")];
    let again = upgrade(&rows, Some(&host("app", "")), &entries);
    assert_eq!(steps(&again), ["app 1"]);
    assert!(
        again.installs[0].reason.contains("install"),
        "{}",
        again.installs[0].reason
    );
    let mut asked = failed("app", "1", "install");
    asked.explicit_by = "Ada".to_owned();
    assert_eq!(steps(&upgrade(&[asked], None, &entries)), ["app 1"]);
    // Nobody wants it and it never touched the machine: only its row is left, and that goes.
    let done = upgrade(&rows, Some(&host("", "")), &entries);
    assert_eq!(done.forgotten, ["app"]);
    assert!(done.installs.is_empty());
}

#[test]
fn a_failed_upgrade_of_what_is_in_place_is_tried_again() {
    let mut row = present("app", "1", "");
    row.status = InstallStatus::Error;
    row.failed_step = "download".to_owned();
    let entries = [entry("app", "1", "", ""), entry("app", "2", "", "")];
    assert_eq!(steps(&upgrade(&[row], None, &entries)), ["app 2"]);
}

#[test]
fn a_failed_removal_does_not_install_again_what_nobody_assigned() {
    let mut row = present("app", "1", "");
    row.status = InstallStatus::Error;
    row.failed_step = "remove".to_owned();
    let entries = [entry("app", "1", "", "")];
    assert!(upgrade(&[row.clone()], None, &entries).installs.is_empty());
    assert_eq!(
        steps(&upgrade(&[row], Some(&host("app", "")), &entries)),
        ["app 1"]
    );
}

#[test]
fn what_the_repository_does_not_have_any_more_stays() {
    let installed = [present("app", "1", "")];
    let done = upgrade(&installed, Some(&host("app", "")), &[]);
    assert!(done.is_empty() && done.impossible.is_empty(), "{done:?}");
}

#[test]
fn taking_a_package_off_the_list_uninstalls_nothing() {
    let installed = [present("app", "1", "")];
    assert!(upgrade(&installed, Some(&host("", "")), &[entry("app", "1", "", "")]).is_empty());
}

#[test]
fn asking_for_a_package_takes_the_newest_and_force_installs_again() {
    let entries = [entry("app", "1", "", ""), entry("app", "2", "", "")];
    let wish = |force| Wish::Install {
        requests: vec![Request::any("app")],
        force,
    };
    let newest = planned(&[present("app", "1", "")], None, &entries, &wish(false));
    assert_eq!(steps(&newest), ["app 2"]);
    assert!(newest.installs[0].is_asked_for);
    assert!(planned(&[present("app", "2", "")], None, &entries, &wish(false)).is_empty());
    assert_eq!(
        steps(&planned(&[present("app", "2", "")], None, &entries, &wish(true))),
        ["app 2"]
    );
}

#[test]
fn a_package_for_another_system_is_impossible_with_the_rule() {
    let mut foreign = entry("app", "1", "", "");
    foreign.control.set("target_os", "darwin");
    let done = upgrade(&[], Some(&host("app", "")), &[foreign]);
    assert!(
        done.impossible[0].reason.contains("operating systems"),
        "{done:?}"
    );
}

#[test]
fn what_a_circle_excluded_at_first_comes_with_the_next_upgrade_and_then_all_rests() {
    let entries = [
        entry("tool", "1", "base(=1)", ""),
        entry("tool", "2", "", ""),
        entry("base", "1", "", ""),
        entry("base", "2", "tool(=1)", ""),
        entry("app", "1", "base", ""),
    ];
    let host = host("app,tool(<3)", "");
    let mut there = Vec::new();
    let first = upgrade(&there, Some(&host), &entries);
    assert!(first.impossible.is_empty(), "{first:?}");
    carry_out(&first, &mut there);
    for row in &there {
        for request in row.control.depends_list() {
            assert!(
                there
                    .iter()
                    .any(|other| request.matches(other.package(), other.control.version()))
            );
        }
    }
    let second = upgrade(&there, Some(&host), &entries);
    assert_eq!(steps(&second), ["tool 2"]);
    carry_out(&second, &mut there);
    assert!(upgrade(&there, Some(&host), &entries).installs.is_empty());
}

prop_compose! {
    fn any_requests()(picks in prop::collection::vec((0..6_usize, 0..4_usize), 0..3)) -> String {
        picks
            .into_iter()
            .map(|(package, condition)| format!("p{package}{}", ["", "(=1)", "(>=2)", "(<3)"][condition]))
            .collect::<Vec<_>>()
            .join(",")
    }
}

prop_compose! {
    fn any_entry()(package in 0..6_usize, version in 1..4_u8, depends in any_requests(), conflict in prop::option::weighted(0.2, 0..6_usize)) -> IndexEntry {
        let conflicts = conflict.filter(|other| *other != package).map_or_else(String::new, |other| format!("p{other}"));
        entry(&format!("p{package}"), &version.to_string(), &depends, &conflicts)
    }
}

/// What a machine has after a plan.
fn carry_out(plan: &Plan, there: &mut Vec<Installed>) {
    let removed = [names(&plan.forbidden), names(&plan.in_the_way)].concat();
    there.retain(|row| !removed.contains(&row.package()));
    for install in &plan.installs {
        let control = &install.entry.control;
        there.retain(|row| row.package() != control.package());
        let mut found = row(control.package(), control.version());
        found.control = control.clone();
        there.push(found);
    }
}

/// Some package leads back to itself through what versions of it and of others depend on.
fn has_circle(entries: &[IndexEntry]) -> bool {
    let leads = |from: &str| -> Vec<String> {
        let of = entries.iter().filter(|entry| entry.control.package() == from);
        of.flat_map(|entry| entry.control.depends_list())
            .map(|request| request.name)
            .collect()
    };
    entries.iter().any(|entry| {
        let start = entry.control.package();
        let (mut seen, mut waiting) = (BTreeSet::new(), leads(start));
        while let Some(name) = waiting.pop() {
            if name == start {
                return true;
            }
            if seen.insert(name.clone()) {
                waiting.extend(leads(&name));
            }
        }
        false
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// After the plan, every package that it installed has its dependencies and no conflict beside it.
    #[test]
    fn carrying_out_a_plan_leaves_dependencies_satisfied_and_no_conflict(
        entries in prop::collection::vec(any_entry(), 0..14),
        assigned in any_requests(),
        assigned_to_unit in any_requests(),
        forbidden in prop::option::weighted(0.3, 0..6_usize),
    ) {
        let mut unique = std::collections::BTreeMap::new();
        for entry in entries {
            unique.insert(entry.filename.clone(), entry);
        }
        let entries: Vec<_> = unique.into_values().collect();
        let conflicts = forbidden.map_or_else(String::new, |package| format!("p{package}"));
        let (host, unit) = (host(&assigned, ""), unit(&assigned_to_unit, &conflicts));
        let upgrade = |there: &[Installed]| planned_by(there, &[&host, &unit], &entries, &Wish::Upgrade);
        let first = upgrade(&[]);
        prop_assert_eq!(&first, &upgrade(&[]));

        let mut there: Vec<Installed> = Vec::new();
        carry_out(&first, &mut there);
        for one in &there {
            for request in one.control.depends_list() {
                prop_assert!(there.iter().any(|other| request.matches(other.package(), other.control.version())),
                    "{} lacks {request}", one.package());
            }
            for request in one.control.conflicts_list() {
                prop_assert!(!there.iter().any(|other| other.package() != one.package()
                    && request.matches(other.package(), other.control.version())), "{} beside {request}", one.package());
            }
            prop_assert!(!unit.conflicts_list().iter().any(|request| request.matches(one.package(), one.control.version())));
        }
        // A second upgrade finds nothing more to install. Where packages need each other in a circle, what the first
        // one had to exclude may fit by then.
        let second = upgrade(&there);
        if !has_circle(&entries) {
            prop_assert!(second.installs.is_empty(), "{:?} then {:?}", steps(&first), steps(&second));
        }
    }
}
