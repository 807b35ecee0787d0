//! The scheduled half of Windows Update: looking and downloading in one period, installing in another.

use jiff::Timestamp;
use muster_shared::protocol::action::ActionKind;
use muster_shared::protocol::inventory::UpdatesStatus;

use super::actor::Actor;
use crate::failure::Failure;
use crate::platform;
use crate::schedule::{in_window, next_update};
use crate::tasks::give_back_unwanted;
use crate::windows_update::report;

/// The names of the values that say when each was begun last, in whichever run of the agent.
const DOWNLOADED_AT: &str = "windows_update_downloaded_at";
const INSTALLED_AT: &str = "windows_update_installed_at";

/// When each was begun last; before the first time each is due at once.
#[derive(Debug, Default)]
pub(super) struct UpdateTimers {
    downloaded: Option<Timestamp>,
    installed: Option<Timestamp>,
}

impl Actor {
    /// Reads what earlier runs left.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn recall_windows_update(&mut self) -> Result<(), Failure> {
        let state = &self.agent.state;
        self.timers.windows_update = UpdateTimers {
            downloaded: state.time_fact(DOWNLOADED_AT).await?,
            installed: state.time_fact(INSTALLED_AT).await?,
        };
        self.give_windows_update_back();
        Ok(())
    }

    /// Configuration or rules may have changed: a service that this agent let rest is given back, beside everything
    /// else, when nothing asks any more to drive Windows Update.
    pub(super) fn give_windows_update_back(&mut self) {
        if platform::windows_update_agent().is_none() {
            return;
        }
        let agent = self.agent.clone();
        self.beside.spawn(async move {
            if let Err(error) = give_back_unwanted(&agent).await {
                tracing::warn!(error = %error.in_one_line(), "the Windows Update service could not be given back");
            }
        });
    }

    /// When updates are looked for and downloaded next, and when they are installed next: inside a maintenance
    /// window where there are any.
    pub(super) fn windows_update_due(&self, now: Timestamp) -> [Option<Timestamp>; 2] {
        let config = &self.agent.config.windows_update;
        if config.enabled == Some(false) || platform::windows_update_agent().is_none() {
            return [None, None];
        }
        let identifier = self.agent.identity.identifier();
        let timers = &self.timers.windows_update;
        let download = config
            .download_every
            .map(|every| next_update(identifier, timers.downloaded, every, now));
        let install = config
            .install_every
            .map(|every| next_update(identifier, timers.installed, every, now))
            .and_then(|due| {
                let windows = &self.agent.config.schedule.maintenance;
                in_window(identifier, due, (windows, &platform::local_zone()), now)
            });
        [download, install]
    }

    /// A scheduled installation was put off: it is due again as soon as it may begin.
    ///
    /// # Errors
    /// When the database does not take it.
    pub(super) async fn windows_update_is_due_again(&mut self) -> Result<(), Failure> {
        self.timers.windows_update.installed = None;
        Ok(self.agent.state.clear_fact(INSTALLED_AT).await?)
    }

    /// Queues what is due of the two.
    ///
    /// # Errors
    /// When the database does not take it.
    pub(super) async fn queue_windows_update(&mut self, now: Timestamp) -> Result<(), Failure> {
        let [download, install] = self.windows_update_due(now);
        if download.is_some_and(|due| due <= now) {
            self.timers.windows_update.downloaded = Some(now);
            self.agent.state.set_fact(DOWNLOADED_AT, &now.to_string()).await?;
            self.queue_scheduled(ActionKind::WuaDownload).await?;
        }
        if install.is_some_and(|due| due <= now) {
            self.timers.windows_update.installed = Some(now);
            self.agent.state.set_fact(INSTALLED_AT, &now.to_string()).await?;
            let block = report::block(&self.agent.state, &self.agent.config, now).await?;
            if block.status == UpdatesStatus::PendingUpdates {
                self.queue_scheduled(ActionKind::WuaInstall).await?;
            }
        }
        Ok(())
    }
}
