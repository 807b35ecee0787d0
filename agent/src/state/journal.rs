//! The journal: what is being done to a package, written before each step is begun.

use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use super::{State, StateError, micros, query, timestamp};

/// What is being done to a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalRow {
    pub package: String,
    /// `install` or `remove`.
    pub operation: String,
    pub version: String,
    /// The step that was about to begin.
    pub step: String,
    pub task: Option<Uuid>,
    pub started_at: Timestamp,
    /// What the step left for the next one: the folder it works in, the status the script gave.
    pub detail: String,
}

impl State {
    /// Writes the step that is about to begin.
    ///
    /// # Errors
    /// When the database does not take it: the step must not begin then.
    pub async fn write_journal(&self, row: &JournalRow) -> Result<(), StateError> {
        let mut connection = self.pool.acquire().await.map_err(query("write the journal"))?;
        write_journal(&mut connection, row).await
    }

    /// What was being done when the agent was last stopped.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn open_journal(&self) -> Result<Vec<JournalRow>, StateError> {
        let rows = sqlx::query("SELECT * FROM journal ORDER BY started_at, package")
            .fetch_all(&self.pool)
            .await
            .map_err(query("read the journal"))?;
        let read = |row: &sqlx::sqlite::SqliteRow| -> Result<JournalRow, sqlx::Error> {
            Ok(JournalRow {
                package: row.try_get("package")?,
                operation: row.try_get("operation")?,
                version: row.try_get("version")?,
                step: row.try_get("step")?,
                task: row
                    .try_get::<Option<String>, _>("task")?
                    .and_then(|id| id.parse().ok()),
                started_at: timestamp(row.try_get("started_at")?),
                detail: row.try_get("detail")?,
            })
        };
        rows.iter()
            .map(|row| read(row).map_err(query("read the journal")))
            .collect()
    }

    /// Nothing is being done to the package any more.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn close_journal(&self, package: &str) -> Result<(), StateError> {
        sqlx::query("DELETE FROM journal WHERE package = ?")
            .bind(package)
            .execute(&self.pool)
            .await
            .map_err(query("close the journal"))?;
        Ok(())
    }
}

/// Writes the step that is about to begin.
pub(super) async fn write_journal(
    connection: &mut SqliteConnection,
    row: &JournalRow,
) -> Result<(), StateError> {
    sqlx::query(
        "INSERT INTO journal (package, operation, version, step, task, started_at, detail) VALUES (?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (package) DO UPDATE SET operation = excluded.operation, version = excluded.version, \
         step = excluded.step, task = excluded.task, started_at = excluded.started_at, detail = excluded.detail",
    )
    .bind(&row.package)
    .bind(&row.operation)
    .bind(&row.version)
    .bind(&row.step)
    .bind(row.task.map(|task| task.to_string()))
    .bind(micros(row.started_at))
    .bind(&row.detail)
    .execute(connection)
    .await
    .map_err(query("write the journal"))?;
    Ok(())
}
