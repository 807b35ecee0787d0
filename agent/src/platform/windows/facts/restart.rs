//! Why a restart is due: what the parts of Windows leave in the registry.

use windows_registry::LOCAL_MACHINE;

use super::super::registry::{text, value};
use crate::inventory::facts::FactError;
use muster_shared::registry::Value;

/// Keys whose mere presence asks for a restart.
const MARKS: [(&str, &str); 4] = [
    (
        r"SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending",
        "Windows components were changed",
    ),
    (
        r"SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootInProgress",
        "Windows components are being changed",
    ),
    (
        r"SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update\RebootRequired",
        "Windows updates were installed",
    ),
    (
        r"SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update\PostRebootReporting",
        "Windows updates wait to report",
    ),
];
const SESSION_MANAGER: &str = r"SYSTEM\CurrentControlSet\Control\Session Manager";
const ACTIVE_NAME: &str = r"SYSTEM\CurrentControlSet\Control\ComputerName\ActiveComputerName";
const NEXT_NAME: &str = r"SYSTEM\CurrentControlSet\Control\ComputerName\ComputerName";
const NETLOGON: &str = r"SYSTEM\CurrentControlSet\Services\Netlogon";

/// Reasons for a restart, empty when none is due.
///
/// # Errors
/// Never on Windows: a key that is not there asks for nothing.
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Linux")]
pub fn reasons() -> Result<Vec<String>, FactError> {
    let mut reasons: Vec<String> = MARKS
        .iter()
        .filter(|(key, _reason)| LOCAL_MACHINE.open(key).is_ok())
        .map(|(_key, reason)| (*reason).to_owned())
        .collect();
    let renames = LOCAL_MACHINE
        .open(SESSION_MANAGER)
        .ok()
        .and_then(|key| value(&key, "PendingFileRenameOperations"));
    reasons.extend(renames.as_ref().and_then(pending_renames));
    let name_of = |path: &str| {
        LOCAL_MACHINE
            .open(path)
            .map(|key| text(&key, "ComputerName"))
            .unwrap_or_default()
    };
    let (active, next) = (name_of(ACTIVE_NAME), name_of(NEXT_NAME));
    if !active.is_empty() && !next.is_empty() && !active.eq_ignore_ascii_case(&next) {
        reasons.push(format!("the machine is renamed from {active} to {next}"));
    }
    let joins = LOCAL_MACHINE
        .open(NETLOGON)
        .is_ok_and(|key| value(&key, "JoinDomain").is_some() || value(&key, "AvoidSpnSet").is_some());
    if joins {
        reasons.push("the machine joins a domain".to_owned());
    }
    Ok(reasons)
}

/// Pairs of a file and its new name, which is empty when the file is to be deleted. The list ends at the first
/// empty text when it is read as one, so that the count is of what could be read.
fn pending_renames(value: &Value) -> Option<String> {
    let Value::Texts(files) = value else {
        return None;
    };
    let first = files.first()?.trim_start_matches(r"\??\");
    Some(format!(
        "files that are in use wait to be replaced, {first} first"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_wait_to_be_replaced_are_a_reason() {
        let value = Value::Texts(vec![r"\??\C:\Windows\Temp\a.dll".to_owned()]);
        assert!(
            pending_renames(&value)
                .unwrap()
                .contains(r"C:\Windows\Temp\a.dll")
        );
        assert_eq!(pending_renames(&Value::Texts(Vec::new())), None);
        assert_eq!(pending_renames(&Value::Number(1)), None);
    }

    #[test]
    fn this_machine_answers() {
        reasons().unwrap();
    }
}
