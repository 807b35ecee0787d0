//! Messages for the people of this machine: a bounded mailbox that outlives a restart.

use jiff::Timestamp;
use muster_shared::protocol::local::{Message, MessageKind};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{State, StateError, micros, query, timestamp};

/// At most this many are kept; the oldest go first.
pub const MAX_MESSAGES: i64 = 50;

fn word(kind: MessageKind) -> &'static str {
    match kind {
        MessageKind::Message => "message",
        MessageKind::ProposeUpgrade => "propose-upgrade",
        MessageKind::Shutdown => "shutdown",
    }
}

impl State {
    /// Puts a message into the mailbox. An announcement takes the place of the earlier one of its kind.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn keep_message(&self, message: &Message, now: Timestamp) -> Result<(), StateError> {
        let mut transaction = self.pool.begin().await.map_err(query("keep a message"))?;
        sqlx::query(
            "DELETE FROM messages WHERE expires_at <= ? OR id = ? OR (kind = ? AND kind <> 'message')",
        )
        .bind(micros(now))
        .bind(message.id.to_string())
        .bind(word(message.kind))
        .execute(&mut *transaction)
        .await
        .map_err(query("forget old messages"))?;
        sqlx::query(
            "INSERT INTO messages (id, kind, title, text, sent_by, sent_at, due_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(message.id.to_string())
        .bind(word(message.kind))
        .bind(&message.title)
        .bind(&message.text)
        .bind(&message.sent_by)
        .bind(micros(message.sent_at))
        .bind(message.due_at.map(micros))
        .bind(micros(message.expires_at))
        .execute(&mut *transaction)
        .await
        .map_err(query("keep a message"))?;
        sqlx::query(
            "DELETE FROM messages WHERE sequence <= (SELECT sequence FROM messages ORDER BY sequence DESC LIMIT 1 OFFSET ?)",
        )
        .bind(MAX_MESSAGES)
        .execute(&mut *transaction)
        .await
        .map_err(query("forget old messages"))?;
        transaction.commit().await.map_err(query("keep a message"))
    }

    /// The messages that still count and came after a number, with theirs, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn messages(&self, after: i64, now: Timestamp) -> Result<Vec<(i64, Message)>, StateError> {
        sqlx::query(
            "SELECT sequence, id, kind, title, text, sent_by, sent_at, due_at, expires_at FROM messages \
             WHERE sequence > ? AND expires_at > ? ORDER BY sequence",
        )
        .bind(after)
        .bind(micros(now))
        .fetch_all(&self.pool)
        .await
        .map_err(query("read the messages"))?
        .iter()
        .map(read)
        .collect()
    }

    /// Takes back announcements of a kind.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn withdraw_messages(&self, kind: MessageKind) -> Result<(), StateError> {
        sqlx::query("DELETE FROM messages WHERE kind = ?")
            .bind(word(kind))
            .execute(&self.pool)
            .await
            .map_err(query("take back messages"))?;
        Ok(())
    }
}

fn read(row: &SqliteRow) -> Result<(i64, Message), StateError> {
    let text = |name| row.try_get::<String, _>(name).map_err(query("read a message"));
    let number = |name| row.try_get::<i64, _>(name).map_err(query("read a message"));
    let due_at: Option<i64> = row.try_get("due_at").map_err(query("read a message"))?;
    let kind = match text("kind")?.as_str() {
        "propose-upgrade" => MessageKind::ProposeUpgrade,
        "shutdown" => MessageKind::Shutdown,
        _ => MessageKind::Message,
    };
    Ok((
        number("sequence")?,
        Message {
            id: text("id")?.parse().unwrap_or_default(),
            kind,
            title: text("title")?,
            text: text("text")?,
            sent_by: text("sent_by")?,
            sent_at: timestamp(number("sent_at")?),
            due_at: due_at.map(timestamp),
            expires_at: timestamp(number("expires_at")?),
        },
    ))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use uuid::Uuid;

    use super::super::tests::{now, open};
    use super::*;

    fn message(kind: MessageKind, text: &str) -> Message {
        Message {
            id: Uuid::now_v7(),
            kind,
            title: String::new(),
            text: text.to_owned(),
            sent_by: "Alice".to_owned(),
            sent_at: now(),
            due_at: None,
            expires_at: now() + SignedDuration::from_hours(1),
        }
    }

    #[tokio::test]
    async fn messages_are_told_until_they_expire_and_the_mailbox_is_bounded() {
        let (_place, state) = open().await;
        for number in 0..60 {
            let message = message(MessageKind::Message, &number.to_string());
            state.keep_message(&message, now()).await.unwrap();
        }
        let told = state.messages(0, now()).await.unwrap();
        assert_eq!(told.len(), 50);
        assert_eq!(told.last().unwrap().1.text, "59");
        let (before_last, _) = &told[48];
        assert_eq!(state.messages(*before_last, now()).await.unwrap().len(), 1);
        let late = now() + SignedDuration::from_hours(2);
        assert!(state.messages(0, late).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn an_announcement_takes_the_place_of_the_one_before() {
        let (_place, state) = open().await;
        for text in ["one", "two"] {
            state
                .keep_message(&message(MessageKind::ProposeUpgrade, text), now())
                .await
                .unwrap();
        }
        let told = state.messages(0, now()).await.unwrap();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].1.text, "two");
        state
            .withdraw_messages(MessageKind::ProposeUpgrade)
            .await
            .unwrap();
        assert!(state.messages(0, now()).await.unwrap().is_empty());
    }
}
