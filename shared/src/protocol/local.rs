//! The agent's local API: JSON lines over a Unix socket or named pipe, peer identity from the system.
//!
//! A client sends one [`LocalRequest`] line and reads [`LocalEvent`] lines until [`LocalEvent::Answer`]
//! or [`LocalEvent::Error`]. Administrators may ask everything. Everybody else may ask what
//! [`LocalRequest::is_for_everybody`] names, and gets of it what concerns them; what they may have done is
//! decided by the machine's self-service rules.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::action::{ActionKind, ActionOptions};
use super::error::{ErrorBody, ErrorCode};
use super::package::{InstallStatus, PendingPackage};
use super::task::Task;

/// The largest line of an answer, in bytes.
pub const MAX_LINE_BYTES: usize = 4 * 1024 * 1024;

/// The largest line of a request, in bytes.
pub const MAX_REQUEST_BYTES: usize = 256 * 1024;

/// The most rows of one page of the catalogue.
pub const MAX_PAGE_ROWS: u32 = 200;

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
    /// How the agent stands: version, connection, last update.
    Status,
    /// Tasks: running, pending, recent.
    Tasks,
    /// Cancel a task.
    Cancel { task: Uuid },
    /// Cancel every task that waits or runs; an ordinary user's own ones.
    CancelAll,
    /// A page of the packages that this machine's repositories offer, with what is installed.
    Catalogue {
        #[serde(default)]
        query: CatalogueQuery,
    },
    /// Everything about one package: the answer is a [`PackageDetail`].
    Package { package: String },
    /// The picture of a package: the answer is an [`Icon`].
    Icon { package_uuid: String },
    /// What the next upgrade does: the answer is a [`Pending`].
    Pending,
    /// Send what happens as [`LocalEvent::Noticed`] lines until the client goes. Begins with the messages that still
    /// count. With `from`, what came after the event of that number follows; else what happens from here on.
    Follow {
        #[serde(default)]
        from: Option<u64>,
        /// Only what is about this task.
        #[serde(default)]
        task: Option<Uuid>,
    },
    /// The agent, the machine, whose signatures count: the answer is an [`About`].
    About,
}

impl LocalRequest {
    /// Reads a request out of a line.
    ///
    /// # Errors
    /// It is too long, or no request.
    pub fn parse(line: &str) -> Result<Self, ErrorBody> {
        let invalid = |reason: String| {
            ErrorBody::new(
                ErrorCode::RequestInvalid,
                format!("the request cannot be read: {reason}"),
            )
        };
        if line.len() > MAX_REQUEST_BYTES {
            return Err(invalid(format!("it has more than {MAX_REQUEST_BYTES} bytes")));
        }
        serde_json::from_str(line).map_err(|error| invalid(error.to_string()))
    }

    /// Whether ordinary users may ask this at all; what they get is less than what administrators get.
    pub fn is_for_everybody(&self) -> bool {
        match self {
            Self::Run { action, .. } => matches!(
                action,
                ActionKind::Upgrade | ActionKind::Install | ActionKind::Remove | ActionKind::SessionSetup
            ),
            Self::Status
            | Self::Tasks
            | Self::Cancel { .. }
            | Self::CancelAll
            | Self::Catalogue { .. }
            | Self::Package { .. }
            | Self::Icon { .. }
            | Self::Pending
            | Self::Follow { .. }
            | Self::About => true,
        }
    }
}

/// What the agent answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum LocalEvent {
    /// A task said what it is doing.
    Progress {
        task: Uuid,
        #[serde(default)]
        percent: Option<u8>,
        text: String,
    },
    /// To followers: one thing that happened. Numbers count up by one and begin anew when the agent starts; a missing
    /// one was lost because the client read too slowly.
    Noticed { number: u64, event: Box<LocalEvent> },
    /// To followers: a task was queued, began or ended.
    Task { task: Box<Task> },
    /// To followers: somebody who may order here has something to say to the people of this machine. Comes again to
    /// who follows anew, under the same id, as long as it counts.
    Message { message: Message },
    /// To followers: the packages of this machine or what is pending may have changed.
    Changed { pending: u32 },
    /// The last line: what came of it.
    Answer { value: serde_json::Value },
    /// The last line: why it did not work.
    Error { error: ErrorBody },
}

impl LocalEvent {
    /// Nothing follows this line.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::Answer { .. } | Self::Error { .. })
    }
}

/// What a message wants of the person who reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MessageKind {
    /// To be read.
    Message,
    /// To let the pending changes be made now.
    ProposeUpgrade,
    /// The machine restarts or switches off at [`Message::due_at`].
    Shutdown,
}

/// Something said to the people of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub id: Uuid,
    pub kind: MessageKind,
    #[serde(default)]
    pub title: String,
    pub text: String,
    /// Signer's name or local administrator.
    pub sent_by: String,
    pub sent_at: Timestamp,
    /// When what it announces happens.
    #[serde(default)]
    pub due_at: Option<Timestamp>,
    /// It is worth nothing after that.
    pub expires_at: Timestamp,
}

/// Which packages of the catalogue are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    #[default]
    All,
    Installed,
    NotInstalled,
    /// Installed, and an upgrade has a newer version of it.
    Upgradable,
}

/// The order of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    #[default]
    Name,
    /// Newest signature first.
    Date,
}

/// A page of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CatalogueQuery {
    /// Words that all stand in name, title, description or keywords.
    pub search: String,
    /// One category; empty for all.
    pub category: String,
    pub show: Shown,
    pub sort: Sort,
    /// From 0.
    pub page: u32,
    /// At most [`MAX_PAGE_ROWS`]; 0 for the usual 50.
    pub page_size: u32,
    /// Two letters of the language of descriptions; empty for the machine's.
    pub language: String,
    /// Also versions that are not the newest, and sections that nobody is offered; for administrators.
    pub everything: bool,
}

/// The answer to [`LocalRequest::Catalogue`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CataloguePage {
    pub rows: Vec<CatalogueRow>,
    /// How many rows all pages have together.
    pub total: u32,
    pub page: u32,
    pub page_size: u32,
    /// Categories of all packages shown without `category`, each with their number.
    pub categories: Vec<(String, u32)>,
    /// The index is of this time; `None` when none was fetched yet.
    pub updated_at: Option<Timestamp>,
}

/// What the user who asks may do with a package.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Allowed {
    pub install: bool,
    pub remove: bool,
    /// Why not, as a sentence; empty when both are allowed.
    pub reason: String,
}

/// A package of the catalogue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CatalogueRow {
    pub package: String,
    /// The name for people; the package's when it has none.
    pub name: String,
    /// The version on offer; empty when the repositories have none for this machine any more.
    pub version: String,
    /// The version in place; `None` when there is none.
    #[serde(default)]
    pub installed: Option<String>,
    /// How the package stands on this machine; `None` when it was never tried.
    #[serde(default)]
    pub status: Option<InstallStatus>,
    /// What the next upgrade does with it.
    #[serde(default)]
    pub pending: Option<PendingPackage>,
    #[serde(default)]
    pub description: String,
    pub section: String,
    #[serde(default)]
    pub categories: Vec<String>,
    /// Of the version on offer, or of the one in place; asks for its [`Icon`].
    #[serde(default)]
    pub package_uuid: String,
    /// Bytes of the package's file; 0 when unknown.
    #[serde(default)]
    pub size: u64,
    /// As written in the control file: local time of the signer, without a zone.
    #[serde(default)]
    pub signature_date: String,
    /// The repository that offers it, else the one that it came from; empty for a file that somebody gave.
    #[serde(default)]
    pub repository: String,
    #[serde(default)]
    pub allowed: Allowed,
}

/// The answer to [`LocalRequest::Package`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackageDetail {
    pub row: CatalogueRow,
    /// The attributes of the control file that are not empty, without signatures, in their order.
    pub attributes: Vec<(String, String)>,
    /// What the last step wrote, for those who asked for it and administrators.
    #[serde(default)]
    pub log: String,
}

/// The answer to [`LocalRequest::Icon`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Icon {
    /// PNG, base64; empty when the package has no picture.
    pub png: String,
}

/// The answer to [`LocalRequest::Pending`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Pending {
    pub changes: Vec<PendingPackage>,
    /// How many more there are that are not shown to ordinary users.
    #[serde(default)]
    pub hidden: u32,
    pub updated_at: Option<Timestamp>,
}

/// The answer to [`LocalRequest::About`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    pub version: String,
    pub hostname: String,
    pub identifier: String,
    pub description: String,
    /// `https://name:port`.
    pub server: Option<String>,
    pub connected: bool,
    /// Names on the certificates whose signatures count here.
    pub signers: Vec<String>,
    /// The account that asks, as the system names it.
    pub user: String,
    /// Its groups.
    pub groups: Vec<String>,
    /// `administrator`, `manager` (may install whatever is on offer) or `user`.
    pub standing: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_request_is_refused() {
        for text in ["", "{}", "[]", r#"{"type":"become-root"}"#, "\u{0}"] {
            assert_eq!(
                LocalRequest::parse(text).unwrap_err().code,
                ErrorCode::RequestInvalid,
                "{text}"
            );
        }
        let long = format!(
            r#"{{"type":"package","package":"{}"}}"#,
            "x".repeat(MAX_REQUEST_BYTES)
        );
        assert!(LocalRequest::parse(&long).unwrap_err().message.contains("bytes"));
    }

    #[test]
    fn requests_of_the_first_version_still_read() {
        for (text, for_everybody) in [
            (r#"{"type":"status"}"#, true),
            (r#"{"type":"run","action":"update"}"#, false),
            (r#"{"type":"run","action":"install","packages":["a"]}"#, true),
            (r#"{"type":"catalogue"}"#, true),
            (r#"{"type":"catalogue","query":{"search":"fox","page":1}}"#, true),
        ] {
            let request: LocalRequest = serde_json::from_str(text).unwrap();
            assert_eq!(request.is_for_everybody(), for_everybody, "{text}");
        }
    }
}
