//! Windows updates: which are missing, which of them the rules allow, and having them installed.
//!
//! `plan` decides and is pure, `report` says how things stand. `flow` does the work, step by step, over
//! [`UpdateAgent`]: the system's own update agent, which finds, downloads and installs; `line` asks it, one question at
//! a time; `outcome` is what a step came to. `files` keeps what the repository has, so that a thousand machines need
//! not fetch it from far away, and `fetch` gets it. Whatever comes from there is checked by the system's agent itself:
//! it installs only what its maker signed.

pub mod flow;
pub mod line;
pub mod outcome;
pub mod plan;
pub mod report;

mod fetch;
mod files;
#[cfg(debug_assertions)]
mod rehearsal;
pub(crate) mod step;

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use muster_shared::protocol::inventory::UpdateEvent;
use muster_shared::rules::windows_update::Update;
use serde::{Deserialize, Serialize};

/// At most this many updates of one scan are looked at.
pub const MAX_UPDATES: usize = 5000;

/// Why the system's update agent did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    #[error("Windows Update cannot {action}: {reason}")]
    Refused {
        action: &'static str,
        reason: String,
        /// The system's code, when it gave one.
        code: Option<u32>,
    },
    #[error("the Windows Update service cannot be {action}: {reason}")]
    Service { action: &'static str, reason: String },
}

/// Where the updates are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// With what the machine is set to: Microsoft, or a WSUS.
    Online,
    /// In Microsoft's signed catalogue, a file on this machine.
    Catalogue(PathBuf),
}

/// A search: where, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    pub source: Source,
    /// The search criteria of the update agent.
    pub criteria: String,
}

/// One update that a search found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FoundUpdate {
    /// `UpdateID_RevisionNumber`.
    pub id: String,
    pub title: String,
    pub kbs: Vec<String>,
    pub products: Vec<String>,
    pub classifications: Vec<String>,
    pub severity: String,
    pub published: Option<Timestamp>,
    pub installed: bool,
    pub hidden: bool,
    pub downloaded: bool,
    pub uninstallable: bool,
    pub size_bytes: u64,
    /// Addresses of its files.
    pub files: Vec<String>,
    pub support_url: String,
}

impl FoundUpdate {
    /// What the rules look at.
    pub fn as_ruled(&self) -> Update {
        Update {
            id: self.id.clone(),
            kbs: self.kbs.clone(),
            products: self.products.clone(),
            classifications: self.classifications.clone(),
            severity: self.severity.clone(),
            published: self.published,
        }
    }

    /// The files with the SHA-1 that their names carry, empty where they carry none.
    pub fn hashed_files(&self) -> BTreeMap<String, String> {
        self.files
            .iter()
            .map(|url| (url.clone(), files::hash_in(url).unwrap_or_default().to_owned()))
            .collect()
    }
}

/// What became of one update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    pub id: String,
    pub succeeded: bool,
    /// The system's code, 0 when it went well.
    pub code: u32,
    /// Why not, in words; empty when it went well.
    pub reason: String,
}

/// What an installation came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Installation {
    pub done: Vec<Done>,
    pub reboot_required: bool,
}

/// Takes how many of how many updates are done.
pub type Steps<'a> = &'a (dyn Fn(usize, usize) + Send + Sync);

/// The system's own update agent. Every call may take minutes, and is made where waiting is allowed.
pub trait UpdateAgent: Send + Sync {
    /// Its version.
    ///
    /// # Errors
    /// When it does not say.
    fn version(&self) -> Result<String, UpdateError>;

    /// Changes when something was installed or removed by anybody; empty when it cannot be told.
    fn stamp(&self) -> String;

    /// Looks for updates, installed ones too.
    ///
    /// # Errors
    /// When the search fails as a whole.
    fn search(&self, search: &Search) -> Result<Vec<FoundUpdate>, UpdateError>;

    /// Gives it the files of updates that were fetched elsewhere.
    ///
    /// # Errors
    /// When the search fails as a whole; single updates that it does not take are in the result.
    fn provide(
        &self,
        search: &Search,
        files: &BTreeMap<String, Vec<PathBuf>>,
    ) -> Result<Vec<Done>, UpdateError>;

    /// Has it download updates from where the machine is set to.
    ///
    /// # Errors
    /// When the search fails as a whole; single updates that it cannot get are in the result.
    fn download(&self, search: &Search, ids: &[String], steps: Steps<'_>) -> Result<Vec<Done>, UpdateError>;

    /// Installs updates that are downloaded, one after the other, as long as `goes_on` says so. Never restarts
    /// the machine.
    ///
    /// # Errors
    /// When the search fails as a whole; single updates that fail are in the result.
    fn install(
        &self,
        search: &Search,
        ids: &[String],
        steps: Steps<'_>,
        goes_on: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<Installation, UpdateError>;

    /// What was installed and removed lately by anybody, newest first.
    ///
    /// # Errors
    /// When it does not say.
    fn history(&self, most: usize) -> Result<Vec<UpdateEvent>, UpdateError>;

    /// Makes the service that it needs ready: enabled and started.
    ///
    /// # Errors
    /// When the system refuses.
    fn start_service(&self) -> Result<(), UpdateError>;

    /// Ends the service and disables it, so that the system does nothing by itself.
    ///
    /// # Errors
    /// When the system refuses.
    fn rest_service(&self) -> Result<(), UpdateError>;

    /// Gives the service back to the system: it starts when the system wants it.
    ///
    /// # Errors
    /// When the system refuses.
    fn release_service(&self) -> Result<(), UpdateError>;
}

/// A code as people look it up: `0x80240022`.
pub fn code_text(code: u32) -> String {
    if code == 0 {
        String::new()
    } else {
        format!("0x{code:08X}")
    }
}

/// The update agent that tests rehearse with, when the environment names its folder.
#[cfg(debug_assertions)]
pub(crate) use rehearsal::rehearsal;

/// Release builds rehearse nothing.
#[cfg(not(debug_assertions))]
pub(crate) fn rehearsal() -> Option<std::sync::Arc<dyn UpdateAgent>> {
    None
}

#[cfg(test)]
mod tests;
