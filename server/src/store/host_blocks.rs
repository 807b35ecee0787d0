//! Inventory blocks as reported, and the columns of the fleet's table that come from them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_shared::protocol::host::HostRow;
use muster_shared::protocol::inventory::Block;
use sqlx::SqliteConnection;

use super::action_targets::{self, TargetChange};
use super::{Store, StoreError, host_rows, micros};
use crate::domain::inventory::{CheckedReport, Columns, HostColumns, PackageColumns};

/// What a report changed.
#[derive(Debug)]
pub struct Applied {
    /// The hashes that the database holds now.
    pub hashes: BTreeMap<Block, String>,
    pub row: Option<HostRow>,
    /// Targets of actions that moved, from the tasks that the host reports.
    pub targets: Vec<TargetChange>,
}

/// Stores a report: all of it or nothing.
///
/// # Errors
/// The database failed.
pub async fn apply(
    store: &Store,
    host_key: &str,
    report: &CheckedReport,
    now: Timestamp,
) -> Result<Applied, StoreError> {
    let mut transaction = store.begin().await?;
    let mut targets = Vec::new();
    for (block, changed) in &report.blocks {
        sqlx::query(
            "INSERT INTO host_blocks (host_key, block, hash, body, received_at) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (host_key, block) DO UPDATE SET hash = ?3, body = ?4, received_at = ?5",
        )
        .bind(host_key)
        .bind(block.as_str())
        .bind(&changed.hash)
        .bind(&changed.body)
        .bind(micros(now))
        .execute(&mut *transaction)
        .await?;
        match &changed.columns {
            Columns::Host(host) => set_host(&mut transaction, host_key, host).await?,
            Columns::Hardware {
                manufacturer,
                model,
                serial,
            } => {
                sqlx::query(
                    "UPDATE hosts SET manufacturer = ?2, model = ?3, serial = ?4 WHERE host_key = ?1",
                )
                .bind(host_key)
                .bind(manufacturer)
                .bind(model)
                .bind(serial)
                .execute(&mut *transaction)
                .await?;
            }
            Columns::Packages(packages) => set_packages(&mut transaction, host_key, packages).await?,
            Columns::Agent { version } => {
                sqlx::query("UPDATE hosts SET agent_version = ?2 WHERE host_key = ?1")
                    .bind(host_key)
                    .bind(version)
                    .execute(&mut *transaction)
                    .await?;
            }
            Columns::Tasks(tasks) => {
                targets = action_targets::apply_tasks(&mut transaction, host_key, tasks, now).await?;
            }
            Columns::None => {}
        }
    }
    sqlx::query("UPDATE hosts SET running = ?2, last_seen = ?3 WHERE host_key = ?1")
        .bind(host_key)
        .bind(&report.running)
        .bind(micros(now))
        .execute(&mut *transaction)
        .await?;
    host_rows::refresh_status(&mut *transaction, host_key).await?;
    let mut hashes = hashes(&mut transaction, host_key).await?;
    let gone: Vec<Block> = hashes
        .keys()
        .filter(|block| !report.hashes.contains_key(block))
        .copied()
        .collect();
    for block in gone {
        sqlx::query("DELETE FROM host_blocks WHERE host_key = ?1 AND block = ?2")
            .bind(host_key)
            .bind(block.as_str())
            .execute(&mut *transaction)
            .await?;
        if block == Block::Packages {
            set_packages(&mut transaction, host_key, &PackageColumns::default()).await?;
            host_rows::refresh_status(&mut *transaction, host_key).await?;
        }
        hashes.remove(&block);
    }
    let row = host_rows::get(&mut *transaction, host_key).await?;
    transaction.commit().await?;
    Ok(Applied { hashes, row, targets })
}

/// Every block of a host, as reported.
///
/// # Errors
/// The database failed.
pub async fn all(store: &Store, host_key: &str) -> Result<BTreeMap<Block, serde_json::Value>, StoreError> {
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT block, body FROM host_blocks WHERE host_key = ?1")
            .bind(host_key)
            .fetch_all(store.readers())
            .await?;
    rows.into_iter()
        .map(|(block, body)| {
            let value = serde_json::from_str(&body).map_err(|_error| StoreError::Corrupt {
                what: "a block",
                value: block.clone(),
            })?;
            Ok((block_named(&block)?, value))
        })
        .collect()
}

/// One block of a host, as reported.
///
/// # Errors
/// The database failed.
pub async fn get(
    store: &Store,
    host_key: &str,
    block: Block,
) -> Result<Option<serde_json::Value>, StoreError> {
    let body: Option<String> =
        sqlx::query_scalar("SELECT body FROM host_blocks WHERE host_key = ?1 AND block = ?2")
            .bind(host_key)
            .bind(block.as_str())
            .fetch_optional(store.readers())
            .await?;
    body.map(|body| {
        serde_json::from_str(&body).map_err(|_error| StoreError::Corrupt {
            what: "a block",
            value: block.as_str().to_owned(),
        })
    })
    .transpose()
}

async fn hashes(
    connection: &mut SqliteConnection,
    host_key: &str,
) -> Result<BTreeMap<Block, String>, StoreError> {
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT block, hash FROM host_blocks WHERE host_key = ?1")
            .bind(host_key)
            .fetch_all(connection)
            .await?;
    rows.into_iter()
        .map(|(block, hash)| Ok((block_named(&block)?, hash)))
        .collect()
}

fn block_named(word: &str) -> Result<Block, StoreError> {
    Block::ALL
        .into_iter()
        .find(|block| block.as_str() == word)
        .ok_or_else(|| StoreError::Corrupt {
            what: "a block's name",
            value: word.to_owned(),
        })
}

async fn set_host(
    connection: &mut SqliteConnection,
    host_key: &str,
    host: &HostColumns,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE hosts SET name = CASE WHEN ?2 = '' THEN name ELSE ?2 END, description = ?3, os = ?4, \
         os_version = ?5, architecture = ?6, address = ?7, mac = ?8, ou = ?9, users_json = ?10 \
         WHERE host_key = ?1",
    )
    .bind(host_key)
    .bind(&host.name)
    .bind(&host.description)
    .bind(&host.os)
    .bind(&host.os_version)
    .bind(&host.architecture)
    .bind(&host.address)
    .bind(&host.mac)
    .bind(&host.ou)
    .bind(serde_json::json!(host.users).to_string())
    .execute(connection)
    .await?;
    Ok(())
}

async fn set_packages(
    connection: &mut SqliteConnection,
    host_key: &str,
    packages: &PackageColumns,
) -> Result<(), StoreError> {
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    sqlx::query(
        "UPDATE hosts SET packages_total = ?2, packages_failed = ?3, packages_pending = ?4 WHERE host_key = ?1",
    )
    .bind(host_key)
    .bind(count(packages.total))
    .bind(count(packages.failed))
    .bind(count(packages.pending))
    .execute(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM installed_packages WHERE host_key = ?1")
        .bind(host_key)
        .execute(&mut *connection)
        .await?;
    // One statement for all: a JSON list in, rows out.
    let list = serde_json::json!(packages.installed).to_string();
    sqlx::query(
        "INSERT INTO installed_packages (host_key, package, version, status) \
         SELECT ?1, json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]') \
         FROM json_each(?2)",
    )
    .bind(host_key)
    .bind(list)
    .execute(connection)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::inventory::check_report;
    use crate::store::{hosts, tests::open_store};
    use muster_shared::protocol::host::HostStatus;
    use muster_shared::protocol::inventory::block_hash;
    use serde_json::{Value, json};

    async fn with_host() -> (tempfile::TempDir, Store) {
        let (folder, store) = open_store().await;
        let mut transaction = store.begin().await.unwrap();
        let newcomer = hosts::Newcomer {
            identifier: "host-a",
            keyid: "k",
            spki: b"",
            hostname: "pc",
            description: "",
            registered_by: "token",
        };
        hosts::insert(&mut transaction, newcomer, Timestamp::UNIX_EPOCH)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        (folder, store)
    }

    fn report(blocks: &[(&str, Value)], unchanged: &[(&str, String)]) -> CheckedReport {
        let mut hashes: serde_json::Map<String, Value> = unchanged
            .iter()
            .map(|(name, hash)| ((*name).to_owned(), json!(hash)))
            .collect();
        let mut bodies = serde_json::Map::new();
        for (name, body) in blocks {
            hashes.insert((*name).to_owned(), json!(block_hash(body)));
            bodies.insert((*name).to_owned(), body.clone());
        }
        let text = json!({"identifier": "host-a", "hashes": hashes, "blocks": bodies}).to_string();
        check_report(text.as_bytes(), "host-a").unwrap()
    }

    fn packages(status: &str) -> Value {
        json!({"installed": [
            {"package": "demo", "version": "1-1", "status": status, "changed_at": "2026-01-01T00:00:00Z"}
        ], "pending": [{"package": "more", "change": "install"}]})
    }

    #[tokio::test]
    async fn the_answer_names_what_is_held_and_a_block_no_longer_named_is_dropped() {
        let (_folder, store) = with_host().await;
        let agent = json!({"version": "0.1"});
        let now = Timestamp::from_second(5).unwrap();
        let first = report(&[("agent", agent.clone()), ("packages", packages("OK"))], &[]);
        let applied = apply(&store, "host-a", &first, now).await.unwrap();
        assert_eq!(applied.hashes, first.hashes);
        // A server that lost its database answers with less than the host believes it has.
        let missing = "0".repeat(64);
        let second = report(&[], &[("agent", block_hash(&agent)), ("software", missing)]);
        let applied = apply(&store, "host-a", &second, now).await.unwrap();
        assert_eq!(applied.hashes.len(), 1);
        assert_eq!(applied.hashes[&Block::Agent], block_hash(&agent));
        assert_eq!(all(&store, "host-a").await.unwrap()[&Block::Agent], agent);
    }

    #[tokio::test]
    async fn packages_decide_the_status_and_are_counted_by_version() {
        let (_folder, store) = with_host().await;
        let now = Timestamp::from_second(5).unwrap();
        let applied = apply(
            &store,
            "host-a",
            &report(&[("packages", packages("OK"))], &[]),
            now,
        )
        .await
        .unwrap();
        let row = applied.row.unwrap();
        assert_eq!(
            (row.status, row.packages_total, row.packages_pending),
            (HostStatus::NeedUpgrade, 1, 1)
        );
        let applied = apply(
            &store,
            "host-a",
            &report(&[("packages", packages("ERROR"))], &[]),
            now,
        )
        .await
        .unwrap();
        let row = applied.row.unwrap();
        assert_eq!(
            (row.status, row.packages_failed, row.last_seen),
            (HostStatus::Error, 1, now)
        );
        let counted: Vec<(String, String, String)> =
            sqlx::query_as("SELECT package, version, status FROM installed_packages")
                .fetch_all(store.readers())
                .await
                .unwrap();
        assert_eq!(
            counted,
            [("demo".to_owned(), "1-1".to_owned(), "ERROR".to_owned())]
        );
    }
}
