//! How the fleet's table is narrowed, ordered and walked.

use std::cmp::Ordering;

use muster_shared::protocol::host::{HostRow, HostStatus};

use super::tree::in_unit;

/// The columns of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostColumn {
    Reach,
    Status,
    Name,
    Description,
    System,
    Address,
    Packages,
    Seen,
}

impl HostColumn {
    /// All columns from left to right.
    pub const ALL: [HostColumn; 8] = [
        Self::Reach,
        Self::Status,
        Self::Name,
        Self::Description,
        Self::System,
        Self::Address,
        Self::Packages,
        Self::Seen,
    ];
}

/// What the tree narrows the table to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    pub status: Option<HostStatus>,
    pub reachable: Option<bool>,
    pub unit: Option<String>,
    pub group: Option<String>,
}

/// One change of the scope; the value that is already there is taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScopeChange {
    Status(HostStatus),
    Reachable(bool),
    Unit(String),
    Group(String),
    Clear,
}

impl Scope {
    /// Applies one change.
    pub fn apply(&mut self, change: ScopeChange) {
        fn toggle<T: PartialEq>(place: &mut Option<T>, value: T) {
            *place = if place.as_ref() == Some(&value) {
                None
            } else {
                Some(value)
            };
        }
        match change {
            ScopeChange::Status(status) => toggle(&mut self.status, status),
            ScopeChange::Reachable(reachable) => toggle(&mut self.reachable, reachable),
            ScopeChange::Unit(unit) => toggle(&mut self.unit, unit),
            ScopeChange::Group(group) => toggle(&mut self.group, group),
            ScopeChange::Clear => *self = Self::default(),
        }
    }

    /// A row is within it.
    pub fn holds(&self, row: &HostRow) -> bool {
        self.status.is_none_or(|status| row.status == status)
            && self.reachable.is_none_or(|reachable| row.reachable == reachable)
            && self.unit.as_ref().is_none_or(|unit| in_unit(&row.ou, unit))
            && self.group.as_ref().is_none_or(|group| row.groups.contains(group))
    }
}

/// A step of the keyboard's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
}

impl Move {
    /// Where the step leads in a list of `len` rows.
    pub fn from(self, position: Option<usize>, len: usize) -> usize {
        const PAGE: usize = 20;
        let last = len.saturating_sub(1);
        let Some(position) = position else {
            return if self == Self::Last { last } else { 0 };
        };
        match self {
            Self::Up => position.saturating_sub(1),
            Self::Down => (position + 1).min(last),
            Self::PageUp => position.saturating_sub(PAGE),
            Self::PageDown => (position + PAGE).min(last),
            Self::First => 0,
            Self::Last => last,
        }
    }
}

/// Order of two rows by a column, downwards.
pub fn compare_rows(column: HostColumn, one: &HostRow, other: &HostRow) -> Ordering {
    match column {
        HostColumn::Reach => other.reachable.cmp(&one.reachable),
        HostColumn::Status => one.status.cmp(&other.status),
        HostColumn::Name => compare_text(&one.name, &other.name),
        HostColumn::Description => compare_text(&one.description, &other.description),
        HostColumn::System => {
            compare_text(&one.os, &other.os).then_with(|| one.os_version.cmp(&other.os_version))
        }
        HostColumn::Address => compare_address(&one.address, &other.address),
        HostColumn::Packages => {
            let weight = |row: &HostRow| (row.packages_failed, row.packages_pending, row.packages_total);
            weight(other).cmp(&weight(one))
        }
        HostColumn::Seen => other
            .reachable
            .cmp(&one.reachable)
            // A connected host reports often; that must not reorder the table each time.
            .then_with(|| {
                if one.reachable {
                    Ordering::Equal
                } else {
                    other.last_seen.cmp(&one.last_seen)
                }
            }),
    }
}

/// Order of names: letters without regard to case, numbers inside them by value.
pub fn compare_text(one: &str, other: &str) -> Ordering {
    let (mut left, mut right) = (one.as_bytes(), other.as_bytes());
    loop {
        match (left.first(), right.first()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) if a.is_ascii_digit() && b.is_ascii_digit() => {
                let (a, rest_left) = take_number(left);
                let (b, rest_right) = take_number(right);
                match a.len().cmp(&b.len()).then_with(|| a.cmp(b)) {
                    Ordering::Equal => (left, right) = (rest_left, rest_right),
                    unequal => return unequal,
                }
            }
            (Some(a), Some(b)) => match a.to_ascii_lowercase().cmp(&b.to_ascii_lowercase()) {
                Ordering::Equal => (left, right) = (left.split_at(1).1, right.split_at(1).1),
                unequal => return unequal,
            },
        }
    }
}

/// The number at the front without its leading zeros, and what follows it.
fn take_number(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let zeros = number.iter().take_while(|byte| **byte == b'0').count();
    (number.split_at(zeros).1, rest)
}

fn compare_address(one: &str, other: &str) -> Ordering {
    match (one.parse::<std::net::IpAddr>(), other.parse::<std::net::IpAddr>()) {
        (Ok(one), Ok(other)) => one.cmp(&other),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => one.cmp(other),
    }
}
