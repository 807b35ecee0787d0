//! The journal: each step is on disk before it begins, and what a stopped agent left is brought to an end.
//!
//! Up to the script nothing of the machine has changed. A script that was running is recorded as ERROR, because
//! nobody can tell how far it came, and its task runs again. Once its result is on disk only clearing away is
//! left, and that is finished.

use muster_shared::control::Section;
use uuid::Uuid;

use super::{InstallError, Step, crash, stage};
use crate::agent::Agent;
use crate::failure::Failure;
use crate::state::journal::JournalRow;
use crate::state::packages::{Installed, StoredScript};

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

    /// The agent whose journal it is.
    pub(super) fn agent(&self) -> &'a Agent {
        self.agent
    }

    /// Writes that a step begins.
    ///
    /// # Errors
    /// When it cannot be written: the step must not begin then.
    pub async fn begin(&mut self, step: Step) -> Result<(), InstallError> {
        self.next(step, "");
        self.agent.state.write_journal(&self.row).await?;
        self.crash_point("begin");
        Ok(())
    }

    /// Writes the package's row and that the step begins which goes with it, both or neither.
    ///
    /// # Errors
    /// When they cannot be written: the step must not begin then.
    pub async fn begin_with(
        &mut self,
        step: Step,
        detail: &str,
        row: &Installed,
        script: Option<&StoredScript>,
    ) -> Result<(), InstallError> {
        self.next(step, detail);
        self.agent.state.store_package_at(row, script, &self.row).await?;
        self.crash_point("begin");
        Ok(())
    }

    /// Everything is recorded: the entry goes.
    ///
    /// # Errors
    /// When it cannot be deleted.
    pub async fn close(self) -> Result<(), InstallError> {
        self.crash_point("end");
        Ok(self.agent.state.close_journal(&self.row.package).await?)
    }

    fn next(&mut self, step: Step, detail: &str) {
        self.crash_point("end");
        step.as_str().clone_into(&mut self.row.step);
        detail.clone_into(&mut self.row.detail);
    }

    fn crash_point(&self, edge: &str) {
        crash::point(&self.row.operation, &self.row.step, edge);
    }
}

/// What the last run of the agent left, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    pub package: String,
    /// The task that was at work.
    pub task: Option<Uuid>,
    /// The package is in ERROR with this reason until its task has run again.
    pub failed: Option<String>,
}

/// Brings to an end what the last run of the agent left open.
///
/// # Errors
/// When the database does not answer.
pub async fn recover(agent: &Agent) -> Result<Vec<Recovered>, Failure> {
    crate::script::end_leftovers(&agent.state).await?;
    let mut recovered = Vec::new();
    for row in agent.state.open_journal().await? {
        let failed = recover_one(agent, &row).await?;
        agent.state.close_journal(&row.package).await?;
        tracing::warn!(package = %row.package, step = %row.step, reason = ?failed, "an interrupted step was brought to an end");
        recovered.push(Recovered {
            package: row.package,
            task: row.task,
            failed,
        });
    }
    // What is still in use somewhere goes next time; the agent must begin all the same.
    if let Err(error) = stage::clear_staging(&agent.paths) {
        tracing::warn!(%error, "unpacked packages of interrupted installations cannot be removed");
    }
    if let Err(error) = stage::remove_tree(&agent.paths.session_dir()) {
        tracing::warn!(%error, "the folder of interrupted session set-ups cannot be removed");
    }
    Ok(recovered)
}

async fn recover_one(agent: &Agent, journal: &JournalRow) -> Result<Option<String>, Failure> {
    let state = &agent.state;
    let installed = state.package(&journal.package).await?;
    match (Step::parse(&journal.step), installed) {
        (Some(Step::Install), Some(row)) => {
            let reason = format!(
                "the agent or the machine stopped while install() of {} {} was running",
                journal.package, journal.version
            );
            fail(agent, &row, Step::Install, &reason).await?;
            Ok(Some(reason))
        }
        (Some(Step::Finish), Some(row)) => {
            clear_away(agent, &row, &journal.detail);
            Ok(None)
        }
        (Some(Step::Remove), Some(row)) => {
            let reason = format!(
                "the agent or the machine stopped while uninstall() of {} was running",
                journal.package
            );
            fail(agent, &row, Step::Remove, &reason).await?;
            Ok(Some(reason))
        }
        (Some(Step::Forget), _) => {
            state.delete_package(&journal.package).await?;
            stage::forget_all_builds(&agent.paths, &journal.package);
            Ok(None)
        }
        // Nothing of the machine was touched yet.
        _ => Ok(None),
    }
}

/// Records ERROR, with what the script wrote until then.
async fn fail(agent: &Agent, row: &Installed, step: Step, reason: &str) -> Result<(), Failure> {
    let mut log = format!("{reason}\n");
    if step == Step::Install && !row.log.is_empty() {
        log = format!("{}{log}", row.log);
    }
    agent
        .state
        .fail_package(row.package(), step.as_str(), &log, agent.now())
        .await?;
    Ok(())
}

/// Removes what an installation that is recorded needs no more: files of other builds, and its own file of the
/// cache, by its name.
pub(super) fn clear_away(agent: &Agent, row: &Installed, cached: &str) {
    // The host's own package and groups keep nothing.
    if !row.control.is_section(Section::Host) {
        stage::forget_other_builds(&agent.paths, &row.control);
    }
    let is_name = !cached.is_empty() && !cached.contains(['/', '\\', ':']) && cached != "..";
    if is_name
        && let Err(error) = fs_err::remove_file(agent.paths.cache_dir().join(cached))
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "an installed package stays in the cache");
    }
}
