//! Tries that did not get there, per package: what the delay of the next scheduled one grows with.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{State, StateError, micros, query, timestamp};
use crate::plan::retry::Attempt;

impl State {
    /// Every package that was tried in vain or left alone, by name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn attempts(&self) -> Result<BTreeMap<String, Attempt>, StateError> {
        sqlx::query("SELECT package, version, tries, last_at, postponed FROM attempts")
            .fetch_all(&self.pool)
            .await
            .map_err(query("list the tries"))?
            .iter()
            .map(|row| attempt(row).map_err(query("read a try")))
            .collect()
    }

    /// Records that a version was tried in vain; a version that was never tried begins at one.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn record_failed_try(
        &self,
        package: &str,
        version: &str,
        now: Timestamp,
    ) -> Result<(), StateError> {
        self.record(package, version, 1, "", now).await
    }

    /// Records that a version was left alone, and why. A package that is in place and was well is POSTPONED from now
    /// on.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn record_postponed(
        &self,
        package: &str,
        version: &str,
        why: &str,
        now: Timestamp,
    ) -> Result<(), StateError> {
        self.record(package, version, 0, why, now).await?;
        sqlx::query(
            "UPDATE packages SET status = 'POSTPONED', changed_at = ? WHERE package = ? AND in_place AND status = 'OK'",
        )
        .bind(micros(now))
        .bind(package)
        .execute(&self.pool)
        .await
        .map_err(query("postpone a package"))?;
        Ok(())
    }

    /// A package that is in place and was left alone has nothing to wait for any more.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn no_longer_postponed(&self, package: &str, now: Timestamp) -> Result<(), StateError> {
        sqlx::query(
            "UPDATE packages SET status = 'OK', changed_at = ? WHERE package = ? AND in_place AND failed_step = '' \
             AND status = 'POSTPONED'",
        )
        .bind(micros(now))
        .bind(package)
        .execute(&self.pool)
        .await
        .map_err(query("end the waiting of a package"))?;
        Ok(())
    }

    async fn record(
        &self,
        package: &str,
        version: &str,
        tries: u32,
        postponed: &str,
        now: Timestamp,
    ) -> Result<(), StateError> {
        sqlx::query(
            "INSERT INTO attempts (package, version, tries, last_at, postponed) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT (package) DO UPDATE SET version = excluded.version, last_at = excluded.last_at, \
             postponed = excluded.postponed, \
             tries = CASE WHEN version = excluded.version THEN tries + excluded.tries ELSE excluded.tries END",
        )
        .bind(package)
        .bind(version)
        .bind(tries)
        .bind(micros(now))
        .bind(postponed)
        .execute(&self.pool)
        .await
        .map_err(query("record a try"))?;
        Ok(())
    }

    /// Forgets the tries of a package: it is as it should be, or nobody wants it any more.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn forget_tries(&self, package: &str) -> Result<(), StateError> {
        sqlx::query("DELETE FROM attempts WHERE package = ?")
            .bind(package)
            .execute(&self.pool)
            .await
            .map_err(query("forget tries"))?;
        Ok(())
    }
}

fn attempt(row: &SqliteRow) -> Result<(String, Attempt), sqlx::Error> {
    Ok((
        row.try_get("package")?,
        Attempt {
            version: row.try_get("version")?,
            tries: row.try_get("tries")?,
            last_at: timestamp(row.try_get("last_at")?),
            postponed: row.try_get("postponed")?,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{now, open};

    #[tokio::test]
    async fn tries_count_up_for_one_version_and_begin_anew_with_the_next() {
        let (_place, state) = open().await;
        state.record_failed_try("app", "1", now()).await.unwrap();
        state.record_failed_try("app", "1", now()).await.unwrap();
        assert_eq!(state.attempts().await.unwrap()["app"].tries, 2);
        state
            .record_postponed("app", "1", "app.exe runs", now())
            .await
            .unwrap();
        let postponed = state.attempts().await.unwrap()["app"].clone();
        assert_eq!(
            (postponed.tries, postponed.postponed.as_str()),
            (2, "app.exe runs")
        );
        state.record_failed_try("app", "2", now()).await.unwrap();
        let next = state.attempts().await.unwrap()["app"].clone();
        assert_eq!(
            (next.tries, next.version.as_str(), next.postponed.as_str()),
            (1, "2", "")
        );
        state.forget_tries("app").await.unwrap();
        assert!(state.attempts().await.unwrap().is_empty());
    }
}
