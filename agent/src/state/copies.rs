//! Copies of the database: one to try a new agent on, one to put back when that agent did not live.

use std::path::Path;

use jiff::Timestamp;
use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;

use super::{State, StateError, facts, options};

impl State {
    /// Copies a database as it is now, also while a service works on it.
    ///
    /// # Errors
    /// When it cannot be read, or the copy cannot be written.
    pub async fn copy(from: &Path, to: &Path) -> Result<(), StateError> {
        let open = |source| StateError::Open {
            path: from.to_path_buf(),
            source,
        };
        fs_err::remove_file(to).ok();
        let mut connection = SqliteConnection::connect_with(&options(from).read_only(true))
            .await
            .map_err(open)?;
        let target = to.to_string_lossy().into_owned();
        let copied = sqlx::query("VACUUM INTO ?")
            .bind(target)
            .execute(&mut connection)
            .await;
        connection.close().await.map_err(open)?;
        copied.map(|_done| ()).map_err(|source| StateError::Query {
            action: "make a copy of everything",
            source,
        })
    }

    /// A newer version of the agent changed the form of this database, so that this version cannot open it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn is_of_newer_version(path: &Path) -> Result<bool, StateError> {
        if !path.exists() {
            return Ok(false);
        }
        let open = |source| StateError::Open {
            path: path.to_path_buf(),
            source,
        };
        let mut connection = SqliteConnection::connect_with(&options(path).read_only(true))
            .await
            .map_err(open)?;
        let applied: Vec<i64> = sqlx::query_scalar("SELECT version FROM _sqlx_migrations")
            .fetch_all(&mut connection)
            .await
            .map_err(open)?;
        connection.close().await.map_err(open)?;
        let known = sqlx::migrate!("./migrations");
        Ok(applied
            .iter()
            .any(|version| known.iter().all(|migration| migration.version != *version)))
    }

    /// Puts a copy into the place of a database that nobody has open. Orders that were accepted since the copy was
    /// made are not in it, so none from before now are accepted any more.
    ///
    /// # Errors
    /// When the files cannot be moved or the copy cannot be written to.
    pub async fn put_back(copy: &Path, database: &Path, now: Timestamp) -> Result<(), StateError> {
        super::set_aside_as(database, "newer", now)?;
        fs_err::rename(copy, database).map_err(|source| StateError::SetAside {
            path: copy.to_path_buf(),
            source,
        })?;
        let state = Self::open_checked(database).await?;
        state
            .set_facts(&[
                (facts::ORDERS_SINCE, now.to_string()),
                (facts::HIGH_WATER, now.to_string()),
            ])
            .await?;
        state.close().await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{now, open};
    use super::*;

    #[tokio::test]
    async fn a_copy_holds_what_the_open_database_holds() {
        let (place, state) = open().await;
        state.set_fact("colour", "green").await.unwrap();
        let copy = place.path().join("copy");
        State::copy(&place.path().join("agent.sqlite"), &copy)
            .await
            .unwrap();
        let copied = State::open_read_only(&copy).await.unwrap();
        assert_eq!(copied.fact("colour").await.unwrap().as_deref(), Some("green"));
    }

    #[tokio::test]
    async fn a_database_of_a_newer_version_is_told_and_the_copy_from_before_put_back() {
        let (place, state) = open().await;
        let path = place.path().join("agent.sqlite");
        let copy = place.path().join("copy");
        state.set_fact("colour", "green").await.unwrap();
        State::copy(&path, &copy).await.unwrap();
        assert!(!State::is_of_newer_version(&path).await.unwrap());
        sqlx::query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (9999, 'later', 1, x'00', 0)",
        )
        .execute(&state.pool)
        .await
        .unwrap();
        state.set_fact("colour", "red").await.unwrap();
        state.close().await;
        assert!(State::is_of_newer_version(&path).await.unwrap());
        assert!(State::open(&path, now(), true).await.is_err());
        State::put_back(&copy, &path, now()).await.unwrap();
        let state = State::open(&path, now(), true).await.unwrap().state;
        assert_eq!(state.fact("colour").await.unwrap().as_deref(), Some("green"));
        assert_eq!(state.orders_since().await.unwrap(), Some(now()));
    }
}
