//! After a crash or a power cut: every interrupted task goes on or ends with a reason, never silently.

use std::collections::BTreeMap;

use muster_shared::protocol::action::{ActionKind, ActionOptions};
use muster_shared::protocol::task::TaskState;
use uuid::Uuid;

use super::late::outside_its_window;
use crate::agent::Agent;
use crate::failure::Failure;
use crate::install::journal;
use crate::platform::local_zone;
use crate::state::tasks::{NewTask, StoredTask};
use crate::tasks::SCHEDULER;

/// A task that was interrupted this often is given up.
pub(super) const MAX_ATTEMPTS: u32 = 3;

/// Brings to an end what the last run left, packages first, then tasks.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn recover(agent: &Agent) -> Result<(), Failure> {
    let recovered = journal::recover(agent).await?;
    let failed: BTreeMap<Uuid, (String, String)> = recovered
        .into_iter()
        .filter_map(|one| Some((one.task?, (one.package, one.failed?))))
        .collect();
    let unreadable = agent.state.end_unreadable_tasks(agent.now()).await?;
    if unreadable > 0 {
        tracing::warn!(unreadable, "tasks of another version of the agent were ended");
    }
    for stored in agent.state.open_tasks().await? {
        if stored.task.state != TaskState::Running {
            continue;
        }
        let id = stored.task.id;
        if !stored.cancelled_by.is_empty() {
            let text = format!("cancelled by {}", stored.cancelled_by);
            agent
                .state
                .finish_task(id, TaskState::Cancelled, &text, agent.now())
                .await?;
            continue;
        }
        if stored.attempts < MAX_ATTEMPTS {
            tracing::warn!(task = %id, kind = %stored.task.kind, "an interrupted task is begun again");
            agent.state.requeue_task(id).await?;
            if let Some((package, _reason)) = failed.get(&id) {
                mend_at_once(agent, &stored, package).await?;
            }
            continue;
        }
        let mut reason = format!("interrupted {} times; given up", stored.attempts);
        if let Some((_package, last)) = failed.get(&id) {
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

/// Scheduled work that was cut off waits for its next window; the package that it was cut off in does not.
async fn mend_at_once(agent: &Agent, stored: &StoredTask, package: &str) -> Result<(), Failure> {
    let windows = &agent.config.schedule.maintenance;
    let now = agent.now();
    if outside_its_window(stored, (windows, &local_zone()), now).is_none() {
        return Ok(());
    }
    let task = NewTask::new(
        ActionKind::Upgrade,
        vec![package.to_owned()],
        ActionOptions::default(),
        SCHEDULER,
        now,
    );
    agent.state.queue_task(&task).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use muster_shared::clock::{Clock as _, SystemClock};
    use muster_shared::protocol::package::InstallStatus;

    use super::*;
    use crate::config::Config;
    use crate::paths::Paths;
    use crate::state::journal::JournalRow;
    use crate::state::packages::Installed;
    use crate::state::packages::tests::row;

    async fn agent(root: &Path, config: &str) -> Agent {
        let config = Config::parse(config, Path::new("agent.toml")).unwrap();
        Agent::open(Paths::new(Some(root)), config, Arc::new(SystemClock))
            .await
            .unwrap()
    }

    /// A task that was running when the machine was reset.
    async fn interrupted(agent: &Agent, action: ActionKind, ordered_by: &str) -> Uuid {
        let now = agent.now();
        let task = NewTask::new(action, Vec::new(), ActionOptions::default(), ordered_by, now);
        agent.state.queue_task(&task).await.unwrap();
        agent.state.begin_task(task.id, now).await.unwrap();
        task.id
    }

    async fn waiting(agent: &Agent) -> Vec<(String, Vec<String>)> {
        let open = agent.state.open_tasks().await.unwrap();
        open.into_iter()
            .map(|one| (one.task.kind, one.task.packages))
            .collect()
    }

    #[tokio::test]
    async fn a_task_that_was_cancelled_does_not_go_on_after_a_reset() {
        let root = tempfile::tempdir().unwrap();
        let agent = agent(root.path(), "").await;
        let id = interrupted(&agent, ActionKind::Upgrade, "Ada").await;
        agent.state.mark_cancelled(id, "Bob").await.unwrap();
        recover(&agent).await.unwrap();
        let task = agent.state.task(id).await.unwrap().unwrap().task;
        assert_eq!(
            (task.state, task.text.as_str()),
            (TaskState::Cancelled, "cancelled by Bob")
        );
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_emptied_does_not_keep_the_agent_from_starting() {
        let root = tempfile::tempdir().unwrap();
        let agent = agent(root.path(), "").await;
        let staging = agent.paths.staging_dir();
        fs_err::create_dir_all(staging.parent().unwrap()).unwrap();
        // Not a folder at all is what every system refuses to empty.
        fs_err::write(&staging, "in use").unwrap();
        recover(&agent).await.unwrap();
    }

    #[tokio::test]
    async fn outside_of_its_window_only_what_was_cut_off_is_mended() {
        let root = tempfile::tempdir().unwrap();
        let other_day = match local_zone().to_datetime(SystemClock.now()).weekday() {
            jiff::civil::Weekday::Monday | jiff::civil::Weekday::Sunday => "wed",
            _ => "mon",
        };
        let config =
            format!("maintenance = [{{ days = [\"{other_day}\"], from = \"03:00\", to = \"03:01\" }}]");
        let agent = agent(root.path(), &config).await;
        let id = interrupted(&agent, ActionKind::Upgrade, SCHEDULER).await;
        let broken = Installed {
            status: InstallStatus::Running,
            in_place: false,
            ..row("demo-a", "2")
        };
        let journal = JournalRow {
            package: "demo-a".to_owned(),
            operation: "install".to_owned(),
            version: "2".to_owned(),
            step: "install".to_owned(),
            task: Some(id),
            started_at: agent.now(),
            detail: String::new(),
        };
        agent
            .state
            .store_package_at(&broken, None, &journal)
            .await
            .unwrap();
        recover(&agent).await.unwrap();
        assert_eq!(
            waiting(&agent).await,
            [
                ("upgrade".to_owned(), Vec::new()),
                ("upgrade".to_owned(), vec!["demo-a".to_owned()])
            ]
        );
        let stored = agent.state.open_tasks().await.unwrap();
        let zone = local_zone();
        let windows = (&agent.config.schedule.maintenance, &zone);
        assert!(outside_its_window(&stored[0], windows, agent.now()).is_some());
        assert!(outside_its_window(&stored[1], windows, agent.now()).is_none());
    }
}
