//! Actions as submitted, in order of arrival.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_shared::envelope::Envelope;
use muster_shared::protocol::action::{ActionDetail, ActionKind, ActionRow, TargetState};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::action_targets::{self, TargetChange};
use super::{Store, StoreError, micros, timestamp};
use crate::domain::action::CheckedAction;
use crate::domain::identifier::host_key;

/// Targets written with one statement.
const CHUNK: usize = 1000;

/// What became of a submission.
#[derive(Debug)]
pub enum Submitted {
    /// It is on disk; queued targets of a batch that it cancels went with it.
    Stored {
        number: i64,
        cancelled: Vec<TargetChange>,
    },
    /// These targets are no hosts of this server.
    UnknownHosts(Vec<String>),
    /// The batch was submitted before.
    Replayed,
}

/// Writes an action with all its targets to the disk, whole or not at all, before anything is answered.
///
/// # Errors
/// The database failed.
pub async fn submit(
    store: &Store,
    action: &CheckedAction,
    submitted_by: &str,
    now: Timestamp,
) -> Result<Submitted, StoreError> {
    // An order once confirmed survives a power cut, not only a crash of the process.
    let mut connection = store.writer().acquire().await?;
    Store::flush_each_commit(&mut connection, true).await?;
    let submitted = submit_on(&mut connection, action, submitted_by, now).await;
    Store::flush_each_commit(&mut connection, false).await?;
    submitted
}

async fn submit_on(
    connection: &mut SqliteConnection,
    action: &CheckedAction,
    submitted_by: &str,
    now: Timestamp,
) -> Result<Submitted, StoreError> {
    use sqlx::Connection as _;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let payload = &action.payload;
    let batch = payload.batch.to_string();
    let replayed: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM actions WHERE batch = ?1)")
        .bind(&batch)
        .fetch_one(&mut *transaction)
        .await?;
    if replayed {
        return Ok(Submitted::Replayed);
    }
    let unknown: Vec<String> = sqlx::query_scalar(
        "SELECT value FROM json_each(?1) WHERE lower(value) NOT IN (SELECT host_key FROM hosts) ORDER BY 1",
    )
    .bind(json(&action.targets))
    .fetch_all(&mut *transaction)
    .await?;
    if !unknown.is_empty() {
        return Ok(Submitted::UnknownHosts(unknown));
    }
    let number = sqlx::query(
        "INSERT INTO actions (batch, action, packages_json, envelope_json, signer, signer_fingerprint, \
         submitted_by, submitted_at, issued_at, expires_at, target_count, not_before) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )
    .bind(&batch)
    .bind(payload.action.as_str())
    .bind(json(&payload.packages))
    .bind(json(&action.envelope))
    .bind(&action.signer)
    .bind(&action.signer_fingerprint)
    .bind(submitted_by)
    .bind(micros(now))
    .bind(micros(payload.issued_at))
    .bind(micros(payload.expires_at))
    .bind(i64::try_from(action.targets.len()).unwrap_or(i64::MAX))
    .bind(micros(payload.not_before))
    .execute(&mut *transaction)
    .await?
    .last_insert_rowid();
    for chunk in action.targets.chunks(CHUNK) {
        let rows: Vec<_> = chunk
            .iter()
            .filter_map(|identifier| {
                let proof = action.tree.proof(identifier)?;
                Some((host_key(identifier), identifier, proof.index, proof.path.concat()))
            })
            .collect();
        sqlx::query(
            "INSERT INTO action_targets (number, host_key, identifier, state, changed_at, leaf_index, proof) \
             SELECT ?1, json_extract(value, '$[0]'), json_extract(value, '$[1]'), 'queued', ?2, \
             json_extract(value, '$[2]'), unhex(json_extract(value, '$[3]')) FROM json_each(?3)",
        )
        .bind(number)
        .bind(micros(now))
        .bind(json(&rows))
        .execute(&mut *transaction)
        .await?;
    }
    let cancelled = match payload.options.cancel_batch {
        Some(cancelled) if payload.action == ActionKind::Cancel => {
            action_targets::cancel_queued(&mut transaction, cancelled, number, now).await?
        }
        _ => Vec::new(),
    };
    transaction.commit().await?;
    Ok(Submitted::Stored { number, cancelled })
}

/// A page of actions, newest first, from just before a number; and the number for the page after it.
///
/// # Errors
/// The database failed.
pub async fn list(
    store: &Store,
    before: Option<i64>,
    limit: usize,
) -> Result<(Vec<ActionRow>, u64, Option<i64>), StoreError> {
    let total: i64 = sqlx::query_scalar("SELECT count(*) FROM actions")
        .fetch_one(store.readers())
        .await?;
    let mut rows: Vec<Stored> = sqlx::query_as(
        "SELECT number, batch, action, packages_json, signer, signer_fingerprint, submitted_by, issued_at, \
         expires_at, target_count FROM actions WHERE ?1 IS NULL OR number < ?1 ORDER BY number DESC LIMIT ?2",
    )
    .bind(before)
    .bind(i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1))
    .fetch_all(store.readers())
    .await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().map(|row| row.number).filter(|_| more);
    let mut states: BTreeMap<i64, BTreeMap<String, u64>> = BTreeMap::new();
    if let (Some(newest), Some(oldest)) = (rows.first(), rows.last()) {
        let counts: Vec<(i64, String, i64)> = sqlx::query_as(
            "SELECT number, state, count(*) FROM action_targets WHERE number BETWEEN ?1 AND ?2 GROUP BY 1, 2",
        )
        .bind(oldest.number)
        .bind(newest.number)
        .fetch_all(store.readers())
        .await?;
        for (number, state, count) in counts {
            states
                .entry(number)
                .or_default()
                .insert(state, u64::try_from(count).unwrap_or(0));
        }
    }
    let rows = rows
        .into_iter()
        .map(|row| {
            let states = states.remove(&row.number).unwrap_or_default();
            row.into_row(states)
        })
        .collect::<Result<_, _>>()?;
    Ok((rows, u64::try_from(total).unwrap_or(0), next))
}

/// An action with all its targets.
///
/// # Errors
/// The database failed.
pub async fn detail(store: &Store, batch: Uuid) -> Result<Option<ActionDetail>, StoreError> {
    let mut transaction = store.readers().begin().await?;
    let row: Option<Stored> = sqlx::query_as(
        "SELECT number, batch, action, packages_json, signer, signer_fingerprint, submitted_by, issued_at, \
         expires_at, target_count FROM actions WHERE batch = ?1",
    )
    .bind(batch.to_string())
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let envelope: String = sqlx::query_scalar("SELECT envelope_json FROM actions WHERE number = ?1")
        .bind(row.number)
        .fetch_one(&mut *transaction)
        .await?;
    let envelope: Envelope = serde_json::from_str(&envelope).map_err(|_error| StoreError::Corrupt {
        what: "an envelope",
        value: row.batch.clone(),
    })?;
    let targets = action_targets::of_action(&mut transaction, row.number).await?;
    let mut states = BTreeMap::new();
    for target in &targets {
        *states.entry(target.state.as_str().to_owned()).or_insert(0) += 1;
    }
    Ok(Some(ActionDetail {
        row: row.into_row(states)?,
        envelope,
        targets,
    }))
}

/// An action's row without its targets, for an event.
///
/// # Errors
/// The database failed.
pub async fn queued_row(store: &Store, number: i64) -> Result<Option<ActionRow>, StoreError> {
    let row: Option<Stored> = sqlx::query_as(
        "SELECT number, batch, action, packages_json, signer, signer_fingerprint, submitted_by, issued_at, \
         expires_at, target_count FROM actions WHERE number = ?1",
    )
    .bind(number)
    .fetch_optional(store.readers())
    .await?;
    row.map(|row| {
        let count = u64::try_from(row.target_count).unwrap_or(0);
        row.into_row(BTreeMap::from([(TargetState::Queued.as_str().to_owned(), count)]))
    })
    .transpose()
}

/// Deletes actions that ended before a time, with their targets.
///
/// # Errors
/// The database failed.
pub async fn prune(store: &Store, ended_before: Timestamp) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM actions WHERE expires_at < ?1")
        .bind(micros(ended_before))
        .execute(store.writer())
        .await?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Stored {
    number: i64,
    batch: String,
    action: String,
    packages_json: String,
    signer: String,
    signer_fingerprint: String,
    submitted_by: String,
    issued_at: i64,
    expires_at: i64,
    target_count: i64,
}

impl Stored {
    fn into_row(self, states: BTreeMap<String, u64>) -> Result<ActionRow, StoreError> {
        let corrupt = |what, value: &str| StoreError::Corrupt {
            what,
            value: value.to_owned(),
        };
        Ok(ActionRow {
            batch: self
                .batch
                .parse()
                .map_err(|_error| corrupt("a batch", &self.batch))?,
            action: self
                .action
                .parse()
                .map_err(|_error| corrupt("an action", &self.action))?,
            packages: serde_json::from_str(&self.packages_json)
                .map_err(|_error| corrupt("a list of packages", &self.packages_json))?,
            signer: self.signer,
            signer_fingerprint: self.signer_fingerprint,
            submitted_by: self.submitted_by,
            issued_at: timestamp(self.issued_at),
            expires_at: timestamp(self.expires_at),
            target_count: u64::try_from(self.target_count).unwrap_or(0),
            states,
        })
    }
}

/// Plain values as JSON text for a statement.
fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("plain values always serialise")
}
