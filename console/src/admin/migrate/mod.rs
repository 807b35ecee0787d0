//! Taking over what a WAPT installation has: its repository, its keys, its agents' settings.
//!
//! Nothing of the old installation is changed, and no file that exists is written over. Each operation reports
//! every object that it met: taken, changed, or not taken and why.

pub mod agent_config;
pub mod ini;
pub mod keys;
pub mod repository;

use std::path::Path;

use serde::Serialize;

use super::write::{self, Readers};

/// What became of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// As it was.
    Taken,
    /// In another form that means the same.
    Changed,
    /// Needed no more: what it asked for is always so.
    NotNeeded,
    NotTaken,
}

impl Fate {
    /// The words shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Changed => "changed",
            Self::NotNeeded => "not needed",
            Self::NotTaken => "not taken",
        }
    }
}

/// One object of the old installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// A file, a key of a configuration, a certificate.
    pub object: String,
    pub fate: Fate,
    /// What it is now: a path, a setting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub became: Option<String>,
    /// Why it was not taken, or what its change means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What to look at although it was taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl Item {
    pub(super) fn new(object: impl Into<String>, fate: Fate) -> Self {
        Self {
            object: object.into(),
            fate,
            became: None,
            reason: None,
            warnings: Vec::new(),
        }
    }

    pub(super) fn not_taken(object: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(object, Fate::NotTaken).because(reason)
    }

    pub(super) fn became(mut self, what: impl Into<String>) -> Self {
        self.became = Some(what.into());
        self
    }

    pub(super) fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }
}

/// Everything that was met, in the order of the old installation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MigrationReport {
    pub items: Vec<Item>,
}

impl MigrationReport {
    /// How many objects had this fate.
    pub fn count(&self, fate: Fate) -> usize {
        self.items.iter().filter(|item| item.fate == fate).count()
    }
}

/// Writes a new file that everybody may read; a file that is there stays.
///
/// # Errors
/// The place is taken, or cannot be written to.
pub fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    write::create(path, bytes, Readers::Everyone)
}
