//! Actions: the signed payload, how it is submitted and what became of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::envelope::Envelope;

/// `payloadType` of an action's envelope.
pub const ACTION_TYPE: &str = "application/vnd.muster.action+json";

/// The version of the action payload that this program writes and reads.
pub const ACTION_VERSION: u32 = 1;

/// An action lives at most this long after it was issued.
pub const MAX_ACTION_LIFETIME_DAYS: i64 = 30;

/// An action lives this long unless its author says otherwise.
pub const DEFAULT_ACTION_LIFETIME_MINUTES: i64 = 15;

/// At most this many packages in one action.
pub const MAX_ACTION_PACKAGES: usize = 500;

/// The longest text for the people of a machine, in characters.
pub const MAX_TEXT_CHARS: usize = 4000;

/// The longest title of a message, in characters.
pub const MAX_TITLE_CHARS: usize = 200;

/// The longest description of a host, in characters.
pub const MAX_DESCRIPTION_CHARS: usize = 500;

/// At most this many users in one action.
pub const MAX_USERS: usize = 500;

/// The longest time before a restart, in seconds: a day.
pub const MAX_DELAY_SECS: u32 = 24 * 60 * 60;

/// At most this many targets in one action.
pub const MAX_ACTION_TARGETS: usize = 100_000;

/// What can be ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionKind {
    Update,
    Upgrade,
    Install,
    Remove,
    Forget,
    Audit,
    Inventory,
    Register,
    Cancel,
    Message,
    ProposeUpgrade,
    SessionSetup,
    Describe,
    ServiceRestart,
    Reboot,
    Shutdown,
    WuaScan,
    WuaDownload,
    WuaInstall,
}

impl ActionKind {
    /// All of them, in the order of the protocol.
    pub const ALL: &'static [ActionKind] = &[
        Self::Update,
        Self::Upgrade,
        Self::Install,
        Self::Remove,
        Self::Forget,
        Self::Audit,
        Self::Inventory,
        Self::Register,
        Self::Cancel,
        Self::Message,
        Self::ProposeUpgrade,
        Self::SessionSetup,
        Self::Describe,
        Self::ServiceRestart,
        Self::Reboot,
        Self::Shutdown,
        Self::WuaScan,
        Self::WuaDownload,
        Self::WuaInstall,
    ];

    /// The word that crosses the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Upgrade => "upgrade",
            Self::Install => "install",
            Self::Remove => "remove",
            Self::Forget => "forget",
            Self::Audit => "audit",
            Self::Inventory => "inventory",
            Self::Register => "register",
            Self::Cancel => "cancel",
            Self::Message => "message",
            Self::ProposeUpgrade => "propose-upgrade",
            Self::SessionSetup => "session-setup",
            Self::Describe => "describe",
            Self::ServiceRestart => "service-restart",
            Self::Reboot => "reboot",
            Self::Shutdown => "shutdown",
            Self::WuaScan => "wua-scan",
            Self::WuaDownload => "wua-download",
            Self::WuaInstall => "wua-install",
        }
    }

    /// The action names packages.
    pub fn needs_packages(self) -> bool {
        matches!(self, Self::Install | Self::Remove | Self::Forget)
    }

    /// The action may name packages, and means all without any.
    pub fn may_name_packages(self) -> bool {
        self.needs_packages() || matches!(self, Self::Audit | Self::SessionSetup)
    }

    /// The action takes a moment and waits for no other.
    pub fn is_instant(self) -> bool {
        matches!(self, Self::Message | Self::ProposeUpgrade | Self::Describe)
    }

    /// Allowed only when the agent's configuration says so.
    pub fn needs_permission(self) -> bool {
        matches!(self, Self::Reboot | Self::Shutdown)
    }
}

impl std::str::FromStr for ActionKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        serde_json::from_value(serde_json::Value::String(text.to_owned())).map_err(|_error| {
            let known: Vec<_> = Self::ALL.iter().map(|kind| kind.as_str()).collect();
            format!("{text} is not an action; one of {}", known.join(", "))
        })
    }
}

impl std::fmt::Display for ActionKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The signed bytes of an action. Unknown fields refuse it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionPayload {
    pub version: u32,
    pub batch: Uuid,
    pub action: ActionKind,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    #[serde(default)]
    pub options: ActionOptions,
    pub issued_at: Timestamp,
    pub not_before: Timestamp,
    pub expires_at: Timestamp,
    pub targets: Targets,
}

/// How an action is carried out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ActionOptions {
    /// Install again what is already installed; remove from the list even when removing fails.
    pub force: bool,
    /// Leave alone packages whose impacted process runs.
    pub only_if_not_running: bool,
    pub notify_user: bool,
    /// With `upgrade`: only packages of these priorities are installed, with what they depend on; all when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only_priorities: Vec<String>,
    /// With `install`: parameters for the packages that are named, each gets all of them. An upgrade gives
    /// them again.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub params: serde_json::Map<String, serde_json::Value>,
    /// With `message` and `propose-upgrade`: the heading.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// With `message`, `propose-upgrade`, `reboot` and `shutdown`: what the people of the machine read. With
    /// `describe`: the host's new description; empty for the one of its configuration.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// With `reboot` and `shutdown`: how long the people of the machine have, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_secs: Option<u32>,
    /// With `session-setup`: whose sessions are prepared; those of everybody who is logged in when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// With `cancel`: the batch to cancel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_batch: Option<Uuid>,
    /// With `cancel`: the task to cancel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_task: Option<Uuid>,
}

impl ActionOptions {
    /// What makes no sense in these options for an action, as the end of a sentence; `None` when all is well.
    pub fn problem(&self, action: ActionKind) -> Option<String> {
        let has_text = matches!(
            action,
            ActionKind::Message
                | ActionKind::ProposeUpgrade
                | ActionKind::Describe
                | ActionKind::Reboot
                | ActionKind::Shutdown
        );
        let is_too_long = |text: &str, most: usize| text.chars().count() > most;
        if action == ActionKind::Cancel && self.cancel_batch.is_none() && self.cancel_task.is_none() {
            return Some("cancel must name a batch or a task".to_owned());
        }
        if action == ActionKind::Message && self.text.trim().is_empty() {
            return Some("message needs a text".to_owned());
        }
        let says_something = !self.text.is_empty() || !self.title.is_empty();
        if says_something && !has_text {
            return Some(format!("{action} takes no text"));
        }
        let most = if action == ActionKind::Describe {
            MAX_DESCRIPTION_CHARS
        } else {
            MAX_TEXT_CHARS
        };
        if is_too_long(&self.text, most) || is_too_long(&self.title, MAX_TITLE_CHARS) {
            return Some(format!(
                "a text has at most {most} characters, a title {MAX_TITLE_CHARS}"
            ));
        }
        let is_plain = |text: &str| !text.chars().any(|letter| letter.is_control() && letter != '\n');
        if !is_plain(&self.text) || !is_plain(&self.title) {
            return Some("a text holds no control characters".to_owned());
        }
        if !self.users.is_empty() && action != ActionKind::SessionSetup {
            return Some(format!("{action} takes no users"));
        }
        if self.users.len() > MAX_USERS {
            return Some(format!("at most {MAX_USERS} users are named"));
        }
        if let Some(delay) = self.delay_secs {
            if !action.needs_permission() {
                return Some(format!("{action} takes no delay"));
            }
            if delay > MAX_DELAY_SECS {
                return Some(format!("a delay has at most {MAX_DELAY_SECS} seconds"));
            }
        }
        None
    }
}

/// The hosts that the signer meant: a Merkle root over their identifiers (RFC 9162 §2.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Targets {
    pub count: u64,
    /// Lower-case hex SHA-256.
    pub root: String,
}

/// `POST /api/v1/actions`: a signed action and the list behind its root.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubmitAction {
    pub envelope: Envelope,
    /// Host identifiers; their root must be the signed one.
    pub targets: Vec<String>,
}

/// Where an action stands on one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetState {
    /// Waits for the host to connect.
    Queued,
    /// Handed to the host.
    Sent,
    /// The host verified it and will do it.
    Accepted,
    /// The host refused it; `reason` says why.
    Refused,
    Running,
    Done,
    Failed,
    /// Expired before the host took it.
    Expired,
    Cancelled,
}

impl TargetState {
    /// The word shown everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    /// Nothing more will happen.
    pub fn is_over(self) -> bool {
        matches!(
            self,
            Self::Refused | Self::Done | Self::Failed | Self::Expired | Self::Cancelled
        )
    }
}

impl std::str::FromStr for TargetState {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        serde_json::from_value(serde_json::Value::String(text.to_owned()))
            .map_err(|_error| format!("{text} is not the state of an action"))
    }
}

/// One host of an action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetRow {
    pub identifier: String,
    #[serde(default)]
    pub name: String,
    pub state: TargetState,
    #[serde(default)]
    pub percent: Option<u8>,
    /// Progress, result or the reason of a refusal, in words.
    #[serde(default)]
    pub text: String,
    pub changed_at: Timestamp,
}

/// An action in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionRow {
    pub batch: Uuid,
    pub action: ActionKind,
    #[serde(default)]
    pub packages: Vec<String>,
    /// Common name of the signer.
    pub signer: String,
    pub signer_fingerprint: String,
    /// The user of the session that submitted it.
    pub submitted_by: String,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
    pub target_count: u64,
    /// How many targets are in each state.
    pub states: std::collections::BTreeMap<String, u64>,
}

/// `GET /api/v1/actions/{batch}`, also the answer to [`SubmitAction`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionDetail {
    pub row: ActionRow,
    pub envelope: Envelope,
    pub targets: Vec<TargetRow>,
}
