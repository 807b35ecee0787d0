//! Enrolment tokens: the secret half only as a hash, uses counted down.

use jiff::Timestamp;
use muster_shared::protocol::token::TokenRow;
use sqlx::SqliteConnection;

use super::{Store, StoreError, micros, timestamp};

type Row = (String, i64, i64, i64, i64, String, String, Option<String>);

const COLUMNS: &str = "SELECT id, uses_left, uses, created_at, expires_at, created_by, note, identifier \
                       FROM enrolment_tokens ORDER BY created_at DESC, id";

/// A token as registration needs it.
#[derive(Debug, Clone)]
pub struct StoredToken {
    pub secret_hash: String,
    pub uses_left: i64,
    pub expires_at: Timestamp,
    /// Lower case.
    pub identifier: Option<String>,
}

/// Stores a new token.
///
/// # Errors
/// The database failed.
pub async fn insert(store: &Store, row: &TokenRow, secret_hash: &str) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO enrolment_tokens \
         (id, secret_hash, uses, uses_left, created_at, expires_at, created_by, note, identifier) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )
    .bind(&row.id)
    .bind(secret_hash)
    .bind(i64::from(row.uses))
    .bind(i64::from(row.uses_left))
    .bind(micros(row.created_at))
    .bind(micros(row.expires_at))
    .bind(&row.created_by)
    .bind(&row.note)
    .bind(&row.identifier)
    .execute(store.writer())
    .await?;
    Ok(())
}

/// All tokens, newest first.
///
/// # Errors
/// The database failed.
pub async fn list(store: &Store) -> Result<Vec<TokenRow>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(COLUMNS).fetch_all(store.readers()).await?;
    Ok(rows
        .into_iter()
        .map(
            |(id, uses_left, uses, created_at, expires_at, created_by, note, identifier)| TokenRow {
                id,
                uses_left: u32::try_from(uses_left).unwrap_or(0),
                uses: u32::try_from(uses).unwrap_or(0),
                created_at: timestamp(created_at),
                expires_at: timestamp(expires_at),
                created_by,
                note,
                identifier,
            },
        )
        .collect())
}

/// The token of this id.
///
/// # Errors
/// The database failed.
pub async fn find(store: &Store, id: &str) -> Result<Option<StoredToken>, StoreError> {
    let row: Option<(String, i64, i64, Option<String>)> = sqlx::query_as(
        "SELECT secret_hash, uses_left, expires_at, lower(identifier) FROM enrolment_tokens WHERE id = ?1",
    )
    .bind(id)
    .fetch_optional(store.readers())
    .await?;
    Ok(
        row.map(|(secret_hash, uses_left, expires_at, identifier)| StoredToken {
            secret_hash,
            uses_left,
            expires_at: timestamp(expires_at),
            identifier,
        }),
    )
}

/// Takes one use, in the transaction that registers. False when none is left any more.
///
/// # Errors
/// The database failed.
pub async fn take_use(
    connection: &mut SqliteConnection,
    id: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let taken = sqlx::query(
        "UPDATE enrolment_tokens SET uses_left = uses_left - 1 \
         WHERE id = ?1 AND uses_left > 0 AND expires_at > ?2",
    )
    .bind(id)
    .bind(micros(now))
    .execute(connection)
    .await?
    .rows_affected();
    Ok(taken == 1)
}

/// Deletes a token. False when there is none.
///
/// # Errors
/// The database failed.
pub async fn delete(store: &Store, id: &str) -> Result<bool, StoreError> {
    let deleted = sqlx::query("DELETE FROM enrolment_tokens WHERE id = ?1")
        .bind(id)
        .execute(store.writer())
        .await?
        .rows_affected();
    Ok(deleted == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::open_store;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[tokio::test]
    async fn uses_run_out_and_time_runs_out() {
        let (_folder, store) = open_store().await;
        let row = TokenRow {
            id: "abc".into(),
            uses_left: 2,
            uses: 2,
            created_at: at(1),
            expires_at: at(100),
            created_by: "admin".into(),
            note: String::new(),
            identifier: Some("Host-A".into()),
        };
        insert(&store, &row, "hash").await.unwrap();
        assert_eq!(
            find(&store, "abc").await.unwrap().unwrap().identifier.as_deref(),
            Some("host-a")
        );
        let mut transaction = store.begin().await.unwrap();
        assert!(
            !take_use(&mut transaction, "abc", at(100)).await.unwrap(),
            "expired"
        );
        assert!(take_use(&mut transaction, "abc", at(99)).await.unwrap());
        assert!(take_use(&mut transaction, "abc", at(99)).await.unwrap());
        assert!(
            !take_use(&mut transaction, "abc", at(99)).await.unwrap(),
            "used up"
        );
        transaction.commit().await.unwrap();
        assert_eq!(list(&store).await.unwrap()[0].uses_left, 0);
        assert!(delete(&store, "abc").await.unwrap());
        assert!(!delete(&store, "abc").await.unwrap());
    }
}
