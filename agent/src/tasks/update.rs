//! The task `update`: fetch what is new, plan, report.

use serde_json::json;

use super::{Outcome, TaskContext};
use crate::agent::Agent;
use crate::failure::{Exit, Failure};
use crate::repo::cache;
use crate::update::{self, Updated};

pub(super) async fn run(agent: &Agent, context: &TaskContext) -> Result<Outcome, Failure> {
    let updated = update::update(agent, context).await?;
    clean_cache(agent).await;
    Ok(outcome(&updated))
}

fn outcome(updated: &Updated) -> Outcome {
    let problems: Vec<&str> = updated
        .problems
        .iter()
        .map(|problem| problem.text.as_str())
        .collect();
    let value = json!({ "pending": updated.plan.pending(), "problems": problems });
    if updated.problems.is_empty() {
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
async fn clean_cache(agent: &Agent) {
    if let Err(error) = agent.state.forget_expired_orders(agent.now()).await {
        tracing::warn!(%error, "expired orders could not be forgotten");
    }
    let folder = agent.paths.cache_dir();
    let now = agent.now();
    let cleaned = tokio::task::spawn_blocking(move || {
        cache::clean(&folder, cache::Limits::default(), |_name| false, now)
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
