//! Audits of packages that have no schedule of their own, where this machine's configuration gives them one.

use std::time::Duration;

use super::{State, StateError, query};

impl State {
    /// Gives every installed package without a next audit one, a period after the last. Gives how many there were.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn schedule_audits(&self, every: Duration) -> Result<u64, StateError> {
        let period = i64::try_from(every.as_micros()).unwrap_or(i64::MAX / 4);
        let done = sqlx::query(
            "UPDATE packages SET next_audit_at = coalesce(audited_at, changed_at) + ? \
             WHERE next_audit_at IS NULL AND in_place AND setup_py IS NOT NULL",
        )
        .bind(period)
        .execute(&self.pool)
        .await
        .map_err(query("schedule audits"))?;
        Ok(done.rows_affected())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::open;
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
        assert_eq!(state.schedule_audits(day).await.unwrap(), 1);
        let next: Vec<Option<i64>> =
            sqlx::query_scalar("SELECT next_audit_at FROM packages ORDER BY package")
                .fetch_all(&state.pool)
                .await
                .unwrap();
        assert_eq!(next, [Some(86_400_001_000), None]);
        // What has its turn keeps it.
        assert_eq!(state.schedule_audits(day).await.unwrap(), 0);
    }
}
