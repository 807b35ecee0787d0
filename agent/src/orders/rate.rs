//! How much of what a server sends is taken up in how much time.
//!
//! A server that was taken over may send as fast as it likes. What this agent has not the allowance for is left
//! in the channel, whose queue and window are bounded, so that nothing is lost and nothing piles up here.

use std::time::Duration;

use tokio::time::Instant;

/// An allowance that fills up by one per period, to a most.
#[derive(Debug, Clone)]
pub struct Allowance {
    most: u32,
    every: Duration,
    /// When the allowance would have been empty.
    empty_at: Option<Instant>,
}

impl Allowance {
    /// So many at once, and one more each period.
    pub fn new(most: u32, every: Duration) -> Self {
        Self {
            most: most.max(1),
            every,
            empty_at: None,
        }
    }

    /// Uses one, or says how long to wait for the next.
    ///
    /// # Errors
    /// The time until there is one.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let wait = self.wait(now);
        if !wait.is_zero() {
            return Err(wait);
        }
        // What was saved up longer ago than the most takes to fill is no use.
        let full = now.checked_sub(self.every * self.most).unwrap_or(now);
        let empty_at = self.empty_at.map_or(full, |at| at.max(full));
        self.empty_at = Some(empty_at + self.every);
        Ok(())
    }

    /// How long until one is there; zero when one is.
    pub fn wait(&self, now: Instant) -> Duration {
        self.empty_at.map_or(Duration::ZERO, |at| {
            (at + self.every).saturating_duration_since(now)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts what is let through of one try each millisecond.
    fn let_through(allowance: &mut Allowance, start: Instant, millis: u64) -> u32 {
        (0..millis)
            .map(|millis| u32::from(allowance.take(start + Duration::from_millis(millis)).is_ok()))
            .sum()
    }

    #[test]
    fn a_flood_gets_the_saved_allowance_and_then_its_rate() {
        let start = Instant::now() + Duration::from_hours(1);
        let mut allowance = Allowance::new(100, Duration::from_millis(200));
        let passed = let_through(&mut allowance, start, 20_000);
        assert!((195..=201).contains(&passed), "{passed}");
        let end = start + Duration::from_secs(20);
        allowance.take(end).ok();
        let wait = allowance.take(end).unwrap_err();
        assert!(wait <= Duration::from_millis(200), "{wait:?}");
    }

    #[test]
    fn quiet_time_is_saved_up_to_the_most_and_no_further() {
        let start = Instant::now() + Duration::from_hours(1);
        let mut allowance = Allowance::new(5, Duration::from_secs(1));
        assert_eq!(let_through(&mut allowance, start, 10), 5);
        assert_eq!(let_through(&mut allowance, start + Duration::from_secs(2), 10), 2);
        assert_eq!(
            let_through(&mut allowance, start + Duration::from_hours(24), 10),
            5
        );
    }
}
