//! What crosses the wire: one topic a file. `docs/api.md` lists the routes; `error` is the table of codes.
//!
//! All times are RFC 3339 UTC. Unknown fields are ignored in these unsigned messages; signed payloads
//! ([`action::ActionPayload`]) refuse them.

pub mod action;
pub mod error;
pub mod event;
pub mod host;
pub mod http_signature;
pub mod inventory;
pub mod live;
pub mod local;
pub mod package;
pub mod session;
pub mod task;
pub mod token;

use serde::{Deserialize, Serialize};

/// One page of a list; `next` goes back as `cursor=` for the page after it.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Rows that match in all, not only on this page.
    pub total: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// `GET /api/v1/health`: open to everyone, says nothing secret.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Health {
    pub status: String,
    pub version: String,
    /// The public name that clients reach the server by.
    pub name: String,
    pub time: jiff::Timestamp,
}
