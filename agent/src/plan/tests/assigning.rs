//! Units and profiles, parts of an upgrade, dates, and what waits for its next try.

use super::*;

#[test]
fn units_and_profiles_assign_and_forbid_like_the_hosts_own_package() {
    let entries = [
        entry("app", "1", "", ""),
        entry("app", "2", "", ""),
        entry("old", "1", "", ""),
    ];
    let (host, unit) = (host("app", ""), unit("app(<2)", "old"));
    let installed = [present("old", "1", "")];
    let done = planned_by(&installed, &[&host, &unit], &entries, &Wish::Upgrade);
    assert_eq!(steps(&done), ["app 1"], "a pin of any of them holds");
    assert_eq!(names(&done.forbidden), ["old"]);
    assert_eq!(
        done.forbidden[0].reason,
        "forbidden on this host by the unit package OU=a_DC=b 1"
    );
    // What one assigns and another forbids cannot be had, and says by whom.
    let done = planned_by(&[], &[&self::host("old", ""), &unit], &entries, &Wish::Upgrade);
    assert!(
        done.impossible[0].reason.contains("the unit package OU=a_DC=b 1"),
        "{done:?}"
    );
}

#[test]
fn pins_hold_also_for_what_somebody_asks_for_by_name() {
    let entries = [
        entry("app", "1", "lib", ""),
        entry("lib", "1", "", ""),
        entry("lib", "2", "", ""),
    ];
    let host = host("lib(=1)", "");
    let wish = |name: &str| Wish::Install {
        requests: vec![Request::parse(name).unwrap()],
        force: false,
    };
    let done = planned_by(&[], &[&host], &entries, &wish("app"));
    assert_eq!(steps(&done), ["lib 1", "app 1"]);
    let done = planned_by(&[], &[&host], &entries, &wish("lib(=2)"));
    assert!(done.installs.is_empty());
    assert!(done.impossible[0].reason.contains("host-1"), "{done:?}");
}

#[test]
fn a_part_of_an_upgrade_brings_what_it_needs_and_leaves_the_rest() {
    let entries = [
        entry("app", "2", "lib", ""),
        entry("lib", "1", "", ""),
        entry("other", "2", "", ""),
        entry("new", "1", "", ""),
    ];
    let installed = [
        present("app", "1", ""),
        present("other", "1", ""),
        present("bad", "1", ""),
    ];
    let host = host("new", "bad");
    let part = |names: &[&str]| Wish::Part(names.iter().map(|name| (*name).to_owned()).collect());
    let done = planned_by(&installed, &[&host], &entries, &part(&["app"]));
    assert_eq!(steps(&done), ["lib 1", "app 2"]);
    assert!(done.forbidden.is_empty());
    let done = planned_by(&installed, &[&host], &entries, &part(&["bad", "new"]));
    assert_eq!(
        (steps(&done), names(&done.forbidden)),
        (vec!["new 1".to_owned()], vec!["bad"])
    );
}

#[test]
fn what_assigns_is_neither_upgraded_nor_removed_like_software() {
    let mut rows = vec![present("app", "1", "")];
    let mut in_force = row("OU=a_DC=b", "1");
    in_force.control = unit("app", "");
    rows.push(in_force);
    let entries = [entry("app", "1", "", ""), entry("new", "1", "", "app")];
    let unit = unit("app", "");
    assert!(planned_by(&rows, &[&unit], &entries, &Wish::Upgrade).is_empty());
    let wish = Wish::Install {
        requests: vec![Request::any("new")],
        force: false,
    };
    let done = planned_by(&rows, &[&unit], &entries, &wish);
    assert_eq!(names(&done.in_the_way), ["app"]);
}

#[test]
fn a_package_outside_its_dates_is_not_offered_and_a_forced_one_is_marked() {
    let dated = |attribute: &str, value: &str| {
        let mut dated = entry("app", "2", "", "");
        dated.control.set(attribute, value);
        [entry("app", "1", "", ""), dated]
    };
    let host = host("app", "");
    let upgrade = |entries: &[IndexEntry]| planned_by(&[], &[&host], entries, &Wish::Upgrade);
    for (attribute, value) in [
        ("valid_from", "2026-12-01T13:00:00Z"),
        ("valid_until", "2026-12-01T11:00:00Z"),
    ] {
        assert_eq!(
            steps(&upgrade(&dated(attribute, value))),
            ["app 1"],
            "{attribute}"
        );
    }
    let forced = upgrade(&dated("forced_install_on", "2026-12-01T11:59:00Z"));
    assert!(forced.installs[0].is_forced && forced.installs[0].entry.control.version() == "2");
    assert!(!upgrade(&dated("forced_install_on", "2026-12-01T12:01:00Z")).installs[0].is_forced);
}

#[test]
fn a_package_that_was_left_alone_waits_for_its_newer_version_and_is_not_installed_again() {
    let mut waiting = present("app", "1", "");
    waiting.status = InstallStatus::Postponed;
    let entries = [entry("app", "1", "", ""), entry("app", "2", "", "")];
    assert!(upgrade(&[waiting.clone()], None, &entries[..1]).is_empty());
    let attempts = BTreeMap::from([(
        "app".to_owned(),
        Attempt {
            version: "2".to_owned(),
            tries: 0,
            last_at: jiff::Timestamp::UNIX_EPOCH,
            postponed: "app.exe runs".to_owned(),
        },
    )]);
    let done = plan(Inputs {
        installed: &[waiting],
        implicit: Vec::new(),
        entries: entries.to_vec(),
        refused: Vec::new(),
        capabilities: &Capabilities::default(),
        wish: &Wish::Upgrade,
        attempts: &attempts,
    });
    assert_eq!(steps(&done), ["app 2"]);
    assert_eq!(
        done.installs[0].reason,
        "newer than 1, which is installed; postponed: app.exe runs"
    );
    // One that never came is not called failed either.
    let mut new = failed("app", "1", "");
    new.status = InstallStatus::Postponed;
    new.explicit_by = "Ada".to_owned();
    let done = upgrade(&[new], None, &entries);
    assert_eq!(
        (steps(&done), done.installs[0].reason.as_str()),
        (vec!["app 2".to_owned()], "asked for")
    );
}

#[test]
fn a_failed_try_says_when_the_schedule_tries_again() {
    let entries = [entry("app", "1", "", "")];
    let rows = [failed("app", "1", "install")];
    let attempts = BTreeMap::from([(
        "app".to_owned(),
        Attempt {
            version: "1".to_owned(),
            tries: 3,
            last_at: "2026-12-01T12:00:00Z".parse().unwrap(),
            postponed: String::new(),
        },
    )]);
    let done = plan(Inputs {
        installed: &rows,
        implicit: vec![&host("app", "")],
        entries: entries.to_vec(),
        refused: Vec::new(),
        capabilities: &Capabilities {
            now: "2026-12-01T12:05:00Z".parse().unwrap(),
            utc_offset_secs: 3600,
            ..Capabilities::default()
        },
        wish: &Wish::Upgrade,
        attempts: &attempts,
    });
    assert_eq!(
        done.installs[0].reason,
        "the last try failed (install); it is tried again, by the schedule not before 2026-12-01 13:40"
    );
}
