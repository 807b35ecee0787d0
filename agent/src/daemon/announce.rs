//! What the server hears over the live channel: acknowledgements, progress, ends of tasks.

use std::time::Duration;

use muster_shared::protocol::live::FromAgent;
use muster_shared::protocol::local::LocalEvent;
use muster_shared::protocol::task::Task;
use tokio::time::Instant;
use uuid::Uuid;

use super::actor::Actor;
use crate::failure::Failure;

/// At most two progress frames a second.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// A full queue to the channel is waited for this long.
const PATIENCE: Duration = Duration::from_secs(5);

/// Progress that has not been sent yet.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    last_sent: Option<Instant>,
    waiting: Option<FromAgent>,
}

impl Throttle {
    /// When the waiting frame may go.
    pub(super) fn due(&self) -> Option<Instant> {
        self.waiting.as_ref()?;
        Some(
            self.last_sent
                .map_or_else(Instant::now, |sent| sent + PROGRESS_EVERY),
        )
    }

    /// Forgets the frame that waits.
    pub(super) fn drop_waiting(&mut self) {
        self.waiting = None;
    }
}

impl Actor {
    /// The channel to the server is open.
    pub(super) fn is_connected(&self) -> bool {
        self.connected
            .as_ref()
            .is_some_and(|connected| *connected.borrow())
    }

    /// Sends a frame that must arrive; the channel keeps it over a lost connection.
    pub(super) async fn send(&mut self, frame: FromAgent) {
        let Some(link) = &self.link else { return };
        if link.outgoing.send_timeout(frame, PATIENCE).await.is_err() {
            tracing::warn!("the live channel takes no frame; the next report says the same");
        }
    }

    /// The running task said what it is doing.
    pub(super) fn progressed(&mut self, task: Uuid, percent: Option<u8>, text: String) {
        let Some(running) = self
            .running
            .as_mut()
            .filter(|running| running.task.task.id == task)
        else {
            return;
        };
        running.percent = percent.or(running.percent);
        running.text.clone_from(&text);
        let percent = running.percent;
        let batch = running.task.task.batch;
        self.tell_followers(
            task,
            &LocalEvent::Progress {
                task,
                percent,
                text: text.clone(),
            },
        );
        self.notice_progress(percent, &text);
        if self.link.is_some() {
            self.throttle.waiting = Some(FromAgent::Progress {
                task,
                batch,
                percent,
                text,
            });
            if self.throttle.due().is_some_and(|due| due <= Instant::now()) {
                self.flush_progress();
            }
        }
    }

    /// Sends the progress that waits; progress is worth nothing later, so nothing is waited for.
    pub(super) fn flush_progress(&mut self) {
        let Some(frame) = self.throttle.waiting.take() else {
            return;
        };
        self.throttle.last_sent = Some(Instant::now());
        if let Some(link) = self.link.as_ref().filter(|_link| self.is_connected()) {
            link.outgoing.try_send(frame).ok();
        }
    }

    /// Tells the server how a task ended, now or when the channel is open again.
    ///
    /// # Errors
    /// When the database does not take it.
    pub(super) async fn announce(&mut self, task: &Task) -> Result<(), Failure> {
        if !self.is_connected() {
            return Ok(());
        }
        let frame = FromAgent::Finished {
            task: task.id,
            batch: task.batch,
            state: task.state,
            summary: task.text.clone(),
        };
        self.send(frame).await;
        self.agent.state.mark_announced(task.id).await?;
        Ok(())
    }

    /// Tells the server what ended while it did not hear.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn announce_late(&mut self) -> Result<(), Failure> {
        for task in self.agent.state.unannounced_tasks().await? {
            self.announce(&task).await?;
        }
        Ok(())
    }

    /// Passes the last line to the local clients that followed a task; one that is slow gets it a little later.
    pub(super) fn tell_the_end(&mut self, task: Uuid, event: &LocalEvent) {
        let (done, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.followers)
            .into_iter()
            .partition(|(followed, _follower)| *followed == task);
        self.followers = others;
        for (_task, follower) in done {
            let event = event.clone();
            tokio::spawn(async move { follower.send_timeout(event, PATIENCE).await.ok() });
        }
    }

    /// Passes a line to the local clients that follow a task; one that does not read is left behind.
    pub(super) fn tell_followers(&mut self, task: Uuid, event: &LocalEvent) {
        self.followers.retain(|(followed, follower)| {
            *followed != task
                || !matches!(
                    follower.try_send(event.clone()),
                    Err(tokio::sync::mpsc::error::TrySendError::Closed(_))
                )
        });
    }
}
