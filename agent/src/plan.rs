//! What an upgrade or an installation does on this host, and why. Pure: same inputs, same plan.
//!
//! Inputs are what is installed, what the packages of this host, its units and its profiles ask for and forbid, what
//! the repository offers this host, and what was wished. Dependencies, versions and conflicts are worked out by
//! `muster_shared::catalogue`; this file decides what is wanted at all:
//!
//! - what these packages list is wanted; what they forbid goes, with whatever depends on it;
//! - what is in place stays, and follows newer versions as far as its parents' conditions allow;
//! - what failed is tried again as long as somebody still wants it;
//! - taking something off a list uninstalls nothing.

pub mod explain;
pub mod hold;
pub mod implicit;
mod order;
pub mod retry;
pub mod turns;

use std::collections::{BTreeMap, BTreeSet};

use muster_shared::catalogue::{
    Capabilities, Catalogue, Change as Kind, Installed as Present, Unverified, Wanted, Why,
    explain::implicit_package, plan as resolve,
};
use muster_shared::control::Control;
use muster_shared::index::IndexEntry;
use muster_shared::protocol::package::{Change, InstallStatus, PendingPackage};
use muster_shared::request::Request;

use self::implicit::is_implicit;
use self::retry::Attempt;
use crate::install::Step;
use crate::install::remove::removal_order;
use crate::state::packages::Installed;

/// What somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Everything as it should be.
    Upgrade,
    /// The same for these packages alone, with what they depend on.
    Part(BTreeSet<String>),
    /// These packages, newest; `force` installs again what is there.
    Install { requests: Vec<Request>, force: bool },
}

impl Wish {
    /// An upgrade that it is would do something with this package.
    fn concerns(&self, package: &str) -> bool {
        match self {
            Self::Upgrade => true,
            Self::Part(packages) => packages.contains(package),
            Self::Install { .. } => false,
        }
    }
}

/// Everything that a plan depends on.
#[derive(Debug, Clone)]
pub struct Inputs<'a> {
    pub installed: &'a [Installed],
    /// The packages in force that assign and forbid, see [`implicit::in_force`].
    pub implicit: Vec<&'a Control>,
    /// Packages of the repository; rows that are taken have been verified.
    pub entries: Vec<IndexEntry>,
    /// Rows that do not count, so that they are not called missing.
    pub refused: Vec<Unverified>,
    pub capabilities: &'a Capabilities,
    pub wish: &'a Wish,
    /// Tries that did not get there, by package.
    pub attempts: &'a BTreeMap<String, Attempt>,
}

impl<'a> Inputs<'a> {
    /// What the repository offers this host, with what is forbidden here.
    pub fn catalogue(&mut self) -> Catalogue {
        let catalogue = Catalogue::new(std::mem::take(&mut self.entries), self.capabilities)
            .with_unverified(std::mem::take(&mut self.refused));
        self.implicit.iter().fold(catalogue, |catalogue, by| {
            catalogue.with_forbidden(by.conflicts_list(), &implicit_package(by))
        })
    }

    /// Every request of one list of the packages in force, with the package that makes it.
    fn requests(&self, list: fn(&Control) -> Vec<Request>) -> Vec<(Request, &'a Control)> {
        let each = self.implicit.iter().flat_map(|by| {
            let requests = list(by).into_iter();
            requests.map(|request| (request, *by))
        });
        each.collect()
    }
}

/// `on this host`, and by which package when it is not the host's own.
fn on_this_host(by: &Control) -> String {
    if by.section() == "host" {
        "on this host".to_owned()
    } else {
        format!("on this host by {}", implicit_package(by))
    }
}

/// A package to remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedRemoval {
    pub package: String,
    pub version: String,
    pub reason: String,
}

/// A package to install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedInstall {
    pub entry: IndexEntry,
    /// The version that is replaced.
    pub from: Option<String>,
    pub kind: Kind,
    pub reason: String,
    /// Somebody asked for it by name, now or earlier.
    pub is_asked_for: bool,
    /// The packages among the installations that must have succeeded before.
    pub needs: Vec<String>,
    /// Its `forced_install_on` has come: nobody can put it off.
    pub is_forced: bool,
}

/// A package that is wanted and cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Impossible {
    pub package: String,
    /// The packages that need it and so are not installed.
    pub wanted_by: Vec<String>,
    pub reason: String,
}

/// What is to be done: removals first, then installations, each in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Removed before anything else: forbidden packages.
    pub forbidden: Vec<PlannedRemoval>,
    /// Removed when everything to install has been downloaded: they stand in its way.
    pub in_the_way: Vec<PlannedRemoval>,
    pub installs: Vec<PlannedInstall>,
    pub impossible: Vec<Impossible>,
    /// Failures of packages that never touched this machine and that nobody wants any more.
    pub forgotten: Vec<String>,
}

impl PlannedInstall {
    /// The name of the package.
    pub fn package(&self) -> &str {
        self.entry.control.package()
    }
}

impl Plan {
    /// Nothing is to be done; something may still be impossible.
    pub fn is_empty(&self) -> bool {
        self.forbidden.is_empty()
            && self.in_the_way.is_empty()
            && self.installs.is_empty()
            && self.forgotten.is_empty()
    }

    /// The plan as it is reported and shown.
    pub fn pending(&self) -> Vec<PendingPackage> {
        let removals = self
            .forbidden
            .iter()
            .chain(&self.in_the_way)
            .map(|removal| PendingPackage {
                package: removal.package.clone(),
                change: Change::Remove,
                version: String::new(),
                from: removal.version.clone(),
                repository: String::new(),
                reason: removal.reason.clone(),
                error: None,
            });
        let installs = self.installs.iter().map(|install| PendingPackage {
            package: install.package().to_owned(),
            change: match install.kind {
                Kind::Install | Kind::Reinstall => Change::Install,
                Kind::Upgrade | Kind::Downgrade => Change::Upgrade,
            },
            version: install.entry.control.version().to_owned(),
            from: install.from.clone().unwrap_or_default(),
            repository: install.entry.repository.clone(),
            reason: install.reason.clone(),
            error: None,
        });
        let impossible = self.impossible.iter().map(|impossible| PendingPackage {
            package: impossible.package.clone(),
            change: Change::Impossible,
            version: String::new(),
            from: String::new(),
            repository: String::new(),
            reason: if impossible.wanted_by.is_empty() {
                String::new()
            } else {
                format!("needed by {}", impossible.wanted_by.join(", "))
            },
            error: Some(impossible.reason.clone()),
        });
        removals.chain(installs).chain(impossible).collect()
    }

    /// How much is to be done, in words.
    pub fn summary(&self) -> String {
        let is_back = |install: &&PlannedInstall| install.kind == Kind::Downgrade;
        let replacing = self.installs.iter().filter(|install| install.from.is_some());
        let replaced = replacing.clone().count();
        let back = replacing.filter(is_back).count();
        let parts = [
            (self.installs.len() - replaced, "to install"),
            (replaced - back, "to upgrade"),
            (back, "to downgrade"),
            (self.forbidden.len() + self.in_the_way.len(), "to remove"),
            (self.impossible.len(), "impossible"),
        ];
        let said: Vec<String> = parts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if said.is_empty() {
            "everything is as it should be".to_owned()
        } else {
            said.join(", ")
        }
    }
}

/// The failed try is worth another one.
fn wants_retry(row: &Installed) -> bool {
    match row.status {
        InstallStatus::Error => row.failed_step != Step::Remove.as_str(),
        // Left alone: what is in place is whole, a newer version only waits.
        InstallStatus::Postponed => !(row.in_place && row.failed_step.is_empty()),
        InstallStatus::Retry | InstallStatus::Init | InstallStatus::Running => true,
        InstallStatus::Ok | InstallStatus::Warning | InstallStatus::Unknown => false,
    }
}

/// Works out what is to be done.
pub fn plan(mut inputs: Inputs<'_>) -> Plan {
    let rows: Vec<&Installed> = inputs
        .installed
        .iter()
        .filter(|row| !is_implicit(&row.control))
        .collect();
    let assigned = inputs.requests(Control::depends_list);
    let forbidding = inputs.requests(Control::conflicts_list);
    let forbidden_by = |name: &str, version: &str| {
        let mut forbidding = forbidding.iter();
        forbidding
            .find(|(request, _by)| request.matches(name, version))
            .map(|(_request, by)| *by)
    };

    let mut plan = Plan::default();
    let forbidden: BTreeMap<&str, &Control> = rows
        .iter()
        .filter(|row| row.in_place && inputs.wish.concerns(row.package()))
        .filter_map(|row| Some((row.package(), forbidden_by(row.package(), row.control.version())?)))
        .collect();
    let roots: Vec<String> = forbidden.keys().map(|name| (*name).to_owned()).collect();
    let going = removal_order(inputs.installed, &roots);
    for package in &going {
        let Some(row) = rows.iter().find(|row| row.package() == package) else {
            continue;
        };
        plan.forbidden.push(PlannedRemoval {
            package: package.clone(),
            version: row.control.version().to_owned(),
            reason: match forbidden.get(package.as_str()) {
                Some(by) => format!("forbidden {}", on_this_host(by)),
                None => format!("depends on {}, which is forbidden on this host", roots.join(", ")),
            },
        });
    }

    // What is in place and stays; a package that never got there is not installed, whatever its row says.
    let mut present: Vec<Present> = rows
        .iter()
        .filter(|row| row.in_place && !going.iter().any(|package| package == row.package()))
        .map(|row| {
            Present::new(row.package(), row.control.version()).with_depends(row.control.depends_list())
        })
        .collect();
    let is_present = |name: &str| rows.iter().any(|row| row.in_place && row.package() == name);
    let needed_by_others = |name: &str, present: &[Present]| {
        let mut parents = present.iter().filter(|parent| parent.package != name);
        parents.any(|parent| parent.depends.iter().any(|request| request.name == name))
    };
    let catalogue = inputs.catalogue();

    let mut wanted = Vec::new();
    let mut newer = Vec::new();
    let mut want = |request: Request, why| {
        let wish = Wanted { request, why };
        if !wanted.contains(&wish) {
            wanted.push(wish);
        }
    };
    if let Wish::Install { requests, force } = inputs.wish {
        for request in requests {
            let failed = rows
                .iter()
                .any(|row| row.package() == request.name && wants_retry(row) && !is_left_alone(row));
            let why = if *force || failed {
                Why::Retry
            } else if is_present(&request.name) {
                Why::Upgrade
            } else {
                Why::Asked
            };
            want(request.clone(), why);
        }
    } else {
        for (request, _by) in &assigned {
            if inputs.wish.concerns(&request.name) {
                want(request.clone(), Why::Assigned);
            }
        }
        for row in &rows {
            let name = row.package();
            if !inputs.wish.concerns(name)
                || going.iter().any(|package| package == name)
                || forbidden_by(name, row.control.version()).is_some()
            {
                continue;
            }
            let is_assigned = assigned.iter().any(|(request, _by)| request.name == name);
            let is_needed = needed_by_others(name, &present);
            if !row.in_place && row.explicit_by.is_empty() && !is_needed && !is_assigned {
                if !row.has_setup {
                    plan.forgotten.push(name.to_owned());
                }
                continue;
            }
            let retry = wants_retry(row) || (row.status == InstallStatus::Error && is_assigned);
            if is_left_alone(row) && !row.in_place {
                // Nothing of it is here: whoever wants it says how, and who asked for it still does.
                if !row.explicit_by.is_empty() {
                    want(Request::any(name), Why::Asked);
                }
            } else if retry {
                want(Request::any(name), Why::Retry);
            } else if row.in_place && catalogue.newest(name).is_some() {
                newer.push(Wanted {
                    request: Request::any(name),
                    why: Why::Upgrade,
                });
            }
        }
    }
    if *inputs.wish != Wish::Upgrade {
        // Not everything that is assigned is wanted now; its conditions hold all the same.
        present.extend(
            inputs
                .implicit
                .iter()
                .map(|by| Present::new(by.package(), by.version()).with_depends(by.depends_list())),
        );
    }

    // What merely is there must not stand in the way of what is wanted: only what would stay is upgraded.
    let excluded = if newer.is_empty() {
        Vec::new()
    } else {
        resolve(&catalogue, &present, &wanted).removals
    };
    newer.retain(|wish| {
        !excluded
            .iter()
            .any(|removal| removal.package == wish.request.name)
    });
    wanted.extend(newer);
    let resolution = resolve(&catalogue, &present, &wanted);
    for removal in &resolution.removals {
        // What assigns is never in the way of anything.
        if inputs.implicit.iter().any(|by| by.package() == removal.package) {
            continue;
        }
        plan.in_the_way.push(PlannedRemoval {
            package: removal.package.clone(),
            version: removal.version.clone(),
            reason: removal.because.clone(),
        });
    }
    let mut installs = Vec::new();
    for step in &resolution.steps {
        let Some(entry) = catalogue.entry_of(step) else {
            continue;
        };
        let earlier = rows.iter().find(|row| row.package() == step.package);
        installs.push(PlannedInstall {
            entry: entry.clone(),
            from: step.installed_version.clone(),
            kind: step.change,
            reason: reason(step, earlier.copied(), &assigned, &inputs),
            is_asked_for: matches!(inputs.wish, Wish::Install { requests, .. }
                if requests.iter().any(|request| request.name == step.package)),
            needs: step.needs.clone(),
            is_forced: turns::is_forced(
                &entry.control,
                inputs.capabilities.utc_offset_secs,
                inputs.capabilities.now,
            ),
        });
    }
    plan.installs = order::by_priority(installs);
    let mut told = BTreeSet::new();
    for error in &resolution.errors {
        let by = forbidding
            .iter()
            .find(|(request, _by)| request.name == error.package);
        let mut reason = error.sentence.clone();
        // The sentence says it itself unless the repository has nothing that the request names.
        if let Some((_request, by)) = by
            && !reason.contains("forbidden on this host")
        {
            reason = format!("{} is forbidden {}: {reason}", error.package, on_this_host(by));
        }
        if told.insert(error.package.clone()) {
            plan.impossible.push(Impossible {
                package: error.package.clone(),
                wanted_by: error.wanted_by.clone(),
                reason,
            });
        }
    }
    plan
}

/// Why a package is installed, and what kept it from that so far.
fn reason(
    step: &muster_shared::catalogue::Step,
    earlier: Option<&Installed>,
    assigned: &[(Request, &Control)],
    inputs: &Inputs<'_>,
) -> String {
    let is_upgrade = !matches!(inputs.wish, Wish::Install { .. });
    let assigning = assigned
        .iter()
        .find(|(request, _by)| is_upgrade && request.name == step.package);
    let attempt = inputs
        .attempts
        .get(&step.package)
        .filter(|attempt| attempt.version == step.version);
    let now = inputs.capabilities.now;
    let reason = match earlier {
        Some(row) if is_upgrade && wants_retry(row) && !is_left_alone(row) => {
            let tried = format!(
                "the last try failed ({}); it is tried again",
                said_step(&row.failed_step)
            );
            match retry::due(attempt, &step.version, now) {
                Some(due) => format!("{tried}, by the schedule not before {}", said_time(due, inputs)),
                None => tried,
            }
        }
        _ => match assigning {
            Some((_request, by)) if step.installed_version.is_none() => {
                format!("assigned {}", on_this_host(by).replacen("on", "to", 1))
            }
            _ => step.because.clone(),
        },
    };
    match attempt.filter(|attempt| is_upgrade && !attempt.postponed.is_empty()) {
        Some(attempt) => format!("{reason}; postponed: {}", attempt.postponed),
        None => reason,
    }
}

/// Its program ran when its turn came, so nothing was tried.
fn is_left_alone(row: &Installed) -> bool {
    row.status == InstallStatus::Postponed && row.failed_step.is_empty()
}

/// A time as people at this machine read it.
fn said_time(at: jiff::Timestamp, inputs: &Inputs<'_>) -> String {
    let offset =
        jiff::tz::Offset::from_seconds(inputs.capabilities.utc_offset_secs).unwrap_or(jiff::tz::Offset::UTC);
    offset.to_datetime(at).strftime("%Y-%m-%d %H:%M").to_string()
}

fn said_step(step: &str) -> &str {
    if step.is_empty() { "interrupted" } else { step }
}

#[cfg(test)]
mod tests;
