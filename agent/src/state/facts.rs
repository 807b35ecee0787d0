//! Single values: what was last fetched, when, and the highest order seen.

use jiff::Timestamp;

use super::{State, StateError, query};

/// When the last complete update was.
pub const UPDATED_AT: &str = "updated_at";
/// When the last scheduled upgrade was begun.
pub const UPGRADED_AT: &str = "upgraded_at";
/// Why the last update could not be completed, empty when it could.
pub const UPDATE_ERROR: &str = "update_error";
/// Validators of the index file in the cache, as JSON.
pub const INDEX_VALIDATORS: &str = "index_validators";
/// The signed rules of repositories: where they came from, and the latest that was in force, as JSON.
pub const REPOSITORY_RULES: &str = "repository_rules";
/// This host's address as the server saw it last.
pub const PUBLIC_ADDRESS: &str = "public_address";
/// Validators of the host package in the cache, as JSON.
pub const HOST_PACKAGE_VALIDATORS: &str = "host_package_validators";
/// The highest host package that was ever in force, as JSON.
pub const HIGHEST_HOST_PACKAGE: &str = "highest_host_package";
/// When this database was begun.
pub const BEGUN_AT: &str = "begun_at";
/// Orders issued before this time are refused: the rows that would tell replays were lost.
pub const ORDERS_SINCE: &str = "orders_since";
/// The highest `issued_at` accepted so far.
pub const HIGH_WATER: &str = "high_water";
/// Where the issuers of trusted certificates publish their revocation lists, as JSON.
pub const CRL_POINTS: &str = "crl_points";
/// What is known of each address of revocation lists, as JSON.
pub const CRL_CHECKS: &str = "crl_checks";
/// What the revocation lists of the index were last judged with, as a digest.
pub const CRL_BASIS: &str = "crl_basis";
/// The documents by which anchors took trust from keys: where they came from last, as JSON.
pub const DISTRUST: &str = "distrust";
/// The pending changes as last planned, as JSON.
pub const PENDING: &str = "pending";
/// When a package of the repository next begins, ends or becomes forced: an update is due then.
pub const NEXT_TURN: &str = "next_turn";
/// Rows of the index that were refused, and why, as JSON.
pub const REFUSED_ROWS: &str = "refused_rows";
/// The description that was ordered for this host.
pub const DESCRIPTION: &str = "description";
/// What happened to the database, for the status.
pub const NOTICE: &str = "notice";
/// The interpreter for scripts (path, size, time of change) and its version, in JSON.
pub const PYTHON_VERSION: &str = "python_version";

/// A value that stays as it is is not written: the disk of an idle machine may sleep.
const SET: &str = "INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET \
     value = excluded.value WHERE value <> excluded.value";

impl State {
    /// No value was ever set: nothing was done with this database yet.
    pub(super) async fn has_no_facts(&self) -> Result<bool, StateError> {
        sqlx::query_scalar("SELECT NOT EXISTS (SELECT 1 FROM facts)")
            .fetch_one(&self.pool)
            .await
            .map_err(query("look for values"))
    }

    /// Sets several values, all or none.
    pub(super) async fn set_facts(&self, values: &[(&str, String)]) -> Result<(), StateError> {
        let mut transaction = self.pool.begin().await.map_err(query("begin"))?;
        for (name, value) in values {
            sqlx::query(SET)
                .bind(*name)
                .bind(value)
                .execute(&mut *transaction)
                .await
                .map_err(query("write a value"))?;
        }
        transaction.commit().await.map_err(query("write values"))
    }

    /// A value, if it was ever set.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn fact(&self, name: &str) -> Result<Option<String>, StateError> {
        sqlx::query_scalar("SELECT value FROM facts WHERE name = ?")
            .bind(name)
            .fetch_optional(&self.pool)
            .await
            .map_err(query("read a value"))
    }

    /// Sets a value.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn set_fact(&self, name: &str, value: &str) -> Result<(), StateError> {
        sqlx::query(SET)
            .bind(name)
            .bind(value)
            .execute(&self.pool)
            .await
            .map_err(query("write a value"))?;
        Ok(())
    }

    /// Forgets a value.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn clear_fact(&self, name: &str) -> Result<(), StateError> {
        sqlx::query("DELETE FROM facts WHERE name = ?")
            .bind(name)
            .execute(&self.pool)
            .await
            .map_err(query("forget a value"))?;
        Ok(())
    }

    /// A value that is a time.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn time_fact(&self, name: &str) -> Result<Option<Timestamp>, StateError> {
        Ok(self.fact(name).await?.and_then(|text| text.parse().ok()))
    }

    /// A value that is JSON; one that cannot be read counts as not set.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn json_fact<T: serde::de::DeserializeOwned>(
        &self,
        name: &str,
    ) -> Result<Option<T>, StateError> {
        Ok(self
            .fact(name)
            .await?
            .and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Sets a value as JSON.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn set_json_fact<T: serde::Serialize>(&self, name: &str, value: &T) -> Result<(), StateError> {
        self.set_fact(name, &super::json(value)).await
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::open;

    #[tokio::test]
    async fn a_value_that_stays_as_it_is_is_not_written_again() {
        let (_place, state) = open().await;
        let written = async || {
            sqlx::query_scalar::<_, i64>("SELECT total_changes()")
                .fetch_one(&state.pool)
                .await
                .unwrap()
        };
        state.set_fact("colour", "green").await.unwrap();
        let before = written().await;
        state.set_fact("colour", "green").await.unwrap();
        assert_eq!(written().await, before);
        state.set_fact("colour", "red").await.unwrap();
        assert_eq!(written().await, before + 1);
        assert_eq!(state.fact("colour").await.unwrap().as_deref(), Some("red"));
    }
}
