//! Session set-ups: which packages a user's session has been prepared for.

use jiff::Timestamp;

use super::packages::tail;
use super::{State, StateError, micros, query};

/// What came of preparing one user's session for one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSetup<'a> {
    pub user: &'a str,
    pub package: &'a str,
    pub package_uuid: &'a str,
    pub version: &'a str,
    /// `OK`, `RETRY` or `ERROR`.
    pub status: &'a str,
    pub output: &'a str,
}

impl State {
    /// The user's session was prepared for this very build of the package.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn session_is_set_up(
        &self,
        user: &str,
        package: &str,
        package_uuid: &str,
    ) -> Result<bool, StateError> {
        let found: Option<i64> = sqlx::query_scalar(
            "SELECT 1 FROM sessions WHERE user = ? AND package = ? AND package_uuid = ? AND status = 'OK'",
        )
        .bind(user)
        .bind(package)
        .bind(package_uuid)
        .fetch_optional(&self.pool)
        .await
        .map_err(query("look for a session set-up"))?;
        Ok(found.is_some())
    }

    /// How the last set-up of the user's session for a package ended, and what it wrote.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn session_output(
        &self,
        user: &str,
        package: &str,
    ) -> Result<Option<(String, String)>, StateError> {
        sqlx::query_as("SELECT status, output FROM sessions WHERE user = ? AND package = ?")
            .bind(user)
            .bind(package)
            .fetch_optional(&self.pool)
            .await
            .map_err(query("read a session set-up"))
    }

    /// Records what came of a session set-up.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn record_session(&self, session: &SessionSetup<'_>, now: Timestamp) -> Result<(), StateError> {
        sqlx::query(
            "INSERT INTO sessions (user, package, package_uuid, version, status, output, run_at) VALUES (?, ?, ?, ?, ?, ?, ?) \
             ON CONFLICT (user, package) DO UPDATE SET package_uuid = excluded.package_uuid, version = excluded.version, \
             status = excluded.status, output = excluded.output, run_at = excluded.run_at",
        )
        .bind(session.user)
        .bind(session.package)
        .bind(session.package_uuid)
        .bind(session.version)
        .bind(session.status)
        .bind(tail(session.output))
        .bind(micros(now))
        .execute(&self.pool)
        .await
        .map_err(query("record a session set-up"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{now, open};
    use super::*;

    #[tokio::test]
    async fn a_new_build_or_a_failed_run_is_set_up_again() {
        let (_place, state) = open().await;
        let mut session = SessionSetup {
            user: "ada",
            package: "demo",
            package_uuid: "u1",
            version: "1",
            status: "RETRY",
            output: "",
        };
        state.record_session(&session, now()).await.unwrap();
        assert!(!state.session_is_set_up("ada", "demo", "u1").await.unwrap());
        session.status = "OK";
        state.record_session(&session, now()).await.unwrap();
        assert!(state.session_is_set_up("ada", "demo", "u1").await.unwrap());
        let output = state.session_output("ada", "demo").await.unwrap();
        assert_eq!(output, Some(("OK".to_owned(), String::new())));
        assert!(!state.session_is_set_up("ada", "demo", "u2").await.unwrap());
        assert!(!state.session_is_set_up("bob", "demo", "u1").await.unwrap());
    }
}
