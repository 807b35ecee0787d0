//! What happened last, for local clients that look on: numbered, bounded, told to each as far as it reads.
//!
//! Numbers begin anew with each start of the agent. A client that was away, or that read too slowly, sees by a
//! missing number that it missed something, and asks for the tasks and the status as they are.

use std::collections::VecDeque;

use muster_shared::protocol::local::LocalEvent;
use tokio::sync::mpsc;
use uuid::Uuid;

/// So many events are remembered.
const KEPT: usize = 300;

/// So many clients look on at the same time.
const MAX_WATCHERS: usize = 64;

/// Events that wait for one client; later ones are missing for it until it reads.
pub const WATCHED_EVENTS: usize = 512;

/// One event with its number.
#[derive(Debug, Clone, PartialEq)]
pub struct Noticed {
    /// Counts from 1 in each run of the agent.
    pub number: u64,
    /// The task that it is about.
    pub task: Option<Uuid>,
    /// Who ordered that task.
    pub ordered_by: Option<String>,
    pub event: LocalEvent,
}

/// The last events, and who is told of each.
#[derive(Debug, Default)]
pub(super) struct Ring {
    last_number: u64,
    events: VecDeque<Noticed>,
    watchers: Vec<mpsc::Sender<Noticed>>,
}

impl Ring {
    /// Something happened: remembers it and tells who looks on.
    pub(super) fn push(&mut self, task: Option<Uuid>, ordered_by: Option<&str>, event: LocalEvent) {
        // The same said twice is news once.
        if self
            .events
            .back()
            .is_some_and(|last| last.task == task && last.event == event)
        {
            return;
        }
        self.last_number += 1;
        let noticed = Noticed {
            number: self.last_number,
            task,
            ordered_by: ordered_by.map(str::to_owned),
            event,
        };
        self.watchers.retain(|watcher| {
            !matches!(
                watcher.try_send(noticed.clone()),
                Err(mpsc::error::TrySendError::Closed(_))
            )
        });
        if self.events.len() >= KEPT {
            self.events.pop_front();
        }
        self.events.push_back(noticed);
    }

    /// Tells a client what came after number `from`, and then everything as it comes. Without a number it begins
    /// with what happens next; a number that this run never gave begins with the oldest event known. `false` when
    /// too many look on already.
    pub(super) fn watch(&mut self, from: Option<u64>, watcher: mpsc::Sender<Noticed>) -> bool {
        self.watchers.retain(|watcher| !watcher.is_closed());
        if self.watchers.len() >= MAX_WATCHERS {
            return false;
        }
        if let Some(from) = from {
            let from = if from > self.last_number { 0 } else { from };
            for noticed in self.events.iter().filter(|noticed| noticed.number > from) {
                watcher.try_send(noticed.clone()).ok();
            }
        }
        self.watchers.push(watcher);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(pending: u32) -> LocalEvent {
        LocalEvent::Changed { pending }
    }

    fn numbers(receiver: &mut mpsc::Receiver<Noticed>) -> Vec<u64> {
        std::iter::from_fn(|| receiver.try_recv().ok())
            .map(|noticed| noticed.number)
            .collect()
    }

    #[test]
    fn who_comes_back_hears_what_it_missed_and_sees_the_gap() {
        let mut ring = Ring::default();
        for pending in 0..1000 {
            ring.push(None, None, changed(pending));
        }
        let (sender, mut receiver) = mpsc::channel(WATCHED_EVENTS);
        assert!(ring.watch(Some(900), sender));
        assert_eq!(numbers(&mut receiver), (901..=1000).collect::<Vec<_>>());
        // 700 and before are forgotten: the first number says so.
        let (sender, mut receiver) = mpsc::channel(WATCHED_EVENTS);
        assert!(ring.watch(Some(10), sender));
        assert_eq!(numbers(&mut receiver).first(), Some(&701));
        // A number of an earlier run.
        let (sender, mut receiver) = mpsc::channel(WATCHED_EVENTS);
        assert!(ring.watch(Some(5000), sender));
        assert_eq!(numbers(&mut receiver).len(), KEPT);
    }

    #[test]
    fn a_client_that_does_not_read_costs_no_memory_and_finds_numbers_missing() {
        let mut ring = Ring::default();
        let (sender, mut receiver) = mpsc::channel(4);
        assert!(ring.watch(None, sender));
        for pending in 0..10 {
            ring.push(None, None, changed(pending));
        }
        assert_eq!(numbers(&mut receiver), [1, 2, 3, 4]);
        ring.push(None, None, changed(99));
        assert_eq!(numbers(&mut receiver), [11]);
    }

    #[test]
    fn what_is_said_twice_is_told_once_and_clients_that_went_make_room() {
        let mut ring = Ring::default();
        ring.push(None, None, changed(1));
        ring.push(None, None, changed(1));
        assert_eq!(ring.last_number, 1);
        let mut held = Vec::new();
        for _ in 0..MAX_WATCHERS {
            let (sender, receiver) = mpsc::channel(1);
            assert!(ring.watch(None, sender));
            held.push(receiver);
        }
        let (sender, _receiver) = mpsc::channel(1);
        assert!(!ring.watch(None, sender.clone()));
        held.pop();
        assert!(ring.watch(None, sender));
    }
}
