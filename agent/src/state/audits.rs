//! Audits of packages: when they are due, and what they found.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::Row as _;

use super::packages::tail;
use super::{State, StateError, micros, query, timestamp};

impl State {
    /// Gives every installed package without a next audit one, a period after the last. Gives how many there were.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn schedule_audits(&self, every: Duration, now: Timestamp) -> Result<u64, StateError> {
        let period = i64::try_from(every.as_micros()).unwrap_or(i64::MAX / 4);
        let done = sqlx::query(
            "UPDATE packages SET next_audit_at = min(coalesce(audited_at, changed_at), ?) + ? \
             WHERE next_audit_at IS NULL AND in_place AND setup_py IS NOT NULL",
        )
        .bind(micros(now))
        .bind(period)
        .execute(&self.pool)
        .await
        .map_err(query("schedule audits"))?;
        Ok(done.rows_affected())
    }

    /// Records what an audit found.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn record_audit(
        &self,
        package: &str,
        status: &str,
        output: &str,
        now: Timestamp,
        next: Option<Timestamp>,
    ) -> Result<(), StateError> {
        sqlx::query(
            "UPDATE packages SET audit_status = ?, audit_output = ?, audited_at = ?, next_audit_at = ? WHERE package = ?",
        )
        .bind(status)
        .bind(tail(output))
        .bind(micros(now))
        .bind(next.map(micros))
        .bind(package)
        .execute(&self.pool)
        .await
        .map_err(query("record an audit"))?;
        Ok(())
    }

    /// When the next scheduled audit is due. One that was last done in the future, by a clock that was wrong, is due
    /// now; packages that cannot be audited never are.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn next_audit(&self, now: Timestamp) -> Result<Option<Timestamp>, StateError> {
        let row = sqlx::query(
            "SELECT min(next_audit_at) AS next, coalesce(max(audited_at > ?), 0) AS is_ahead FROM packages \
             WHERE next_audit_at IS NOT NULL AND in_place AND setup_py IS NOT NULL",
        )
        .bind(micros(now))
        .fetch_one(&self.pool)
        .await
        .map_err(query("look for the next audit"))?;
        let next: Option<i64> = row.try_get("next").map_err(query("look for the next audit"))?;
        let is_ahead: bool = row
            .try_get("is_ahead")
            .map_err(query("look for the next audit"))?;
        Ok(next
            .map(timestamp)
            .map(|next| if is_ahead { next.min(now) } else { next }))
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::super::packages::tests::row;
    use super::super::packages::{Installed, StoredScript};
    use super::super::tests::{now, open};
    use super::*;

    #[tokio::test]
    async fn packages_without_a_script_are_never_audited() {
        let (_place, state) = open().await;
        sqlx::query(
            "INSERT INTO packages (package, version, section, package_uuid, status, in_place, failed_step, log, changed_at, \
             explicit_by, signer, signer_fingerprint, tries, control, setup_py, params, uninstall_keys) \
             VALUES ('app', '1', 'base', 'u', 'OK', 1, '', '', 1000, '', '', '', 0, '{}', x'00', '{}', '[]'), \
                    ('bundle', '1', 'group', 'v', 'OK', 1, '', '', 1000, '', '', '', 0, '{}', NULL, '{}', '[]')",
        )
        .execute(&state.pool)
        .await
        .unwrap();
        let day = Duration::from_hours(24);
        assert_eq!(state.schedule_audits(day, now()).await.unwrap(), 1);
        let next: Vec<Option<i64>> =
            sqlx::query_scalar("SELECT next_audit_at FROM packages ORDER BY package")
                .fetch_all(&state.pool)
                .await
                .unwrap();
        assert_eq!(next, [Some(86_400_001_000), None]);
        // What has its turn keeps it.
        assert_eq!(state.schedule_audits(day, now()).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn what_cannot_be_audited_is_never_due_and_a_clock_that_was_set_back_delays_nothing() {
        let (_place, state) = open().await;
        let script = StoredScript {
            setup_py: "def audit(): pass".to_owned(),
            params: serde_json::Map::new(),
            uninstall_keys: Vec::new(),
        };
        let (earlier, later) = (
            now() - SignedDuration::from_hours(1),
            now() + SignedDuration::from_hours(1),
        );
        let due = |package: &str, at| Installed {
            next_audit_at: Some(at),
            ..row(package, "1")
        };
        // Without a script, and never put in place: both came from elsewhere with a time of their own.
        state.store_package(&due("bundle", earlier), None).await.unwrap();
        let failed = Installed {
            in_place: false,
            ..due("failed", earlier)
        };
        state.store_package(&failed, Some(&script)).await.unwrap();
        assert_eq!(state.next_audit(now()).await.unwrap(), None);
        state
            .store_package(&due("app", later), Some(&script))
            .await
            .unwrap();
        assert_eq!(state.next_audit(now()).await.unwrap(), Some(later));
        let years = SignedDuration::from_hours(24 * 1000);
        let ahead = now() + years;
        state
            .record_audit("app", "OK", "", ahead, Some(ahead + years))
            .await
            .unwrap();
        assert_eq!(state.next_audit(now()).await.unwrap(), Some(now()));
    }
}
