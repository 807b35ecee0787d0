//! Hosts as keys: whose key is this, who is registered, who waits for a decision.

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::{Store, StoreError, micros, timestamp};
use crate::domain::identifier::host_key;
use crate::domain::registration::{OnRecord, WAITS_FOR};

/// The host that a key belongs to.
#[derive(Debug, Clone)]
pub struct KeyOwner {
    pub identifier: String,
    pub host_key: String,
    /// DER SubjectPublicKeyInfo.
    pub spki: Vec<u8>,
    /// The key waits for a decision; the host has another one on record.
    pub pending: bool,
}

/// A machine that registers.
#[derive(Debug, Clone, Copy)]
pub struct Newcomer<'a> {
    pub identifier: &'a str,
    pub keyid: &'a str,
    pub spki: &'a [u8],
    pub hostname: &'a str,
    pub description: &'a str,
    pub registered_by: &'a str,
}

/// What became of a decision on a waiting key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    Done,
    /// No key waits for a decision on this host.
    NobodyWaits,
    /// Another key than the one that was named waits; nothing was changed.
    AnotherWaits,
}

/// The host of a key, registered or pending.
///
/// # Errors
/// The database failed.
pub async fn find_key(store: &Store, keyid: &str) -> Result<Option<KeyOwner>, StoreError> {
    let row: Option<(String, String, Vec<u8>, bool)> = sqlx::query_as(
        "SELECT identifier, host_key, spki, 0 FROM hosts WHERE keyid = ?1 \
         UNION ALL SELECT identifier, host_key, pending_spki, 1 FROM hosts WHERE pending_keyid = ?1 LIMIT 1",
    )
    .bind(keyid)
    .fetch_optional(store.readers())
    .await?;
    Ok(row.map(|(identifier, host_key, spki, pending)| KeyOwner {
        identifier,
        host_key,
        spki,
        pending,
    }))
}

/// What is known about an identifier and a key.
///
/// # Errors
/// The database failed.
pub async fn on_record(
    connection: &mut SqliteConnection,
    identifier: &str,
    keyid: &str,
    now: Timestamp,
) -> Result<OnRecord, StoreError> {
    let key = host_key(identifier);
    let known: Option<(String, Option<String>, Option<i64>)> =
        sqlx::query_as("SELECT keyid, pending_keyid, pending_at FROM hosts WHERE host_key = ?1")
            .bind(&key)
            .fetch_optional(&mut *connection)
            .await?;
    let key_refused: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM refused_keys WHERE keyid = ?1 AND host_key = ?2)")
            .bind(keyid)
            .bind(&key)
            .fetch_one(&mut *connection)
            .await?;
    let (key_of_another, key_waits_elsewhere): (bool, bool) = sqlx::query_as(
        "SELECT EXISTS (SELECT 1 FROM hosts WHERE host_key <> ?2 AND keyid = ?1), \
         EXISTS (SELECT 1 FROM hosts WHERE host_key <> ?2 AND pending_keyid = ?1)",
    )
    .bind(keyid)
    .bind(&key)
    .fetch_one(&mut *connection)
    .await?;
    Ok(OnRecord {
        identifier_known: known.is_some(),
        same_key: known.as_ref().is_some_and(|(registered, ..)| registered == keyid),
        same_key_pending: known
            .as_ref()
            .is_some_and(|(_, pending, _)| pending.as_deref() == Some(keyid)),
        other_key_pending: known.as_ref().is_some_and(|(_, pending, since)| {
            let is_fresh = since.is_none_or(|since| now.duration_since(timestamp(since)) <= WAITS_FOR);
            pending.as_deref().is_some_and(|pending| pending != keyid) && is_fresh
        }),
        key_refused,
        key_of_another,
        key_waits_elsewhere,
    })
}

/// Adds a host.
///
/// # Errors
/// The database failed.
pub async fn insert(
    connection: &mut SqliteConnection,
    newcomer: Newcomer<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO hosts (host_key, identifier, keyid, spki, registered_by, name, description, \
         groups_json, first_seen, last_seen) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, \
         coalesce((SELECT groups_json FROM host_packages WHERE identifier = ?1), '[]'), ?8, ?8)",
    )
    .bind(host_key(newcomer.identifier))
    .bind(newcomer.identifier)
    .bind(newcomer.keyid)
    .bind(newcomer.spki)
    .bind(newcomer.registered_by)
    .bind(newcomer.hostname)
    .bind(newcomer.description)
    .bind(micros(now))
    .execute(connection)
    .await?;
    Ok(())
}

/// Gives a host a new key; nobody waits any longer, and the old key is worth nothing.
///
/// # Errors
/// The database failed.
pub async fn replace_key(
    connection: &mut SqliteConnection,
    newcomer: Newcomer<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let key = host_key(newcomer.identifier);
    sqlx::query(
        "UPDATE hosts SET keyid = ?2, spki = ?3, registered_by = ?4, name = ?5, last_seen = ?6, \
         pending_keyid = NULL, pending_spki = NULL, pending_hostname = NULL, pending_by = NULL, \
         pending_at = NULL WHERE host_key = ?1",
    )
    .bind(&key)
    .bind(newcomer.keyid)
    .bind(newcomer.spki)
    .bind(newcomer.registered_by)
    .bind(newcomer.hostname)
    .bind(micros(now))
    .execute(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM refused_keys WHERE host_key = ?1 AND keyid = ?2")
        .bind(&key)
        .bind(newcomer.keyid)
        .execute(connection)
        .await?;
    Ok(())
}

/// Lets a new key of a known identifier wait for a decision, in place of one that waited before.
///
/// # Errors
/// The database failed.
pub async fn set_pending(
    connection: &mut SqliteConnection,
    newcomer: Newcomer<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE hosts SET pending_keyid = ?2, pending_spki = ?3, pending_hostname = ?4, \
         pending_by = ?5, pending_at = ?6 WHERE host_key = ?1",
    )
    .bind(host_key(newcomer.identifier))
    .bind(newcomer.keyid)
    .bind(newcomer.spki)
    .bind(newcomer.hostname)
    .bind(newcomer.registered_by)
    .bind(micros(now))
    .execute(connection)
    .await?;
    Ok(())
}

/// A key does not wait any longer, wherever it did; the hosts that it waited for.
///
/// # Errors
/// The database failed.
pub async fn withdraw(connection: &mut SqliteConnection, keyid: &str) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar(
        "UPDATE hosts SET pending_keyid = NULL, pending_spki = NULL, pending_hostname = NULL, pending_by = NULL, \
         pending_at = NULL WHERE pending_keyid = ?1 RETURNING host_key",
    )
    .bind(keyid)
    .fetch_all(connection)
    .await?)
}

/// The named key, which waits, becomes the host's key.
///
/// # Errors
/// The database failed.
pub async fn accept_pending(store: &Store, key: &str, keyid: &str) -> Result<Decided, StoreError> {
    let mut transaction = store.begin().await?;
    let changed = sqlx::query(
        "UPDATE hosts SET keyid = pending_keyid, spki = pending_spki, registered_by = pending_by, \
         name = pending_hostname, pending_keyid = NULL, pending_spki = NULL, pending_hostname = NULL, \
         pending_by = NULL, pending_at = NULL WHERE host_key = ?1 AND pending_keyid = ?2",
    )
    .bind(key)
    .bind(keyid)
    .execute(&mut *transaction)
    .await?
    .rows_affected();
    let decided = decided(&mut transaction, key, changed).await?;
    transaction.commit().await?;
    Ok(decided)
}

/// The named key, which waits, is refused and stays so.
///
/// # Errors
/// The database failed.
pub async fn refuse_pending(
    store: &Store,
    key: &str,
    keyid: &str,
    now: Timestamp,
) -> Result<Decided, StoreError> {
    let mut transaction = store.begin().await?;
    sqlx::query(
        "INSERT OR REPLACE INTO refused_keys (keyid, host_key, refused_at) \
         SELECT pending_keyid, host_key, ?3 FROM hosts WHERE host_key = ?1 AND pending_keyid = ?2",
    )
    .bind(key)
    .bind(keyid)
    .bind(micros(now))
    .execute(&mut *transaction)
    .await?;
    let changed = sqlx::query(
        "UPDATE hosts SET pending_keyid = NULL, pending_spki = NULL, pending_hostname = NULL, \
         pending_by = NULL, pending_at = NULL WHERE host_key = ?1 AND pending_keyid = ?2",
    )
    .bind(key)
    .bind(keyid)
    .execute(&mut *transaction)
    .await?
    .rows_affected();
    let decided = decided(&mut transaction, key, changed).await?;
    transaction.commit().await?;
    Ok(decided)
}

/// Says why a decision that changed no row changed none.
async fn decided(connection: &mut SqliteConnection, key: &str, changed: u64) -> Result<Decided, StoreError> {
    if changed == 1 {
        return Ok(Decided::Done);
    }
    let waits: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM hosts WHERE host_key = ?1 AND pending_keyid IS NOT NULL)",
    )
    .bind(key)
    .fetch_one(connection)
    .await?;
    Ok(if waits {
        Decided::AnotherWaits
    } else {
        Decided::NobodyWaits
    })
}

/// Deletes a host and all it reported. False when there is none.
///
/// # Errors
/// The database failed.
pub async fn delete(store: &Store, key: &str) -> Result<bool, StoreError> {
    let mut transaction = store.begin().await?;
    let deleted = sqlx::query("DELETE FROM hosts WHERE host_key = ?1")
        .bind(key)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
    sqlx::query("DELETE FROM refused_keys WHERE host_key = ?1")
        .bind(key)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(deleted == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::open_store;

    fn newcomer<'a>(identifier: &'a str, keyid: &'a str) -> Newcomer<'a> {
        Newcomer {
            identifier,
            keyid,
            spki: keyid.as_bytes(),
            hostname: "pc",
            description: "",
            registered_by: "token",
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    async fn with_host() -> (tempfile::TempDir, Store) {
        let (folder, store) = open_store().await;
        let mut transaction = store.begin().await.unwrap();
        insert(&mut transaction, newcomer("Host-A", "key-1"), at(1))
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        (folder, store)
    }

    #[tokio::test]
    async fn a_host_is_found_by_its_key_and_known_by_its_identifier_in_any_case() {
        let (_folder, store) = with_host().await;
        let owner = find_key(&store, "key-1").await.unwrap().unwrap();
        assert_eq!(
            (owner.identifier.as_str(), owner.host_key.as_str()),
            ("Host-A", "host-a")
        );
        assert!(!owner.pending);
        let mut connection = store.readers().acquire().await.unwrap();
        let record = on_record(&mut connection, "HOST-a", "key-1", at(1))
            .await
            .unwrap();
        assert!(record.identifier_known && record.same_key);
        let record = on_record(&mut connection, "host-b", "key-1", at(1))
            .await
            .unwrap();
        assert!(record.key_of_another && !record.identifier_known);
    }

    #[tokio::test]
    async fn a_waiting_key_replaces_the_old_one_when_accepted() {
        let (_folder, store) = with_host().await;
        let mut transaction = store.begin().await.unwrap();
        set_pending(&mut transaction, newcomer("host-a", "key-2"), at(2))
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        assert!(find_key(&store, "key-2").await.unwrap().unwrap().pending);
        assert!(!find_key(&store, "key-1").await.unwrap().unwrap().pending);
        let decided = accept_pending(&store, "host-a", "key-3").await.unwrap();
        assert_eq!(decided, Decided::AnotherWaits);
        assert!(find_key(&store, "key-2").await.unwrap().unwrap().pending);
        let decided = accept_pending(&store, "host-a", "key-2").await.unwrap();
        assert_eq!(decided, Decided::Done);
        assert!(find_key(&store, "key-1").await.unwrap().is_none());
        assert!(!find_key(&store, "key-2").await.unwrap().unwrap().pending);
        let decided = accept_pending(&store, "host-a", "key-2").await.unwrap();
        assert_eq!(decided, Decided::NobodyWaits);
    }

    #[tokio::test]
    async fn a_waiting_key_is_in_the_way_of_another_for_a_day() {
        let (_folder, store) = with_host().await;
        let mut transaction = store.begin().await.unwrap();
        set_pending(&mut transaction, newcomer("host-a", "key-2"), at(2))
            .await
            .unwrap();
        let day = WAITS_FOR.as_secs();
        for (keyid, second, in_the_way) in [
            ("key-3", 2, true),
            ("key-3", 2 + day, true),
            ("key-3", 3 + day, false),
            ("key-2", 2, false),
        ] {
            let record = on_record(&mut transaction, "host-a", keyid, at(second))
                .await
                .unwrap();
            assert_eq!(record.other_key_pending, in_the_way, "{keyid} at {second}");
        }
    }

    #[tokio::test]
    async fn a_refused_key_is_remembered_for_its_identifier() {
        let (_folder, store) = with_host().await;
        let mut transaction = store.begin().await.unwrap();
        set_pending(&mut transaction, newcomer("host-a", "key-2"), at(2))
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        let decided = refuse_pending(&store, "host-a", "key-3", at(3)).await.unwrap();
        assert_eq!(decided, Decided::AnotherWaits);
        let decided = refuse_pending(&store, "host-a", "key-2", at(3)).await.unwrap();
        assert_eq!(decided, Decided::Done);
        let mut connection = store.readers().acquire().await.unwrap();
        assert!(
            on_record(&mut connection, "host-a", "key-2", at(3))
                .await
                .unwrap()
                .key_refused
        );
        assert!(
            !on_record(&mut connection, "host-b", "key-2", at(3))
                .await
                .unwrap()
                .key_refused
        );
        drop(connection);
        assert!(delete(&store, "host-a").await.unwrap());
        assert!(find_key(&store, "key-1").await.unwrap().is_none());
    }
}
