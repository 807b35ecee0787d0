//! The fleet's table: one ready row a host, listed by sort column, filtered over rows.
//!
//! Without a filter a page costs its own length. With one, every row is looked at once: 50,000 rows are
//! one pass over one table; `software:` also reads the software block of every host.

use std::borrow::Cow;
use std::collections::HashMap;

use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use muster_shared::filter::Filter;
use muster_shared::protocol::host::{HostRow, HostStatus};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row as _, SqliteExecutor};

use super::{Store, StoreError, micros, timestamp};
use crate::domain::host_filter::{self, FilterableHost, Needs};

const COLUMNS: &str = "hosts.identifier, hosts.name, hosts.description, hosts.status, hosts.reachable, \
     hosts.pending_keyid, hosts.os, hosts.os_version, hosts.architecture, hosts.address, \
     hosts.mac, hosts.ou, hosts.groups_json, hosts.manufacturer, hosts.model, hosts.serial, \
     hosts.users_json, hosts.agent_version, hosts.packages_total, hosts.packages_failed, \
     hosts.packages_pending, hosts.running, hosts.first_seen, hosts.last_seen, hosts.registered_by";

/// The index of the first column after [`COLUMNS`].
const AFTER_COLUMNS: usize = 25;

/// Status in order of urgency, as SQL.
const URGENCY: &str =
    "CASE hosts.status WHEN 'ERROR' THEN 0 WHEN 'NEED-UPGRADE' THEN 1 WHEN 'RUNNING' THEN 2 ELSE 3 END";

/// What `sort=` may name, and the expression behind it.
const SORTS: &[(&str, &str)] = &[
    ("identifier", "hosts.host_key"),
    ("name", "hosts.name COLLATE NOCASE"),
    ("description", "hosts.description COLLATE NOCASE"),
    ("status", URGENCY),
    ("reachable", "hosts.reachable"),
    ("os", "hosts.os COLLATE NOCASE"),
    ("os_version", "hosts.os_version"),
    ("architecture", "hosts.architecture"),
    ("address", "hosts.address"),
    ("mac", "hosts.mac"),
    ("ou", "hosts.ou COLLATE NOCASE"),
    ("manufacturer", "hosts.manufacturer COLLATE NOCASE"),
    ("model", "hosts.model COLLATE NOCASE"),
    ("serial", "hosts.serial"),
    ("agent_version", "hosts.agent_version"),
    ("packages_total", "hosts.packages_total"),
    ("packages_failed", "hosts.packages_failed"),
    ("packages_pending", "hosts.packages_pending"),
    ("first_seen", "hosts.first_seen"),
    ("last_seen", "hosts.last_seen"),
];

/// A column to sort by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    expression: &'static str,
    descending: bool,
}

impl Sort {
    /// Reads `name` or `-name`; `None` when there is no such column.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, descending) = match text.strip_prefix('-') {
            Some(name) => (name, true),
            None => (text, false),
        };
        let (_, expression) = SORTS.iter().find(|(known, _)| *known == name)?;
        Some(Self {
            expression,
            descending,
        })
    }

    /// What may be sorted by.
    pub fn names() -> impl Iterator<Item = &'static str> {
        SORTS.iter().map(|(name, _)| *name)
    }
}

/// A page of the fleet.
#[derive(Debug)]
pub struct Listing {
    pub rows: Vec<HostRow>,
    /// Rows that match in all.
    pub total: u64,
    /// The host after which the next page begins.
    pub next: Option<String>,
}

/// One page of hosts, in order, from just after a host.
///
/// # Errors
/// The database failed.
pub async fn list(
    store: &Store,
    filter: &Filter,
    sort: Sort,
    after: Option<&str>,
    limit: usize,
    now: Timestamp,
) -> Result<Listing, StoreError> {
    let needs = host_filter::needs(filter);
    let direction = if sort.descending { "DESC" } else { "ASC" };
    let comparison = if sort.descending { "<" } else { ">" };
    let expression = sort.expression;
    // A host that was deleted since leaves no value to go on from: the page begins after its key then.
    let is_after = format!(
        "CASE WHEN ?1 IS NULL THEN 1 ELSE coalesce(({expression}, hosts.host_key) {comparison} \
         (SELECT {other}, sought.host_key FROM hosts AS sought WHERE sought.host_key = ?1), \
         hosts.host_key {comparison} ?1) END",
        other = expression.replace("hosts.", "sought."),
    );
    let mut listing = Listing {
        rows: Vec::new(),
        total: 0,
        next: None,
    };
    let more = if filter.is_empty() {
        let total: i64 = sqlx::query_scalar("SELECT count(*) FROM hosts")
            .fetch_one(store.readers())
            .await?;
        listing.total = u64::try_from(total).unwrap_or(0);
        let sql = format!(
            "SELECT {COLUMNS} FROM hosts WHERE {is_after} ORDER BY {expression} {direction}, \
             hosts.host_key {direction} LIMIT ?2"
        );
        let wanted = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let mut rows = sqlx::query(AssertSqlSafe(sql))
            .bind(after)
            .bind(wanted)
            .fetch(store.readers());
        let mut more = false;
        while let Some(row) = rows.try_next().await? {
            if listing.rows.len() == limit {
                more = true;
                break;
            }
            listing.rows.push(host_row(&row)?);
        }
        more
    } else {
        let packages = if needs.packages {
            packages_by_host(store).await?
        } else {
            HashMap::new()
        };
        let (block_columns, block_joins) = block_sql(needs);
        let sql = format!(
            "SELECT {COLUMNS}, {is_after}, hosts.host_key{block_columns} FROM hosts{block_joins} \
             ORDER BY {expression} {direction}, hosts.host_key {direction}"
        );
        let mut rows = sqlx::query(AssertSqlSafe(sql)).bind(after).fetch(store.readers());
        let mut more = false;
        while let Some(row) = rows.try_next().await? {
            let host = host_row(&row)?;
            let is_after: bool = row.try_get(AFTER_COLUMNS)?;
            let key: String = row.try_get(AFTER_COLUMNS + 1)?;
            let mut column = AFTER_COLUMNS + 2;
            let mut block = |wanted: bool| -> Result<Option<serde_json::Value>, StoreError> {
                if !wanted {
                    return Ok(None);
                }
                let text: Option<String> = row.try_get(column)?;
                column += 1;
                Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
            };
            let filterable = FilterableHost {
                row: &host,
                host: block(needs.host)?,
                hardware: block(needs.hardware)?,
                software: block(needs.software)?,
                packages: packages.get(&key).map_or(&[][..], Vec::as_slice),
            };
            if !filter.matches(&filterable, now) {
                continue;
            }
            listing.total += 1;
            if is_after {
                if listing.rows.len() < limit {
                    listing.rows.push(host);
                } else {
                    more = true;
                }
            }
        }
        more
    };
    if more {
        listing.next = listing.rows.last().map(|row| row.identifier.to_ascii_lowercase());
    }
    Ok(listing)
}

/// The row of one host.
///
/// # Errors
/// The database failed.
pub async fn get(executor: impl SqliteExecutor<'_>, host_key: &str) -> Result<Option<HostRow>, StoreError> {
    sqlx::query(AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM hosts WHERE host_key = ?1"
    )))
    .bind(host_key)
    .fetch_optional(executor)
    .await?
    .map(|row| host_row(&row))
    .transpose()
}

/// Derives the status from the columns that it depends on (see `HostStatus::derive`).
///
/// # Errors
/// The database failed.
pub async fn refresh_status(executor: impl SqliteExecutor<'_>, host_key: &str) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE hosts SET status = CASE WHEN running <> '' THEN 'RUNNING' WHEN packages_failed > 0 THEN 'ERROR' \
         WHEN packages_pending > 0 THEN 'NEED-UPGRADE' ELSE 'OK' END WHERE host_key = ?1",
    )
    .bind(host_key)
    .execute(executor)
    .await?;
    Ok(())
}

/// Nobody is connected to a server that just started, and nothing is known to run.
///
/// # Errors
/// The database failed.
pub async fn forget_connections(store: &Store) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE hosts SET reachable = 0, running = '', status = CASE WHEN packages_failed > 0 THEN 'ERROR' \
         WHEN packages_pending > 0 THEN 'NEED-UPGRADE' ELSE 'OK' END WHERE reachable <> 0 OR running <> ''",
    )
    .execute(store.writer())
    .await?;
    Ok(())
}

/// Writes whether a host is connected. The question is asked with the writing connection in hand, so the last
/// one who writes has the last answer.
///
/// # Errors
/// The database failed.
pub async fn set_presence(
    store: &Store,
    host_key: &str,
    is_connected: impl FnOnce() -> bool,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut transaction = store.begin().await?;
    let connected = is_connected();
    sqlx::query(
        "UPDATE hosts SET reachable = ?2, last_seen = ?3, running = CASE WHEN ?2 THEN running ELSE '' END \
         WHERE host_key = ?1",
    )
    .bind(host_key)
    .bind(connected)
    .bind(micros(now))
    .execute(&mut *transaction)
    .await?;
    refresh_status(&mut *transaction, host_key).await?;
    transaction.commit().await?;
    Ok(())
}

/// Shows what runs on a host; empty when nothing does. False when that is what the row says already.
///
/// # Errors
/// The database failed.
pub async fn set_running(
    store: &Store,
    host_key: &str,
    text: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut transaction = store.begin().await?;
    let changed =
        sqlx::query("UPDATE hosts SET running = ?2, last_seen = ?3 WHERE host_key = ?1 AND running <> ?2")
            .bind(host_key)
            .bind(text)
            .bind(micros(now))
            .execute(&mut *transaction)
            .await?
            .rows_affected();
    if changed == 1 {
        refresh_status(&mut *transaction, host_key).await?;
    }
    transaction.commit().await?;
    Ok(changed == 1)
}

async fn packages_by_host(store: &Store) -> Result<HashMap<String, Vec<(String, String)>>, StoreError> {
    let mut packages: HashMap<String, Vec<(String, String)>> = HashMap::new();
    let mut rows = sqlx::query_as::<_, (String, String, String)>(
        "SELECT host_key, package, version FROM installed_packages ORDER BY host_key",
    )
    .fetch(store.readers());
    while let Some((key, package, version)) = rows.try_next().await? {
        packages.entry(key).or_default().push((package, version));
    }
    Ok(packages)
}

fn block_sql(needs: Needs) -> (String, String) {
    let (mut columns, mut joins) = (String::new(), String::new());
    for (wanted, block) in [
        (needs.host, "host"),
        (needs.hardware, "hardware"),
        (needs.software, "software"),
    ] {
        if wanted {
            columns = format!("{columns}, {block}_block.body");
            joins = format!(
                "{joins} LEFT JOIN host_blocks AS {block}_block ON {block}_block.host_key = hosts.host_key \
                 AND {block}_block.block = '{block}'"
            );
        }
    }
    (columns, joins)
}

fn host_row(row: &SqliteRow) -> Result<HostRow, StoreError> {
    let status: Cow<'_, str> = row.try_get::<&str, _>(3)?.into();
    let list = |index: usize| -> Result<Vec<String>, StoreError> {
        let text: &str = row.try_get(index)?;
        serde_json::from_str(text).map_err(|_error| StoreError::Corrupt {
            what: "a list of names",
            value: text.to_owned(),
        })
    };
    let count = |index: usize| -> Result<u32, StoreError> {
        Ok(u32::try_from(row.try_get::<i64, _>(index)?).unwrap_or(0))
    };
    let pending_keyid: Option<String> = row.try_get(5)?;
    Ok(HostRow {
        identifier: row.try_get(0)?,
        name: row.try_get(1)?,
        description: row.try_get(2)?,
        status: status
            .parse::<HostStatus>()
            .map_err(|_unknown| StoreError::Corrupt {
                what: "a host status",
                value: status.clone().into_owned(),
            })?,
        reachable: row.try_get(4)?,
        pending_registration: pending_keyid.is_some(),
        pending_keyid: pending_keyid.unwrap_or_default(),
        os: row.try_get(6)?,
        os_version: row.try_get(7)?,
        architecture: row.try_get(8)?,
        address: row.try_get(9)?,
        mac: row.try_get(10)?,
        ou: row.try_get(11)?,
        groups: list(12)?,
        manufacturer: row.try_get(13)?,
        model: row.try_get(14)?,
        serial: row.try_get(15)?,
        users: list(16)?,
        agent_version: row.try_get(17)?,
        packages_total: count(18)?,
        packages_failed: count(19)?,
        packages_pending: count(20)?,
        running: row.try_get(21)?,
        first_seen: timestamp(row.try_get(22)?),
        last_seen: timestamp(row.try_get(23)?),
        registered_by: row.try_get(24)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{hosts, tests::open_store};

    async fn fleet(names: &[&str]) -> (tempfile::TempDir, Store) {
        let (folder, store) = open_store().await;
        let mut transaction = store.begin().await.unwrap();
        for (index, name) in names.iter().enumerate() {
            let newcomer = hosts::Newcomer {
                identifier: &format!("ID-{index}"),
                keyid: name,
                spki: b"",
                hostname: name,
                description: "",
                registered_by: "token",
            };
            hosts::insert(&mut transaction, newcomer, Timestamp::UNIX_EPOCH)
                .await
                .unwrap();
        }
        transaction.commit().await.unwrap();
        (folder, store)
    }

    async fn page(store: &Store, filter: &str, sort: &str, after: Option<&str>, limit: usize) -> Listing {
        let filter = Filter::parse(filter).unwrap();
        list(
            store,
            &filter,
            Sort::parse(sort).unwrap(),
            after,
            limit,
            Timestamp::UNIX_EPOCH,
        )
        .await
        .unwrap()
    }

    fn names(listing: &Listing) -> Vec<&str> {
        listing.rows.iter().map(|row| row.name.as_str()).collect()
    }

    #[tokio::test]
    async fn pages_follow_each_other_in_the_order_asked_for_with_and_without_a_filter() {
        let (_folder, store) = fleet(&["delta", "Alpha", "charlie", "bravo", "same", "same2"]).await;
        for filter in ["", "name:a"] {
            let first = page(&store, filter, "name", None, 2).await;
            assert_eq!(names(&first), ["Alpha", "bravo"]);
            let second = page(&store, filter, "name", first.next.as_deref(), 2).await;
            assert_eq!(names(&second), ["charlie", "delta"]);
            assert_eq!(second.total, 6);
            let last = page(&store, filter, "name", second.next.as_deref(), 2).await;
            assert_eq!(
                (names(&last), last.next.as_deref()),
                (vec!["same", "same2"], None)
            );
            let backwards = page(&store, filter, "-name", Some("id-2"), 10).await;
            assert_eq!(names(&backwards), ["bravo", "Alpha"]);
        }
    }

    #[tokio::test]
    async fn a_filter_counts_only_what_matches() {
        let (_folder, store) = fleet(&["pc-1", "pc-2", "srv-1"]).await;
        let found = page(&store, "name:pc-*", "name", None, 1).await;
        assert_eq!((names(&found), found.total), (vec!["pc-1"], 2));
        assert_eq!(page(&store, "reachable", "name", None, 10).await.total, 0);
        assert_eq!(
            page(
                &store,
                "software:x or package:y or site:z or memory>1",
                "name",
                None,
                9
            )
            .await
            .total,
            0
        );
    }

    #[tokio::test]
    async fn the_page_after_a_deleted_host_does_not_fail() {
        let (_folder, store) = fleet(&["a", "b", "c"]).await;
        hosts::delete(&store, "id-1").await.unwrap();
        assert_eq!(names(&page(&store, "", "name", Some("id-1"), 10).await), ["c"]);
    }

    #[test]
    fn only_known_columns_sort() {
        assert!(Sort::parse("-last_seen").is_some());
        assert!(Sort::parse("host_key; DROP TABLE hosts").is_none());
        assert!(Sort::names().count() > 10);
    }
}
