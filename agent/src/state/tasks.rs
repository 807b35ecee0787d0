//! Tasks: the queue that survives a restart, and the history of the last ones.

use jiff::Timestamp;
use muster_shared::protocol::action::{ActionKind, ActionOptions};
use muster_shared::protocol::task::{Task, TaskState};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::{State, StateError, from_json, json, micros, query, timestamp};
use crate::tasks::SCHEDULER;

/// At most this many tasks wait.
pub const MAX_PENDING: i64 = 200;

/// At most this much of what came of a task is kept, in characters; the packages have their own logs.
const MAX_SUMMARY: usize = 4000;

/// This many finished tasks are remembered.
const KEPT_TASKS: i64 = 50;

/// A task to be queued.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTask {
    pub id: Uuid,
    pub action: ActionKind,
    pub packages: Vec<String>,
    pub options: ActionOptions,
    pub batch: Option<Uuid>,
    pub ordered_by: String,
    pub created_at: Timestamp,
}

impl NewTask {
    /// A task without a signed order behind it.
    pub fn new(
        action: ActionKind,
        packages: Vec<String>,
        options: ActionOptions,
        ordered_by: &str,
        now: Timestamp,
    ) -> Self {
        Self {
            id: Uuid::now_v7(),
            action,
            packages,
            options,
            batch: None,
            ordered_by: ordered_by.to_owned(),
            created_at: now,
        }
    }

    /// The same task for a signed order.
    pub fn with_batch(mut self, batch: Uuid) -> Self {
        self.batch = Some(batch);
        self
    }
}

/// A task of the database.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTask {
    pub action: ActionKind,
    pub options: ActionOptions,
    /// How often it was begun.
    pub attempts: u32,
    /// Who cancelled it while it ran; empty when nobody did.
    pub cancelled_by: String,
    pub task: Task,
}

/// Lower runs first (wapt-reference.md B.6). What takes a moment and is asked for by people who wait comes first,
/// then packages, then the system's own updates, then what checks and prepares; what ends the agent comes last.
fn priority(action: ActionKind) -> i64 {
    match action {
        ActionKind::Update
        | ActionKind::Inventory
        | ActionKind::Register
        | ActionKind::Cancel
        | ActionKind::Describe
        | ActionKind::Message
        | ActionKind::ProposeUpgrade => 10,
        ActionKind::Upgrade | ActionKind::Install | ActionKind::Remove | ActionKind::Forget => 100,
        ActionKind::WuaScan | ActionKind::WuaDownload | ActionKind::WuaInstall => 150,
        ActionKind::Audit | ActionKind::SessionSetup => 200,
        ActionKind::Reboot | ActionKind::Shutdown | ActionKind::ServiceRestart => 10_000,
    }
}

const COLUMNS: &str = "SELECT id, kind, packages, options, state, batch, ordered_by, created_at, started_at, \
     finished_at, percent, text, attempts, cancelled_by FROM tasks";

/// The kinds that wait for nothing, for `IN`.
fn instant_kinds() -> String {
    let kinds = ActionKind::ALL.iter().filter(|action| is_instant(**action));
    let quoted: Vec<String> = kinds.map(|action| format!("'{action}'")).collect();
    quoted.join(", ")
}

/// What is carried out beside everything else.
fn is_instant(action: ActionKind) -> bool {
    action.is_instant() || action == ActionKind::Cancel
}

impl State {
    /// How many tasks wait.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn pending_count(&self) -> Result<i64, StateError> {
        sqlx::query_scalar("SELECT count(*) FROM tasks WHERE state = 'pending'")
            .fetch_one(&self.pool)
            .await
            .map_err(query("count the tasks"))
    }

    /// Queues a task; an equal one that waits already and belongs to no order is taken instead. What a person asks for
    /// and what is due by itself are never equal: the schedule has its patience and its windows.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn queue_task(&self, task: &NewTask) -> Result<Uuid, StateError> {
        if task.batch.is_none() {
            let waiting: Option<String> = sqlx::query_scalar(
                "SELECT id FROM tasks WHERE state = 'pending' AND batch IS NULL AND kind = ? AND packages = ? AND options = ? \
                 AND (ordered_by = ?) = ?",
            )
            .bind(task.action.as_str())
            .bind(json(&task.packages))
            .bind(json(&task.options))
            .bind(SCHEDULER)
            .bind(task.ordered_by == SCHEDULER)
            .fetch_optional(&self.pool)
            .await
            .map_err(query("look for an equal task"))?;
            if let Some(id) = waiting.and_then(|id| id.parse().ok()) {
                return Ok(id);
            }
        }
        let mut connection = self.pool.acquire().await.map_err(query("queue a task"))?;
        insert_task(&mut connection, task).await?;
        Ok(task.id)
    }

    /// The task that runs next, if any waits; those that are carried out at once have their own way.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn next_task(&self) -> Result<Option<StoredTask>, StateError> {
        self.next_of("NOT IN").await
    }

    /// The next task that waits for no other, if there is one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn next_instant_task(&self) -> Result<Option<StoredTask>, StateError> {
        self.next_of("IN").await
    }

    async fn next_of(&self, which: &str) -> Result<Option<StoredTask>, StateError> {
        sqlx::query(sqlx::AssertSqlSafe(format!(
            "{COLUMNS} WHERE state = 'pending' AND kind {which} ({}) ORDER BY priority, sequence LIMIT 1",
            instant_kinds()
        )))
        .fetch_optional(&self.pool)
        .await
        .map_err(query("look for the next task"))?
        .as_ref()
        .map(stored)
        .transpose()
    }

    /// Ends the waiting and interrupted tasks that this version cannot read: a newer one queued them. Gives how many
    /// there were.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn end_unreadable_tasks(&self, now: Timestamp) -> Result<usize, StateError> {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
            "{COLUMNS} WHERE state IN ('running', 'pending')"
        )))
        .fetch_all(&self.pool)
        .await
        .map_err(query("list the tasks"))?;
        let mut count = 0;
        for row in &rows {
            if let Err(error) = stored(row) {
                let text =
                    format!("another version of the agent queued it, and this one cannot read it: {error}");
                self.finish_task(shown(row)?.id, TaskState::Failed, &text, now)
                    .await?;
                count += 1;
            }
        }
        Ok(count)
    }

    /// Keeps that somebody cancelled a task that runs: it does not go on after an interruption.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn mark_cancelled(&self, id: Uuid, by: &str) -> Result<(), StateError> {
        sqlx::query("UPDATE tasks SET cancelled_by = ? WHERE id = ?")
            .bind(by)
            .bind(id.to_string())
            .execute(&self.pool)
            .await
            .map_err(query("cancel a task"))?;
        Ok(())
    }

    /// One task.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn task(&self, id: Uuid) -> Result<Option<StoredTask>, StateError> {
        sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE id = ?")))
            .bind(id.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(query("read a task"))?
            .as_ref()
            .map(stored)
            .transpose()
    }

    /// The tasks that wait or run, in the order in which they will run.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn open_tasks(&self) -> Result<Vec<StoredTask>, StateError> {
        sqlx::query(sqlx::AssertSqlSafe(format!(
            "{COLUMNS} WHERE state IN ('running', 'pending') ORDER BY state = 'pending', priority, sequence"
        )))
        .fetch_all(&self.pool)
        .await
        .map_err(query("list the tasks"))?
        .iter()
        .map(stored)
        .collect()
    }

    /// The last tasks, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn recent_tasks(&self, limit: i64) -> Result<Vec<Task>, StateError> {
        sqlx::query(sqlx::AssertSqlSafe(format!(
            "{COLUMNS} ORDER BY sequence DESC LIMIT ?"
        )))
        .bind(limit)
        .fetch_all(&self.pool)
        .await
        .map_err(query("list the tasks"))?
        .iter()
        .map(shown)
        .collect()
    }

    /// A task begins.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn begin_task(&self, id: Uuid, now: Timestamp) -> Result<(), StateError> {
        sqlx::query(
            "UPDATE tasks SET state = 'running', started_at = ?, attempts = attempts + 1 WHERE id = ?",
        )
        .bind(micros(now))
        .bind(id.to_string())
        .execute(&self.pool)
        .await
        .map_err(query("begin a task"))?;
        Ok(())
    }

    /// A task is over; old finished ones are forgotten.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn finish_task(
        &self,
        id: Uuid,
        state: TaskState,
        text: &str,
        now: Timestamp,
    ) -> Result<(), StateError> {
        sqlx::query(
            "UPDATE tasks SET state = ?, finished_at = ?, text = ?, percent = CASE WHEN ? THEN 100 ELSE percent END WHERE id = ?",
        )
        .bind(state.as_str())
        .bind(micros(now))
        .bind(text.chars().take(MAX_SUMMARY).collect::<String>())
        .bind(state == TaskState::Done)
        .bind(id.to_string())
        .execute(&self.pool)
        .await
        .map_err(query("finish a task"))?;
        sqlx::query(
            "DELETE FROM tasks WHERE state NOT IN ('pending', 'running') AND (announced OR batch IS NULL) AND sequence <= \
             (SELECT sequence FROM tasks ORDER BY sequence DESC LIMIT 1 OFFSET ?)",
        )
        .bind(KEPT_TASKS)
        .execute(&self.pool)
        .await
        .map_err(query("forget old tasks"))?;
        Ok(())
    }

    /// Puts a task that was interrupted back into the queue.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn requeue_task(&self, id: Uuid) -> Result<(), StateError> {
        sqlx::query("UPDATE tasks SET state = 'pending', started_at = NULL, percent = NULL WHERE id = ?")
            .bind(id.to_string())
            .execute(&self.pool)
            .await
            .map_err(query("put a task back"))?;
        Ok(())
    }

    /// Ends the waiting tasks that are meant. Gives what was ended.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn cancel_pending(
        &self,
        meant: impl Fn(&Task) -> bool + Send,
        text: &str,
        now: Timestamp,
    ) -> Result<Vec<Task>, StateError> {
        let mut ended = Vec::new();
        for waiting in self.open_tasks().await? {
            if waiting.task.state == TaskState::Pending && meant(&waiting.task) {
                self.finish_task(waiting.task.id, TaskState::Cancelled, text, now)
                    .await?;
                ended.extend(self.task(waiting.task.id).await?.map(|found| found.task));
            }
        }
        Ok(ended)
    }

    /// Finished tasks of orders whose end the server has not been told yet, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn unannounced_tasks(&self) -> Result<Vec<Task>, StateError> {
        sqlx::query(sqlx::AssertSqlSafe(format!(
            "{COLUMNS} WHERE batch IS NOT NULL AND NOT announced AND state NOT IN ('pending', 'running') ORDER BY sequence LIMIT 100"
        )))
        .fetch_all(&self.pool)
        .await
        .map_err(query("list the tasks to announce"))?
        .iter()
        .map(shown)
        .collect()
    }

    /// The server was told how a task ended.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn mark_announced(&self, id: Uuid) -> Result<(), StateError> {
        sqlx::query("UPDATE tasks SET announced = 1 WHERE id = ?")
            .bind(id.to_string())
            .execute(&self.pool)
            .await
            .map_err(query("mark a task as announced"))?;
        Ok(())
    }
}

pub(super) async fn insert_task(
    connection: &mut sqlx::SqliteConnection,
    task: &NewTask,
) -> Result<(), StateError> {
    sqlx::query(
        "INSERT INTO tasks (id, kind, packages, options, priority, state, batch, ordered_by, created_at, text) \
         VALUES (?, ?, ?, ?, ?, 'pending', ?, ?, ?, '')",
    )
    .bind(task.id.to_string())
    .bind(task.action.as_str())
    .bind(json(&task.packages))
    .bind(json(&task.options))
    .bind(priority(task.action))
    .bind(task.batch.map(|batch| batch.to_string()))
    .bind(&task.ordered_by)
    .bind(micros(task.created_at))
    .execute(connection)
    .await
    .map_err(query("queue a task"))?;
    Ok(())
}

/// A task to be run. A kind or an option that this version does not know is an error.
fn stored(row: &SqliteRow) -> Result<StoredTask, StateError> {
    let task = shown(row)?;
    let options: String = row.try_get("options").map_err(query("read a task"))?;
    let action = serde_json::Value::String(task.kind.clone());
    Ok(StoredTask {
        action: serde_json::from_value(action).map_err(|error| StateError::Content {
            what: "a task of unknown kind",
            reason: error.to_string(),
        })?,
        options: from_json("the options of a task", &options)?,
        attempts: row.try_get("attempts").map_err(query("read a task"))?,
        cancelled_by: row.try_get("cancelled_by").map_err(query("read a task"))?,
        task,
    })
}

/// A task to be looked at, whichever version wrote it.
fn shown(row: &SqliteRow) -> Result<Task, StateError> {
    let text = |name| row.try_get::<String, _>(name).map_err(query("read a task"));
    let time = |name| {
        row.try_get::<Option<i64>, _>(name)
            .map(|micros| micros.map(timestamp))
            .map_err(query("read a task"))
    };
    let percent: Option<i64> = row.try_get("percent").map_err(query("read a task"))?;
    let batch: Option<String> = row.try_get("batch").map_err(query("read a task"))?;
    let state = serde_json::Value::String(text("state")?);
    Ok(Task {
        id: text("id")?.parse().unwrap_or_default(),
        kind: text("kind")?,
        packages: serde_json::from_str(&text("packages")?).unwrap_or_default(),
        state: serde_json::from_value(state).unwrap_or(TaskState::Failed),
        batch: batch.and_then(|batch| batch.parse().ok()),
        ordered_by: text("ordered_by")?,
        created_at: time("created_at")?.unwrap_or(Timestamp::UNIX_EPOCH),
        started_at: time("started_at")?,
        finished_at: time("finished_at")?,
        percent: percent.and_then(|percent| u8::try_from(percent).ok()),
        text: text("text")?,
    })
}

#[cfg(test)]
mod tests;
