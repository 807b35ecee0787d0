//! People's folders: the profile list of the registry.

use muster_shared::protocol::inventory::Profile;
use windows_registry::LOCAL_MACHINE;

use super::super::registry::{number, text};
use super::super::security::account_of_sid;
use crate::inventory::facts::FactError;

const KEY: &str = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList";
/// Identifiers of people's accounts; the others are the system's own services.
const PEOPLE: [&str; 2] = ["S-1-5-21-", "S-1-12-1-"];
/// At most this many.
const MOST: usize = 1000;

/// Folders of people with the day of their last use, by account.
///
/// # Errors
/// When the registry does not list them.
pub fn read() -> Result<Vec<Profile>, FactError> {
    let key = LOCAL_MACHINE.open(KEY).map_err(refused)?;
    let mut list: Vec<Profile> = key
        .keys()
        .map_err(refused)?
        .filter(|sid| PEOPLE.iter().any(|start| sid.starts_with(start)))
        .take(MOST)
        .filter_map(|sid| {
            let own = key.open(&sid).ok()?;
            let path = text(&own, "ProfileImagePath");
            let used = number(&own, "LocalProfileLoadTimeHigh")
                .zip(number(&own, "LocalProfileLoadTimeLow"))
                .map(|(high, low)| high << 32 | low & 0xffff_ffff);
            (!path.is_empty()).then(|| Profile {
                user: account_of_sid(&sid),
                path,
                used_on: used.map_or_else(String::new, day),
            })
        })
        .collect();
    list.sort_by(|one, other| (&one.user, &one.path).cmp(&(&other.user, &other.path)));
    Ok(list)
}

/// The day of a time in ticks of 100 ns since 1601; empty for none.
fn day(ticks: u64) -> String {
    /// From 1601 to 1970.
    const EPOCH: i64 = 11_644_473_600;
    let seconds = i64::try_from(ticks / 10_000_000).unwrap_or(0) - EPOCH;
    if ticks == 0 {
        return String::new();
    }
    jiff::Timestamp::from_second(seconds).map_or_else(
        |_error| String::new(),
        |at| jiff::tz::Offset::UTC.to_datetime(at).date().to_string(),
    )
}

/// The registry's own word for why not.
fn refused(error: impl std::fmt::Display) -> FactError {
    FactError::Refused {
        what: KEY,
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_become_days() {
        assert_eq!(day(133_444_736_000_000_000), "2023-11-14");
        assert_eq!(day(0), "");
        assert_eq!(day(u64::MAX), "");
    }
}
