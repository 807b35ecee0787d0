//! What the directory said of this computer when it last answered, and whether it answers.

use jiff::Timestamp;
use sqlx::Row as _;

use super::{State, StateError, from_json, json, micros, query, timestamp};
use crate::directory::{Answer, Known};

impl State {
    /// What is known from the directory; nothing before it was ever asked.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn directory(&self) -> Result<Known, StateError> {
        let row = sqlx::query("SELECT answer, answered_at, asked_at, error FROM directory WHERE id = 1")
            .fetch_optional(&self.pool)
            .await
            .map_err(query("read what the directory said"))?;
        let Some(row) = row else {
            return Ok(Known::default());
        };
        let inner = || -> Result<(String, Option<i64>, i64, String), sqlx::Error> {
            Ok((
                row.try_get("answer")?,
                row.try_get("answered_at")?,
                row.try_get("asked_at")?,
                row.try_get("error")?,
            ))
        };
        let (answer, answered_at, asked_at, error) =
            inner().map_err(query("read what the directory said"))?;
        Ok(Known {
            answer: from_json("the directory's answer", &answer)?,
            answered_at: answered_at.map(timestamp),
            asked_at: Some(timestamp(asked_at)),
            error,
        })
    }

    /// Keeps what the directory answered.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn directory_answered(&self, answer: &Answer, now: Timestamp) -> Result<(), StateError> {
        sqlx::query(
            "INSERT INTO directory (id, answer, answered_at, asked_at, error) VALUES (1, ?, ?, ?, '') \
             ON CONFLICT (id) DO UPDATE SET answer = excluded.answer, answered_at = excluded.answered_at, \
             asked_at = excluded.asked_at, error = ''",
        )
        .bind(json(answer))
        .bind(micros(now))
        .bind(micros(now))
        .execute(&self.pool)
        .await
        .map_err(query("keep what the directory said"))?;
        Ok(())
    }

    /// Keeps that the directory did not answer; its last answer stays.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn directory_failed(&self, error: &str, now: Timestamp) -> Result<(), StateError> {
        sqlx::query(
            "INSERT INTO directory (id, answer, answered_at, asked_at, error) VALUES (1, ?, NULL, ?, ?) \
             ON CONFLICT (id) DO UPDATE SET asked_at = excluded.asked_at, error = excluded.error",
        )
        .bind(json(&Answer::default()))
        .bind(micros(now))
        .bind(error)
        .execute(&self.pool)
        .await
        .map_err(query("keep that the directory did not answer"))?;
        Ok(())
    }

    /// Forgets what the directory said: this machine has none any more.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn forget_directory(&self) -> Result<(), StateError> {
        sqlx::query("DELETE FROM directory")
            .execute(&self.pool)
            .await
            .map_err(query("forget what the directory said"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{now, open};
    use super::*;

    #[tokio::test]
    async fn the_last_answer_outlives_a_directory_that_does_not_answer() {
        let (_place, state) = open().await;
        assert_eq!(state.directory().await.unwrap(), Known::default());
        let later = now() + jiff::SignedDuration::from_hours(1);
        state.directory_failed("no route", now()).await.unwrap();
        assert_eq!(state.directory().await.unwrap().answered_at, None);
        let answer = Answer {
            dn: "CN=pc,OU=Sales,DC=example".to_owned(),
            groups: vec!["kiosks".to_owned()],
            ..Answer::default()
        };
        state.directory_answered(&answer, now()).await.unwrap();
        state.directory_failed("no route", later).await.unwrap();
        let known = state.directory().await.unwrap();
        assert_eq!((known.answer, known.answered_at), (answer, Some(now())));
        assert_eq!((known.asked_at, known.error.as_str()), (Some(later), "no route"));
        state.forget_directory().await.unwrap();
        assert_eq!(state.directory().await.unwrap(), Known::default());
    }
}
