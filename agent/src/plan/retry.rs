//! When a package that did not get there is tried again. Pure.
//!
//! Whoever orders an upgrade gets it tried at once. By the schedule, the delay doubles with each failure, from ten
//! minutes up to a day; a new version, or a success, begins anew.

use std::time::Duration;

use jiff::Timestamp;

use crate::schedule::later;

/// The delay after the first failure.
const FIRST: Duration = Duration::from_mins(10);

/// The longest delay.
const LONGEST: Duration = Duration::from_hours(24);

/// What is known of the tries of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The version that was tried.
    pub version: String,
    /// How often it failed in a row.
    pub tries: u32,
    pub last_at: Timestamp,
    /// Why it was left alone the last time, empty when it was tried.
    pub postponed: String,
}

/// How long the schedule waits after so many failures.
pub fn delay(tries: u32) -> Duration {
    let doublings = tries.saturating_sub(1).min(16);
    FIRST.saturating_mul(1 << doublings).min(LONGEST)
}

/// When the schedule tries a version again; nothing when it may at once.
pub fn due(attempt: Option<&Attempt>, version: &str, now: Timestamp) -> Option<Timestamp> {
    let attempt = attempt.filter(|attempt| attempt.version == version && attempt.tries > 0)?;
    // A clock that was set back would keep it waiting for as long.
    if attempt.last_at > now {
        return None;
    }
    Some(later(attempt.last_at, delay(attempt.tries))).filter(|due| *due > now)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn failed(tries: u32) -> Attempt {
        Attempt {
            version: "1".to_owned(),
            tries,
            last_at: at("2026-12-01T12:00:00Z"),
            postponed: String::new(),
        }
    }

    #[test]
    fn the_delay_doubles_from_ten_minutes_to_a_day() {
        let minutes: Vec<u64> = (1..=10).map(|tries| delay(tries).as_secs() / 60).collect();
        assert_eq!(minutes, [10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440]);
    }

    #[test]
    fn a_failed_version_waits_and_another_one_does_not() {
        let now = at("2026-12-01T12:05:00Z");
        let failed = failed(2);
        assert_eq!(due(Some(&failed), "1", now), Some(at("2026-12-01T12:20:00Z")));
        assert_eq!(due(Some(&failed), "1", at("2026-12-01T12:20:00Z")), None);
        assert_eq!(due(Some(&failed), "2", now), None);
        assert_eq!(due(None, "1", now), None);
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_nothing_waiting() {
        assert_eq!(due(Some(&failed(9)), "1", at("2020-01-01T00:00:00Z")), None);
    }

    #[test]
    fn what_was_only_left_alone_is_due_at_once() {
        assert_eq!(due(Some(&failed(0)), "1", at("2026-12-01T12:00:00Z")), None);
    }

    proptest! {
        #[test]
        fn nothing_waits_longer_than_a_day_after_its_failure(tries in any::<u32>(), later_secs in 0_i64..200_000) {
            let failed = failed(tries);
            let now = failed.last_at + jiff::SignedDuration::from_secs(later_secs);
            if let Some(due) = due(Some(&failed), "1", now) {
                prop_assert!(due > now && due <= failed.last_at + jiff::SignedDuration::from_hours(24));
            }
        }
    }
}
