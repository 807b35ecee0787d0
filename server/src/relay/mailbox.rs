//! What waits for one connection: flags and a bell. Any number of the same message is one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use muster_shared::protocol::live::Refresh;
use tokio::sync::Notify;

/// The messages to one connection.
#[derive(Debug, Default)]
pub struct Mailbox {
    waiting: Mutex<Waiting>,
    bell: Notify,
}

/// What came since it was last looked at.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The host's queue has new actions.
    pub actions: bool,
    /// The repository changed; the host should hear of it after this long.
    pub repository: Option<Duration>,
    /// The host's package changed; likewise.
    pub host_package: Option<Duration>,
    /// Rules changed; likewise.
    pub rules: Option<Duration>,
    /// The connection must end.
    pub end: Option<End>,
}

/// Why the server ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// A later connection of the same host took its place.
    Replaced,
    /// The host was deleted or its key changed.
    Forgotten,
}

impl Waiting {
    /// The host should hear of a change after a delay; the shorter of two delays counts.
    pub fn refresh(&mut self, what: Refresh, delay: Duration) {
        let slot = match what {
            Refresh::Repository => &mut self.repository,
            Refresh::HostPackage => &mut self.host_package,
            Refresh::Rules => &mut self.rules,
        };
        *slot = Some(slot.map_or(delay, |known| known.min(delay)));
    }
}

impl Mailbox {
    /// Leaves a message and rings.
    pub fn leave(&self, message: impl FnOnce(&mut Waiting)) {
        message(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        self.bell.notify_one();
    }

    /// Waits for the bell and takes everything.
    pub async fn take(&self) -> Waiting {
        self.bell.notified().await;
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn many_messages_are_taken_at_once_and_none_is_lost() {
        let mailbox = Mailbox::default();
        for _ in 0..1000 {
            mailbox.leave(|waiting| waiting.actions = true);
        }
        mailbox.leave(|waiting| waiting.refresh(Refresh::HostPackage, Duration::ZERO));
        let taken = mailbox.take().await;
        assert!(taken.actions && taken.host_package.is_some() && taken.end.is_none());
        mailbox.leave(|waiting| waiting.end = Some(End::Replaced));
        assert_eq!(mailbox.take().await.end, Some(End::Replaced));
    }
}
