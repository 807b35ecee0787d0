//! Tasks of an agent: what it does now, did, and will do.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    Pending,
    Running,
    Done,
    Failed,
    Cancelled,
}

impl TaskState {
    /// The word shown everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Nothing more will happen.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// One task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    pub id: Uuid,
    /// The action's word: `update`, `install`, …
    pub kind: String,
    #[serde(default)]
    pub packages: Vec<String>,
    pub state: TaskState,
    /// The signed action it comes from, if any.
    #[serde(default)]
    pub batch: Option<Uuid>,
    /// Who ordered it: signer's name, local user, `SCHEDULER`.
    #[serde(default)]
    pub ordered_by: String,
    pub created_at: Timestamp,
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    #[serde(default)]
    pub finished_at: Option<Timestamp>,
    /// 0 to 100, when it is known.
    #[serde(default)]
    pub percent: Option<u8>,
    /// What it is doing, or what came of it.
    #[serde(default)]
    pub text: String,
}
