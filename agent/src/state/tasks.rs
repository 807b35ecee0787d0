//! Tasks: the queue that survives a restart, and the history of the last ones.

use jiff::Timestamp;
use muster_shared::protocol::action::{ActionKind, ActionOptions};
use muster_shared::protocol::task::{Task, TaskState};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::{State, StateError, from_json, json, micros, query, timestamp};

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
     finished_at, percent, text, attempts FROM tasks";

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

    /// Queues a task; an equal one that waits already and belongs to no order is taken instead.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn queue_task(&self, task: &NewTask) -> Result<Uuid, StateError> {
        if task.batch.is_none() {
            let waiting: Option<String> = sqlx::query_scalar(
                "SELECT id FROM tasks WHERE state = 'pending' AND batch IS NULL AND kind = ? AND packages = ? AND options = ?",
            )
            .bind(task.action.as_str())
            .bind(json(&task.packages))
            .bind(json(&task.options))
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

    /// The task that runs next, if any waits.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn next_task(&self) -> Result<Option<StoredTask>, StateError> {
        sqlx::query(sqlx::AssertSqlSafe(format!(
            "{COLUMNS} WHERE state = 'pending' ORDER BY priority, sequence LIMIT 1"
        )))
        .fetch_optional(&self.pool)
        .await
        .map_err(query("look for the next task"))?
        .as_ref()
        .map(stored)
        .transpose()
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
        .map(|row| stored(row).map(|found| found.task))
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
        .map(|row| stored(row).map(|found| found.task))
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

fn stored(row: &SqliteRow) -> Result<StoredTask, StateError> {
    let text = |name| row.try_get::<String, _>(name).map_err(query("read a task"));
    let time = |name| {
        row.try_get::<Option<i64>, _>(name)
            .map(|micros| micros.map(timestamp))
            .map_err(query("read a task"))
    };
    let quoted = |text: String| serde_json::Value::String(text);
    let kind = text("kind")?;
    let content = |what| {
        move |error: serde_json::Error| StateError::Content {
            what,
            reason: error.to_string(),
        }
    };
    let percent: Option<i64> = row.try_get("percent").map_err(query("read a task"))?;
    let batch: Option<String> = row.try_get("batch").map_err(query("read a task"))?;
    Ok(StoredTask {
        action: serde_json::from_value(quoted(kind.clone())).map_err(content("a task of unknown kind"))?,
        options: from_json("the options of a task", &text("options")?)?,
        attempts: row.try_get("attempts").map_err(query("read a task"))?,
        task: Task {
            id: text("id")?.parse().unwrap_or_default(),
            kind,
            packages: from_json("the packages of a task", &text("packages")?)?,
            state: serde_json::from_value(quoted(text("state")?))
                .map_err(content("a task in an unknown state"))?,
            batch: batch.and_then(|batch| batch.parse().ok()),
            ordered_by: text("ordered_by")?,
            created_at: time("created_at")?.unwrap_or(Timestamp::UNIX_EPOCH),
            started_at: time("started_at")?,
            finished_at: time("finished_at")?,
            percent: percent.and_then(|percent| u8::try_from(percent).ok()),
            text: text("text")?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{now, open};
    use super::*;

    fn task(action: ActionKind) -> NewTask {
        NewTask::new(action, Vec::new(), ActionOptions::default(), "SCHEDULER", now())
    }

    #[tokio::test]
    async fn urgent_tasks_run_first_and_equal_ones_in_order() {
        let (_place, state) = open().await;
        let audit = state.queue_task(&task(ActionKind::Audit)).await.unwrap();
        let install = state.queue_task(&task(ActionKind::Install)).await.unwrap();
        let remove = state.queue_task(&task(ActionKind::Remove)).await.unwrap();
        let update = state.queue_task(&task(ActionKind::Update)).await.unwrap();
        let mut order = Vec::new();
        while let Some(next) = state.next_task().await.unwrap() {
            state.begin_task(next.task.id, now()).await.unwrap();
            order.push(next.task.id);
            state
                .finish_task(next.task.id, TaskState::Done, "done", now())
                .await
                .unwrap();
        }
        assert_eq!(order, [update, install, remove, audit]);
    }

    #[tokio::test]
    async fn an_equal_waiting_task_is_taken_instead_of_a_second_one() {
        let (_place, state) = open().await;
        let first = state.queue_task(&task(ActionKind::Update)).await.unwrap();
        assert_eq!(state.queue_task(&task(ActionKind::Update)).await.unwrap(), first);
        let ordered = task(ActionKind::Update).with_batch(Uuid::now_v7());
        assert_ne!(state.queue_task(&ordered).await.unwrap(), first);
        assert_eq!(state.pending_count().await.unwrap(), 2);
    }

    #[tokio::test]
    async fn the_history_is_bounded_but_ends_nobody_was_told_of_stay() {
        let (_place, state) = open().await;
        let ordered = task(ActionKind::Update).with_batch(Uuid::now_v7());
        state.queue_task(&ordered).await.unwrap();
        state
            .finish_task(ordered.id, TaskState::Done, "done", now())
            .await
            .unwrap();
        for _ in 0..60 {
            let id = state.queue_task(&task(ActionKind::Update)).await.unwrap();
            state
                .finish_task(id, TaskState::Done, "done", now())
                .await
                .unwrap();
        }
        assert_eq!(state.recent_tasks(1000).await.unwrap().len(), 51);
        assert_eq!(state.unannounced_tasks().await.unwrap().len(), 1);
        state.mark_announced(ordered.id).await.unwrap();
        assert!(state.unannounced_tasks().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn cancelling_by_order_leaves_the_others() {
        let (_place, state) = open().await;
        let batch = Uuid::now_v7();
        state
            .queue_task(&task(ActionKind::Install).with_batch(batch))
            .await
            .unwrap();
        let other = state.queue_task(&task(ActionKind::Update)).await.unwrap();
        let ended = state
            .cancel_pending(|task| task.batch == Some(batch), "cancelled by Ada", now())
            .await
            .unwrap();
        assert_eq!(ended.len(), 1);
        assert_eq!(ended[0].state, TaskState::Cancelled);
        assert_eq!(state.next_task().await.unwrap().unwrap().task.id, other);
    }
}
