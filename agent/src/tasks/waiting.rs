//! What of a plan waits, as it is looked up and kept: programs that run, tries that failed, what was left alone.

use std::collections::BTreeMap;

use muster_shared::protocol::package::InstallStatus;

use super::apply::Applied;
use super::{SCHEDULER, TaskContext};
use crate::agent::Agent;
use crate::failure::Failure;
use crate::install::run::fresh_row;
use crate::plan::Plan;
use crate::plan::hold::{Hold, Holding, held};
use crate::platform;
use crate::state::packages::Installed;

/// The packages that wait, and why.
#[derive(Debug, Default)]
pub(super) struct Waiting(pub BTreeMap<String, Hold>);

impl Waiting {
    /// `package (why)`, one each.
    pub(super) fn said(&self) -> Vec<String> {
        self.0
            .iter()
            .map(|(package, hold)| format!("{package} ({})", hold.text()))
            .collect()
    }
}

/// Looks what of a plan has to wait.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn look(agent: &Agent, plan: &Plan, context: &TaskContext) -> Result<Waiting, Failure> {
    let running = if context.options.only_if_not_running {
        Some(platform::running_programs().await)
    } else {
        None
    };
    let attempts = agent.state.attempts().await?;
    let installed = agent.state.installed().await?;
    let holding = Holding {
        attempts: &attempts,
        is_scheduled: context.ordered_by == SCHEDULER,
        running: running.as_ref(),
        priorities: &context.options.only_priorities,
        now: agent.now(),
    };
    let control = |package: &str| {
        let row = installed.iter().find(|row| row.package() == package);
        row.map(|row| row.control.clone())
    };
    Ok(Waiting(held(plan, control, &holding)))
}

/// Keeps what waits for a program to end: it is POSTPONED, and so reported, until its turn comes.
///
/// # Errors
/// When the database does not take it.
pub(super) async fn postpone(
    agent: &Agent,
    plan: &Plan,
    waiting: &Waiting,
    context: &TaskContext,
) -> Result<(), Failure> {
    for install in &plan.installs {
        if let Some(Hold::Running(program)) = waiting.0.get(install.package()) {
            let asked_by = if install.is_asked_for {
                context.explicit_by()
            } else {
                ""
            };
            leave_alone(
                agent,
                plan,
                install.package(),
                &format!("{program} runs"),
                asked_by,
            )
            .await?;
        }
    }
    Ok(())
}

/// A package of the plan was not touched.
async fn leave_alone(
    agent: &Agent,
    plan: &Plan,
    package: &str,
    why: &str,
    asked_by: &str,
) -> Result<(), Failure> {
    let Some(install) = plan.installs.iter().find(|install| install.package() == package) else {
        return Ok(());
    };
    let control = &install.entry.control;
    if agent.state.package(package).await?.is_none() {
        let row = Installed {
            status: InstallStatus::Postponed,
            in_place: false,
            log: format!("left alone: {why}\n"),
            explicit_by: asked_by.to_owned(),
            ..fresh_row(control, agent.now())
        };
        agent.state.store_package(&row, None).await?;
    }
    agent
        .state
        .record_postponed(package, control.version(), why, agent.now())
        .await?;
    tracing::info!(package, version = control.version(), why, "postponed");
    Ok(())
}

/// Keeps which packages of a plan did not get there: what the schedule's delay grows with.
///
/// # Errors
/// When the database does not take it.
pub(super) async fn record(
    agent: &Agent,
    plan: &Plan,
    applied: &Applied,
    context: &TaskContext,
) -> Result<(), Failure> {
    for package in applied.installed.iter().chain(&applied.removed) {
        agent.state.forget_tries(package).await?;
    }
    for left_alone in &applied.left_alone {
        let (package, why) = left_alone.split_once(" (").unwrap_or((left_alone, ""));
        let asked_by = plan
            .installs
            .iter()
            .find(|install| install.package() == package && install.is_asked_for)
            .map_or("", |_install| context.explicit_by());
        leave_alone(agent, plan, package, why.trim_end_matches(')'), asked_by).await?;
    }
    if applied.cancelled {
        // Whoever cancelled ended a script, which says nothing about the package.
        return Ok(());
    }
    for failed in applied.failed.iter().filter(|failed| !failed.is_unreachable) {
        let installs = plan
            .installs
            .iter()
            .map(|install| (install.package(), install.entry.control.version()));
        let removals = plan
            .forbidden
            .iter()
            .chain(&plan.in_the_way)
            .map(|removal| (removal.package.as_str(), removal.version.as_str()));
        let version = installs
            .chain(removals)
            .find(|(package, _version)| *package == failed.package)
            .map(|(_package, version)| version);
        if let Some(version) = version {
            agent
                .state
                .record_failed_try(&failed.package, version, agent.now())
                .await?;
        }
    }
    Ok(())
}
