//! Nonces of host requests: each once.

use jiff::Timestamp;

use super::{Store, StoreError, micros};

/// Uses a nonce up; false when it was used before.
///
/// # Errors
/// The database failed.
pub async fn spend(
    store: &Store,
    keyid: &str,
    nonce: &str,
    expires_at: Timestamp,
) -> Result<bool, StoreError> {
    let inserted = sqlx::query(
        "INSERT INTO nonces (keyid, nonce, expires_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
    )
    .bind(keyid)
    .bind(nonce)
    .bind(micros(expires_at))
    .execute(store.writer())
    .await?
    .rows_affected();
    Ok(inserted == 1)
}

/// Drops nonces whose requests are too old to be accepted anyway.
///
/// # Errors
/// The database failed.
pub async fn prune(store: &Store, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM nonces WHERE expires_at < ?1")
        .bind(micros(now))
        .execute(store.writer())
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::open_store;

    #[tokio::test]
    async fn a_nonce_is_good_once_for_each_key_until_it_expires() {
        let (_folder, store) = open_store().await;
        let at = |second| Timestamp::from_second(second).unwrap();
        assert!(spend(&store, "key", "nonce", at(100)).await.unwrap());
        assert!(!spend(&store, "key", "nonce", at(100)).await.unwrap());
        assert!(spend(&store, "other key", "nonce", at(100)).await.unwrap());
        prune(&store, at(100)).await.unwrap();
        assert!(!spend(&store, "key", "nonce", at(100)).await.unwrap());
        prune(&store, at(101)).await.unwrap();
        assert!(spend(&store, "key", "nonce", at(200)).await.unwrap());
    }
}
