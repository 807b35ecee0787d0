//! The slowest that a body may come: below it, whoever sends is broken or means harm.

use std::time::Duration;

use tokio::time::Instant;

/// Minimum speed: in each window at least so many bytes arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Length of a window.
    pub window: Duration,
    /// Bytes that at least arrive within a window.
    pub least_bytes: u64,
    /// How long the answer's head may take.
    pub first_answer: Duration,
}

impl Default for Pace {
    /// About 2 KiB a second over half a minute: a bad line passes, one byte a second does not.
    fn default() -> Self {
        Self {
            window: Duration::from_secs(30),
            least_bytes: 64 * 1024,
            first_answer: Duration::from_mins(1),
        }
    }
}

/// Watches one body.
#[derive(Debug)]
pub(crate) struct Watch {
    pace: Pace,
    ends: Instant,
    got: u64,
}

impl Watch {
    pub(crate) fn start(pace: Pace, now: Instant) -> Self {
        Self {
            pace,
            ends: now + pace.window,
            got: 0,
        }
    }

    /// When the current window ends and [`Watch::is_too_slow`] is to be asked.
    pub(crate) fn window_end(&self) -> Instant {
        self.ends
    }

    pub(crate) fn note(&mut self, bytes: u64) {
        self.got = self.got.saturating_add(bytes);
    }

    /// Time in which nothing was read, because this side waited, does not count.
    pub(crate) fn pause(&mut self, waited: Duration) {
        self.ends += waited;
    }

    /// At the end of a window: whether too little came. Opens the next window.
    pub(crate) fn is_too_slow(&mut self, now: Instant) -> bool {
        if now < self.ends {
            return false;
        }
        let too_slow = self.got < self.pace.least_bytes;
        self.got = 0;
        self.ends = now + self.pace.window;
        too_slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace {
        window: Duration::from_secs(10),
        least_bytes: 100,
        first_answer: Duration::from_secs(1),
    };

    #[test]
    fn a_byte_a_second_is_too_slow_at_the_end_of_the_window() {
        let start = Instant::now();
        let mut watch = Watch::start(PACE, start);
        for second in 1..10 {
            watch.note(1);
            assert!(!watch.is_too_slow(start + Duration::from_secs(second)));
        }
        assert!(watch.is_too_slow(start + Duration::from_secs(10)));
    }

    #[test]
    fn waiting_on_this_side_does_not_count() {
        let start = Instant::now();
        let mut watch = Watch::start(PACE, start);
        watch.pause(Duration::from_mins(1));
        assert!(!watch.is_too_slow(start + Duration::from_secs(69)));
        assert!(watch.is_too_slow(start + Duration::from_secs(70)));
    }

    #[test]
    fn every_window_counts_by_itself() {
        let start = Instant::now();
        let mut watch = Watch::start(PACE, start);
        watch.note(1_000_000);
        assert!(!watch.is_too_slow(start + Duration::from_secs(10)));
        watch.note(99);
        assert!(watch.is_too_slow(start + Duration::from_secs(20)));
    }
}
