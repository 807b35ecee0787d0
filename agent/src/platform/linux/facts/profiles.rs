//! People's folders: the home of each account of a person that has one.

use std::os::unix::fs::MetadataExt as _;

use muster_shared::protocol::inventory::Profile;

use super::text::read_limited;
use crate::inventory::facts::FactError;

/// Accounts below this number belong to the system.
const FIRST_PERSON: u32 = 1000;
/// `nobody`.
const NOBODY: u32 = 65_534;
/// At most this many.
const MOST: usize = 1000;

/// Folders of people with the day of their last use, by account.
///
/// # Errors
/// When `/etc/passwd` cannot be read.
pub fn read() -> Result<Vec<Profile>, FactError> {
    let passwd = read_limited("/etc/passwd").map_err(|source| FactError::Unreadable {
        what: "/etc/passwd",
        source,
    })?;
    let mut list: Vec<Profile> = homes(&passwd)
        .into_iter()
        .filter_map(|(user, path)| {
            let metadata = fs_err::metadata(&path).ok().filter(fs_metadata_is_folder)?;
            Some(Profile {
                user,
                path,
                used_on: day(metadata.mtime()),
            })
        })
        .collect();
    list.sort_by(|one, other| one.user.cmp(&other.user));
    list.truncate(MOST);
    Ok(list)
}

fn fs_metadata_is_folder(metadata: &std::fs::Metadata) -> bool {
    metadata.is_dir()
}

fn day(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(
        |_error| String::new(),
        |at| jiff::tz::Offset::UTC.to_datetime(at).date().to_string(),
    )
}

fn homes(passwd: &str) -> Vec<(String, String)> {
    passwd
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _password, uid, _gid, _comment, home, ..] = fields.as_slice() else {
                return None;
            };
            let number: u32 = uid.parse().ok()?;
            let is_person = number == 0 || (number >= FIRST_PERSON && number != NOBODY);
            (is_person && home.starts_with('/')).then(|| ((*name).to_owned(), (*home).to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_people_have_folders() {
        let passwd = "root:x:0:0::/root:/bin/bash\ndaemon:x:1:1::/usr/sbin:/bin/false\nann:x:1000:1000::/home/ann:/bin/sh\n\
            nobody:x:65534:65534::/nonexistent:/bin/false\nodd:x:many:1::/home/odd:/bin/sh\n";
        let names: Vec<_> = homes(passwd).into_iter().map(|(name, _home)| name).collect();
        assert_eq!(names, ["root", "ann"]);
        assert_eq!(day(1_700_000_000), "2023-11-14");
    }

    #[test]
    fn this_machine_answers() {
        read().unwrap();
    }
}
