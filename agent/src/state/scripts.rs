//! Script processes that run now, so that what a killed agent left can be found and ended.

use jiff::Timestamp;
use sqlx::Row as _;

use super::{State, StateError, micros, query};

/// A script process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningScript {
    /// Stands in the environment of the script and of all that it starts.
    pub mark: String,
    pub package: String,
    pub hook: String,
    /// The number of the process; 0 before it was started.
    pub pid: u32,
    /// Tells it from every other process that ever has this number.
    pub birth: String,
}

impl State {
    /// Records a script: before it is started, and again with its number.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn record_script(&self, script: &RunningScript, now: Timestamp) -> Result<(), StateError> {
        sqlx::query(
            "INSERT INTO scripts (mark, package, hook, pid, birth, started_at) VALUES (?, ?, ?, ?, ?, ?) \
             ON CONFLICT (mark) DO UPDATE SET pid = excluded.pid, birth = excluded.birth",
        )
        .bind(&script.mark)
        .bind(&script.package)
        .bind(&script.hook)
        .bind(script.pid)
        .bind(&script.birth)
        .bind(micros(now))
        .execute(&self.pool)
        .await
        .map_err(query("record a script"))?;
        Ok(())
    }

    /// A script is over.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn forget_script(&self, mark: &str) -> Result<(), StateError> {
        sqlx::query("DELETE FROM scripts WHERE mark = ?")
            .bind(mark)
            .execute(&self.pool)
            .await
            .map_err(query("forget a script"))?;
        Ok(())
    }

    /// The scripts on record; at the start of an agent those that its predecessor left.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn recorded_scripts(&self) -> Result<Vec<RunningScript>, StateError> {
        let rows = sqlx::query("SELECT mark, package, hook, pid, birth FROM scripts ORDER BY started_at")
            .fetch_all(&self.pool)
            .await
            .map_err(query("list the scripts"))?;
        let read = |row: &sqlx::sqlite::SqliteRow| -> Result<RunningScript, sqlx::Error> {
            Ok(RunningScript {
                mark: row.try_get("mark")?,
                package: row.try_get("package")?,
                hook: row.try_get("hook")?,
                pid: row.try_get("pid")?,
                birth: row.try_get("birth")?,
            })
        };
        rows.iter()
            .map(|row| read(row).map_err(query("read a script on record")))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{now, open};
    use super::*;

    #[tokio::test]
    async fn a_script_is_on_record_from_before_it_starts_until_it_is_over() {
        let (_place, state) = open().await;
        let mut script = RunningScript {
            mark: "m".to_owned(),
            package: "demo-a".to_owned(),
            hook: "install".to_owned(),
            pid: 0,
            birth: String::new(),
        };
        state.record_script(&script, now()).await.unwrap();
        (script.pid, script.birth) = (4711, "boot/1".to_owned());
        state.record_script(&script, now()).await.unwrap();
        assert_eq!(state.recorded_scripts().await.unwrap(), [script]);
        state.forget_script("m").await.unwrap();
        assert_eq!(state.recorded_scripts().await.unwrap(), []);
    }
}
