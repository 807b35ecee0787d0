//! The journal: each step is on disk before it begins, and what a stopped agent left is brought to an end.
//!
//! Up to the script nothing of the machine has changed: the task simply runs again. A script that was
//! running ends in ERROR, because nobody can tell how far it came; the next upgrade tries it again. After
//! the script only writing is left, and that is finished.

use muster_shared::control::{Control, Section};
use muster_shared::protocol::package::InstallStatus;
use uuid::Uuid;

use super::run::fresh_row;
use super::{InstallError, Step, stage};
use crate::agent::Agent;
use crate::failure::Failure;
use crate::state::journal::JournalRow;
use crate::state::packages::Installed;

/// The open journal entry of one package.
pub struct Journal<'a> {
    agent: &'a Agent,
    row: JournalRow,
}

/// Whether the row describes an installation or a removal.
pub const INSTALL: &str = "install";
/// See [`INSTALL`].
pub const REMOVE: &str = "remove";

impl<'a> Journal<'a> {
    /// Opens the entry of a package; nothing is written before the first step.
    pub fn new(agent: &'a Agent, operation: &str, package: &str, version: &str, task: Uuid) -> Self {
        Self {
            row: JournalRow {
                package: package.to_owned(),
                operation: operation.to_owned(),
                version: version.to_owned(),
                step: String::new(),
                task: Some(task),
                started_at: agent.now(),
                detail: String::new(),
            },
            agent,
        }
    }

    /// Writes that a step begins.
    ///
    /// # Errors
    /// When it cannot be written: the step must not begin then.
    pub async fn begin(&mut self, step: Step, detail: &str) -> Result<(), InstallError> {
        step.as_str().clone_into(&mut self.row.step);
        detail.clone_into(&mut self.row.detail);
        self.agent.state.write_journal(&self.row).await?;
        #[cfg(test)]
        if *self.agent.power_cut.lock().unwrap() == Some(step) {
            return Err(InstallError::PowerCut);
        }
        Ok(())
    }

    /// Everything is recorded: the entry goes.
    ///
    /// # Errors
    /// When it cannot be deleted.
    pub async fn close(self) -> Result<(), InstallError> {
        Ok(self.agent.state.close_journal(&self.row.package).await?)
    }
}

/// What the last run of the agent left, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    pub package: String,
    /// The task that was at work.
    pub task: Option<Uuid>,
    /// The package ended in ERROR with this reason; else the task may simply go on.
    pub failed: Option<String>,
}

/// Brings to an end what the last run of the agent left open.
///
/// # Errors
/// When the database does not answer or the staging folder cannot be cleared.
pub async fn recover(agent: &Agent) -> Result<Vec<Recovered>, Failure> {
    let mut recovered = Vec::new();
    for row in agent.state.open_journal().await? {
        let failed = recover_one(agent, &row).await?;
        agent.state.close_journal(&row.package).await?;
        tracing::warn!(package = %row.package, step = %row.step, ended = ?failed, "an interrupted step was brought to an end");
        recovered.push(Recovered {
            package: row.package,
            task: row.task,
            failed,
        });
    }
    stage::clear_staging(&agent.paths).map_err(|error| {
        Failure::from(anyhow::Error::new(error).context("clearing the folder of unpacked packages"))
    })?;
    Ok(recovered)
}

async fn recover_one(agent: &Agent, row: &JournalRow) -> Result<Option<String>, Failure> {
    let now = agent.now();
    let state = &agent.state;
    match Step::parse(&row.step) {
        // Nothing of the machine was touched yet.
        Some(Step::Download | Step::Verify | Step::Checks | Step::Unpack) | None => Ok(None),
        Some(step @ (Step::Install | Step::UninstallKeys)) => {
            let reason = format!(
                "the agent or the machine stopped while install() of {} {} was running; it is tried again at the next upgrade",
                row.package, row.version
            );
            if state.package(&row.package).await?.is_none() {
                // Stopped before the row itself was written: the failure must be seen all the same.
                let control = Control::new(&row.package, &row.version, Section::Base);
                let unseen = Installed {
                    in_place: false,
                    ..fresh_row(&control, now)
                };
                state.store_package(&unseen, None).await?;
            }
            state
                .fail_package(&row.package, step.as_str(), &reason, now)
                .await?;
            Ok(Some(reason))
        }
        Some(Step::Finish) => {
            let status = InstallStatus::from_script(&row.detail);
            state.set_status(&row.package, status, None, now).await?;
            Ok(None)
        }
        Some(step @ Step::Remove) => {
            let reason = format!(
                "the agent or the machine stopped while uninstall() of {} was running; remove it again",
                row.package
            );
            state
                .fail_package(&row.package, step.as_str(), &reason, now)
                .await?;
            Ok(Some(reason))
        }
        Some(Step::Forget) => {
            state.delete_package(&row.package).await?;
            Ok(None)
        }
    }
}
