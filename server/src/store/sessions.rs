//! Sessions, named by the hash of their token.

use jiff::Timestamp;

use super::{Store, StoreError, micros, timestamp};
use crate::auth::session::FoundSession;

/// Stores a new session.
///
/// # Errors
/// The database failed.
pub async fn insert(
    store: &Store,
    token_hash: &str,
    user: &str,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO sessions (token_hash, user_name, created_at, expires_at) VALUES (?1, ?2, ?3, ?4)",
    )
    .bind(token_hash)
    .bind(user)
    .bind(micros(now))
    .bind(micros(expires_at))
    .execute(store.writer())
    .await?;
    Ok(())
}

/// The session of a token hash, unless it has expired.
///
/// # Errors
/// The database failed or holds an unknown role.
pub async fn find(
    store: &Store,
    token_hash: &str,
    now: Timestamp,
) -> Result<Option<FoundSession>, StoreError> {
    let row: Option<(String, String, i64)> = sqlx::query_as(
        "SELECT users.name, users.role, sessions.expires_at FROM sessions \
         JOIN users ON users.name = sessions.user_name \
         WHERE sessions.token_hash = ?1 AND sessions.expires_at > ?2",
    )
    .bind(token_hash)
    .bind(micros(now))
    .fetch_optional(store.readers())
    .await?;
    let Some((user, role, expires_at)) = row else {
        return Ok(None);
    };
    let role = role.parse().map_err(|_unknown| StoreError::Corrupt {
        what: "a role",
        value: role,
    })?;
    Ok(Some(FoundSession {
        user,
        role,
        expires_at: timestamp(expires_at),
        token_hash: token_hash.to_owned(),
    }))
}

/// Ends a session.
///
/// # Errors
/// The database failed.
pub async fn delete(store: &Store, token_hash: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM sessions WHERE token_hash = ?1")
        .bind(token_hash)
        .execute(store.writer())
        .await?;
    Ok(())
}

/// Drops sessions that have expired.
///
/// # Errors
/// The database failed.
pub async fn prune(store: &Store, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM sessions WHERE expires_at <= ?1")
        .bind(micros(now))
        .execute(store.writer())
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{tests::open_store, users};
    use muster_shared::protocol::session::Role;

    #[tokio::test]
    async fn a_session_ends_by_time_by_sign_out_and_by_a_new_password() {
        let (_folder, store) = open_store().await;
        let at = |second| Timestamp::from_second(second).unwrap();
        users::insert(&store, "alice", Role::Deployer, "hash", at(1))
            .await
            .unwrap();
        for token in ["one", "two", "three"] {
            insert(&store, token, "alice", at(1), at(100)).await.unwrap();
        }
        assert_eq!(
            find(&store, "one", at(99)).await.unwrap().unwrap().role,
            Role::Deployer
        );
        assert!(find(&store, "one", at(100)).await.unwrap().is_none());
        delete(&store, "two").await.unwrap();
        assert!(find(&store, "two", at(2)).await.unwrap().is_none());
        users::set_password(&store, "alice", "other", at(3))
            .await
            .unwrap();
        assert!(find(&store, "three", at(4)).await.unwrap().is_none());
    }
}
