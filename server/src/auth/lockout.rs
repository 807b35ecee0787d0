//! Lock-out after failed sign-ins: the wait doubles, and says nothing about whether the user exists.

use jiff::{SignedDuration, Timestamp};

/// Failed tries in a row before the first wait.
pub const FREE_TRIES: i64 = 5;

/// The first wait.
const FIRST_WAIT_SECS: i64 = 5;

/// The longest wait.
const LONGEST_WAIT_SECS: i64 = 15 * 60;

/// Failures are forgotten after this long without another one.
pub const FORGET_AFTER_SECS: i64 = 24 * 3600;

/// Until when sign-in is locked after so many failures in a row, the last one just now.
pub fn locked_until(failures: i64, now: Timestamp) -> Timestamp {
    if failures < FREE_TRIES {
        return now;
    }
    let doublings = u32::try_from(failures - FREE_TRIES).unwrap_or(u32::MAX).min(20);
    let wait = (FIRST_WAIT_SECS << doublings).min(LONGEST_WAIT_SECS);
    now.checked_add(SignedDuration::from_secs(wait)).unwrap_or(now)
}

/// Whole seconds until a time, at least one; `None` when it has come.
pub fn secs_until(until: Timestamp, now: Timestamp) -> Option<u64> {
    (until > now).then(|| u64::try_from(until.duration_since(now).as_secs()).unwrap_or(0) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_begins_after_five_tries_doubles_and_ends_at_a_quarter_of_an_hour() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let wait = |failures| locked_until(failures, now).duration_since(now).as_secs();
        assert_eq!([wait(1), wait(4)], [0, 0]);
        assert_eq!([wait(5), wait(6), wait(7)], [5, 10, 20]);
        assert_eq!([wait(13), wait(5000)], [900, 900]);
    }

    #[test]
    fn a_lock_that_is_over_leaves_no_seconds() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        assert_eq!(secs_until(now, now), None);
        assert_eq!(secs_until(locked_until(5, now), now), Some(6));
    }
}
