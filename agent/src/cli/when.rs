//! Times as people here read them: in local time, and how far away.

use jiff::Timestamp;

use crate::platform::local_zone;

/// A time to the minute, as clocks here show it.
pub(super) fn local_time(at: Timestamp) -> String {
    at.to_zoned_datetime(local_zone())
        .strftime("%Y-%m-%d %H:%M")
        .to_string()
}

/// The same with the distance: `2026-11-24 18:20, 5 minutes ago`.
pub(super) fn with_distance(at: Timestamp, now: Timestamp) -> String {
    format!("{}, {}", local_time(at), distance(at, now))
}

fn distance(at: Timestamp, now: Timestamp) -> String {
    let seconds = at.as_second().saturating_sub(now.as_second());
    let length = length(seconds.unsigned_abs());
    if seconds.unsigned_abs() < 60 {
        "now".to_owned()
    } else if seconds > 0 {
        format!("in {length}")
    } else {
        format!("{length} ago")
    }
}

/// A length of time in the unit that fits it, rounded down.
pub(super) fn length(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    counted(count, unit)
}

/// A count with its noun: `1 package`, `3 packages`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

/// A number of bytes as people read it: `512 bytes`, `1.4 MiB`.
pub(super) fn bytes(count: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return counted(count, "byte");
    }
    let mut tenths = count.saturating_mul(10) / 1024;
    let mut unit = units[0];
    for next in &units[1..] {
        if tenths < 10_240 {
            break;
        }
        tenths /= 1024;
        unit = next;
    }
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_told_in_the_unit_that_fits() {
        let now = Timestamp::from_second(1_000_000_000).unwrap();
        for (seconds, text) in [
            (0, "now"),
            (-59, "now"),
            (60, "in 1 minute"),
            (-3599, "59 minutes ago"),
            (7200, "in 2 hours"),
            (-3600, "1 hour ago"),
            (-172_800, "2 days ago"),
            (-90_000_000, "1041 days ago"),
        ] {
            let at = Timestamp::from_second(now.as_second() + seconds).unwrap();
            assert_eq!(distance(at, now), text);
        }
        assert_eq!(
            distance(Timestamp::MAX, Timestamp::MIN).split(' ').next(),
            Some("in")
        );
    }

    #[test]
    fn bytes_are_told_in_the_unit_that_fits() {
        for (count, text) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (1023, "1023 bytes"),
            (1024, "1.0 KiB"),
            (1_572_864, "1.5 MiB"),
            (5_368_709_120, "5.0 GiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
        assert!(bytes(u64::MAX).ends_with("TiB"));
    }
}
