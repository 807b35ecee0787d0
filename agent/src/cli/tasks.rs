//! `muster-agent tasks`, `cancel` and `cancel-all`: the queue and its history.

use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::local::LocalRequest;
use muster_shared::protocol::task::{Task, TaskState};
use uuid::Uuid;

use super::{Common, Done, reach};
use crate::failure::Failure;
use crate::output::table;

/// List the tasks of this agent: running, waiting, and the last ones.
///
/// Ordinary users see what they ordered, and that there are others.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

pub(super) async fn run(common: &Common, _arguments: &Arguments) -> Done {
    let tasks = match reach::ask_for::<Vec<Task>>(common, &LocalRequest::Tasks).await {
        Ok(tasks) => tasks,
        // Without the service nothing runs; what waits and ran is in the database.
        Err(_not_running) if reach::may_read(common) => match reach::state(common).await? {
            Some(state) => state.recent_tasks(50).await?,
            None => Vec::new(),
        },
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
                    super::when::local_time(task.created_at),
                    task.state.as_str().to_owned(),
                    format!("{} {}", task.kind, task.packages.join(", "))
                        .trim_end()
                        .to_owned(),
                    task.ordered_by.clone(),
                    ending(task.id),
                    super::list::first_line(&task.text),
                ]
            })
            .collect();
        table(["Ordered", "State", "Task", "By", "Id", "Text"], &rows)
    });
    Ok(None)
}

/// The end of an identifier, which differs most: its beginning is the time.
fn ending(id: Uuid) -> String {
    let text = id.simple().to_string();
    text.get(24..).unwrap_or(&text).to_owned()
}

/// Cancel a task that waits or runs; without a name, the one that runs.
///
/// A script that runs is ended with everything that it started. Ordinary users may cancel what they ordered.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  muster-agent tasks
  muster-agent cancel               # the task that runs
  muster-agent cancel 7d3f          # the one whose identifier ends so")]
pub(super) struct CancelArguments {
    /// The identifier of the task as `muster-agent tasks` shows it, or a part of it that no other open task has.
    #[arg(value_name = "TASK", value_parser = part_of_identifier)]
    task: Option<String>,
}

fn part_of_identifier(text: &str) -> Result<String, String> {
    if !text.is_empty()
        && text
            .chars()
            .all(|letter| letter.is_ascii_hexdigit() || letter == '-')
    {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("an identifier as `muster-agent tasks` shows it, or a part of one".to_owned())
    }
}

pub(super) async fn cancel(common: &Common, arguments: &CancelArguments) -> Done {
    let task = match arguments.task.as_deref().map(|text| (text, text.parse::<Uuid>())) {
        Some((_text, Ok(task))) => task,
        Some((text, Err(_part))) => {
            let tasks: Vec<Task> = reach::ask_for(common, &LocalRequest::Tasks).await?;
            meant(&tasks, text)?
        }
        None => {
            let tasks: Vec<Task> = reach::ask_for(common, &LocalRequest::Tasks).await?;
            running(&tasks)?
        }
    };
    let value = reach::ask(common, &LocalRequest::Cancel { task }).await?;
    common.output().answer(&value, super::order::summary_of);
    Ok(None)
}

/// The open task that a part of an identifier means.
fn meant(tasks: &[Task], part: &str) -> Result<Uuid, Failure> {
    let found: Vec<Uuid> = tasks
        .iter()
        .filter(|task| !task.state.is_over())
        .map(|task| task.id)
        .filter(|id| id.to_string().contains(part))
        .collect();
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(Failure::new(
            ErrorCode::NotFound,
            format!("no task whose identifier has {part} in it waits or runs"),
        )
        .with_hint("`muster-agent tasks` shows them")),
        several => Err(Failure::new(
            ErrorCode::Conflict,
            format!("{} open tasks have {part} in their identifier", several.len()),
        )
        .with_hint("give more of it: `muster-agent tasks` shows them")),
    }
}

fn running(tasks: &[Task]) -> Result<Uuid, Failure> {
    let running = tasks.iter().find(|task| task.state == TaskState::Running);
    running.map(|task| task.id).ok_or_else(|| {
        Failure::new(ErrorCode::NotFound, "no task runs")
            .with_hint("`muster-agent tasks` shows what waits; `muster-agent cancel-all` cancels that")
    })
}

/// Cancel every task that waits or runs; for ordinary users, those that they ordered.
#[derive(Debug, clap::Args)]
pub(super) struct CancelAllArguments {}

pub(super) async fn cancel_all(common: &Common, _arguments: &CancelAllArguments) -> Done {
    let value = reach::ask(common, &LocalRequest::CancelAll).await?;
    common.output().answer(&value, super::order::summary_of);
    Ok(None)
}
