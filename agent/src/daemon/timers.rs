//! What the actor does by itself when its time comes.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use muster_shared::protocol::action::{ActionKind, ActionOptions};

use super::actor::Actor;
use crate::failure::Failure;
use crate::schedule::{later, next_update, spread, wait_until};
use crate::state::tasks::NewTask;
use crate::tasks::SCHEDULER;

/// Sleeping longer would miss a clock that was changed, or a machine that slept.
const LONGEST_SLEEP: Duration = Duration::from_mins(15);

/// What is due when.
#[derive(Debug, Default)]
pub(super) struct Timers {
    /// When the last update was begun in this run of the agent; none yet means at once.
    pub last_update: Option<Timestamp>,
    /// The last update could not be completed.
    pub update_failed: bool,
    /// When the next scheduled audit is due.
    pub next_audit: Option<Timestamp>,
    /// An update out of turn: hints may have been missed while there was no channel.
    pub missed_hints: Option<Timestamp>,
}

/// An update that could not be completed is tried again after this long, if that is sooner.
const RETRY_UPDATE: Duration = Duration::from_mins(10);

/// The least time between two rounds of scheduled audits.
const RETRY_AUDIT: Duration = Duration::from_mins(1);

/// After a server came back, its hosts spread their questions over this long.
const SPREAD: Duration = Duration::from_mins(1);

impl Actor {
    /// When the next update is due; `None` when there is nothing to ask.
    pub(super) fn update_due(&self, now: Timestamp) -> Option<Timestamp> {
        if self.agent.repository.is_none() && self.agent.server.is_none() {
            return None;
        }
        let mut every = self.agent.config.update_every;
        if self.timers.update_failed {
            every = every.min(RETRY_UPDATE);
        }
        Some(next_update(
            self.agent.identity.identifier(),
            self.timers.last_update,
            every,
            now,
        ))
    }

    /// How long nothing is due by the clock.
    pub(super) fn idle_for(&self) -> Duration {
        let now = self.agent.now();
        let audit = self.timers.next_audit.filter(|_due| !self.audit_is_waiting);
        [self.update_due(now), audit, self.timers.missed_hints]
            .into_iter()
            .flatten()
            .map(|due| wait_until(due, now))
            .min()
            .unwrap_or(LONGEST_SLEEP)
            .min(LONGEST_SLEEP)
    }

    /// Queues what is due.
    ///
    /// # Errors
    /// When the database does not take it.
    pub(super) async fn queue_due(&mut self) -> Result<(), Failure> {
        let now = self.agent.now();
        let due = [self.update_due(now), self.timers.missed_hints];
        if due.into_iter().flatten().any(|due| due <= now) {
            self.timers.last_update = Some(now);
            self.timers.missed_hints = None;
            self.queue_scheduled(ActionKind::Update).await?;
        }
        if !self.audit_is_waiting && self.timers.next_audit.is_some_and(|due| due <= now) {
            self.audit_is_waiting = true;
            self.queue_scheduled(ActionKind::Audit).await?;
        }
        Ok(())
    }

    /// Audits that could not be done are still due; at once would be for ever.
    pub(super) fn postpone_failed_audits(&mut self) {
        let earliest = later(self.agent.now(), RETRY_AUDIT);
        self.timers.next_audit = self.timers.next_audit.map(|due| due.max(earliest));
    }

    /// The channel is open again: what was said meanwhile is found by an update, soon, at a time of this host's own.
    pub(super) fn reconnected(&mut self) {
        let now = self.agent.now();
        // The update at start, and one that ran a moment ago, have seen it all.
        let is_fresh = self
            .timers
            .last_update
            .is_none_or(|last| now.duration_since(last) < SignedDuration::from_secs(10));
        if (!is_fresh || self.timers.update_failed) && self.timers.missed_hints.is_none() {
            self.timers.missed_hints = Some(spread(self.agent.identity.identifier(), now, SPREAD));
        }
    }

    pub(super) async fn queue_scheduled(&mut self, action: ActionKind) -> Result<(), Failure> {
        let task = NewTask::new(
            action,
            Vec::new(),
            ActionOptions::default(),
            SCHEDULER,
            self.agent.now(),
        );
        self.agent.state.queue_task(&task).await?;
        Ok(())
    }
}
