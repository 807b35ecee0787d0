//! Actions on their hosts: the queue of each host, and where each target stands.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_shared::envelope::Envelope;
use muster_shared::envelope::merkle::Proof;
use muster_shared::protocol::action::{TargetRow, TargetState};
use muster_shared::protocol::task::Task;
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{Store, StoreError, micros, timestamp};
use crate::domain::action::{moves, state_of_tasks};
use crate::domain::inventory::clip_sentence;

/// Targets that expire in one sweep.
const EXPIRE_AT_ONCE: i64 = 5000;

/// A target that moved.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetChange {
    pub batch: Uuid,
    pub target: TargetRow,
}

/// An action that waits for its host.
#[derive(Debug)]
pub struct Waiting {
    /// Order of arrival.
    pub number: i64,
    pub batch: Uuid,
    pub envelope: Envelope,
    pub proof: Proof,
    /// It was handed to the host before, and nothing was heard of it since.
    pub was_sent: bool,
}

/// News about a target.
#[derive(Debug, Clone)]
pub struct News<'a> {
    pub state: TargetState,
    pub percent: Option<u8>,
    pub text: &'a str,
    /// The host's task that speaks, when one does.
    pub task: Option<Uuid>,
}

#[derive(sqlx::FromRow)]
struct Stored {
    number: i64,
    batch: String,
    host_key: String,
    identifier: String,
    name: String,
    state: String,
    percent: Option<i64>,
    text: String,
    changed_at: i64,
    task: String,
}

/// Everything about targets but the proof; a condition follows.
macro_rules! select_targets {
    ($condition:literal) => {
        concat!(
            "SELECT action_targets.number, actions.batch, action_targets.host_key, action_targets.identifier, \
             coalesce(hosts.name, '') AS name, action_targets.state, action_targets.percent, \
             action_targets.text, action_targets.changed_at, action_targets.task \
             FROM action_targets JOIN actions ON actions.number = action_targets.number \
             LEFT JOIN hosts ON hosts.host_key = action_targets.host_key ",
            $condition
        )
    };
}

/// What to take from a host's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// What was never handed over, and what was but never acknowledged, after an action's number.
    Everything { after: i64 },
    /// What was never handed over.
    New,
}

/// The next actions for a host, in order of arrival, unless they have expired or are planned for later.
///
/// # Errors
/// The database failed.
pub async fn waiting(
    store: &Store,
    host_key: &str,
    take: Take,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Waiting>, StoreError> {
    let (after, with_sent) = match take {
        Take::Everything { after } => (after, true),
        Take::New => (0, false),
    };
    let rows: Vec<(i64, String, String, i64, Vec<u8>, bool)> = sqlx::query_as(
        "SELECT actions.number, actions.batch, actions.envelope_json, action_targets.leaf_index, \
         action_targets.proof, action_targets.state = 'sent' FROM action_targets \
         JOIN actions ON actions.number = action_targets.number \
         WHERE action_targets.host_key = ?1 AND action_targets.number > ?2 \
         AND (action_targets.state = 'queued' OR (?5 AND action_targets.state = 'sent')) \
         AND actions.expires_at > ?3 AND actions.not_before <= ?3 \
         ORDER BY action_targets.number LIMIT ?4",
    )
    .bind(host_key)
    .bind(after)
    .bind(micros(now))
    .bind(limit)
    .bind(with_sent)
    .fetch_all(store.readers())
    .await?;
    rows.into_iter()
        .map(|(number, batch, envelope, index, proof, was_sent)| {
            Ok(Waiting {
                number,
                batch: batch_of(&batch)?,
                envelope: serde_json::from_str(&envelope).map_err(|_error| StoreError::Corrupt {
                    what: "an envelope",
                    value: batch,
                })?,
                proof: Proof {
                    index: u64::try_from(index).unwrap_or(0),
                    path: proof.chunks(32).map(hex::encode).collect(),
                },
                was_sent,
            })
        })
        .collect()
}

/// The hosts that have an action which became due after one time and until another.
///
/// # Errors
/// The database failed.
pub async fn due_hosts(store: &Store, after: Timestamp, until: Timestamp) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT DISTINCT action_targets.host_key FROM actions \
         JOIN action_targets ON action_targets.number = actions.number \
         WHERE actions.not_before > ?1 AND actions.not_before <= ?2 AND action_targets.state = 'queued'",
    )
    .bind(micros(after))
    .bind(micros(until))
    .fetch_all(store.readers())
    .await?)
}

/// Applies news about one target, unless it comes too late. `None` when nothing moved.
///
/// # Errors
/// The database failed.
pub async fn apply(
    store: &Store,
    host_key: &str,
    batch: Uuid,
    news: News<'_>,
    now: Timestamp,
) -> Result<Option<TargetChange>, StoreError> {
    let mut transaction = store.begin().await?;
    let change = apply_on(&mut transaction, host_key, batch, news, now).await?;
    transaction.commit().await?;
    Ok(change)
}

/// Takes the states of a host's actions from the tasks that it reports; done and lost frames alike.
///
/// # Errors
/// The database failed.
pub async fn apply_tasks(
    connection: &mut SqliteConnection,
    host_key: &str,
    tasks: &[Task],
    now: Timestamp,
) -> Result<Vec<TargetChange>, StoreError> {
    let mut by_batch: BTreeMap<Uuid, Vec<&Task>> = BTreeMap::new();
    for task in tasks {
        if let Some(batch) = task.batch {
            by_batch.entry(batch).or_default().push(task);
        }
    }
    let mut changes = Vec::new();
    for (batch, tasks) in by_batch {
        let Some((state, percent, text)) = state_of_tasks(tasks.into_iter()) else {
            continue;
        };
        let news = News {
            state,
            percent,
            text: &text,
            task: None,
        };
        changes.extend(apply_on(connection, host_key, batch, news, now).await?);
    }
    Ok(changes)
}

/// The targets of an action, in order.
///
/// # Errors
/// The database failed.
pub async fn of_action(connection: &mut SqliteConnection, number: i64) -> Result<Vec<TargetRow>, StoreError> {
    let rows: Vec<Stored> = sqlx::query_as(select_targets!(
        "WHERE action_targets.number = ?1 ORDER BY action_targets.host_key"
    ))
    .bind(number)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| Ok(row.into_change()?.target))
        .collect()
}

/// Ends what waits for a host past its time; call again while it returns something.
///
/// # Errors
/// The database failed.
pub async fn expire(store: &Store, now: Timestamp) -> Result<Vec<TargetChange>, StoreError> {
    let mut transaction = store.begin().await?;
    let rows: Vec<Stored> = sqlx::query_as(select_targets!(
        "WHERE action_targets.state IN ('queued', 'sent') AND actions.expires_at <= ?1 LIMIT ?2"
    ))
    .bind(micros(now))
    .bind(EXPIRE_AT_ONCE)
    .fetch_all(&mut *transaction)
    .await?;
    let mut changes = Vec::with_capacity(rows.len());
    for row in rows {
        let text = "expired before the host took it";
        changes.push(set(&mut transaction, row, TargetState::Expired, None, text, None, now).await?);
    }
    transaction.commit().await?;
    Ok(changes)
}

/// Cancels what still waits of a batch on the hosts of the action that cancels it.
///
/// # Errors
/// The database failed.
pub async fn cancel_queued(
    connection: &mut SqliteConnection,
    cancelled: Uuid,
    by_number: i64,
    now: Timestamp,
) -> Result<Vec<TargetChange>, StoreError> {
    let rows: Vec<Stored> = sqlx::query_as(select_targets!(
        "WHERE actions.batch = ?1 AND action_targets.state = 'queued' AND action_targets.host_key IN \
         (SELECT host_key FROM action_targets WHERE number = ?2)"
    ))
    .bind(cancelled.to_string())
    .bind(by_number)
    .fetch_all(&mut *connection)
    .await?;
    let mut changes = Vec::with_capacity(rows.len());
    for row in rows {
        let text = "cancelled before the host took it";
        changes.push(set(connection, row, TargetState::Cancelled, None, text, None, now).await?);
    }
    Ok(changes)
}

async fn apply_on(
    connection: &mut SqliteConnection,
    host_key: &str,
    batch: Uuid,
    news: News<'_>,
    now: Timestamp,
) -> Result<Option<TargetChange>, StoreError> {
    let row: Option<Stored> = sqlx::query_as(select_targets!(
        "WHERE actions.batch = ?1 AND action_targets.host_key = ?2"
    ))
    .bind(batch.to_string())
    .bind(host_key)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let other_task = news.task.is_some_and(|task| row.task != task.to_string());
    if !moves(state_of(&row.state)?, news.state, other_task) {
        return Ok(None);
    }
    set(
        connection,
        row,
        news.state,
        news.percent,
        news.text,
        news.task,
        now,
    )
    .await
    .map(Some)
}

async fn set(
    connection: &mut SqliteConnection,
    mut row: Stored,
    state: TargetState,
    percent: Option<u8>,
    text: &str,
    task: Option<Uuid>,
    now: Timestamp,
) -> Result<TargetChange, StoreError> {
    state.as_str().clone_into(&mut row.state);
    row.percent = percent.map(i64::from);
    row.text = clip_sentence(text);
    row.changed_at = micros(now);
    if let Some(task) = task {
        row.task = task.to_string();
    }
    sqlx::query(
        "UPDATE action_targets SET state = ?3, percent = ?4, text = ?5, changed_at = ?6, task = ?7 \
         WHERE number = ?1 AND host_key = ?2",
    )
    .bind(row.number)
    .bind(&row.host_key)
    .bind(&row.state)
    .bind(row.percent)
    .bind(&row.text)
    .bind(row.changed_at)
    .bind(&row.task)
    .execute(connection)
    .await?;
    row.into_change()
}

impl Stored {
    fn into_change(self) -> Result<TargetChange, StoreError> {
        Ok(TargetChange {
            batch: batch_of(&self.batch)?,
            target: TargetRow {
                identifier: self.identifier,
                name: self.name,
                state: state_of(&self.state)?,
                percent: self.percent.and_then(|percent| u8::try_from(percent).ok()),
                text: self.text,
                changed_at: timestamp(self.changed_at),
            },
        })
    }
}

fn batch_of(text: &str) -> Result<Uuid, StoreError> {
    text.parse().map_err(|_error| StoreError::Corrupt {
        what: "a batch",
        value: text.to_owned(),
    })
}

fn state_of(text: &str) -> Result<TargetState, StoreError> {
    text.parse().map_err(|_error| StoreError::Corrupt {
        what: "the state of a target",
        value: text.to_owned(),
    })
}
