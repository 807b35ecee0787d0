//! Tasks: one file per kind of work, run one at a time by the daemon's worker or by a command on its own.
//!
//! A task gets the agent and a [`TaskContext`], and ends in an [`Outcome`]. It may be cancelled between
//! steps and inside scripts; whatever it has done to packages is recorded by then.

mod apply;
mod audit;
mod describe;
mod ending;
mod forget;
mod inventory;
mod message;
mod register;
mod remove;
mod session_setup;
mod update;
mod upgrade;
mod waiting;
mod windows_update;

use std::sync::Arc;

use muster_shared::protocol::action::{ActionKind, ActionOptions};
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::task::TaskState;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::agent::Agent;
use crate::failure::{Exit, Failure};
use crate::install::InstallError;
use crate::platform::Ending;

pub use self::describe::in_force as description;
pub(crate) use self::windows_update::give_back_unwanted;

/// Takes what a task says while it runs: percent, when known, and text. Must not block.
pub type ProgressSink = Arc<dyn Fn(Option<u8>, &str) + Send + Sync>;

/// Who orders what is due by itself.
pub const SCHEDULER: &str = "SCHEDULER";

/// What a task knows of how it was ordered.
#[derive(Clone)]
pub struct TaskContext {
    pub id: Uuid,
    /// Signer's name, local user, or `SCHEDULER`.
    pub ordered_by: String,
    pub options: ActionOptions,
    pub cancel: CancellationToken,
    sink: ProgressSink,
    /// The part of 0 to 100 that the current step fills.
    span: (u8, u8),
}

impl std::fmt::Debug for TaskContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TaskContext")
            .field("id", &self.id)
            .field("ordered_by", &self.ordered_by)
            .finish_non_exhaustive()
    }
}

impl TaskContext {
    /// The context of a task.
    pub fn new(
        id: Uuid,
        ordered_by: &str,
        options: ActionOptions,
        cancel: CancellationToken,
        sink: ProgressSink,
    ) -> Self {
        Self {
            id,
            ordered_by: ordered_by.to_owned(),
            options,
            cancel,
            sink,
            span: (0, 100),
        }
    }

    /// Says what the task is doing; the percent is of the current part.
    pub fn progress(&self, percent: Option<u8>, text: &str) {
        let (from, to) = self.span;
        let percent = match percent {
            Some(percent) => from + (u32::from(to - from) * u32::from(percent.min(100)) / 100) as u8,
            None => from,
        };
        let known = self.span != (0, 100) || percent > 0;
        (self.sink)(known.then_some(percent), text);
    }

    /// The same context for a part of the work, between two percentages of the whole.
    pub fn part(&self, from: u8, to: u8) -> Self {
        let (start, end) = self.span;
        let scale = |percent: u8| start + (u32::from(end - start) * u32::from(percent.min(100)) / 100) as u8;
        Self {
            span: (scale(from), scale(to.max(from))),
            ..self.clone()
        }
    }

    /// The task was cancelled.
    ///
    /// # Errors
    /// When it was.
    pub fn check(&self) -> Result<(), InstallError> {
        if self.cancel.is_cancelled() {
            Err(InstallError::Cancelled)
        } else {
            Ok(())
        }
    }

    /// Who asked, for packages that are asked for by name.
    pub fn explicit_by(&self) -> &str {
        &self.ordered_by
    }
}

/// What came of a task.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    pub state: TaskState,
    /// One line for people.
    pub summary: String,
    /// What was found or done, for programs.
    pub value: Value,
    /// What a command that ran it returns.
    pub exit: Option<Exit>,
}

impl Outcome {
    /// A task that did what it should.
    pub fn done(summary: impl Into<String>, value: Value) -> Self {
        Self {
            state: TaskState::Done,
            summary: summary.into(),
            value,
            exit: None,
        }
    }

    /// The same, with packages that did not get where they should.
    pub fn failed(summary: impl Into<String>, value: Value) -> Self {
        Self {
            state: TaskState::Failed,
            summary: summary.into(),
            value,
            exit: Some(Exit::Packages),
        }
    }
}

/// Runs one task to its end.
///
/// # Errors
/// When it failed as a whole; single packages that failed are an [`Outcome`].
pub async fn run(
    agent: &Agent,
    action: ActionKind,
    packages: &[String],
    context: &TaskContext,
) -> Result<Outcome, Failure> {
    match action {
        ActionKind::Update => update::run(agent, context).await,
        ActionKind::Upgrade => upgrade::upgrade(agent, packages, context).await,
        ActionKind::Install => upgrade::install(agent, packages, context).await,
        ActionKind::Remove => remove::run(agent, packages, context).await,
        ActionKind::Forget => forget::run(agent, packages).await,
        ActionKind::Audit => audit::run(agent, packages, context).await,
        ActionKind::Inventory => inventory::run(agent).await,
        ActionKind::Register => register::run(agent, context).await,
        ActionKind::Message => message::message(agent, context).await,
        ActionKind::ProposeUpgrade => message::propose_upgrade(agent, context).await,
        ActionKind::Describe => describe::run(agent, &context.options.text).await,
        // The actor begins anew when the task is over.
        ActionKind::ServiceRestart => Ok(Outcome::done("the service begins anew", Value::Null)),
        ActionKind::Reboot => ending::run(agent, Ending::Restart, context).await,
        ActionKind::Shutdown => ending::run(agent, Ending::PowerOff, context).await,
        ActionKind::SessionSetup => session_setup::run(agent, packages, context).await,
        ActionKind::WuaScan | ActionKind::WuaDownload | ActionKind::WuaInstall => {
            windows_update::run(agent, action, packages, context).await
        }
        // The actor carries it out itself.
        ActionKind::Cancel => Err(Failure::new(
            ErrorCode::ActionInvalid,
            "cancel is no task: `muster-agent cancel TASK`",
        )),
    }
}

/// A count with its noun: `1 package`, `3 packages`.
fn counted(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn parts_of_a_task_fill_their_share_of_the_whole() {
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = said.clone();
        let sink: ProgressSink = Arc::new(move |percent, _text| heard.lock().unwrap().push(percent));
        let whole = TaskContext::new(
            Uuid::nil(),
            "test",
            ActionOptions::default(),
            CancellationToken::new(),
            sink,
        );
        whole.progress(Some(10), "");
        let second_half = whole.part(50, 100);
        second_half.progress(Some(50), "");
        second_half.part(0, 50).progress(Some(100), "");
        second_half.progress(None, "");
        assert_eq!(*said.lock().unwrap(), [Some(10), Some(75), Some(75), Some(50)]);
    }
}
