//! When to connect again: a pure function of how long the connection is gone and of chance.
//!
//! A server that restarts must not get its whole fleet in one second, and a network that is down for a
//! night must not be asked every second.

use std::time::Duration;

use crate::schedule::Pace;

/// How far tries are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// The first try after a lost connection comes within this time.
    pub first: Duration,
    /// The tries after it are at most so far apart,
    pub short: Duration,
    /// for so long,
    pub patience: Duration,
    /// and at most so far apart after that.
    pub long: Duration,
    /// A host that an administrator has to decide on asks again at this distance.
    pub undecided: Duration,
}

impl Default for Timing {
    /// 20 s, then up to a minute for ten minutes, then up to five.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(20),
            short: Duration::from_mins(1),
            patience: Duration::from_mins(10),
            long: Duration::from_mins(5),
            undecided: Duration::from_mins(1),
        }
    }
}

impl Timing {
    /// The same distances in time that runs at another pace.
    pub fn at(self, pace: Pace) -> Self {
        Self {
            first: pace.real(self.first),
            short: pace.real(self.short),
            patience: pace.real(self.patience),
            long: pace.real(self.long),
            undecided: pace.real(self.undecided),
        }
    }

    /// How long to wait before try number `attempt` (0 is the first after the loss), the connection being
    /// gone for `gone`. `chance` is uniform in [0, 1).
    pub fn wait_before(&self, attempt: u32, gone: Duration, chance: f64) -> Duration {
        let chance = chance.clamp(0.0, 1.0);
        if attempt == 0 {
            return self.first.mul_f64(chance);
        }
        let most = if gone < self.patience {
            self.short
        } else {
            self.long
        };
        // Between half and the whole: spread, and never a hammering.
        most.mul_f64(0.5 + chance / 2.0)
    }
}

/// Chance out of the system's randomness.
#[derive(Debug, Clone)]
pub struct Jitter(ring::rand::SystemRandom);

impl Default for Jitter {
    fn default() -> Self {
        Self::new()
    }
}

impl Jitter {
    /// A source of chance.
    pub fn new() -> Self {
        Self(ring::rand::SystemRandom::new())
    }

    /// Uniform in [0, 1); 0.5 when the system gives no randomness.
    pub fn next(&self) -> f64 {
        use ring::rand::SecureRandom as _;
        let mut bytes = [0_u8; 4];
        match self.0.fill(&mut bytes) {
            Ok(()) => f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0),
            Err(_unspecified) => 0.5,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fixed sequence that looks like chance (xorshift).
    struct Seeded(u64);

    impl Seeded {
        fn next(&mut self) -> f64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 11) as f64 / (1_u64 << 53) as f64
        }
    }

    #[test]
    fn a_fleet_comes_back_spread_over_twenty_seconds() {
        let mut chance = Seeded(42);
        let mut per_second = [0_u32; 20];
        for _host in 0..50_000 {
            let wait = Timing::default().wait_before(0, Duration::ZERO, chance.next());
            per_second[usize::try_from(wait.as_secs()).unwrap()] += 1;
        }
        // 2,500 a second on average; no second gets a tenth more.
        assert!(
            per_second.iter().all(|count| (2250..2750).contains(count)),
            "{per_second:?}"
        );
    }

    #[test]
    fn tries_are_at_most_a_minute_apart_and_after_ten_minutes_five() {
        let mut chance = Seeded(7);
        for attempt in 1..1000 {
            let soon = Timing::default().wait_before(attempt, Duration::from_secs(599), chance.next());
            assert!((30..=60).contains(&soon.as_secs()), "{soon:?}");
            let late = Timing::default().wait_before(attempt, Duration::from_mins(10), chance.next());
            assert!((150..=300).contains(&late.as_secs()), "{late:?}");
        }
    }

    #[test]
    fn chance_out_of_range_does_not_panic() {
        assert!(Timing::default().wait_before(0, Duration::ZERO, -1.0).is_zero());
        assert!(Timing::default().wait_before(1, Duration::MAX, 7.0) <= Timing::default().long);
    }

    #[test]
    fn the_systems_chance_is_in_range_and_moves() {
        let jitter = Jitter::new();
        let values: Vec<f64> = (0..100).map(|_| jitter.next()).collect();
        assert!(values.iter().all(|value| (0.0..1.0).contains(value)));
        assert!(
            values
                .iter()
                .any(|value| (*value - values[0]).abs() > f64::EPSILON)
        );
    }
}
