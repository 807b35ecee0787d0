//! Scheduled work whose turn comes when its time is over: it waited behind other work, or the machine was off.
//!
//! Only what changes software by itself is looked at. What a person ordered, what is forced, and what the machine waits
//! for before it goes down begin whenever their turn comes.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use muster_shared::protocol::action::ActionKind;
use muster_shared::protocol::task::TaskState;

use super::actor::Actor;
use crate::failure::Failure;
use crate::platform::local_zone;
use crate::schedule::Windows;
use crate::state::tasks::StoredTask;
use crate::tasks::SCHEDULER;

/// What a closed window means for a task that did not begin in it.
const CLOSED: &str = "the maintenance window closed before its turn came";

/// Why a task must not begin now, as far as the clock says.
pub(super) fn outside_its_window(
    stored: &StoredTask,
    (windows, zone): (&Windows, &TimeZone),
    now: Timestamp,
) -> Option<&'static str> {
    let is_by_schedule = stored.task.ordered_by == SCHEDULER
        && match stored.action {
            // A package that is named is forced.
            ActionKind::Upgrade => stored.task.packages.is_empty(),
            ActionKind::WuaInstall => true,
            _ => false,
        };
    (is_by_schedule && !windows.are_open(now, zone)).then_some(CLOSED)
}

impl Actor {
    /// Why a task does not begin now although it was due when it was queued; nothing when it may.
    pub(super) async fn missed_its_time(&self, stored: &StoredTask) -> Option<String> {
        let is_awaited = |id| self.pre_shutdown.as_ref().is_some_and(|work| work.awaits(id));
        if is_awaited(stored.task.id) {
            return None;
        }
        let windows = &self.agent.config.schedule.maintenance;
        let zone = local_zone();
        if let Some(reason) = outside_its_window(stored, (windows, &zone), self.agent.now()) {
            return Some(reason.to_owned());
        }
        let is_scheduled_upgrade = stored.action == ActionKind::Upgrade
            && stored.task.ordered_by == SCHEDULER
            && stored.task.packages.is_empty();
        if is_scheduled_upgrade {
            return self.upgrade_hindrance().await;
        }
        None
    }

    /// Ends a task that missed its time; the work is due again in the next one.
    pub(super) async fn put_off(&mut self, stored: StoredTask, reason: &str) -> Result<(), Failure> {
        let text = format!("put off: {reason}");
        tracing::info!(task = %stored.task.id, kind = %stored.task.kind, %reason, "scheduled work is put off");
        match stored.action {
            ActionKind::Upgrade => self.upgrade_is_due_again().await?,
            _ => self.windows_update_is_due_again().await?,
        }
        let now = self.agent.now();
        self.agent
            .state
            .finish_task(stored.task.id, TaskState::Cancelled, &text, now)
            .await?;
        if let Some(ended) = self.agent.state.task(stored.task.id).await? {
            self.ended_unbegun(&ended.task).await?;
        }
        Ok(())
    }
}
