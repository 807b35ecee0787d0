//! Before the machine goes down: what is pending is installed, if so configured, and never longer than allowed.
//!
//! Packages come first, then the updates of Windows that are downloaded and allowed, each if its own setting says so.

use std::time::Duration;

use muster_shared::protocol::action::{ActionKind, ActionOptions};
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

use super::actor::Actor;
use crate::config::Config;
use crate::failure::Failure;
use crate::platform::{self, Severity, write_event};
use crate::state::tasks::NewTask;
use crate::tasks::SCHEDULER;
use crate::windows_update::{plan, report};

/// In less time than this nothing is begun: an installation that is cut off helps nobody.
const LEAST: Duration = Duration::from_secs(15);

/// The system's own limit is not used up: ending a script takes a moment.
const MARGIN: Duration = Duration::from_secs(2);

/// The machine waits for this.
#[derive(Debug)]
pub(super) struct PreShutdown {
    /// What is left of it, in its order.
    tasks: Vec<Uuid>,
    pub until: Instant,
    /// Dropping it lets the machine go down.
    _release: oneshot::Sender<()>,
}

impl PreShutdown {
    /// The machine waits for this task.
    pub(super) fn awaits(&self, task: Uuid) -> bool {
        self.tasks.contains(&task)
    }
}

/// How long the machine is to be held back when it goes down; `None` when nothing is to be done then.
pub(super) fn holds_for(config: &Config) -> Option<Duration> {
    let schedule = &config.schedule;
    (schedule.upgrade_at_shutdown || installs_updates(config)).then_some(schedule.pre_shutdown_timeout)
}

fn installs_updates(config: &Config) -> bool {
    let updates = &config.windows_update;
    updates.install_at_shutdown
        && updates.enabled != Some(false)
        && platform::windows_update_agent().is_some()
}

/// What is to be done before the machine goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Before {
    /// Changes of packages.
    packages: usize,
    /// Updates of Windows.
    updates: usize,
}

impl std::fmt::Display for Before {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { packages, updates } = self;
        match (packages, updates) {
            (packages, 0) => write!(f, "{packages} pending changes are made first"),
            (0, updates) => write!(f, "{updates} updates of Windows are installed first"),
            _ => write!(
                f,
                "{packages} pending changes are made and {updates} updates of Windows installed first"
            ),
        }
    }
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
        if holds_for(&self.agent.config).is_none() || self.pre_shutdown.is_some() {
            return Ok(());
        }
        let before = self.left_before_shutdown().await?;
        if before.packages == 0 && before.updates == 0 {
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
        let text = format!("the machine goes down; {before}, within {} s", length.as_secs());
        tracing::info!("{text}");
        write_event(Severity::Information, &text);
        let mut tasks = Vec::new();
        for (count, action, options) in [
            (before.packages, ActionKind::Upgrade, options),
            (before.updates, ActionKind::WuaInstall, ActionOptions::default()),
        ] {
            if count > 0 {
                let task = NewTask::new(action, Vec::new(), options, SCHEDULER, self.agent.now());
                tasks.push(self.queue(&task).await?);
            }
        }
        self.pre_shutdown = Some(PreShutdown {
            tasks,
            until: Instant::now() + length,
            _release: release,
        });
        Ok(())
    }

    async fn left_before_shutdown(&self) -> Result<Before, Failure> {
        let (state, config) = (&self.agent.state, &self.agent.config);
        let packages = if config.schedule.upgrade_at_shutdown {
            state.pending().await?.len()
        } else {
            0
        };
        let updates = if installs_updates(config) {
            let block = report::block(state, config, self.agent.now()).await?;
            // Rules of packages may leave Windows Update alone as well.
            match block.enabled {
                Some(false) => 0,
                _ => plan::to_install(&block.updates, &[]).len(),
            }
        } else {
            0
        };
        Ok(Before { packages, updates })
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
        self.cancel(|open| work.awaits(open.id), SCHEDULER).await?;
        Ok(())
    }

    /// A task ended: if it was the last that the machine waited for, it may go down.
    pub(super) fn ended_before_shutdown(&mut self, task: Uuid, summary: &str) {
        let Some(work) = self.pre_shutdown.as_mut().filter(|work| work.awaits(task)) else {
            return;
        };
        write_event(
            Severity::Information,
            &format!("before the machine goes down: {summary}"),
        );
        work.tasks.retain(|left| *left != task);
        if work.tasks.is_empty() {
            self.pre_shutdown = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_said_in_words() {
        let said = |packages, updates| Before { packages, updates }.to_string();
        assert_eq!(said(2, 0), "2 pending changes are made first");
        assert_eq!(said(0, 3), "3 updates of Windows are installed first");
        assert_eq!(
            said(2, 3),
            "2 pending changes are made and 3 updates of Windows installed first"
        );
    }

    #[test]
    fn the_machine_is_held_back_only_where_something_may_be_done() {
        let mut config = Config::default();
        assert_eq!(holds_for(&config), None);
        config.windows_update.install_at_shutdown = true;
        // A test runs on a system without such updates, or on one with them.
        assert_eq!(
            holds_for(&config).is_some(),
            platform::windows_update_agent().is_some()
        );
        config.windows_update.enabled = Some(false);
        assert_eq!(holds_for(&config), None);
        config.schedule.upgrade_at_shutdown = true;
        assert_eq!(holds_for(&config), Some(config.schedule.pre_shutdown_timeout));
    }
}
