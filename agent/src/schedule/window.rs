//! Maintenance windows: when scheduled work may begin, in the machine's local time. Pure.
//!
//! A window belongs to the day on which it opens; one whose end is not after its beginning closes on the next
//! day. Its two ends are instants: a night on which the clock changes makes a window an hour longer or shorter,
//! never splits it, and a time that the clock jumps over means the moment of the jump.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

/// Days looked at for the next opening: a week, today and yesterday.
const DAYS_AHEAD: usize = 9;

/// One window, opening on some days of the week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// The days on which it opens.
    pub days: Vec<Weekday>,
    /// When it opens, local time.
    pub from: Time,
    /// When it closes, on the next day unless it is after `from`; both equal mean a whole day.
    pub to: Time,
}

/// The windows of a machine. None at all means that any time will do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Windows(pub Vec<Window>);

/// The time from an opening to its end, in which the end is not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    pub from: Timestamp,
    pub to: Timestamp,
}

impl Windows {
    /// Whether scheduled work may begin.
    pub fn are_open(&self, now: Timestamp, zone: &TimeZone) -> bool {
        self.0.is_empty() || self.around(now, zone).any(|open| open.contains(now))
    }

    /// The window that is open now, or the next one that opens; `None` when no window ever does.
    ///
    /// Without any window there is nothing to wait for: it opens now and stays open.
    pub fn next(&self, now: Timestamp, zone: &TimeZone) -> Option<Open> {
        if self.0.is_empty() {
            return Some(Open {
                from: now,
                to: Timestamp::MAX,
            });
        }
        self.around(now, zone)
            .filter(|open| now < open.to)
            .min_by_key(|open| open.from)
    }

    /// The openings of the days around a time.
    fn around<'a>(&'a self, now: Timestamp, zone: &'a TimeZone) -> impl Iterator<Item = Open> + use<'a> {
        let today = zone.to_datetime(now).date();
        let first = today.yesterday().unwrap_or(today);
        std::iter::successors(Some(first), |day| day.tomorrow().ok())
            .take(DAYS_AHEAD)
            .flat_map(move |day| self.0.iter().filter_map(move |window| window.on(day, zone)))
    }
}

impl Window {
    /// Its opening on a day; `None` when it does not open then.
    fn on(&self, day: Date, zone: &TimeZone) -> Option<Open> {
        if !self.days.contains(&day.weekday()) {
            return None;
        }
        let last = if self.to > self.from {
            day
        } else {
            day.tomorrow().ok()?
        };
        let open = Open {
            from: instant(day.to_datetime(self.from), zone, Ambiguous::First)?,
            to: instant(last.to_datetime(self.to), zone, Ambiguous::Last)?,
        };
        (open.from < open.to).then_some(open)
    }
}

impl Open {
    /// Whether it is open at a time.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }
}

/// Which of two is meant when the clock shows a time twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ambiguous {
    First,
    Last,
}

fn instant(local: DateTime, zone: &TimeZone, which: Ambiguous) -> Option<Timestamp> {
    let at = |offset: Offset| offset.to_timestamp(local).ok();
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => at(offset),
        AmbiguousOffset::Gap { after, .. } => {
            // Read with the later offset it lies before the jump, which is then the next change.
            let before = at(after)?;
            zone.following(before)
                .next()
                .map(|change| change.timestamp())
                .or(Some(before))
        }
        AmbiguousOffset::Fold { before, after } => at(if which == Ambiguous::First { before } else { after }),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::time;
    use proptest::prelude::*;

    use super::*;

    const ALL: [Weekday; 7] = [
        Weekday::Monday,
        Weekday::Tuesday,
        Weekday::Wednesday,
        Weekday::Thursday,
        Weekday::Friday,
        Weekday::Saturday,
        Weekday::Sunday,
    ];

    /// Central Europe's rules, without the system's files: the clock goes forward on 29 March 2026 at 01:00 UTC
    /// and back on 25 October 2026 at 01:00 UTC.
    fn berlin() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn window(days: &[Weekday], from: (i8, i8), to: (i8, i8)) -> Windows {
        Windows(vec![Window {
            days: days.to_vec(),
            from: time(from.0, from.1, 0, 0),
            to: time(to.0, to.1, 0, 0),
        }])
    }

    #[test]
    fn without_windows_any_time_will_do() {
        let now = at("2026-06-01T12:00:00Z");
        assert!(Windows::default().are_open(now, &berlin()));
        assert_eq!(Windows::default().next(now, &berlin()).unwrap().from, now);
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_evening() {
        // Friday 5 June 2026; summer time is two hours ahead of UTC.
        let windows = window(&[Weekday::Friday], (22, 0), (5, 0));
        let zone = berlin();
        for (time, open) in [
            ("2026-06-05T19:59:59Z", false),
            ("2026-06-05T20:00:00Z", true),
            ("2026-06-06T02:59:59Z", true),
            ("2026-06-06T03:00:00Z", false),
            // The small hours of Friday belong to Thursday's evening.
            ("2026-06-05T01:00:00Z", false),
        ] {
            assert_eq!(windows.are_open(at(time), &zone), open, "{time}");
        }
        let next = windows.next(at("2026-06-06T03:00:00Z"), &zone).unwrap();
        assert_eq!(next.from, at("2026-06-12T20:00:00Z"));
        assert_eq!(next.to, at("2026-06-13T03:00:00Z"));
    }

    #[test]
    fn the_night_on_which_the_clock_goes_forward_is_an_hour_shorter() {
        let windows = window(&ALL, (22, 0), (5, 0));
        let night = windows.next(at("2026-03-28T22:00:00Z"), &berlin()).unwrap();
        assert_eq!(night.from, at("2026-03-28T21:00:00Z"));
        assert_eq!(night.to, at("2026-03-29T03:00:00Z"));
    }

    #[test]
    fn a_beginning_that_the_clock_jumps_over_is_the_moment_of_the_jump() {
        let windows = window(&ALL, (2, 30), (4, 0));
        let open = windows.next(at("2026-03-29T00:00:00Z"), &berlin()).unwrap();
        assert_eq!(open.from, at("2026-03-29T01:00:00Z"));
        assert_eq!(open.to, at("2026-03-29T02:00:00Z"));
        // A window that lies in the hour that never was does not open on that day.
        let lost = window(&ALL, (2, 10), (2, 50));
        let next = lost.next(at("2026-03-29T00:00:00Z"), &berlin()).unwrap();
        assert_eq!(next.from, at("2026-03-30T00:10:00Z"));
    }

    #[test]
    fn an_hour_that_comes_twice_is_in_the_window_both_times() {
        let zone = berlin();
        let windows = window(&ALL, (2, 0), (2, 45));
        let open = windows.next(at("2026-10-24T23:00:00Z"), &zone).unwrap();
        assert_eq!(open.from, at("2026-10-25T00:00:00Z"));
        assert_eq!(open.to, at("2026-10-25T01:45:00Z"));
        assert!(windows.are_open(at("2026-10-25T00:50:00Z"), &zone));
    }

    #[test]
    fn equal_ends_mean_a_whole_day() {
        let windows = window(&[Weekday::Sunday], (0, 0), (0, 0));
        let zone = berlin();
        assert!(windows.are_open(at("2026-06-07T21:59:00Z"), &zone));
        assert!(!windows.are_open(at("2026-06-07T22:00:00Z"), &zone));
    }

    proptest! {
        #[test]
        fn open_now_and_the_next_opening_agree(
            secs in 1_700_000_000_i64..1_900_000_000,
            days in proptest::sample::subsequence(ALL.to_vec(), 1..=7),
            from in (0_i8..24, 0_i8..60),
            to in (0_i8..24, 0_i8..60),
        ) {
            let zone = berlin();
            let now = Timestamp::from_second(secs).unwrap();
            let windows = window(&days, from, to);
            let next = windows.next(now, &zone).unwrap();
            prop_assert_eq!(windows.are_open(now, &zone), next.from <= now);
            prop_assert!(now < next.to);
            prop_assert!(windows.are_open(next.from, &zone));
            // Within nine days, even when the clock swallows one opening.
            prop_assert!(next.from.duration_since(now).as_hours() <= 9 * 24);
            if next.from > now {
                let before = next.from - jiff::SignedDuration::from_secs(1);
                prop_assert!(!windows.are_open(before, &zone));
            }
        }
    }
}
