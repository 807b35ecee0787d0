//! Events from server to consoles (`GET /api/v1/events`, server-sent events).

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::action::{ActionRow, TargetRow};
use super::host::HostRow;
use super::package::PackageRow;

/// Something happened. The SSE `id` is a growing number; `Last-Event-ID` resumes after it, and when the
/// server no longer holds that far back it sends [`Event::Reset`] first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Event {
    /// Load lists again: events were missed.
    Reset,
    /// A host's row changed or is new.
    Host {
        row: Box<HostRow>,
    },
    HostDeleted {
        identifier: String,
    },
    /// A task on a host moved.
    Task {
        identifier: String,
        task: Uuid,
        #[serde(default)]
        batch: Option<Uuid>,
        #[serde(default)]
        percent: Option<u8>,
        text: String,
        over: bool,
    },
    /// An action is new.
    Action {
        row: Box<ActionRow>,
    },
    /// An action moved on one host.
    ActionTarget {
        batch: Uuid,
        target: TargetRow,
    },
    /// A package was published or replaced.
    Package {
        row: Box<PackageRow>,
    },
    PackageDeleted {
        filename: String,
    },
}
