//! The ordered end: no new work, the running task is ended with its script, then the channel closes.

use std::time::Duration;

use muster_shared::hint::chain;
use muster_shared::protocol::error::{ErrorBody, ErrorCode};
use muster_shared::protocol::local::LocalEvent;
use muster_shared::protocol::task::TaskState;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

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
    pub(super) async fn stop(mut self) {
        // Nobody is waited for any more who wants something.
        self.commands.close();
        for running in self.running.iter().chain(&self.instant) {
            tracing::info!(task = %running.task.task.id, "ending the running task");
            running.cancel.cancel();
        }
        let limit = Instant::now() + PATIENCE;
        while self.running.is_some() || !self.instant.is_empty() {
            match timeout_at(limit, self.events.recv()).await {
                Ok(Some(Event::Finished { task, result })) => {
                    if let Err(failure) = self.interrupted(task, result).await {
                        // The next start finds it as running, and sees to it.
                        tracing::error!(%task, error = %chain(&failure), "how a task ended is not kept");
                        self.take_running(task);
                    }
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
    }

    /// A task was ended by the stop: it goes on at the next start, unless it was done anyway, or cancelled before.
    async fn interrupted(
        &mut self,
        task: Uuid,
        result: Result<crate::tasks::Outcome, Failure>,
    ) -> Result<(), Failure> {
        let Some(running) = self.take_running(task) else {
            return Ok(());
        };
        let was_done = matches!(&result, Ok(outcome) if outcome.state == TaskState::Done);
        let begun = running.task.attempts + 1;
        if was_done || running.cancelled_by.is_some() || begun >= MAX_ATTEMPTS {
            let result = match result {
                Err(failure) if running.cancelled_by.is_none() => Err(Failure::new(
                    failure.code(),
                    format!("interrupted {begun} times; given up: {}", failure.in_one_line()),
                )),
                other => other,
            };
            self.instant.push(running);
            return self.finished(task, result).await;
        }
        self.agent.state.requeue_task(task).await?;
        Ok(())
    }
}
