//! When things are due: periods as people write them, the next update, the next audit. Pure.

mod pace;
mod window;

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};

pub use self::pace::Pace;
pub use self::window::{Open, Window, Windows};

/// The longest period that is taken as written; longer ones are cut to it.
const MAX_PERIOD: Duration = Duration::from_hours(366 * 24);

/// Hosts whose window opens at the same time begin spread over at most this long.
const LONGEST_SPREAD: Duration = Duration::from_mins(30);

/// Reads a period: `90s`, `30m`, `2h`, `1d`, `1w`; a bare number means minutes.
///
/// Gives nothing for anything else, and for zero.
pub fn parse_period(text: &str) -> Option<Duration> {
    let text = text.trim();
    let split = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().ok()?;
    let unit_secs = match unit.trim() {
        "s" => 1,
        "" | "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return None,
    };
    let period = Duration::from_secs(number.checked_mul(unit_secs)?);
    (!period.is_zero()).then_some(period.min(MAX_PERIOD))
}

/// When the next update is due.
///
/// A fleet that was switched on together must not come together, so each host gets its own shift of up
/// to a tenth of the period, the same each time it is asked for the same update.
pub fn next_update(identifier: &str, last: Option<Timestamp>, every: Duration, now: Timestamp) -> Timestamp {
    // One that is to come yet means that the clock was set back: it says nothing about when the last one was.
    match last.filter(|last| is_believed(*last, every, now)) {
        Some(last) => later(spread(identifier, last, every / 10), every),
        None => now,
    }
}

/// Whether a time of something that was done may be right. One that lies ahead by more than the clock is usually
/// corrected by was taken by a clock that was wrong.
fn is_believed(at: Timestamp, every: Duration, now: Timestamp) -> bool {
    at <= later(now, every / 10)
}

/// When the next scheduled upgrade is due: after its period, inside a window, at a time of this host's own.
///
/// `last` is when the last one began; a host that never had one has its first soon after `since`, not a whole
/// period later. `None` when no window ever opens.
pub fn next_upgrade(
    identifier: &str,
    last: Option<Timestamp>,
    since: Timestamp,
    every: Duration,
    (windows, zone): (&Windows, &TimeZone),
    now: Timestamp,
) -> Option<Timestamp> {
    let due = match last {
        Some(last) => next_update(identifier, Some(last), every, now),
        None => spread(identifier, since, every / 10),
    };
    in_window(identifier, due, (windows, zone), now)
}

/// When work that is due may begin: at once inside a window, else in the next one.
///
/// Windows open for a whole fleet in the same second: each host takes a time of its own in the first quarter of
/// the window, and within half an hour.
pub fn in_window(
    identifier: &str,
    due: Timestamp,
    (windows, zone): (&Windows, &TimeZone),
    now: Timestamp,
) -> Option<Timestamp> {
    if windows.0.is_empty() {
        return Some(due);
    }
    let open = windows.next(due.max(now), zone)?;
    if due > open.from {
        return Some(due);
    }
    let length = Duration::try_from(open.to.duration_since(open.from)).unwrap_or(Duration::ZERO);
    Some(spread(identifier, open.from, (length / 4).min(LONGEST_SPREAD)))
}

/// A time within a span after `from`, different from host to host and the same each time it is asked for.
pub fn spread(identifier: &str, from: Timestamp, span: Duration) -> Timestamp {
    let seed = Sha256::digest(format!("{identifier}\n{}", from.as_second()));
    let fraction = f64::from(u16::from_be_bytes([seed[0], seed[1]])) / f64::from(u16::MAX);
    later(from, span.mul_f64(fraction))
}

/// When the next audit is due: by the package's own schedule, else by that of this machine, else never.
pub fn next_audit(schedule: &str, every: Option<Duration>, last: Timestamp) -> Option<Timestamp> {
    parse_period(schedule).or(every).map(|period| later(last, period))
}

/// `at` plus a span, never beyond the end of time.
pub fn later(at: Timestamp, span: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(span)
        .ok()
        .and_then(|span| at.checked_add(span).ok())
        .unwrap_or(Timestamp::MAX)
}

/// How long until `due`, zero when it has passed.
pub fn wait_until(due: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(due.duration_since(now)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn periods_are_read_as_people_write_them() {
        for (text, secs) in [
            ("90s", Some(90)),
            ("30m", Some(1800)),
            ("120", Some(7200)),
            ("2h", Some(7200)),
            (" 1d ", Some(86_400)),
            ("1w", Some(604_800)),
            ("0", None),
            ("", None),
            ("h", None),
            ("-5m", None),
            ("2 h", Some(7200)),
            ("99999999999999999999h", None),
        ] {
            assert_eq!(
                parse_period(text).map(|period| period.as_secs()),
                secs,
                "{text:?}"
            );
        }
    }

    #[test]
    fn the_first_update_is_due_at_once_and_the_next_within_a_tenth_of_the_period() {
        let now = at("2026-01-01T00:00:00Z");
        let every = Duration::from_hours(2);
        assert_eq!(next_update("host", None, every, now), now);
        let due = next_update("host", Some(now), every, now);
        assert!(
            due >= at("2026-01-01T02:00:00Z") && due <= at("2026-01-01T02:12:00Z"),
            "{due}"
        );
        assert_eq!(due, next_update("host", Some(now), every, now));
        let other = next_update("other", Some(now), every, now);
        assert_ne!(due, other);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_postpone_the_update() {
        let now = at("2026-01-01T00:00:00Z");
        let due = next_update(
            "host",
            Some(at("2030-01-01T00:00:00Z")),
            Duration::from_hours(1),
            now,
        );
        assert!(due < at("2026-01-01T01:10:00Z"), "{due}");
        // It comes, and does not move on with the clock.
        let later = at("2026-01-01T03:00:00Z");
        let due = next_update(
            "host",
            Some(at("2030-01-01T00:00:00Z")),
            Duration::from_hours(1),
            later,
        );
        assert!(due <= later, "{due}");
        // A clock that is corrected by seconds brings nothing early.
        let due = next_update(
            "host",
            Some(at("2026-01-01T03:00:05Z")),
            Duration::from_hours(1),
            later,
        );
        assert!(due >= at("2026-01-01T04:00:00Z"), "{due}");
    }

    #[test]
    fn an_audit_follows_its_schedule_and_none_means_never() {
        let last = at("2026-01-01T00:00:00Z");
        let day = Some(at("2026-01-02T00:00:00Z"));
        assert_eq!(next_audit("1d", None, last), day);
        assert_eq!(next_audit("1d", Some(Duration::from_hours(1)), last), day);
        assert_eq!(next_audit("", Some(Duration::from_hours(24)), last), day);
        assert_eq!(next_audit("", None, last), None);
    }

    #[test]
    fn a_scheduled_upgrade_waits_for_its_window_and_for_its_turn_in_it() {
        let zone = TimeZone::UTC;
        let windows = Windows(vec![Window {
            days: vec![jiff::civil::Weekday::Thursday],
            from: jiff::civil::time(22, 0, 0, 0),
            to: jiff::civil::time(5, 0, 0, 0),
        }]);
        // 1 January 2026 is a Thursday.
        let morning = at("2026-01-01T08:00:00Z");
        let every = Duration::from_hours(24);
        let next = |last, now| next_upgrade("host", last, morning, every, (&windows, &zone), now).unwrap();
        let due = next(None, morning);
        assert!(
            due > at("2026-01-01T22:00:00Z") && due <= at("2026-01-01T22:30:00Z"),
            "{due}"
        );
        // The turn stays the same when the window has opened, and a machine that comes late goes at once.
        assert_eq!(next(None, at("2026-01-01T22:00:01Z")), due);
        assert!(next(None, at("2026-01-02T04:00:00Z")) <= at("2026-01-02T04:00:00Z"));
        assert_eq!(due, next(Some(at("2025-12-25T22:05:00Z")), morning));
        let following = next(Some(due), at("2026-01-02T04:59:00Z"));
        assert!(following > at("2026-01-08T22:00:00Z"), "{following}");
        let any_time = next_upgrade(
            "host",
            None,
            morning,
            every,
            (&Windows::default(), &zone),
            morning,
        );
        assert!(any_time.unwrap() <= at("2026-01-01T10:24:00Z"));
    }
}
