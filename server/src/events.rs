//! Events to consoles: a bounded ring with growing numbers, and everybody who listens now.
//!
//! Numbers begin at the time of the start in microseconds, so they grow over restarts and a console that
//! resumes with a number of an earlier process is told to load again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use muster_shared::protocol::event::Event;
use tokio::sync::broadcast;

/// How many events a console may have missed and still resume.
pub const RING: usize = 8192;

/// How many events a slow console may lag behind before it must load again.
const LISTENER_QUEUE: usize = 2048;

/// One event as it is sent.
#[derive(Debug, Clone)]
pub struct Numbered {
    pub number: u64,
    /// The event as JSON, written once for all consoles.
    pub json: Arc<str>,
}

/// Where events are published and listened to.
#[derive(Debug)]
pub struct Events {
    ring: Mutex<Ring>,
    sender: broadcast::Sender<Numbered>,
}

#[derive(Debug)]
struct Ring {
    next: u64,
    kept: VecDeque<Numbered>,
}

/// What a new listener gets.
#[derive(Debug)]
pub struct Subscription {
    /// Events were missed that the ring no longer holds.
    pub missed: bool,
    /// The number to resume after when nothing else has come yet.
    pub newest: u64,
    pub backlog: Vec<Numbered>,
    pub receiver: broadcast::Receiver<Numbered>,
}

impl Events {
    /// An empty ring whose numbers begin at the given time.
    pub fn new(started_at: Timestamp) -> Self {
        let (sender, _) = broadcast::channel(LISTENER_QUEUE);
        let next = u64::try_from(started_at.as_microsecond()).unwrap_or(1);
        Self {
            ring: Mutex::new(Ring {
                next,
                kept: VecDeque::new(),
            }),
            sender,
        }
    }

    /// Hands an event to every console that listens and keeps it for those that resume.
    pub fn publish(&self, event: &Event) {
        let json: Arc<str> = match serde_json::to_string(event) {
            Ok(json) => json.into(),
            Err(error) => {
                tracing::error!(%error, "an event cannot be written as JSON");
                return;
            }
        };
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let numbered = Numbered {
            number: ring.next,
            json,
        };
        ring.next += 1;
        if ring.kept.len() == RING {
            ring.kept.pop_front();
        }
        ring.kept.push_back(numbered.clone());
        // Sent under the lock: a subscriber sees each event in its backlog or in its receiver, never in both.
        self.sender.send(numbered).ok();
    }

    /// Listens from now on, or from just after the event with the given number.
    pub fn subscribe(&self, after: Option<u64>) -> Subscription {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = self.sender.subscribe();
        let newest = ring.next - 1;
        let oldest = ring.kept.front().map_or(ring.next, |event| event.number);
        let Some(after) = after else {
            return Subscription {
                missed: false,
                newest,
                backlog: Vec::new(),
                receiver,
            };
        };
        let missed = after.saturating_add(1) < oldest || after > newest;
        let backlog = if missed {
            Vec::new()
        } else {
            ring.kept
                .iter()
                .filter(|event| event.number > after)
                .cloned()
                .collect()
        };
        Subscription {
            missed,
            newest,
            backlog,
            receiver,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deleted(name: &str) -> Event {
        Event::HostDeleted {
            identifier: name.to_owned(),
        }
    }

    fn start() -> Timestamp {
        Timestamp::from_second(1).unwrap()
    }

    #[test]
    fn a_console_resumes_after_the_event_it_saw_last() {
        let events = Events::new(start());
        events.publish(&deleted("a"));
        events.publish(&deleted("b"));
        let subscription = events.subscribe(Some(1_000_000));
        assert!(!subscription.missed);
        assert_eq!(subscription.backlog.len(), 1);
        assert!(subscription.backlog[0].json.contains("\"b\""));
    }

    #[test]
    fn a_console_that_missed_more_than_the_ring_holds_must_load_again() {
        let events = Events::new(start());
        for number in 0..RING + 2 {
            events.publish(&deleted(&number.to_string()));
        }
        assert!(events.subscribe(Some(1_000_000)).missed);
        assert!(!events.subscribe(Some(1_000_001)).missed);
    }

    #[test]
    fn a_number_of_an_earlier_or_unknown_process_must_load_again() {
        let events = Events::new(start());
        assert!(events.subscribe(Some(5)).missed);
        assert!(events.subscribe(Some(2_000_000)).missed);
        assert!(!events.subscribe(Some(999_999)).missed, "just before the first");
    }

    #[tokio::test]
    async fn a_listener_gets_what_comes_after_it_subscribed() {
        let events = Events::new(start());
        let mut subscription = events.subscribe(None);
        events.publish(&deleted("later"));
        let event = subscription.receiver.recv().await.unwrap();
        assert_eq!(event.number, 1_000_000);
    }
}
