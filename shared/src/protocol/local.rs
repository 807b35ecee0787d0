//! The agent's local API: JSON lines over a Unix socket or named pipe, peer identity from the system.
//!
//! A client sends one [`LocalRequest`] line and reads [`LocalEvent`] lines until [`LocalEvent::Answer`]
//! or [`LocalEvent::Error`].

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::action::{ActionKind, ActionOptions};
use super::error::ErrorBody;

/// The largest line either side takes, in bytes.
pub const MAX_LINE_BYTES: usize = 4 * 1024 * 1024;

/// What a local client asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum LocalRequest {
    /// Queue a task, then stream its progress until it is over.
    Run {
        action: ActionKind,
        #[serde(default)]
        packages: Vec<String>,
        #[serde(default)]
        options: ActionOptions,
    },
    /// Version, configuration in force, connection, last update.
    Status,
    /// Tasks: running, pending, recent.
    Tasks,
    /// Cancel a task.
    Cancel { task: Uuid },
}

/// What the agent answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum LocalEvent {
    Progress {
        task: Uuid,
        #[serde(default)]
        percent: Option<u8>,
        text: String,
    },
    /// The last line: what came of it.
    Answer { value: serde_json::Value },
    /// The last line: why it did not work.
    Error { error: ErrorBody },
}
