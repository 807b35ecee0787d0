//! What clients that look on are told of tasks and of the machine.

use std::time::Duration;

use muster_shared::protocol::local::LocalEvent;
use muster_shared::protocol::task::Task;
use tokio::time::Instant;
use uuid::Uuid;

use super::actor::Actor;
use crate::failure::Failure;
use crate::state::tasks::NewTask;

/// A task says what it does at most this often.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

impl Actor {
    /// Queues a task and tells of it; gives the one that waits already when there is an equal one.
    ///
    /// # Errors
    /// When the database does not take it.
    pub(super) async fn queue(&mut self, task: &NewTask) -> Result<Uuid, Failure> {
        let id = self.agent.state.queue_task(task).await?;
        self.has_instant |= task.action.is_instant();
        if id == task.id {
            self.notice_stored(id).await?;
        }
        Ok(id)
    }

    /// Tells of a task as the database has it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn notice_stored(&mut self, id: Uuid) -> Result<(), Failure> {
        if let Some(stored) = self.agent.state.task(id).await? {
            self.notice_task(&stored.task);
        }
        Ok(())
    }

    /// Tells of a task.
    pub(super) fn notice_task(&mut self, task: &Task) {
        let event = LocalEvent::Task {
            task: Box::new(task.clone()),
        };
        self.ring.push(Some(task.id), Some(&task.ordered_by), event);
    }

    /// Tells how a task ended, and what is pending now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn notice_end(&mut self, task: Uuid) -> Result<(), Failure> {
        self.notice_stored(task).await?;
        let pending = self.agent.state.pending().await?.len();
        let event = LocalEvent::Changed {
            pending: u32::try_from(pending).unwrap_or(u32::MAX),
        };
        self.ring.push(None, None, event);
        Ok(())
    }

    /// Tells what the running task does; what comes sooner after the last time is left out.
    pub(super) fn notice_progress(&mut self, percent: Option<u8>, text: &str) {
        let now = Instant::now();
        let Some(running) = &mut self.running else { return };
        if running
            .noticed_at
            .is_some_and(|last| now.duration_since(last) < PROGRESS_EVERY)
        {
            return;
        }
        running.noticed_at = Some(now);
        let (id, ordered_by) = (running.task.task.id, running.task.task.ordered_by.clone());
        let event = LocalEvent::Progress {
            task: id,
            percent,
            text: text.to_owned(),
        };
        self.ring.push(Some(id), Some(&ordered_by), event);
    }
}
