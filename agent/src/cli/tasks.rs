//! `muster-agent tasks`, `cancel` and `cancel-all`: the queue and its history.

use muster_shared::protocol::local::LocalRequest;
use muster_shared::protocol::task::Task;
use uuid::Uuid;

use super::{Common, Done, reach};
use crate::output::table;
use crate::state::State;

/// List the tasks of this agent: running, waiting, and the last ones.
///
/// Ordinary users see what they ordered, and that there are others.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

pub(super) async fn run(common: &Common, _arguments: &Arguments) -> Done {
    let tasks = match reach::ask_for::<Vec<Task>>(common, &LocalRequest::Tasks).await {
        Ok(tasks) => tasks,
        // Without the service nothing runs; what waits and ran is in the database.
        Err(_not_running) if reach::may_read(common) => {
            let state = State::open_read_only(&common.paths().database()).await?;
            state.recent_tasks(50).await?
        }
        Err(failure) => return Err(failure),
    };
    common.output().answer(&tasks, |tasks| {
        if tasks.is_empty() {
            return "no tasks".to_owned();
        }
        let rows: Vec<[String; 6]> = tasks
            .iter()
            .map(|task| {
                [
                    super::list::local_time(task.created_at),
                    task.state.as_str().to_owned(),
                    format!("{} {}", task.kind, task.packages.join(", "))
                        .trim_end()
                        .to_owned(),
                    task.ordered_by.clone(),
                    task.id.to_string(),
                    super::list::first_line(&task.text),
                ]
            })
            .collect();
        table(["Ordered", "State", "Task", "By", "Id", "Text"], &rows)
    });
    Ok(None)
}

/// Cancel a task that waits or runs.
///
/// A script that runs is ended with everything that it started. Ordinary users may cancel what they ordered.
#[derive(Debug, clap::Args)]
pub(super) struct CancelArguments {
    /// The identifier of the task, as `muster-agent tasks` shows it.
    #[arg(value_name = "TASK")]
    task: Uuid,
}

pub(super) async fn cancel(common: &Common, arguments: &CancelArguments) -> Done {
    let value = reach::ask(common, &LocalRequest::Cancel { task: arguments.task }).await?;
    common.output().answer(&value, super::order::summary_of);
    Ok(None)
}

/// Cancel every task that waits or runs; for ordinary users, those that they ordered.
#[derive(Debug, clap::Args)]
pub(super) struct CancelAllArguments {}

pub(super) async fn cancel_all(common: &Common, _arguments: &CancelAllArguments) -> Done {
    let value = reach::ask(common, &LocalRequest::CancelAll).await?;
    common.output().answer(&value, super::order::summary_of);
    Ok(None)
}
