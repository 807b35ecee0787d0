//! Accounts: the name behind a number, who is logged in now, who was last.

use std::collections::BTreeSet;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::facts::text::read_limited;

/// Size of one record of utmp and wtmp on the architectures we run on.
const RECORD: usize = 384;
/// `ut_type` of a user's session.
const USER_PROCESS: i16 = 7;
const USER_AT: std::ops::Range<usize> = 44..76;

/// The account's name, its number where it has none.
pub(crate) fn name_of(uid: u32) -> String {
    read_limited("/etc/passwd")
        .ok()
        .and_then(|passwd| name_in(&passwd, uid))
        .unwrap_or_else(|| uid.to_string())
}

fn name_in(passwd: &str, uid: u32) -> Option<String> {
    let wanted = uid.to_string();
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == wanted).then(|| name.to_owned())
    })
}

/// Users with an open session, sorted: of systemd-logind, else of utmp.
pub fn logged_in_users() -> Vec<String> {
    let mut users = sessions(Path::new("/run/systemd/sessions"));
    if users.is_empty() {
        for place in ["/run/utmp", "/var/run/utmp"] {
            if let Ok(bytes) = fs_err::read(place) {
                users.extend(bytes.chunks_exact(RECORD).filter_map(session_user));
                break;
            }
        }
    }
    users.into_iter().collect()
}

/// Who opened the last session that is on record, empty when nothing is.
pub fn last_user() -> String {
    // The newest are at the end; a few hundred records are enough and keep the reading bounded.
    const LOOK_BACK: u64 = 512 * RECORD as u64;
    let tail = || -> std::io::Result<Vec<u8>> {
        let mut file = fs_err::File::open("/var/log/wtmp")?;
        let whole = file.metadata()?.len() / RECORD as u64 * RECORD as u64;
        file.seek(SeekFrom::Start(whole.saturating_sub(LOOK_BACK)))?;
        let mut bytes = Vec::new();
        file.take(LOOK_BACK).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    tail()
        .unwrap_or_default()
        .chunks_exact(RECORD)
        .rev()
        .find_map(session_user)
        .unwrap_or_default()
}

fn session_user(record: &[u8]) -> Option<String> {
    let kind = i16::from_ne_bytes([*record.first()?, *record.get(1)?]);
    let name = record.get(USER_AT)?.split(|byte| *byte == 0).next()?;
    let name = String::from_utf8_lossy(name).into_owned();
    (kind == USER_PROCESS && !name.is_empty()).then_some(name)
}

/// Session files of systemd-logind: `USER=1000`-like lines of shell variables.
fn sessions(folder: &Path) -> BTreeSet<String> {
    let Ok(entries) = fs_err::read_dir(folder) else {
        return BTreeSet::new();
    };
    entries
        .flatten()
        .take(4096)
        .filter_map(|entry| read_limited(entry.path()).ok())
        .filter_map(|text| session_owner(&text))
        .collect()
}

fn session_owner(text: &str) -> Option<String> {
    let value = |key: &str| {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            (name == key).then(|| value.trim_matches('"').to_owned())
        })
    };
    let is_person = value("CLASS").is_none_or(|class| class == "user");
    let is_open = value("STATE").is_none_or(|state| state != "closing");
    if !(is_person && is_open) {
        return None;
    }
    value("USER").filter(|user| !user.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_turned_into_the_account_s_name() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000:Ann:/home/ann:/bin/sh\n";
        assert_eq!(name_in(passwd, 1000).as_deref(), Some("ann"));
        assert_eq!(name_in(passwd, 1001), None);
    }

    #[test]
    fn only_open_sessions_of_people_count() {
        let session = "# private\nUID=1000\nUSER=ann\nACTIVE=1\nSTATE=active\nCLASS=user\n";
        assert_eq!(session_owner(session).as_deref(), Some("ann"));
        assert_eq!(
            session_owner(&session.replace("CLASS=user", "CLASS=greeter")),
            None
        );
        assert_eq!(
            session_owner(&session.replace("STATE=active", "STATE=closing")),
            None
        );
    }

    #[test]
    fn utmp_records_of_other_kinds_and_cut_ones_are_passed_over() {
        let mut record = vec![0_u8; RECORD];
        record[..2].copy_from_slice(&USER_PROCESS.to_ne_bytes());
        record[44..47].copy_from_slice(b"ann");
        assert_eq!(session_user(&record).as_deref(), Some("ann"));
        record[0] = 2;
        assert_eq!(session_user(&record), None);
        assert_eq!(session_user(&record[..10]), None);
    }
}
