//! The ordered end: no new work, the running task is ended with its script, then the channel closes.

use std::time::Duration;

use muster_shared::protocol::error::{ErrorBody, ErrorCode};
use muster_shared::protocol::local::LocalEvent;
use muster_shared::protocol::task::TaskState;
use tokio::time::{Instant, timeout_at};

use super::actor::Actor;
use super::event::Event;
use super::recovery::MAX_ATTEMPTS;
use crate::failure::Failure;

/// How long the running task may take to end once its script was killed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why the actor ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Stopped,
    /// The configuration is to be read again.
    Reload,
}

impl Actor {
    /// Ends everything in order.
    ///
    /// # Errors
    /// When the database does not take how the running task ended.
    pub(super) async fn stop(mut self) -> Result<(), Failure> {
        // Nobody is waited for any more who wants something.
        self.commands.close();
        if let Some(running) = &self.running {
            tracing::info!(task = %running.task.task.id, "ending the running task");
            running.cancel.cancel();
        }
        let limit = Instant::now() + PATIENCE;
        while self.running.is_some() {
            match timeout_at(limit, self.events.recv()).await {
                Ok(Some(Event::Finished { task, result })) => {
                    self.interrupted(task, result).await?;
                }
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_elapsed) => {
                    // Its entry in the journal says at the next start how far it came.
                    tracing::error!("the running task did not end in time");
                    break;
                }
            }
        }
        // A report that is cut off is sent again; one that lives on would keep the agent's lock.
        self.beside.shutdown().await;
        let stopping = ErrorBody::new(ErrorCode::Unavailable, "the agent is stopping");
        for (_task, follower) in self.followers.drain(..) {
            follower
                .try_send(LocalEvent::Error {
                    error: stopping.clone(),
                })
                .ok();
        }
        if let Some(link) = self.link.take() {
            link.stop().await;
        }
        Ok(())
    }

    /// The running task was ended by the stop: it goes on at the next start, unless it was done anyway.
    async fn interrupted(
        &mut self,
        task: uuid::Uuid,
        result: Result<crate::tasks::Outcome, Failure>,
    ) -> Result<(), Failure> {
        let Some(running) = self.running.take() else {
            return Ok(());
        };
        let was_done = matches!(&result, Ok(outcome) if outcome.state == TaskState::Done);
        if was_done || running.task.attempts + 1 >= MAX_ATTEMPTS {
            self.running = Some(running);
            return self.finished(task, result).await;
        }
        self.agent.state.requeue_task(task).await?;
        Ok(())
    }
}
