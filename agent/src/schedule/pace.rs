//! How fast the scheduler's time runs: as the machine's, or faster for tests that compress days into minutes.
//!
//! The one place where what the scheduler waits for is turned into what the system sleeps. Time limits of
//! connections, requests and scripts are not the scheduler's and never run faster.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use muster_shared::clock::{Clock, SystemClock};

/// The fastest that time may run.
pub(super) const FASTEST: u32 = 3600;

/// How many times faster than the machine's the scheduler's time runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace(u32);

impl Default for Pace {
    fn default() -> Self {
        Self(1)
    }
}

impl Pace {
    /// Time that runs so many times faster, at least once and at most 3600 times.
    pub fn new(times: u32) -> Self {
        Self(times.clamp(1, FASTEST))
    }

    /// How long the system sleeps for a span of the scheduler's time.
    pub fn real(self, span: Duration) -> Duration {
        span / self.0
    }

    /// The clock of this time; it shows the machine's time at this moment.
    pub fn clock(self) -> Arc<dyn Clock> {
        if self.0 == 1 {
            return Arc::new(SystemClock);
        }
        Arc::new(FastClock {
            began: SystemClock.now(),
            since: Instant::now(),
            times: self.0,
        })
    }
}

/// A clock that showed the right time when it was made, and runs faster since.
#[derive(Debug, Clone, Copy)]
struct FastClock {
    began: Timestamp,
    since: Instant,
    times: u32,
}

impl Clock for FastClock {
    fn now(&self) -> Timestamp {
        let gone = self.since.elapsed().saturating_mul(self.times);
        SignedDuration::try_from(gone)
            .ok()
            .and_then(|gone| self.began.checked_add(gone).ok())
            .unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_fits_into_twenty_minutes() {
        let pace = Pace::new(72);
        assert_eq!(pace.real(Duration::from_hours(24)), Duration::from_mins(20));
        assert_eq!(
            Pace::default().real(Duration::from_mins(1)),
            Duration::from_mins(1)
        );
        assert_eq!(Pace::new(0), Pace::default());
    }

    #[test]
    fn a_fast_clock_never_falls_behind_the_machines() {
        let clock = Pace::new(3600).clock();
        let before = SystemClock.now();
        assert!(clock.now() >= before);
    }
}
