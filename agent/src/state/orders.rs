//! Accepted orders: written together with their tasks, so that neither is ever there alone.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::tasks::{NewTask, insert_task};
use super::{State, StateError, facts, micros, query};

/// Replay rows outlive the order's expiry by this much.
const KEEP_AFTER_EXPIRY: SignedDuration = SignedDuration::from_hours(24);

/// An order as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedOrder {
    pub batch: Uuid,
    pub action: String,
    pub signer: String,
    pub signer_fingerprint: String,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
    pub accepted_at: Timestamp,
}

impl State {
    /// The batch was accepted before.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn knows_order(&self, batch: Uuid) -> Result<bool, StateError> {
        let found: Option<i64> = sqlx::query_scalar("SELECT 1 FROM orders WHERE batch = ?")
            .bind(batch.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(query("look for an order"))?;
        Ok(found.is_some())
    }

    /// Writes an order and its tasks, all or nothing; `false` when the batch was there already.
    ///
    /// # Errors
    /// When the database does not take it; nothing is written then.
    pub async fn accept_order(&self, order: &AcceptedOrder, tasks: &[NewTask]) -> Result<bool, StateError> {
        let mut transaction = self.pool.begin().await.map_err(query("begin an order"))?;
        let inserted = sqlx::query(
            "INSERT INTO orders (batch, action, signer, signer_fingerprint, issued_at, expires_at, accepted_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (batch) DO NOTHING",
        )
        .bind(order.batch.to_string())
        .bind(&order.action)
        .bind(&order.signer)
        .bind(&order.signer_fingerprint)
        .bind(micros(order.issued_at))
        .bind(micros(order.expires_at))
        .bind(micros(order.accepted_at))
        .execute(&mut *transaction)
        .await
        .map_err(query("write an order"))?;
        if inserted.rows_affected() == 0 {
            return Ok(false);
        }
        for task in tasks {
            insert_task(&mut transaction, task).await?;
        }
        raise(&mut transaction, order.issued_at).await?;
        transaction.commit().await.map_err(query("keep an order"))?;
        Ok(true)
    }

    /// The highest time of issue accepted so far.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn high_water(&self) -> Result<Option<Timestamp>, StateError> {
        self.time_fact(facts::HIGH_WATER).await
    }

    /// Orders issued before this time are refused.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn orders_since(&self) -> Result<Option<Timestamp>, StateError> {
        self.time_fact(facts::ORDERS_SINCE).await
    }

    /// Raises the highest time of issue; never lowers it.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn raise_high_water(&self, issued_at: Timestamp) -> Result<(), StateError> {
        let mut connection = self.pool.acquire().await.map_err(query("begin"))?;
        raise(&mut connection, issued_at).await
    }

    /// Deletes the rows of orders that could not be replayed any more anyway.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn forget_expired_orders(&self, now: Timestamp) -> Result<u64, StateError> {
        let limit = now.checked_sub(KEEP_AFTER_EXPIRY).unwrap_or(Timestamp::MIN);
        let done = sqlx::query("DELETE FROM orders WHERE expires_at < ?")
            .bind(micros(limit))
            .execute(&self.pool)
            .await
            .map_err(query("forget expired orders"))?;
        Ok(done.rows_affected())
    }
}

async fn raise(connection: &mut sqlx::SqliteConnection, issued_at: Timestamp) -> Result<(), StateError> {
    let known: Option<String> = sqlx::query_scalar("SELECT value FROM facts WHERE name = ?")
        .bind(facts::HIGH_WATER)
        .fetch_optional(&mut *connection)
        .await
        .map_err(query("read the highest order"))?;
    let known = known.and_then(|text| text.parse::<Timestamp>().ok());
    if known.is_some_and(|known| known >= issued_at) {
        return Ok(());
    }
    sqlx::query("INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
        .bind(facts::HIGH_WATER)
        .bind(issued_at.to_string())
        .execute(&mut *connection)
        .await
        .map_err(query("write the highest order"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use muster_shared::protocol::action::{ActionKind, ActionOptions};

    use super::super::tests::{now, open};
    use super::*;

    fn order(batch: Uuid) -> AcceptedOrder {
        AcceptedOrder {
            batch,
            action: "update".to_owned(),
            signer: "Ada".to_owned(),
            signer_fingerprint: "00".to_owned(),
            issued_at: now(),
            expires_at: now() + SignedDuration::from_mins(15),
            accepted_at: now(),
        }
    }

    #[tokio::test]
    async fn an_order_and_its_task_are_written_once() {
        let (_place, state) = open().await;
        let batch = Uuid::now_v7();
        let task = NewTask::new(
            ActionKind::Update,
            Vec::new(),
            ActionOptions::default(),
            "Ada",
            now(),
        )
        .with_batch(batch);
        assert!(
            state
                .accept_order(&order(batch), std::slice::from_ref(&task))
                .await
                .unwrap()
        );
        let again = NewTask::new(
            ActionKind::Update,
            Vec::new(),
            ActionOptions::default(),
            "Ada",
            now(),
        )
        .with_batch(batch);
        assert!(!state.accept_order(&order(batch), &[again]).await.unwrap());
        assert!(state.knows_order(batch).await.unwrap());
        assert_eq!(state.recent_tasks(50).await.unwrap().len(), 1);
        assert_eq!(state.high_water().await.unwrap(), Some(now()));
    }

    #[tokio::test]
    async fn an_order_whose_task_cannot_be_written_is_not_kept() {
        let (_place, state) = open().await;
        let batch = Uuid::now_v7();
        let task = NewTask::new(
            ActionKind::Update,
            Vec::new(),
            ActionOptions::default(),
            "Ada",
            now(),
        );
        let error = state.accept_order(&order(batch), &[task.clone(), task]).await;
        assert!(error.is_err(), "the same task id twice");
        assert!(!state.knows_order(batch).await.unwrap());
        assert!(state.recent_tasks(50).await.unwrap().is_empty());
        assert_eq!(state.high_water().await.unwrap(), None);
    }

    #[tokio::test]
    async fn replay_rows_stay_a_day_past_expiry() {
        let (_place, state) = open().await;
        let batch = Uuid::now_v7();
        state.accept_order(&order(batch), &[]).await.unwrap();
        let soon = now() + SignedDuration::from_hours(24);
        assert_eq!(state.forget_expired_orders(soon).await.unwrap(), 0);
        let late = now() + SignedDuration::from_hours(25);
        assert_eq!(state.forget_expired_orders(late).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn the_high_water_mark_never_falls() {
        let (_place, state) = open().await;
        state.raise_high_water(now()).await.unwrap();
        state
            .raise_high_water(now() - SignedDuration::from_hours(5))
            .await
            .unwrap();
        assert_eq!(state.high_water().await.unwrap(), Some(now()));
    }
}
