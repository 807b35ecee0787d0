//! Frames of the live channel between server and agent (protocol.md §3).

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::task::TaskState;
use crate::envelope::{Envelope, merkle::Proof};

/// The largest frame either side takes, in bytes.
pub const MAX_FRAME_BYTES: usize = 256 * 1024;

/// How often either side pings, in seconds.
pub const PING_EVERY_SECS: u64 = 25;

/// Server to agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ToAgent {
    /// A signed action and the proof that it names this host.
    Action { envelope: Envelope, proof: Proof },
    /// Something changed on the server; fetch it.
    Refresh { what: Refresh },
    /// Send the `tasks` block.
    Tasks,
}

/// What to fetch again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refresh {
    Repository,
    HostPackage,
    Rules,
}

/// Agent to server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum FromAgent {
    /// The action's acceptance is on disk, or it was refused with this reason.
    Ack {
        batch: Uuid,
        accepted: bool,
        #[serde(default)]
        reason: String,
    },
    Progress {
        task: Uuid,
        #[serde(default)]
        batch: Option<Uuid>,
        #[serde(default)]
        percent: Option<u8>,
        text: String,
    },
    Finished {
        task: Uuid,
        #[serde(default)]
        batch: Option<Uuid>,
        state: TaskState,
        summary: String,
    },
}
