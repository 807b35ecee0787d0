//! The machine's time zone, from its own file.
//!
//! `TimeZone::system` looks for the zone's name first and walks the whole zone database for it: a quarter of what an
//! update without news costs. Only the rules of the zone are needed here, and `/etc/localtime` holds them.

use jiff::tz::TimeZone;

/// Larger than any zone's file.
const MAX_BYTES: u64 = 256 * 1024;

/// The zone in which people at this machine read the clock.
pub fn local_zone() -> TimeZone {
    // A zone by variable is the library's to understand.
    if std::env::var_os("TZ").is_some() {
        return TimeZone::system();
    }
    of_file("/etc/localtime").unwrap_or_else(TimeZone::system)
}

fn of_file(path: &str) -> Option<TimeZone> {
    let length = fs_err::metadata(path).ok()?.len();
    let bytes = (length <= MAX_BYTES).then(|| fs_err::read(path).ok())??;
    TimeZone::tzif("local", &bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zone_of_a_file_is_the_zone_of_its_name() {
        let Some(of_file) = of_file("/usr/share/zoneinfo/Europe/Paris") else {
            return; // a machine without zone files
        };
        let by_name = TimeZone::get("Europe/Paris").unwrap();
        for at in [
            "2026-01-15T12:00:00Z",
            "2026-07-15T12:00:00Z",
            "2026-10-25T01:00:00Z",
        ] {
            let at = at.parse().unwrap();
            assert_eq!(of_file.to_offset(at), by_name.to_offset(at));
        }
    }

    #[test]
    fn a_file_that_is_no_zone_is_not_taken() {
        assert!(of_file("/etc/hostname").is_none());
        assert!(of_file("/nowhere").is_none());
    }
}
