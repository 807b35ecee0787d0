//! The task `update`: fetch what is new, plan, and download ahead what the next upgrade needs.

use std::collections::BTreeSet;

use muster_shared::hint::chain;
use muster_shared::protocol::action::{ActionKind, ActionOptions};
use serde_json::json;

use super::{Outcome, SCHEDULER, TaskContext};
use crate::agent::{Agent, Facts};
use crate::failure::{Exit, Failure};
use crate::plan::hold::{Holding, held};
use crate::plan::{Plan, PlannedInstall};
use crate::repo::{RepoError, cache};
use crate::state::tasks::NewTask;
use crate::update::{self, Updated, report_quietly};

pub(super) async fn run(agent: &Agent, context: &TaskContext) -> Result<Outcome, Failure> {
    let updated = update::update(agent, &context.part(0, 60)).await?;
    clean_cache(agent, &updated.plan).await;
    let downloads = context.ordered_by == SCHEDULER && agent.config.schedule.download_ahead;
    if downloads && !updated.plan.installs.is_empty() {
        // Downloads may take long; what is to be done should be seen meanwhile.
        report_quietly(agent, Facts::Fresh, None).await;
        prefetch(agent, &updated.plan.installs, &context.part(60, 100)).await;
    }
    if context.ordered_by == SCHEDULER {
        queue_forced(agent, &updated.plan).await?;
    }
    Ok(outcome(&updated))
}

/// Packages whose `forced_install_on` has come are installed by themselves, without waiting for the next upgrade, a
/// maintenance window, or a program to end.
async fn queue_forced(agent: &Agent, plan: &Plan) -> Result<(), Failure> {
    let attempts = agent.state.attempts().await?;
    let holding = Holding {
        attempts: &attempts,
        is_scheduled: true,
        running: None,
        priorities: &[],
        now: agent.now(),
    };
    let waiting = held(plan, |_package| None, &holding);
    let mut forced: Vec<String> = plan
        .installs
        .iter()
        .filter(|install| install.is_forced && !waiting.contains_key(install.package()))
        .map(|install| install.package().to_owned())
        .collect();
    if forced.is_empty() {
        return Ok(());
    }
    forced.sort();
    tracing::info!(packages = ?forced, "their forced_install_on has come");
    let task = NewTask::new(
        ActionKind::Upgrade,
        forced,
        ActionOptions::default(),
        SCHEDULER,
        agent.now(),
    );
    agent.state.queue_task(&task).await?;
    Ok(())
}

/// Downloads what the next upgrade needs, so that it can be done without a server. What cannot be had now
/// is no failure of anything: the upgrade tries again and says so.
async fn prefetch(agent: &Agent, installs: &[PlannedInstall], context: &TaskContext) {
    for planned in installs {
        let text = format!("downloading {}", planned.package());
        let progress = |there: u64, all: u64| context.progress(Some((there * 100 / all.max(1)) as u8), &text);
        match agent
            .repositories
            .download(&planned.entry, &agent.paths, progress, &context.cancel)
            .await
        {
            Ok(_file) => {}
            Err(RepoError::Cancelled { .. }) => return,
            Err(error) => {
                tracing::warn!(package = planned.package(), error = %chain(&error), "not downloaded ahead");
                if error.is_unreachable() {
                    return;
                }
            }
        }
    }
}

fn outcome(updated: &Updated) -> Outcome {
    let problems: Vec<&str> = updated
        .problems
        .iter()
        .map(|problem| problem.text.as_str())
        .collect();
    let value = json!({
        "pending": updated.plan.pending(),
        "problems": problems,
        "notes": updated.notes,
        "has_index": updated.has_index,
    });
    if updated.problems.is_empty() && updated.has_index {
        return Outcome::done(updated.summary(), value);
    }
    let unreachable = updated.problems.iter().any(|problem| problem.is_unreachable);
    Outcome {
        exit: Some(if unreachable {
            Exit::Unreachable
        } else {
            Exit::Failed
        }),
        ..Outcome::failed(updated.summary(), value)
    }
}

/// Orders and files that nothing needs any more go with an update, which comes every few hours.
async fn clean_cache(agent: &Agent, plan: &Plan) {
    if let Err(error) = agent.state.forget_expired_orders(agent.now()).await {
        tracing::warn!(%error, "expired orders could not be forgotten");
    }
    let folder = agent.paths.cache_dir();
    let now = agent.now();
    let repositories = &agent.config.repositories;
    let limits = cache::Limits::new(repositories.cache_size_mib, repositories.cache_days);
    let needed: BTreeSet<String> = plan
        .installs
        .iter()
        .map(|planned| planned.entry.filename.clone())
        .collect();
    let cleaned = tokio::task::spawn_blocking(move || {
        cache::clean(&folder, limits, move |name| needed.contains(name), now)
    })
    .await;
    match cleaned {
        Ok(Ok(cleaned)) if cleaned.files > 0 => {
            tracing::info!(
                files = cleaned.files,
                bytes = cleaned.bytes,
                "old files removed from the cache"
            );
        }
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the cache could not be cleaned"),
        Err(error) => tracing::warn!(%error, "cleaning the cache broke off"),
    }
}
