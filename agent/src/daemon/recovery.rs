//! After a crash or a power cut: every interrupted task goes on or ends with a reason, never silently.

use std::collections::BTreeMap;

use muster_shared::protocol::task::TaskState;
use uuid::Uuid;

use crate::agent::Agent;
use crate::failure::Failure;
use crate::install::journal;

/// A task that was interrupted this often is given up.
pub(super) const MAX_ATTEMPTS: u32 = 3;

/// Brings to an end what the last run left, packages first, then tasks.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn recover(agent: &Agent) -> Result<(), Failure> {
    let recovered = journal::recover(agent).await?;
    let failed: BTreeMap<Uuid, String> = recovered
        .into_iter()
        .filter_map(|one| Some((one.task?, one.failed?)))
        .collect();
    for stored in agent.state.open_tasks().await? {
        if stored.task.state != TaskState::Running {
            continue;
        }
        let id = stored.task.id;
        if stored.attempts < MAX_ATTEMPTS {
            tracing::warn!(task = %id, kind = %stored.task.kind, "an interrupted task is begun again");
            agent.state.requeue_task(id).await?;
            continue;
        }
        let mut reason = format!("interrupted {} times; given up", stored.attempts);
        if let Some(last) = failed.get(&id) {
            reason = format!("{reason}: {last}");
        }
        tracing::error!(task = %id, kind = %stored.task.kind, %reason, "an interrupted task is over");
        agent
            .state
            .finish_task(id, TaskState::Failed, &reason, agent.now())
            .await?;
    }
    Ok(())
}
