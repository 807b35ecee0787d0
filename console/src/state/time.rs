//! Times as people say them: in the local zone, and how long ago.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// How long ago something was: `now`, `2 min`, `21 h`, `6 days`.
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    let secs = now.as_second() - then.as_second();
    match secs {
        ..90 => "now".to_owned(),
        90..3600 => format!("{} min", secs / 60),
        3600..86_400 => format!("{} h", secs / 3600),
        86_400..172_800 => "1 day".to_owned(),
        _ => format!("{} days", secs / 86_400),
    }
}

/// Day and minute in the local zone: `24 Nov 14:22`, with `today` and `yesterday`.
pub fn when(then: Timestamp, now: Timestamp) -> String {
    let zone = TimeZone::system();
    let then = then.to_zoned_datetime(zone.clone());
    let today = now.to_zoned_datetime(zone).date();
    let day = if then.date() == today {
        "today".to_owned()
    } else if today.yesterday().is_ok_and(|yesterday| yesterday == then.date()) {
        "yesterday".to_owned()
    } else if then.date().year() == today.year() {
        then.strftime("%-d %b").to_string()
    } else {
        then.strftime("%-d %b %Y").to_string()
    };
    format!("{day} {}", then.strftime("%H:%M"))
}

/// Day and minute in the local zone.
pub fn local_minute(then: Timestamp) -> String {
    then.to_zoned_datetime(TimeZone::system())
        .strftime("%-d %b %H:%M")
        .to_string()
}

/// The exact value, for the pointer resting on a time.
pub fn exact(then: Timestamp) -> String {
    then.to_zoned_datetime(TimeZone::system())
        .strftime("%Y-%m-%d %H:%M:%S %Z")
        .to_string()
}

/// The day alone.
pub fn day(then: Timestamp) -> String {
    then.to_zoned_datetime(TimeZone::system())
        .strftime("%Y-%m-%d")
        .to_string()
}

/// Hour, minute and second in the local zone.
pub fn clock(then: Timestamp) -> String {
    then.to_zoned_datetime(TimeZone::system())
        .strftime("%H:%M:%S")
        .to_string()
}

/// A size in bytes as people say it.
pub fn bytes(size: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KB", "MB", "GB", "TB"];
    let mut value = size as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let unit_name = UNITS.get(unit).copied().unwrap_or_default();
    if unit == 0 || value >= 100.0 {
        format!("{value:.0} {unit_name}")
    } else {
        format!("{value:.1} {unit_name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_the_largest_unit() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let before = |secs: i64| ago(Timestamp::from_second(1_000_000 - secs).unwrap(), now);
        assert_eq!(before(3), "now");
        assert_eq!(before(120), "2 min");
        assert_eq!(before(3600 * 21), "21 h");
        assert_eq!(before(86_400), "1 day");
        assert_eq!(before(86_400 * 6), "6 days");
        assert_eq!(before(-30), "now", "a clock that runs ahead");
    }

    #[test]
    fn sizes_are_told_in_the_largest_unit() {
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(1536), "1.5 KB");
        assert_eq!(bytes(476 * 1024 * 1024 * 1024), "476 GB");
    }
}
