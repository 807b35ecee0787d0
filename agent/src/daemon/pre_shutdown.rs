//! Before the machine goes down: what is pending is installed, if so configured, and never longer than allowed.

use std::time::Duration;

use muster_shared::protocol::action::{ActionKind, ActionOptions};
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

use super::actor::Actor;
use crate::failure::Failure;
use crate::platform::{Severity, write_event};
use crate::state::tasks::NewTask;
use crate::tasks::SCHEDULER;

/// In less time than this nothing is begun: an installation that is cut off helps nobody.
const LEAST: Duration = Duration::from_secs(15);

/// The system's own limit is not used up: ending a script takes a moment.
const MARGIN: Duration = Duration::from_secs(2);

/// The machine waits for this.
#[derive(Debug)]
pub(super) struct PreShutdown {
    pub task: Uuid,
    pub until: Instant,
    /// Dropping it lets the machine go down.
    _release: oneshot::Sender<()>,
}

impl Actor {
    /// The machine is about to go down and waits, at most for `limit` where the system sets one, until `release` is
    /// used or dropped.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn going_down(
        &mut self,
        limit: Option<Duration>,
        release: oneshot::Sender<()>,
    ) -> Result<(), Failure> {
        let schedule = &self.agent.config.schedule;
        if !schedule.upgrade_at_shutdown || self.pre_shutdown.is_some() {
            return Ok(());
        }
        let pending = self.agent.state.pending().await?.len();
        if pending == 0 {
            tracing::info!("the machine goes down; nothing is pending");
            return Ok(());
        }
        let allowed = limit.unwrap_or(schedule.pre_shutdown_timeout);
        if allowed < LEAST {
            let text = format!(
                "the machine goes down and waits {} s at most: too short to install what is pending; on Linux \
                 InhibitDelayMaxSec in logind.conf says how long",
                allowed.as_secs()
            );
            tracing::warn!("{text}");
            write_event(Severity::Warning, &text);
            return Ok(());
        }
        let length = allowed.saturating_sub(MARGIN).min(schedule.pre_shutdown_timeout);
        let options = ActionOptions {
            only_if_not_running: schedule.spares_running_programs_at_shutdown(),
            only_priorities: schedule.upgrade_priorities.clone(),
            ..ActionOptions::default()
        };
        let text = format!(
            "the machine goes down; {pending} pending changes are made first, within {} s",
            length.as_secs()
        );
        tracing::info!("{text}");
        write_event(Severity::Information, &text);
        let task = NewTask::new(
            ActionKind::Upgrade,
            Vec::new(),
            options,
            SCHEDULER,
            self.agent.now(),
        );
        let task = self.queue(&task).await?;
        self.pre_shutdown = Some(PreShutdown {
            task,
            until: Instant::now() + length,
            _release: release,
        });
        Ok(())
    }

    /// The time is over: what still runs is ended, and the machine may go down.
    ///
    /// # Errors
    /// When the database does not take it.
    pub(super) async fn shutdown_limit_reached(&mut self) -> Result<(), Failure> {
        let Some(work) = self.pre_shutdown.take() else {
            return Ok(());
        };
        let text = "the time before the machine goes down is over; what is left is installed the next time";
        tracing::warn!("{text}");
        write_event(Severity::Warning, text);
        self.cancel(|open| open.id == work.task, SCHEDULER).await?;
        Ok(())
    }

    /// A task ended: if the machine waited for it, it may go down.
    pub(super) fn ended_before_shutdown(&mut self, task: Uuid, summary: &str) {
        if let Some(work) = self.pre_shutdown.take_if(|work| work.task == task) {
            write_event(
                Severity::Information,
                &format!("before the machine goes down: {summary}"),
            );
            drop(work);
        }
    }
}
