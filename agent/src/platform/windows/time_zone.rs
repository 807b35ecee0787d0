//! The machine's time zone, as the system says it.

use jiff::tz::TimeZone;

/// The zone in which people at this machine read the clock.
pub fn local_zone() -> TimeZone {
    TimeZone::system()
}
