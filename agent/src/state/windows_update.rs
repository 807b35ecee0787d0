//! Windows updates: what the last search found, what was done to each, and the history.

use jiff::Timestamp;
use muster_shared::protocol::inventory::UpdateEvent;
use serde::{Deserialize, Serialize};
use sqlx::Row as _;

use super::{State, StateError, from_json, json, micros, query, timestamp};
use crate::windows_update::plan::Remembered;

/// This many events are remembered.
const KEPT_EVENTS: i64 = 200;

/// The name of the value that holds [`Standing`].
const STANDING: &str = "windows_update";

/// The name of the value that holds what the system itself remembers.
const SYSTEM_HISTORY: &str = "windows_update_system_history";

/// How the machine stands with its updates, beside the updates themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Standing {
    pub last_scan_at: Option<Timestamp>,
    pub last_scan_secs: Option<u64>,
    pub cab_date: Option<Timestamp>,
    pub last_install_at: Option<Timestamp>,
    pub reboot_required: bool,
    /// What went wrong last, empty when nothing did.
    pub error: String,
    /// What the last search looked at.
    pub fingerprint: Option<String>,
    /// The service was put to rest by this agent, which has to give it back.
    pub service_rests: bool,
}

impl State {
    /// How the machine stands.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn update_standing(&self) -> Result<Standing, StateError> {
        Ok(self.json_fact(STANDING).await?.unwrap_or_default())
    }

    /// Writes how the machine stands.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn set_update_standing(&self, standing: &Standing) -> Result<(), StateError> {
        self.set_json_fact(STANDING, standing).await
    }

    /// What the system remembered of installations by anybody when it was asked last.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn system_update_history(&self) -> Result<Vec<UpdateEvent>, StateError> {
        Ok(self.json_fact(SYSTEM_HISTORY).await?.unwrap_or_default())
    }

    /// Writes what the system remembers of installations by anybody.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn set_system_update_history(&self, events: &[UpdateEvent]) -> Result<(), StateError> {
        self.set_json_fact(SYSTEM_HISTORY, &events).await
    }

    /// The updates that are remembered, by their identifiers.
    ///
    /// # Errors
    /// When the database does not answer or holds what cannot be read.
    pub async fn windows_updates(&self) -> Result<Vec<Remembered>, StateError> {
        let action = "list the Windows updates";
        sqlx::query(
            "SELECT found, present, installed_at, error, unobtainable FROM windows_updates ORDER BY update_id",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(query(action))?
        .iter()
        .map(|row| {
            let found: String = row.try_get("found").map_err(query(action))?;
            let installed_at: Option<i64> = row.try_get("installed_at").map_err(query(action))?;
            Ok(Remembered {
                found: from_json("a Windows update", &found)?,
                present: row.try_get("present").map_err(query(action))?,
                installed_at: installed_at.map(timestamp),
                error: row.try_get("error").map_err(query(action))?,
                unobtainable: row.try_get("unobtainable").map_err(query(action))?,
            })
        })
        .collect()
    }

    /// Replaces the updates that are remembered, all or none.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn set_windows_updates(&self, updates: &[Remembered]) -> Result<(), StateError> {
        let action = "write the Windows updates";
        let mut transaction = self.pool.begin().await.map_err(query(action))?;
        sqlx::query("DELETE FROM windows_updates")
            .execute(&mut *transaction)
            .await
            .map_err(query(action))?;
        for update in updates {
            sqlx::query(
                "INSERT INTO windows_updates (update_id, found, present, installed_at, error, unobtainable) \
                 VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (update_id) DO NOTHING",
            )
            .bind(&update.found.id)
            .bind(json(&update.found))
            .bind(update.present)
            .bind(update.installed_at.map(micros))
            .bind(&update.error)
            .bind(update.unobtainable)
            .execute(&mut *transaction)
            .await
            .map_err(query(action))?;
        }
        transaction.commit().await.map_err(query(action))
    }

    /// Remembers what was done to an update; the oldest events go.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn record_update_event(&self, event: &UpdateEvent, now: Timestamp) -> Result<(), StateError> {
        let action = "record what was done to a Windows update";
        sqlx::query(
            "INSERT INTO windows_update_history (update_id, title, operation, result, code, at) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(&event.update_id)
        .bind(&event.title)
        .bind(&event.operation)
        .bind(&event.result)
        .bind(&event.code)
        .bind(micros(event.at.unwrap_or(now)))
        .execute(&self.pool)
        .await
        .map_err(query(action))?;
        sqlx::query(
            "DELETE FROM windows_update_history WHERE sequence <= (SELECT max(sequence) FROM windows_update_history) - ?",
        )
        .bind(KEPT_EVENTS)
        .execute(&self.pool)
        .await
        .map_err(query(action))?;
        Ok(())
    }

    /// What was done by this agent, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn update_history(&self, most: i64) -> Result<Vec<UpdateEvent>, StateError> {
        let action = "read the history of Windows updates";
        sqlx::query(
            "SELECT update_id, title, operation, result, code, at FROM windows_update_history ORDER BY sequence DESC LIMIT ?",
        )
        .bind(most)
        .fetch_all(&self.pool)
        .await
        .map_err(query(action))?
        .iter()
        .map(|row| {
            let text = |name| row.try_get::<String, _>(name).map_err(query(action));
            Ok(UpdateEvent {
                update_id: text("update_id")?,
                title: text("title")?,
                operation: text("operation")?,
                result: text("result")?,
                code: text("code")?,
                at: Some(timestamp(row.try_get("at").map_err(query(action))?)),
            })
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{now, open};
    use super::*;
    use crate::windows_update::FoundUpdate;

    #[tokio::test]
    async fn updates_and_standing_come_back_as_they_were() {
        let (_place, state) = open().await;
        assert_eq!(state.update_standing().await.unwrap(), Standing::default());
        let update = Remembered {
            found: FoundUpdate {
                id: "aaaa_1".to_owned(),
                kbs: vec!["1".to_owned()],
                published: Some(now()),
                ..FoundUpdate::default()
            },
            present: true,
            installed_at: Some(now()),
            error: "0x1".to_owned(),
            unobtainable: true,
        };
        state
            .set_windows_updates(std::slice::from_ref(&update))
            .await
            .unwrap();
        state
            .set_windows_updates(std::slice::from_ref(&update))
            .await
            .unwrap();
        assert_eq!(state.windows_updates().await.unwrap(), [update]);
        let standing = Standing {
            last_scan_at: Some(now()),
            reboot_required: true,
            ..Standing::default()
        };
        state.set_update_standing(&standing).await.unwrap();
        assert_eq!(state.update_standing().await.unwrap(), standing);
    }

    #[tokio::test]
    async fn the_history_keeps_the_last_events() {
        let (_place, state) = open().await;
        for number in 0..KEPT_EVENTS + 5 {
            let event = UpdateEvent {
                update_id: number.to_string(),
                operation: "install".to_owned(),
                ..UpdateEvent::default()
            };
            state.record_update_event(&event, now()).await.unwrap();
        }
        let history = state.update_history(1000).await.unwrap();
        assert_eq!(i64::try_from(history.len()).unwrap(), KEPT_EVENTS);
        assert_eq!(history[0].update_id, (KEPT_EVENTS + 4).to_string());
        assert_eq!(history[0].at, Some(now()));
    }
}
