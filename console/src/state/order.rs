//! An order before it is signed: what, on whom, what it will do, and where it stands.

use jiff::SignedDuration;
use muster_shared::protocol::action::{ActionKind, ActionOptions, DEFAULT_ACTION_LIFETIME_MINUTES};
use muster_shared::protocol::host::{HostDetail, HostRow};
use uuid::Uuid;

use super::input::{Input, Secret};
use crate::remote::{Problem, Remote};
use crate::worker::Order;

/// Details are read for a preview of at most this many hosts.
pub const PREVIEW_HOSTS: usize = 40;

/// One host of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub identifier: String,
    pub name: String,
    pub reachable: bool,
    pub pending_registration: bool,
    pub waiting: u32,
}

impl Target {
    /// A host as a target, under the name that is shown for it.
    pub fn of(row: &HostRow, name: String) -> Self {
        Self {
            identifier: row.identifier.clone(),
            name,
            reachable: row.reachable,
            pending_registration: row.pending_registration,
            waiting: row.packages_pending + row.packages_failed,
        }
    }
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Packages are chosen.
    Picking,
    /// Read, then signed.
    Signing,
    /// Signed and on its way.
    Sending,
    /// The server has it; results come live.
    Sent(Uuid),
}

/// How long an order waits for hosts that are away.
pub const LIFETIMES: [(SignedDuration, &str); 4] = [
    (
        SignedDuration::from_mins(DEFAULT_ACTION_LIFETIME_MINUTES),
        "15 minutes",
    ),
    (SignedDuration::from_hours(24), "1 day"),
    (SignedDuration::from_hours(24 * 7), "7 days"),
    (SignedDuration::from_hours(24 * 30), "30 days"),
];

/// The dialog of an order.
#[derive(Debug)]
pub struct OrderDialog {
    /// Names this dialog in answers, so that those of an earlier one are dropped.
    pub id: Uuid,
    pub kind: ActionKind,
    pub packages: Vec<String>,
    pub targets: Vec<Target>,
    /// Place in [`LIFETIMES`].
    pub lifetime: usize,
    pub preview: Remote<Vec<HostDetail>>,
    pub stage: Stage,
    pub search: Input,
    pub secret: Secret,
    pub problem: Option<Problem>,
    /// Paths typed to add a key file.
    pub certificate_path: Input,
    pub key_path: Input,
    /// Changes when the keyboard must go to the first field again.
    pub attempt: u32,
}

impl OrderDialog {
    /// An order on hosts; packages are asked for first when the kind needs them and none are named.
    pub fn new(id: Uuid, kind: ActionKind, packages: Vec<String>, targets: Vec<Target>) -> Self {
        let picking = kind.needs_packages() && packages.is_empty();
        let all_here = targets.iter().all(|target| target.reachable);
        Self {
            id,
            kind,
            packages,
            targets,
            lifetime: if all_here { 0 } else { 2 },
            preview: Remote::default(),
            stage: if picking { Stage::Picking } else { Stage::Signing },
            search: Input::default(),
            secret: Secret::default(),
            problem: None,
            certificate_path: Input::default(),
            key_path: Input::default(),
            attempt: 0,
        }
    }

    /// How long it waits for hosts.
    pub fn lifetime(&self) -> SignedDuration {
        LIFETIMES
            .get(self.lifetime)
            .map_or(SignedDuration::from_mins(15), |(lifetime, _)| *lifetime)
    }

    /// What is handed to the worker.
    pub fn order(&self) -> Order {
        Order {
            kind: self.kind,
            packages: self.packages.clone(),
            options: ActionOptions::default(),
            hosts: self
                .targets
                .iter()
                .map(|target| target.identifier.clone())
                .collect(),
            lifetime: self.lifetime(),
        }
    }

    /// The hosts whose details the preview reads.
    pub fn preview_hosts(&self) -> Vec<String> {
        self.targets
            .iter()
            .take(PREVIEW_HOSTS)
            .map(|target| target.identifier.clone())
            .collect()
    }

    /// Adds a package, or takes it away when it is there.
    pub fn toggle_package(&mut self, package: &str) {
        let before = self.packages.len();
        self.packages.retain(|known| known != package);
        if self.packages.len() == before {
            self.packages.push(package.to_owned());
        }
    }

    /// "Upgrade 12 hosts", "Install demo-hello on lab-07".
    pub fn title(&self) -> String {
        let verb = verb(self.kind);
        let whom = match self.targets.as_slice() {
            [one] => one.name.clone(),
            many => crate::ui::text::counted(many.len() as u64, "host"),
        };
        match self.packages.as_slice() {
            [] if self.kind.needs_packages() => format!("{verb} on {whom}"),
            [] => format!("{verb} {whom}"),
            [one] => format!("{verb} {one} on {whom}"),
            many => format!("{verb} {} packages on {whom}", many.len()),
        }
    }
}

/// The verb of an action, as a title begins.
pub fn verb(kind: ActionKind) -> &'static str {
    match kind {
        ActionKind::Update => "Check updates of",
        ActionKind::Upgrade => "Upgrade",
        ActionKind::Install => "Install",
        ActionKind::Remove => "Remove",
        ActionKind::Forget => "Forget",
        ActionKind::Audit => "Audit",
        ActionKind::Inventory => "Refresh the inventory of",
        other => other.as_str(),
    }
}
