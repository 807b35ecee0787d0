//! What the actor does by itself when its time comes.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use muster_shared::protocol::action::{ActionKind, ActionOptions};
use muster_shared::protocol::task::{Task, TaskState};

use super::actor::Actor;
use crate::failure::Failure;
use crate::platform;
use crate::schedule::{in_window, later, next_update, next_upgrade, spread, wait_until};
use crate::state::facts;
use crate::state::tasks::NewTask;
use crate::tasks::SCHEDULER;

/// Sleeping longer would miss a clock that was changed, or a machine that slept.
const LONGEST_SLEEP: Duration = Duration::from_mins(15);

/// What is due when.
#[derive(Debug)]
pub(super) struct Timers {
    /// When this run of the agent began.
    started: Timestamp,
    /// When the last update was begun in this run of the agent; none yet means at once.
    pub last_update: Option<Timestamp>,
    /// The last update could not be completed.
    pub update_failed: bool,
    /// When the next audit is due.
    next_audit: Option<Timestamp>,
    audit_is_waiting: bool,
    /// Audits that could not be done are still due; they are not tried before.
    audit_not_before: Option<Timestamp>,
    /// When the last scheduled upgrade was begun, in whichever run.
    last_upgrade: Option<Timestamp>,
    upgrade_is_waiting: bool,
    /// A scheduled upgrade that must not disturb is not looked at before.
    upgrade_not_before: Option<Timestamp>,
    /// What a scheduled upgrade would disturb.
    pub upgrade_hindered_by: Option<String>,
    /// When packages begin or end to be offered, or are forced.
    next_turn: Option<Timestamp>,
    /// An update out of turn: hints may have been missed while there was no channel.
    missed_hints: Option<Timestamp>,
    pub windows_update: super::windows_update::UpdateTimers,
}

/// An update that could not be completed is tried again after this long, if that is sooner.
const RETRY_UPDATE: Duration = Duration::from_mins(10);

/// The least time between two rounds of scheduled audits, and after a round that did not come to its end.
const AUDIT_PAUSE: Duration = Duration::from_mins(1);
const RETRY_AUDIT: Duration = Duration::from_mins(10);

/// A scheduled upgrade that would disturb is looked at again after this long.
const RETRY_UPGRADE: Duration = Duration::from_mins(10);

/// An update out of turn is never further away.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// After a server came back, its hosts spread their questions over this long.
const SPREAD: Duration = Duration::from_mins(1);

impl Timers {
    /// An agent that begins now.
    pub(super) fn new(started: Timestamp) -> Self {
        Self {
            started,
            last_update: None,
            update_failed: false,
            next_audit: None,
            audit_is_waiting: false,
            audit_not_before: None,
            last_upgrade: None,
            upgrade_is_waiting: false,
            upgrade_not_before: None,
            upgrade_hindered_by: None,
            next_turn: None,
            missed_hints: None,
            windows_update: super::windows_update::UpdateTimers::default(),
        }
    }

    /// A clock that was set back leaves waits behind that would last until it has caught up.
    fn believe(&mut self, now: Timestamp) {
        self.started = self.started.min(now);
        for (until, longest) in [
            (&mut self.upgrade_not_before, RETRY_UPGRADE),
            (&mut self.audit_not_before, RETRY_AUDIT),
            (&mut self.missed_hints, LONGEST_WAIT),
        ] {
            *until = until.filter(|until| *until <= later(now, longest));
        }
    }
}

impl Actor {
    /// Reads what earlier runs left.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn recall_timers(&mut self) -> Result<(), Failure> {
        self.timers.last_upgrade = self.agent.state.time_fact(facts::UPGRADED_AT).await?;
        self.recall_windows_update().await?;
        self.read_turns().await
    }

    /// When the next update is due; `None` when there is nothing to ask.
    pub(super) fn update_due(&self, now: Timestamp) -> Option<Timestamp> {
        if self.agent.repositories.is_empty() && self.agent.server.is_none() {
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

    /// When the next scheduled upgrade is due; `None` when none is configured.
    pub(super) fn upgrade_due(&self, now: Timestamp) -> Option<Timestamp> {
        let schedule = &self.agent.config.schedule;
        let due = next_upgrade(
            self.agent.identity.identifier(),
            self.timers.last_upgrade,
            self.timers.started,
            schedule.upgrade_every?,
            (&schedule.maintenance, &platform::local_zone()),
            now,
        )?;
        Some(due.max(self.timers.upgrade_not_before.unwrap_or(due)))
    }

    /// When the next scheduled audit is due.
    pub(super) fn audit_due(&self, now: Timestamp) -> Option<Timestamp> {
        let due = in_window(
            self.agent.identity.identifier(),
            self.timers.next_audit?,
            (&self.agent.config.schedule.maintenance, &platform::local_zone()),
            now,
        )?;
        Some(due.max(self.timers.audit_not_before.unwrap_or(due)))
    }

    /// How long nothing is due by the clock.
    pub(super) fn idle_for(&self) -> Duration {
        let now = self.agent.now();
        let audit = self.audit_due(now).filter(|_due| !self.timers.audit_is_waiting);
        let upgrade = self
            .upgrade_due(now)
            .filter(|_due| !self.timers.upgrade_is_waiting);
        [
            self.update_due(now),
            upgrade,
            audit,
            self.timers.next_turn,
            self.timers.missed_hints,
        ]
        .into_iter()
        .chain(self.windows_update_due(now))
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
        self.timers.believe(now);
        let is_due = |due: Option<Timestamp>| due.is_some_and(|due| due <= now);
        if is_due(self.update_due(now)) || is_due(self.timers.missed_hints) || is_due(self.timers.next_turn) {
            self.queue_scheduled(ActionKind::Update).await?;
            self.timers.last_update = Some(now);
            self.timers.missed_hints = None;
            self.timers.next_turn = None;
        }
        if !self.timers.audit_is_waiting && is_due(self.audit_due(now)) {
            self.queue_scheduled(ActionKind::Audit).await?;
            self.timers.audit_is_waiting = true;
        }
        if !self.timers.upgrade_is_waiting && is_due(self.upgrade_due(now)) {
            self.queue_upgrade(now).await?;
        }
        self.queue_windows_update(now).await?;
        Ok(())
    }

    /// Queues the scheduled upgrade, unless it would disturb.
    async fn queue_upgrade(&mut self, now: Timestamp) -> Result<(), Failure> {
        let hindrance = self.upgrade_hindrance().await;
        if hindrance != self.timers.upgrade_hindered_by {
            if let Some(reason) = &hindrance {
                tracing::info!(%reason, "the scheduled upgrade waits");
            } else {
                tracing::info!("the scheduled upgrade begins after all");
            }
            self.timers.upgrade_hindered_by.clone_from(&hindrance);
        }
        if hindrance.is_some() {
            self.timers.upgrade_not_before = Some(later(now, RETRY_UPGRADE));
            return Ok(());
        }
        let schedule = &self.agent.config.schedule;
        let options = ActionOptions {
            only_if_not_running: schedule.spares_running_programs(),
            only_priorities: schedule.upgrade_priorities.clone(),
            ..ActionOptions::default()
        };
        let task = NewTask::new(ActionKind::Upgrade, Vec::new(), options, SCHEDULER, now);
        self.queue(&task).await?;
        self.timers.upgrade_not_before = None;
        self.timers.upgrade_is_waiting = true;
        self.timers.last_upgrade = Some(now);
        self.agent
            .state
            .set_fact(facts::UPGRADED_AT, &now.to_string())
            .await?;
        Ok(())
    }

    /// What a scheduled upgrade must not be done beside.
    pub(super) async fn upgrade_hindrance(&self) -> Option<String> {
        if platform::on_battery() {
            return Some("the machine runs on its battery".to_owned());
        }
        if self.agent.config.schedule.upgrade_during_presentation {
            return None;
        }
        platform::presentation().await
    }

    /// A task ended: what is due next may have changed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn set_timers_after(
        &mut self,
        action: ActionKind,
        state: TaskState,
    ) -> Result<(), Failure> {
        match action {
            ActionKind::Update => self.timers.update_failed = state == TaskState::Failed,
            ActionKind::Audit => self.timers.audit_is_waiting = false,
            ActionKind::Upgrade => self.timers.upgrade_is_waiting = false,
            _ => {}
        }
        if matches!(
            action,
            ActionKind::Install | ActionKind::Remove | ActionKind::Upgrade | ActionKind::Forget
        ) {
            // Packages bring rules and take them along.
            self.give_windows_update_back();
        }
        if action == ActionKind::Audit {
            // Audits that could not be done are still due; at once would be for ever.
            let pause = if state == TaskState::Done {
                AUDIT_PAUSE
            } else {
                RETRY_AUDIT
            };
            self.timers.audit_not_before = Some(later(self.agent.now(), pause));
        }
        self.read_turns().await
    }

    /// A task was ended before it began: it is due again when its time comes.
    pub(super) fn never_ran(&mut self, task: &Task) {
        if task.ordered_by != SCHEDULER {
            return;
        }
        match task.kind.as_str() {
            "audit" => self.timers.audit_is_waiting = false,
            "upgrade" => self.timers.upgrade_is_waiting = false,
            _ => {}
        }
    }

    /// A scheduled upgrade was put off: it is due again as soon as it may begin, not a whole period later.
    ///
    /// # Errors
    /// When the database does not take it.
    pub(super) async fn upgrade_is_due_again(&mut self) -> Result<(), Failure> {
        self.timers.last_upgrade = None;
        Ok(self.agent.state.clear_fact(facts::UPGRADED_AT).await?)
    }

    /// Reads from the database when something is due next.
    async fn read_turns(&mut self) -> Result<(), Failure> {
        if let Some(every) = self.agent.config.schedule.audit_every {
            self.agent.state.schedule_audits(every, self.agent.now()).await?;
        }
        self.timers.next_audit = self.agent.state.next_audit(self.agent.now()).await?;
        self.timers.next_turn = self
            .agent
            .state
            .time_fact(facts::NEXT_TURN)
            .await?
            .filter(|turn| self.timers.last_update.is_none_or(|last| last < *turn));
        Ok(())
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

    /// The machine has another network: the channel is tried at once, and an update follows.
    pub(super) fn network_changed(&mut self) {
        tracing::info!("the network changed");
        if let Some(server) = &self.agent.server {
            server.forget_connections();
        }
        self.agent.repositories.forget_connections();
        if let Some(link) = &self.link {
            link.network_changed();
        }
        if self.timers.missed_hints.is_none() {
            let now = self.agent.now();
            self.timers.missed_hints = Some(spread(self.agent.identity.identifier(), now, SPREAD));
        }
    }

    /// An update after a while, unless one comes sooner.
    pub(super) fn update_after(&mut self, wait: Duration) {
        let due = later(self.agent.now(), wait);
        let known = self.timers.missed_hints.unwrap_or(due);
        self.timers.missed_hints = Some(known.min(due));
    }

    pub(super) async fn queue_scheduled(&mut self, action: ActionKind) -> Result<(), Failure> {
        let task = NewTask::new(
            action,
            Vec::new(),
            ActionOptions::default(),
            SCHEDULER,
            self.agent.now(),
        );
        self.queue(&task).await?;
        Ok(())
    }
}
