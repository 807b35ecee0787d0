//! A limit of bandwidth, shared by everything that downloads under it.
//!
//! Whoever received bytes reserves their time on one line of time; the next bytes are read when it has passed. TCP
//! slows the sender down meanwhile.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Time that was not used is made up for at most this long, so that pauses cause no bursts.
const BURST: Duration = Duration::from_millis(250);

/// Bytes a second, of all clones together.
#[derive(Debug, Clone)]
pub struct Bandwidth {
    bytes_a_second: u64,
    free_at: Arc<Mutex<Option<Instant>>>,
}

impl Bandwidth {
    /// A limit; at least one byte a second.
    pub fn new(bytes_a_second: u64) -> Self {
        Self {
            bytes_a_second: bytes_a_second.max(1),
            free_at: Arc::default(),
        }
    }

    /// Waits until these bytes fit under the limit; how long that took.
    pub(crate) async fn take(&self, bytes: u64) -> Duration {
        let now = Instant::now();
        let until = self.reserve(bytes, now);
        sleep_until(until).await;
        until.saturating_duration_since(now)
    }

    fn reserve(&self, bytes: u64, now: Instant) -> Instant {
        let takes = Duration::from_micros(
            u64::try_from(u128::from(bytes) * 1_000_000 / u128::from(self.bytes_a_second))
                .unwrap_or(u64::MAX),
        );
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let until = free_at.map_or(now, |free| free.max(earliest)) + takes;
        *free_at = Some(until);
        until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_take_their_time_and_clones_share_it() {
        let now = Instant::now();
        let one = Bandwidth::new(1000);
        let other = one.clone();
        assert_eq!(one.reserve(500, now), now + Duration::from_millis(500));
        assert_eq!(other.reserve(500, now), now + Duration::from_secs(1));
        assert_eq!(one.reserve(100, now), now + Duration::from_millis(1100));
    }

    #[test]
    fn a_pause_is_made_up_for_a_moment_only() {
        let now = Instant::now();
        let limit = Bandwidth::new(1000);
        limit.reserve(1, now);
        let later = now + Duration::from_hours(1);
        let until = limit.reserve(10_000, later);
        assert_eq!(until, later + Duration::from_secs(10) - BURST);
    }

    #[tokio::test]
    async fn waiting_is_told() {
        let limit = Bandwidth::new(1_000_000);
        let waited = limit.take(20_000).await;
        assert!(waited > Duration::from_millis(15), "{waited:?}");
    }
}
