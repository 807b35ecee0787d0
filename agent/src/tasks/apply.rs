//! Carries a plan out: forbidden packages go, everything is downloaded, what stands in the way goes, then
//! the installations in dependency order. Each package fails alone; what needs it fails by its own check.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use muster_shared::control::Control;
use muster_shared::hint::chain;
use muster_shared::request::split_list;
use serde::Serialize;

use super::TaskContext;
use crate::agent::Agent;
use crate::failure::Failure;
use crate::install::InstallError;
use crate::install::remove::{removal_order, remove, still_needed_by};
use crate::install::run::{ToInstall, install, record_failure};
use crate::install::stage::Expected;
use crate::plan::{Plan, PlannedInstall, PlannedRemoval};
use crate::platform;
use crate::repo::RepoError;
use crate::state::packages::Installed;

/// What carrying out a plan did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Applied {
    pub installed: Vec<String>,
    pub removed: Vec<String>,
    pub failed: Vec<FailedPackage>,
    /// Wanted packages that cannot be had, as sentences.
    pub impossible: Vec<String>,
    /// Packages left alone because their program runs.
    pub left_alone: Vec<String>,
    pub cancelled: bool,
}

/// One package that did not get where it should.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct FailedPackage {
    pub package: String,
    pub step: &'static str,
    pub reason: String,
    /// Nobody answered: that says nothing about the package.
    #[serde(skip)]
    pub is_unreachable: bool,
}

impl Applied {
    pub(super) fn is_success(&self) -> bool {
        self.failed.is_empty() && self.impossible.is_empty() && !self.cancelled
    }

    pub(super) fn fail(&mut self, package: &str, error: &InstallError) {
        if matches!(error, InstallError::Cancelled) {
            self.cancelled = true;
            return;
        }
        self.failed.push(FailedPackage {
            package: package.to_owned(),
            step: error.step().as_str(),
            reason: chain(error),
            is_unreachable: matches!(error, InstallError::Download { source, .. } if source.is_unreachable()),
        });
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.installed.extend(other.installed);
        self.removed.extend(other.removed);
        self.failed.extend(other.failed);
        self.impossible.extend(other.impossible);
        self.left_alone.extend(other.left_alone);
        self.cancelled |= other.cancelled;
    }
}

/// The programs of a package that run now.
struct InUse(Option<BTreeSet<String>>);

impl InUse {
    async fn look(context: &TaskContext) -> Self {
        Self(if context.options.only_if_not_running {
            Some(platform::running_programs().await)
        } else {
            None
        })
    }

    /// The program that runs; nothing when it does not matter.
    fn program(&self, control: &Control) -> Option<String> {
        let running = self.0.as_ref()?;
        let without_suffix = |name: &str| name.trim_end_matches(".exe").to_owned();
        split_list(control.get("impacted_process"))
            .map(str::to_lowercase)
            .find(|name| {
                running
                    .iter()
                    .any(|other| without_suffix(other) == without_suffix(name))
            })
    }
}

/// Carries a plan out.
///
/// # Errors
/// When the local database cannot be used; packages that fail are in the result.
pub(super) async fn apply(agent: &Agent, plan: &Plan, context: &TaskContext) -> Result<Applied, Failure> {
    let mut applied = Applied {
        impossible: plan
            .impossible
            .iter()
            .map(|impossible| impossible.reason.clone())
            .collect(),
        ..Applied::default()
    };
    for package in &plan.forgotten {
        tracing::info!(%package, "a failed try is forgotten: nobody wants the package any more");
        agent.state.delete_package(package).await?;
    }
    let in_use = InUse::look(context).await;
    remove_all(agent, &plan.forbidden, &in_use, context, &mut applied).await?;
    let files = download_all(agent, &plan.installs, &context.part(0, 40), &mut applied).await;
    // Only now: a download that fails must not leave the machine with neither of two packages.
    let in_the_way = in_the_way(plan, &files, &agent.state.installed().await?);
    remove_all(agent, &in_the_way, &in_use, context, &mut applied).await?;
    let count = plan.installs.len().max(1);
    for (position, planned) in plan.installs.iter().enumerate() {
        let Some(file) = files.get(planned.package()) else {
            continue;
        };
        if context.cancel.is_cancelled() {
            applied.cancelled = true;
            break;
        }
        if let Some(program) = in_use.program(&planned.entry.control) {
            applied
                .left_alone
                .push(format!("{} ({program} runs)", planned.package()));
            continue;
        }
        let share = |position: usize| 40 + (60 * position / count) as u8;
        let part = context.part(share(position), share(position + 1));
        let item = ToInstall {
            file,
            expected: Expected::Row(&planned.entry),
            explicit_by: if planned.is_asked_for {
                context.explicit_by()
            } else {
                ""
            },
            force: context.options.force,
            is_cached: true,
        };
        match install(agent, &part, &item).await {
            Ok(status) => {
                tracing::info!(
                    package = planned.package(),
                    version = planned.entry.control.version(),
                    status = status.as_str(),
                    "package installed"
                );
                applied.installed.push(planned.package().to_owned());
            }
            Err(error) => {
                tracing::error!(package = planned.package(), step = error.step().as_str(), error = %chain(&error), "package not installed");
                applied.fail(planned.package(), &error);
            }
        }
    }
    super::session_setup::order_after_install(agent, &applied.installed).await?;
    // A script that was ended is a failure of its package; that the task was cancelled is said besides.
    applied.cancelled |= context.cancel.is_cancelled();
    Ok(applied)
}

/// The packages that stand in the way of something that is there to be installed, with their dependants; what only
/// stands in the way of a package that could not be had stays.
fn in_the_way(
    plan: &Plan,
    files: &BTreeMap<String, PathBuf>,
    installed: &[Installed],
) -> Vec<PlannedRemoval> {
    let control_of = |package: &str| {
        installed
            .iter()
            .find(|row| row.package() == package)
            .map(|row| &row.control)
    };
    let excludes = |planned: &PlannedInstall, package: &str| {
        let (new, Some(old)) = (&planned.entry.control, control_of(package)) else {
            return false;
        };
        let matches = |by: &Control, other: &Control| {
            by.conflicts_list()
                .iter()
                .any(|request| request.matches(other.package(), other.version()))
        };
        matches(new, old) || matches(old, new)
    };
    let (had, missed): (Vec<&PlannedInstall>, Vec<_>) = plan
        .installs
        .iter()
        .partition(|planned| files.contains_key(planned.package()));
    if missed.is_empty() {
        return plan.in_the_way.clone();
    }
    let roots: Vec<String> = plan
        .in_the_way
        .iter()
        .map(|removal| removal.package.clone())
        .filter(|package| {
            had.iter().any(|planned| excludes(planned, package))
                && !missed.iter().any(|planned| excludes(planned, package))
        })
        .collect();
    let going = removal_order(installed, &roots);
    plan.in_the_way
        .iter()
        .filter(|removal| going.contains(&removal.package))
        .cloned()
        .collect()
}

async fn remove_all(
    agent: &Agent,
    removals: &[PlannedRemoval],
    in_use: &InUse,
    context: &TaskContext,
    applied: &mut Applied,
) -> Result<(), Failure> {
    let installed = agent.state.installed().await?;
    // What stays keeps in place what it needs.
    let mut stayed = BTreeSet::new();
    for removal in removals {
        if context.cancel.is_cancelled() {
            applied.cancelled = true;
            return Ok(());
        }
        let row = installed.iter().find(|row| row.package() == removal.package);
        if let Some(program) = row.and_then(|row| in_use.program(&row.control)) {
            stayed.insert(removal.package.clone());
            applied
                .left_alone
                .push(format!("{} ({program} runs)", removal.package));
            continue;
        }
        let needed = still_needed_by(&installed, &removal.package, &stayed)
            .filter(|_dependant| !context.options.force);
        let done = match needed {
            Some(dependant) => Err(InstallError::Needed {
                package: removal.package.clone(),
                dependant: dependant.to_owned(),
            }),
            None => remove(agent, context, &removal.package, context.options.force).await,
        };
        match done {
            Ok(()) => {
                tracing::info!(package = %removal.package, reason = %removal.reason, "package removed");
                applied.removed.push(removal.package.clone());
            }
            Err(error) => {
                stayed.insert(removal.package.clone());
                tracing::error!(package = %removal.package, error = %chain(&error), "package not removed");
                applied.fail(&removal.package, &error);
            }
        }
    }
    Ok(())
}

/// Downloads every file; a package whose file cannot be had is recorded as failed and left out.
async fn download_all(
    agent: &Agent,
    installs: &[PlannedInstall],
    context: &TaskContext,
    applied: &mut Applied,
) -> BTreeMap<String, PathBuf> {
    // Sizes come from whoever controls the repository.
    let total: u64 = installs
        .iter()
        .fold(0_u64, |sum, planned| sum.saturating_add(planned.entry.size))
        .max(1);
    let share = |done: u64| (u128::from(done) * 100 / u128::from(total)).min(100) as u8;
    let mut before = 0_u64;
    let mut files = BTreeMap::new();
    for planned in installs {
        let package = planned.package();
        let text = format!("downloading {package}");
        let progress = |there: u64, _all: u64| {
            context.progress(Some(share(before.saturating_add(there))), &text);
        };
        let downloaded = agent
            .repositories
            .download(&planned.entry, &agent.paths, progress, &context.cancel)
            .await;
        before = before.saturating_add(planned.entry.size);
        match downloaded {
            Ok(file) => {
                files.insert(package.to_owned(), file);
            }
            Err(RepoError::Cancelled { .. }) => {
                applied.cancelled = true;
                break;
            }
            Err(source) => {
                let error = InstallError::Download {
                    package: package.to_owned(),
                    source,
                };
                tracing::error!(package, error = %chain(&error), "package not downloaded");
                record_failure(
                    agent,
                    &planned.entry.control,
                    if planned.is_asked_for {
                        context.explicit_by()
                    } else {
                        ""
                    },
                    &error,
                )
                .await;
                applied.fail(package, &error);
            }
        }
    }
    files
}
