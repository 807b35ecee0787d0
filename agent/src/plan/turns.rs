//! The moments at which packages of the repository begin, end, or become forced. Pure.

use jiff::Timestamp;
use muster_shared::control::{Control, parse_date};

/// The attributes that hold such moments.
const ATTRIBUTES: [&str; 3] = ["valid_from", "valid_until", "forced_install_on"];

/// The earliest moment after `now` at which one of these packages begins or ends to be offered, or is forced: what
/// is to be done must be worked out again then. Dates without a zone are local, so many seconds ahead of UTC.
pub fn next_turn<'a>(
    packages: impl IntoIterator<Item = &'a Control>,
    utc_offset_secs: i32,
    now: Timestamp,
) -> Option<Timestamp> {
    packages
        .into_iter()
        .flat_map(|control| ATTRIBUTES.map(|attribute| control.get(attribute)))
        .filter_map(|value| parse_date(value, utc_offset_secs))
        .filter(|at| *at > now)
        .min()
}

/// The package is to be installed without further asking: its `forced_install_on` has come.
pub fn is_forced(control: &Control, utc_offset_secs: i32, now: Timestamp) -> bool {
    parse_date(control.get("forced_install_on"), utc_offset_secs).is_some_and(|forced| forced <= now)
}

#[cfg(test)]
mod tests {
    use muster_shared::control::Section;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn package(attribute: &str, value: &str) -> Control {
        Control::new("app", "1", Section::Base).with(attribute, value)
    }

    #[test]
    fn the_earliest_moment_to_come_is_the_next_turn() {
        let packages = [
            package("valid_from", "2026-12-03T00:00:00Z"),
            package("valid_until", "2026-11-01T00:00:00Z"),
            package("forced_install_on", "2026-12-02T18:00:00"),
            package("forced_install_on", "soon"),
        ];
        let now = at("2026-12-01T00:00:00Z");
        assert_eq!(next_turn(&packages, 3600, now), Some(at("2026-12-02T17:00:00Z")));
        assert_eq!(next_turn(&packages[1..2], 0, now), None);
        // At the very moment it has come: there is nothing to wait for.
        assert_eq!(next_turn(&packages[..1], 0, at("2026-12-03T00:00:00Z")), None);
    }

    #[test]
    fn a_package_is_forced_from_its_moment_on() {
        let package = package("forced_install_on", "2026-12-02T18:00:00");
        assert!(!is_forced(&package, 0, at("2026-12-02T17:59:59Z")));
        assert!(is_forced(&package, 0, at("2026-12-02T18:00:00Z")));
        assert!(is_forced(&package, 3600, at("2026-12-02T17:00:00Z")));
        assert!(!is_forced(
            &Control::new("app", "1", Section::Base),
            0,
            Timestamp::MAX
        ));
    }
}
