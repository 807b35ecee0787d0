//! What of a plan waits: packages whose program runs, that failed a while ago, or are not of the priorities asked
//! for. Pure.
//!
//! Whatever needs a package that waits waits with it. A package whose `forced_install_on` has come, and what it
//! depends on, waits for no program and no priority.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use muster_shared::control::Control;
use muster_shared::request::split_list;

use super::retry::{self, Attempt};
use super::{Plan, PlannedInstall};

/// What decides who waits.
#[derive(Debug, Clone)]
pub struct Holding<'a> {
    pub attempts: &'a BTreeMap<String, Attempt>,
    /// The schedule asks, not a person: what failed waits for its time.
    pub is_scheduled: bool,
    /// The programs that run now, in lower case; nothing when that does not matter.
    pub running: Option<&'a BTreeSet<String>>,
    /// The only priorities that are installed; all when empty.
    pub priorities: &'a [String],
    pub now: Timestamp,
}

/// Why a package waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    /// It failed, and the schedule tries it again then.
    Until(Timestamp),
    /// This program of it runs.
    Running(String),
    /// It has another priority.
    Priority(String),
    /// It needs a package that waits.
    Needs(String),
}

impl Hold {
    /// As the end of a sentence.
    pub fn text(&self) -> String {
        match self {
            Self::Until(due) => format!("its last try failed; the next scheduled one is due at {due}"),
            Self::Running(program) => format!("{program} runs"),
            Self::Priority(priority) => format!("its priority is {priority}"),
            Self::Needs(package) => format!("it needs {package}, which waits"),
        }
    }
}

/// The packages of a plan that wait, and why.
pub fn held(
    plan: &Plan,
    installed: impl Fn(&str) -> Option<Control>,
    holding: &Holding<'_>,
) -> BTreeMap<String, Hold> {
    let urgent = urgent(plan);
    let wanted = if holding.priorities.is_empty() {
        None
    } else {
        let of_priority = plan.installs.iter().filter(|install| {
            let priority = install.entry.control.get("priority").trim();
            holding
                .priorities
                .iter()
                .any(|wanted| wanted.trim().eq_ignore_ascii_case(priority))
        });
        let mut names = with_needs(plan, of_priority.map(PlannedInstall::package));
        names.extend(urgent.iter().copied());
        Some(names)
    };
    let mut held = BTreeMap::new();
    for install in &plan.installs {
        let (package, control) = (install.package(), &install.entry.control);
        let hold = if wanted.as_ref().is_some_and(|wanted| !wanted.contains(package)) {
            Some(Hold::Priority(control.get("priority").to_owned()))
        } else {
            let failed = holding.failed(package, control.version());
            failed.or_else(|| {
                let is_urgent = urgent.contains(package);
                holding.program(control).filter(|_hold| !is_urgent)
            })
        };
        if let Some(hold) = hold {
            held.insert(package.to_owned(), hold);
        }
    }
    loop {
        let next = plan.installs.iter().find_map(|install| {
            let waits = install.needs.iter().find(|needed| held.contains_key(*needed))?;
            (!held.contains_key(install.package())).then(|| (install.package().to_owned(), waits.clone()))
        });
        let Some((package, waits)) = next else { break };
        held.insert(package, Hold::Needs(waits));
    }
    // Dependents come first among removals: what one that waits depends on stays.
    let mut kept: Vec<String> = Vec::new();
    for removal in &plan.forbidden {
        let control = installed(&removal.package);
        let hold = kept
            .iter()
            .find(|name| **name == removal.package)
            .map(|_needed| Hold::Needs(removal.package.clone()))
            .or_else(|| holding.failed(&removal.package, &removal.version))
            .or_else(|| control.as_ref().and_then(|control| holding.program(control)));
        if let Some(hold) = hold {
            let depends = control.map(|control| control.depends_list()).unwrap_or_default();
            kept.extend(depends.into_iter().map(|request| request.name));
            held.insert(removal.package.clone(), hold);
        }
    }
    held
}

/// The packages that are forced by now, with what they depend on.
pub fn urgent(plan: &Plan) -> BTreeSet<&str> {
    let forced = plan.installs.iter().filter(|install| install.is_forced);
    with_needs(plan, forced.map(PlannedInstall::package))
}

/// Packages with everything among the installations that they need.
fn with_needs<'a>(plan: &'a Plan, roots: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    let mut waiting: Vec<&str> = roots.collect();
    while let Some(name) = waiting.pop() {
        if !names.insert(name) {
            continue;
        }
        let install = plan.installs.iter().find(|install| install.package() == name);
        waiting.extend(
            install
                .into_iter()
                .flat_map(|install| install.needs.iter().map(String::as_str)),
        );
    }
    names
}

impl Holding<'_> {
    fn failed(&self, package: &str, version: &str) -> Option<Hold> {
        if !self.is_scheduled {
            return None;
        }
        retry::due(self.attempts.get(package), version, self.now).map(Hold::Until)
    }

    fn program(&self, control: &Control) -> Option<Hold> {
        program_in_use(control, self.running?).map(Hold::Running)
    }
}

/// The program of a package that runs, as its `impacted_process` names it.
pub fn program_in_use(control: &Control, running: &BTreeSet<String>) -> Option<String> {
    let bare = |name: &str| name.to_lowercase().trim_end_matches(".exe").to_owned();
    split_list(control.get("impacted_process"))
        .find(|name| running.iter().any(|other| bare(other) == bare(name)))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use muster_shared::catalogue::Change as Kind;
    use muster_shared::control::Section;
    use muster_shared::index::IndexEntry;

    use super::super::PlannedRemoval;
    use super::*;

    fn now() -> Timestamp {
        "2026-12-01T12:00:00Z".parse().unwrap()
    }

    fn install(package: &str, needs: &[&str], attributes: &[(&str, &str)]) -> PlannedInstall {
        let mut control = Control::new(package, "1", Section::Base);
        for (name, value) in attributes {
            control.set(name, value);
        }
        PlannedInstall {
            is_forced: !control.get("forced_install_on").is_empty(),
            entry: IndexEntry {
                control,
                filename: format!("{package}_1.wapt"),
                size: 1,
                md5sum: "0".repeat(32),
                sha256sum: None,
                repository: String::new(),
            },
            from: None,
            kind: Kind::Install,
            reason: String::new(),
            is_asked_for: false,
            needs: needs.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn plan(installs: Vec<PlannedInstall>) -> Plan {
        Plan {
            installs,
            ..Plan::default()
        }
    }

    struct Around {
        attempts: BTreeMap<String, Attempt>,
        running: BTreeSet<String>,
        priorities: Vec<String>,
        is_scheduled: bool,
    }

    impl Around {
        fn running(programs: &[&str]) -> Self {
            Self {
                attempts: BTreeMap::new(),
                running: programs.iter().map(|name| (*name).to_owned()).collect(),
                priorities: Vec::new(),
                is_scheduled: true,
            }
        }

        fn failed(mut self, package: &str) -> Self {
            let attempt = Attempt {
                version: "1".to_owned(),
                tries: 3,
                last_at: now(),
                postponed: String::new(),
            };
            self.attempts.insert(package.to_owned(), attempt);
            self
        }

        fn held(&self, plan: &Plan) -> BTreeMap<String, Hold> {
            let holding = Holding {
                attempts: &self.attempts,
                is_scheduled: self.is_scheduled,
                running: Some(&self.running),
                priorities: &self.priorities,
                now: now(),
            };
            held(plan, |_package| None, &holding)
        }
    }

    fn names(held: &BTreeMap<String, Hold>) -> Vec<&str> {
        held.keys().map(String::as_str).collect()
    }

    #[test]
    fn a_package_whose_program_runs_waits_with_what_needs_it() {
        let plan = plan(vec![
            install("lib", &[], &[("impacted_process", "Player.exe, other")]),
            install("app", &["lib"], &[]),
            install("suite", &["app"], &[]),
            install("tool", &[], &[]),
        ]);
        let held = Around::running(&["player"]).held(&plan);
        assert_eq!(names(&held), ["app", "lib", "suite"]);
        assert_eq!(held["lib"].text(), "Player.exe runs");
        assert_eq!(held["suite"], Hold::Needs("app".to_owned()));
        assert!(Around::running(&["players"]).held(&plan).is_empty());
    }

    #[test]
    fn what_failed_waits_for_the_schedule_and_not_for_a_person() {
        let plan = plan(vec![install("app", &[], &[])]);
        let mut around = Around::running(&[]).failed("app");
        let due = "2026-12-01T12:40:00Z".parse().unwrap();
        assert_eq!(around.held(&plan)["app"], Hold::Until(due));
        around.is_scheduled = false;
        assert!(around.held(&plan).is_empty());
    }

    #[test]
    fn a_forced_package_waits_for_no_program_and_no_priority_but_for_its_next_try() {
        let plan = plan(vec![
            install("lib", &[], &[("impacted_process", "player")]),
            install(
                "app",
                &["lib"],
                &[
                    ("impacted_process", "player"),
                    ("forced_install_on", "2026-12-01"),
                ],
            ),
        ]);
        let mut around = Around::running(&["player"]);
        around.priorities = vec!["critical".to_owned()];
        assert!(around.held(&plan).is_empty());
        assert_eq!(names(&around.failed("lib").held(&plan)), ["app", "lib"]);
    }

    #[test]
    fn only_the_priorities_asked_for_come_with_what_they_need() {
        let plan = plan(vec![
            install("lib", &[], &[("priority", "optional")]),
            install("agent", &["lib"], &[("priority", "Critical")]),
            install("game", &[], &[("priority", "optional")]),
        ]);
        let mut around = Around::running(&[]);
        around.priorities = vec!["critical".to_owned()];
        assert_eq!(names(&around.held(&plan)), ["game"]);
    }

    #[test]
    fn a_removal_waits_while_one_that_depends_on_it_does() {
        let removal = |package: &str| PlannedRemoval {
            package: package.to_owned(),
            version: "1".to_owned(),
            reason: String::new(),
        };
        let plan = Plan {
            forbidden: vec![removal("app"), removal("lib"), removal("other")],
            ..Plan::default()
        };
        let around = Around::running(&[]).failed("app");
        let holding = Holding {
            attempts: &around.attempts,
            is_scheduled: true,
            running: None,
            priorities: &[],
            now: now(),
        };
        let control = |package: &str| {
            let depends = if package == "app" { "lib" } else { "" };
            Some(Control::new(package, "1", Section::Base).with("depends", depends))
        };
        assert_eq!(names(&held(&plan, control, &holding)), ["app", "lib"]);
    }
}
