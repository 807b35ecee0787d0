//! The columns of the table of machines.

use clap::ValueEnum;
use jiff::Timestamp;
use muster_shared::protocol::host::{HostRow, HostStatus};

use crate::cli::output::{Output, Table, Tone};

/// A column that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Column {
    Status,
    Reachable,
    Name,
    Id,
    Description,
    Address,
    Mac,
    Os,
    OsVersion,
    Architecture,
    Ou,
    Groups,
    Users,
    Manufacturer,
    Model,
    Serial,
    Agent,
    Packages,
    Failed,
    Pending,
    Running,
    LastSeen,
    FirstSeen,
    RegisteredBy,
}

/// The columns shown unless others are asked for.
pub(super) const USUAL: [Column; 9] = [
    Column::Status,
    Column::Reachable,
    Column::Name,
    Column::Id,
    Column::Address,
    Column::Os,
    Column::Packages,
    Column::LastSeen,
    Column::Running,
];

impl Column {
    fn heading(self) -> &'static str {
        match self {
            Self::Status => "STATUS",
            Self::Reachable => "LINK",
            Self::Name => "NAME",
            Self::Id => "IDENTIFIER",
            Self::Description => "DESCRIPTION",
            Self::Address => "ADDRESS",
            Self::Mac => "MAC",
            Self::Os => "SYSTEM",
            Self::OsVersion => "SYSTEM VERSION",
            Self::Architecture => "ARCH",
            Self::Ou => "OU",
            Self::Groups => "ASSIGNED",
            Self::Users => "USERS",
            Self::Manufacturer => "MANUFACTURER",
            Self::Model => "MODEL",
            Self::Serial => "SERIAL",
            Self::Agent => "AGENT",
            Self::Packages => "PACKAGES",
            Self::Failed => "FAILED",
            Self::Pending => "PENDING",
            Self::Running => "NOW",
            Self::LastSeen => "SEEN",
            Self::FirstSeen => "SINCE",
            Self::RegisteredBy => "REGISTERED BY",
        }
    }

    fn cell(self, row: &HostRow, now: Timestamp, output: &Output) -> String {
        match self {
            Self::Status => status_word(row, output),
            Self::Reachable if row.reachable => "on".to_owned(),
            Self::Reachable => output.tone(Tone::Faint, "off"),
            Self::Name => row.name.clone(),
            Self::Id => row.identifier.clone(),
            Self::Description => row.description.clone(),
            Self::Address => row.address.clone(),
            Self::Mac => row.mac.clone(),
            Self::Os => row.os.clone(),
            Self::OsVersion => row.os_version.clone(),
            Self::Architecture => row.architecture.clone(),
            Self::Ou => row.ou.clone(),
            Self::Groups => row.groups.join(", "),
            Self::Users => row.users.join(", "),
            Self::Manufacturer => row.manufacturer.clone(),
            Self::Model => row.model.clone(),
            Self::Serial => row.serial.clone(),
            Self::Agent => row.agent_version.clone(),
            Self::Packages => packages(row),
            Self::Failed => row.packages_failed.to_string(),
            Self::Pending => row.packages_pending.to_string(),
            Self::Running => row.running.clone(),
            Self::LastSeen => ago(row.last_seen, now),
            Self::FirstSeen => row.first_seen.to_string(),
            Self::RegisteredBy => row.registered_by.clone(),
        }
    }
}

/// The word of a machine's status, in its colour on a terminal.
pub(super) fn status_word(row: &HostRow, output: &Output) -> String {
    if row.pending_registration {
        return output.tone(Tone::Waiting, "WAITS FOR DECISION");
    }
    let tone = match row.status {
        HostStatus::Ok => Tone::Good,
        HostStatus::NeedUpgrade => Tone::Waiting,
        HostStatus::Error => Tone::Bad,
        HostStatus::Running => Tone::Busy,
    };
    output.tone(tone, row.status.as_str())
}

/// "12", "12, 1 failed, 2 pending".
fn packages(row: &HostRow) -> String {
    let parts = [(row.packages_failed, "failed"), (row.packages_pending, "pending")];
    let counted = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"));
    std::iter::once(row.packages_total.to_string())
        .chain(counted)
        .collect::<Vec<_>>()
        .join(", ")
}

/// How long ago, in the largest unit that says enough.
pub(super) fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(then).as_secs();
    match seconds {
        ..=0 => "now".to_owned(),
        1..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// What a row shows, without what changes merely because time passes.
pub(super) fn lasting(row: &HostRow, columns: &[Column], now: Timestamp, output: &Output) -> Vec<String> {
    let lasting = columns.iter().filter(|column| **column != Column::LastSeen);
    lasting.map(|column| column.cell(row, now, output)).collect()
}

/// The table of these machines.
pub(super) fn table(rows: &[HostRow], columns: &[Column], now: Timestamp, output: &Output) -> Table {
    let mut table = Table::new(columns.iter().map(|column| column.heading()).collect());
    for row in rows {
        table.row(
            columns
                .iter()
                .map(|column| column.cell(row, now, output))
                .collect(),
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_of_a_sign_of_life_is_said_in_one_unit() {
        let now: Timestamp = "2026-03-01T10:00:00Z".parse().unwrap();
        let before = |seconds| ago(now - jiff::SignedDuration::from_secs(seconds), now);
        assert_eq!(before(-5), "now");
        assert_eq!(before(59), "59 s ago");
        assert_eq!(before(3600), "1 h ago");
        assert_eq!(before(3 * 86_400), "3 days ago");
    }
}
