//! Who is connected right now. Nothing here blocks; everything that must last is in the database.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use muster_shared::protocol::live::Refresh;

use super::mailbox::{End, Mailbox};

/// A change for all hosts reaches at most this many hosts a second, so that they do not all ask at once.
const HINTS_PER_SEC: u64 = 500;

/// The connections, by host.
#[derive(Debug, Default)]
pub struct Hub {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    connections: HashMap<String, Connected>,
    next: u64,
}

#[derive(Debug)]
struct Connected {
    number: u64,
    mailbox: Arc<Mailbox>,
}

/// A connection's place in the hub.
#[derive(Debug)]
pub struct Place {
    pub number: u64,
    pub mailbox: Arc<Mailbox>,
}

impl Hub {
    /// Takes a host's place; an earlier connection of the same host is told to end.
    pub fn connect(&self, host_key: &str) -> Place {
        let mailbox = Arc::new(Mailbox::default());
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.next += 1;
        let number = inner.next;
        let connected = Connected {
            number,
            mailbox: Arc::clone(&mailbox),
        };
        if let Some(earlier) = inner.connections.insert(host_key.to_owned(), connected) {
            earlier.mailbox.leave(|waiting| waiting.end = Some(End::Replaced));
        }
        Place { number, mailbox }
    }

    /// Gives the place back. False when a later connection has it: the host is not offline then.
    pub fn disconnect(&self, host_key: &str, number: u64) -> bool {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let is_current = inner
            .connections
            .get(host_key)
            .is_some_and(|current| current.number == number);
        if is_current {
            inner.connections.remove(host_key);
        }
        is_current
    }

    /// The host is connected.
    pub fn is_connected(&self, host_key: &str) -> bool {
        self.inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .connections
            .contains_key(host_key)
    }

    /// How many hosts are connected.
    pub fn count(&self) -> usize {
        self.inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .connections
            .len()
    }

    /// The queues of these hosts have new actions.
    pub fn actions_waiting<'a>(&self, host_keys: impl Iterator<Item = &'a str>) {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        for host_key in host_keys {
            if let Some(connected) = inner.connections.get(host_key) {
                connected.mailbox.leave(|waiting| waiting.actions = true);
            }
        }
    }

    /// Something of one host changed; it hears of it now.
    pub fn refresh(&self, host_key: &str, what: Refresh) {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connected) = inner.connections.get(host_key) {
            connected
                .mailbox
                .leave(|waiting| waiting.refresh(what, Duration::ZERO));
        }
    }

    /// Something that all hosts use changed: each hears of it, spread over time when there are many.
    pub fn refresh_all(&self, what: Refresh) {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let spread_millis = inner.connections.len() as u64 * 1000 / HINTS_PER_SEC;
        #[expect(
            clippy::iter_over_hash_type,
            reason = "the order in which mailboxes are filled is not seen"
        )]
        for (host_key, connected) in &inner.connections {
            let mut hasher = DefaultHasher::new();
            host_key.hash(&mut hasher);
            let delay = Duration::from_millis(hasher.finish() % (spread_millis + 1));
            connected.mailbox.leave(|waiting| waiting.refresh(what, delay));
        }
    }

    /// The host was deleted or has a new key: its connection ends.
    pub fn forget(&self, host_key: &str) {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connected) = inner.connections.get(host_key) {
            connected
                .mailbox
                .leave(|waiting| waiting.end = Some(End::Forgotten));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_later_connection_takes_the_place_and_the_late_close_does_not_mark_the_host_offline() {
        let hub = Hub::default();
        let first = hub.connect("host-a");
        let second = hub.connect("host-a");
        assert_eq!(first.mailbox.take().await.end, Some(End::Replaced));
        assert!(!hub.disconnect("host-a", first.number));
        assert!(hub.is_connected("host-a"));
        assert!(hub.disconnect("host-a", second.number));
        assert_eq!(hub.count(), 0);
    }

    #[tokio::test]
    async fn messages_reach_the_hosts_that_they_are_for() {
        let hub = Hub::default();
        let (a, b) = (hub.connect("a"), hub.connect("b"));
        hub.actions_waiting(["a", "not connected"].into_iter());
        hub.refresh("b", Refresh::HostPackage);
        hub.refresh_all(Refresh::Repository);
        let a = a.mailbox.take().await;
        assert!(a.actions && a.host_package.is_none() && a.repository.is_some());
        let b = b.mailbox.take().await;
        assert!(!b.actions && b.host_package.is_some() && b.repository.is_some());
    }
}
