//! A full disk under the running service: what runs goes on, nothing new is begun until there is room.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::event::Event;
use crate::failure::Failure;
use crate::platform::{Severity, write_event};

/// So long nothing is begun after the database found no room.
const PAUSE: Duration = if cfg!(test) {
    Duration::from_millis(100)
} else {
    Duration::from_secs(30)
};

/// It is said again after this long.
const SAID_FOR: Duration = Duration::from_hours(1);

/// Whether the database finds room.
#[derive(Debug, Default)]
pub(super) struct Storage {
    paused_until: Option<Instant>,
    said_at: Option<Instant>,
}

impl Storage {
    /// The database found no room.
    pub(super) fn is_full(&mut self, failure: &Failure) {
        let now = Instant::now();
        self.paused_until = Some(now + PAUSE);
        if self
            .said_at
            .is_none_or(|said| now.duration_since(said) >= SAID_FOR)
        {
            self.said_at = Some(now);
            let text = format!(
                "the disk is full, nothing is begun until there is room: {}",
                failure.in_one_line()
            );
            tracing::error!("{text}");
            write_event(Severity::Error, &text);
        }
    }

    /// Nothing is begun now.
    pub(super) fn is_paused(&self) -> bool {
        self.pause().is_some()
    }

    /// How long nothing is begun yet.
    pub(super) fn pause(&self) -> Option<Duration> {
        let left = self.paused_until?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }
}

/// Has the actor told the same once more after the pause.
pub(super) fn again_later(event: Event, events: &mpsc::Sender<Event>) {
    let events = events.clone();
    tokio::spawn(async move {
        sleep(PAUSE).await;
        events.send(event).await.ok();
    });
}
