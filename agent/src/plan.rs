//! What an upgrade or an installation does on this host, and why. Pure: same inputs, same plan.
//!
//! Inputs are what is installed, what the host's package asks for and forbids, what the repository offers
//! this host, and what was wished. Dependencies, versions and conflicts are worked out by
//! `muster_shared::catalogue`; this file decides what is wanted at all:
//!
//! - what the host's package lists is wanted; what it forbids goes, with whatever depends on it;
//! - what is in place stays, and follows newer versions as far as its parents' conditions allow;
//! - what failed is tried again as long as somebody still wants it;
//! - taking something off the host's list uninstalls nothing.

pub mod explain;

use std::collections::BTreeSet;

use muster_shared::catalogue::{
    Capabilities, Catalogue, Change as Kind, Installed as Present, Unverified, Wanted, Why,
    explain::host_package, plan as resolve,
};
use muster_shared::control::{Control, Section};
use muster_shared::index::IndexEntry;
use muster_shared::protocol::package::{Change, InstallStatus, PendingPackage};
use muster_shared::request::Request;

use crate::install::Step;
use crate::install::remove::removal_order;
use crate::state::packages::Installed;

/// What somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Everything as it should be.
    Upgrade,
    /// These packages, newest; `force` installs again what is there.
    Install { requests: Vec<Request>, force: bool },
}

/// Everything that a plan depends on.
#[derive(Debug, Clone)]
pub struct Inputs<'a> {
    pub installed: &'a [Installed],
    /// The host's own package, when there is one.
    pub host: Option<&'a Control>,
    /// Packages of the repository; rows that are taken have been verified.
    pub entries: Vec<IndexEntry>,
    /// Rows that do not count, so that they are not called missing.
    pub refused: Vec<Unverified>,
    pub capabilities: &'a Capabilities,
    pub wish: &'a Wish,
}

impl Inputs<'_> {
    /// What the repository offers this host, with what the host's package forbids.
    fn catalogue(&mut self) -> Catalogue {
        let catalogue = Catalogue::new(std::mem::take(&mut self.entries), self.capabilities)
            .with_unverified(std::mem::take(&mut self.refused));
        match self.host {
            Some(host) => catalogue.with_forbidden(host.conflicts_list(), &named(host)),
            None => catalogue,
        }
    }
}

/// The host's package in words.
fn named(host: &Control) -> String {
    host_package(host.package(), host.version())
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
            reason: install.reason.clone(),
            error: None,
        });
        let impossible = self.impossible.iter().map(|impossible| PendingPackage {
            package: impossible.package.clone(),
            change: Change::Impossible,
            version: String::new(),
            from: String::new(),
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
        let upgrades = self
            .installs
            .iter()
            .filter(|install| install.from.is_some())
            .count();
        let parts = [
            (self.installs.len() - upgrades, "to install"),
            (upgrades, "to upgrade"),
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
        InstallStatus::Retry | InstallStatus::Postponed | InstallStatus::Init | InstallStatus::Running => {
            true
        }
        InstallStatus::Ok | InstallStatus::Warning | InstallStatus::Unknown => false,
    }
}

/// Works out what is to be done.
pub fn plan(mut inputs: Inputs<'_>) -> Plan {
    let rows: Vec<&Installed> = inputs
        .installed
        .iter()
        .filter(|row| !row.control.is_section(Section::Host))
        .collect();
    let assigned = inputs.host.map(Control::depends_list).unwrap_or_default();
    let forbidding = inputs.host.map(Control::conflicts_list).unwrap_or_default();
    let is_forbidden =
        |name: &str, version: &str| forbidding.iter().any(|request| request.matches(name, version));

    let mut plan = Plan::default();
    let forbidden: Vec<String> = rows
        .iter()
        .filter(|row| row.in_place && is_forbidden(row.package(), row.control.version()))
        .map(|row| row.package().to_owned())
        .collect();
    let upgrading = *inputs.wish == Wish::Upgrade;
    let going: Vec<String> = if upgrading {
        removal_order(inputs.installed, &forbidden)
    } else {
        Vec::new()
    };
    for package in &going {
        let Some(row) = rows.iter().find(|row| row.package() == package) else {
            continue;
        };
        plan.forbidden.push(PlannedRemoval {
            package: package.clone(),
            version: row.control.version().to_owned(),
            reason: if forbidden.contains(package) {
                "forbidden on this host".to_owned()
            } else {
                format!(
                    "depends on {}, which is forbidden on this host",
                    forbidden.join(", ")
                )
            },
        });
    }

    // What is in place and stays; a package that never got there is not installed, whatever its row says.
    let present: Vec<Present> = rows
        .iter()
        .filter(|row| row.in_place && !going.iter().any(|package| package == row.package()))
        .map(|row| {
            Present::new(row.package(), row.control.version()).with_depends(row.control.depends_list())
        })
        .collect();
    let catalogue = inputs.catalogue();

    let mut wanted = Vec::new();
    let mut newer = Vec::new();
    let mut want = |request: Request, why| {
        let wish = Wanted { request, why };
        if !wanted.contains(&wish) {
            wanted.push(wish);
        }
    };
    let is_present = |name: &str| present.iter().any(|present| present.package == name);
    match inputs.wish {
        Wish::Install { requests, force } => {
            for request in requests {
                let failed = rows
                    .iter()
                    .any(|row| row.package() == request.name && wants_retry(row));
                let why = if *force || failed {
                    Why::Retry
                } else if is_present(&request.name) {
                    Why::Upgrade
                } else {
                    Why::Asked
                };
                want(request.clone(), why);
            }
        }
        Wish::Upgrade => {
            for request in &assigned {
                want(request.clone(), Why::Assigned);
            }
            for row in &rows {
                let name = row.package();
                if going.iter().any(|package| package == name) || is_forbidden(name, row.control.version()) {
                    continue;
                }
                let needed = present
                    .iter()
                    .filter(|parent| parent.package != name)
                    .any(|parent| parent.depends.iter().any(|request| request.name == name));
                let is_assigned = assigned.iter().any(|request| request.name == name);
                if !row.in_place && row.explicit_by.is_empty() && !needed && !is_assigned {
                    if !row.has_setup {
                        plan.forgotten.push(name.to_owned());
                    }
                    continue;
                }
                let retry = wants_retry(row) || (row.status == InstallStatus::Error && is_assigned);
                if retry {
                    want(Request::any(name), Why::Retry);
                } else if row.in_place && catalogue.newest(name).is_some() {
                    newer.push(Wanted {
                        request: Request::any(name),
                        why: Why::Upgrade,
                    });
                }
            }
        }
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
        plan.in_the_way.push(PlannedRemoval {
            package: removal.package.clone(),
            version: removal.version.clone(),
            reason: removal.because.clone(),
        });
    }
    for step in &resolution.steps {
        let Some(entry) = catalogue.entry_of(step) else {
            continue;
        };
        let is_assigned = upgrading && assigned.iter().any(|request| request.name == step.package);
        let earlier = rows.iter().find(|row| row.package() == step.package);
        let is_asked_for = matches!(inputs.wish, Wish::Install { requests, .. }
            if requests.iter().any(|request| request.name == step.package));
        let reason = match earlier {
            Some(row) if upgrading && wants_retry(row) => {
                format!(
                    "the last try failed ({}); it is tried again",
                    said_step(&row.failed_step)
                )
            }
            _ if is_assigned && step.installed_version.is_none() => "assigned to this host".to_owned(),
            _ => step.because.clone(),
        };
        plan.installs.push(PlannedInstall {
            entry: entry.clone(),
            from: step.installed_version.clone(),
            kind: step.change,
            reason,
            is_asked_for,
        });
    }
    let mut told = BTreeSet::new();
    for error in &resolution.errors {
        let is_named = forbidding.iter().any(|request| request.name == error.package);
        let mut reason = error.sentence.clone();
        // The sentence says it itself unless the repository has nothing that the request names.
        if is_named && !reason.contains("forbidden on this host") {
            reason = format!("{} is forbidden on this host: {reason}", error.package);
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

fn said_step(step: &str) -> &str {
    if step.is_empty() { "interrupted" } else { step }
}

#[cfg(test)]
mod tests;
