//! Users and their failed sign-ins.

use jiff::Timestamp;
use muster_shared::protocol::session::Role;

use super::{Store, StoreError, micros, timestamp};
use crate::auth::lockout;

/// The most names whose failures are kept; the oldest go first.
const MAX_FAILURE_ROWS: i64 = 10_000;

/// A user as stored.
#[derive(Debug, Clone)]
pub struct User {
    pub name: String,
    pub role: Role,
    pub password_hash: String,
    pub created_at: Timestamp,
}

/// A sign-in that is being tried.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    /// Later than now: the try must be refused without looking at the password.
    pub locked_until: Timestamp,
}

/// A user's name as it is stored and compared.
pub fn normalise(name: &str) -> String {
    name.trim().to_lowercase().chars().take(64).collect()
}

/// Whether a new user may have this name: 1 to 64 of `[a-z0-9._-]`.
pub fn is_user_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-')
        })
}

/// Adds a user.
///
/// # Errors
/// The name is taken ([`StoreError::is_duplicate`]), or the database failed.
pub async fn insert(
    store: &Store,
    name: &str,
    role: Role,
    password_hash: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO users (name, role, password_hash, created_at, changed_at) VALUES (?1, ?2, ?3, ?4, ?4)",
    )
    .bind(name)
    .bind(role.as_str())
    .bind(password_hash)
    .bind(micros(now))
    .execute(store.writer())
    .await?;
    Ok(())
}

/// Gives a user a new password, ends all sessions of that user and the lock. False when there is no such user.
///
/// # Errors
/// The database failed.
pub async fn set_password(
    store: &Store,
    name: &str,
    password_hash: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut transaction = store.begin().await?;
    let changed = sqlx::query("UPDATE users SET password_hash = ?2, changed_at = ?3 WHERE name = ?1")
        .bind(name)
        .bind(password_hash)
        .bind(micros(now))
        .execute(&mut *transaction)
        .await?
        .rows_affected();
    sqlx::query("DELETE FROM sessions WHERE user_name = ?1")
        .bind(name)
        .execute(&mut *transaction)
        .await?;
    sqlx::query("DELETE FROM sign_in_failures WHERE name = ?1")
        .bind(name)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(changed > 0)
}

/// Removes a user; sessions go with it. False when there is no such user.
///
/// # Errors
/// The database failed.
pub async fn remove(store: &Store, name: &str) -> Result<bool, StoreError> {
    let removed = sqlx::query("DELETE FROM users WHERE name = ?1")
        .bind(name)
        .execute(store.writer())
        .await?
        .rows_affected();
    Ok(removed == 1)
}

/// The user of this name.
///
/// # Errors
/// The database failed or holds an unknown role.
pub async fn find(store: &Store, name: &str) -> Result<Option<User>, StoreError> {
    let row: Option<(String, String, String, i64)> =
        sqlx::query_as("SELECT name, role, password_hash, created_at FROM users WHERE name = ?1")
            .bind(name)
            .fetch_optional(store.readers())
            .await?;
    row.map(user).transpose()
}

/// All users by name.
///
/// # Errors
/// The database failed or holds an unknown role.
pub async fn list(store: &Store) -> Result<Vec<User>, StoreError> {
    let rows: Vec<(String, String, String, i64)> =
        sqlx::query_as("SELECT name, role, password_hash, created_at FROM users ORDER BY name")
            .fetch_all(store.readers())
            .await?;
    rows.into_iter().map(user).collect()
}

/// How many users there are.
///
/// # Errors
/// The database failed.
pub async fn count(store: &Store) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar("SELECT count(*) FROM users")
        .fetch_one(store.readers())
        .await?)
}

/// Counts a try as failed until [`forget_failures`] says otherwise, unless the name is locked.
///
/// # Errors
/// The database failed.
pub async fn begin_attempt(store: &Store, name: &str, now: Timestamp) -> Result<Attempt, StoreError> {
    let mut transaction = store.begin().await?;
    let row: Option<(i64, i64, i64)> =
        sqlx::query_as("SELECT failures, last_at, locked_until FROM sign_in_failures WHERE name = ?1")
            .bind(name)
            .fetch_optional(&mut *transaction)
            .await?;
    let forget_before = micros(now) - lockout::FORGET_AFTER_SECS * 1_000_000;
    let (failures, locked_until) = match row {
        Some((failures, last_at, locked_until)) if last_at > forget_before => (failures, locked_until),
        _ => (0, 0),
    };
    if locked_until > micros(now) {
        return Ok(Attempt {
            locked_until: timestamp(locked_until),
        });
    }
    let failures = failures + 1;
    sqlx::query(
        "INSERT INTO sign_in_failures (name, failures, last_at, locked_until) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (name) DO UPDATE SET failures = ?2, last_at = ?3, locked_until = ?4",
    )
    .bind(name)
    .bind(failures)
    .bind(micros(now))
    .bind(micros(lockout::locked_until(failures, now)))
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(Attempt { locked_until: now })
}

/// The sign-in worked: the count begins anew.
///
/// # Errors
/// The database failed.
pub async fn forget_failures(store: &Store, name: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM sign_in_failures WHERE name = ?1")
        .bind(name)
        .execute(store.writer())
        .await?;
    Ok(())
}

/// Drops failures that no longer count, and the oldest beyond a limit.
///
/// # Errors
/// The database failed.
pub async fn prune_failures(store: &Store, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM sign_in_failures WHERE last_at < ?1 OR name IN \
         (SELECT name FROM sign_in_failures ORDER BY last_at DESC LIMIT -1 OFFSET ?2)",
    )
    .bind(micros(now) - lockout::FORGET_AFTER_SECS * 1_000_000)
    .bind(MAX_FAILURE_ROWS)
    .execute(store.writer())
    .await?;
    Ok(())
}

fn user((name, role, password_hash, created_at): (String, String, String, i64)) -> Result<User, StoreError> {
    let role = role.parse().map_err(|_unknown| StoreError::Corrupt {
        what: "a role",
        value: role,
    })?;
    Ok(User {
        name,
        role,
        password_hash,
        created_at: timestamp(created_at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::open_store;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[tokio::test]
    async fn the_fifth_failure_locks_and_a_name_without_a_user_locks_alike() {
        let (_folder, store) = open_store().await;
        insert(&store, "alice", Role::Viewer, "hash", at(1000))
            .await
            .unwrap();
        for name in ["alice", "nobody"] {
            for _ in 0..5 {
                let attempt = begin_attempt(&store, name, at(1000)).await.unwrap();
                assert_eq!(attempt.locked_until, at(1000));
            }
            let attempt = begin_attempt(&store, name, at(1001)).await.unwrap();
            assert_eq!(attempt.locked_until, at(1005));
            assert_eq!(
                begin_attempt(&store, name, at(1005)).await.unwrap().locked_until,
                at(1005)
            );
            assert_eq!(
                begin_attempt(&store, name, at(1006)).await.unwrap().locked_until,
                at(1015)
            );
        }
    }

    #[tokio::test]
    async fn a_success_begins_the_count_anew_and_a_day_forgets() {
        let (_folder, store) = open_store().await;
        for _ in 0..5 {
            begin_attempt(&store, "alice", at(1000)).await.unwrap();
        }
        forget_failures(&store, "alice").await.unwrap();
        assert_eq!(
            begin_attempt(&store, "alice", at(1001))
                .await
                .unwrap()
                .locked_until,
            at(1001)
        );
        prune_failures(&store, at(1001 + 2 * 86_400)).await.unwrap();
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM sign_in_failures")
            .fetch_one(store.readers())
            .await
            .unwrap();
        assert_eq!(left, 0);
    }

    #[tokio::test]
    async fn a_name_is_taken_once() {
        let (_folder, store) = open_store().await;
        insert(&store, "alice", Role::Viewer, "hash", at(1))
            .await
            .unwrap();
        assert!(
            insert(&store, "alice", Role::Viewer, "hash", at(1))
                .await
                .unwrap_err()
                .is_duplicate()
        );
        assert!(!set_password(&store, "bob", "other", at(2)).await.unwrap());
    }

    #[test]
    fn names_are_lower_case_and_plain() {
        assert_eq!(normalise(" Alice "), "alice");
        assert!(is_user_name("alice.b-2"));
        assert!(!is_user_name("Alice"));
        assert!(!is_user_name("al ice"));
        assert!(!is_user_name(""));
    }
}
