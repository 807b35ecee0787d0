//! What is known of a WAPT installation that is taken over: its configuration, and the words of the reports.
//!
//! Shared by the console, which translates files, and by the agent, which takes over the machine that it runs on.

pub mod agent_config;
pub mod ini;
mod reasons;
pub mod value;

use serde::Serialize;

/// What became of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// As it was.
    Taken,
    /// In another form that means the same.
    Changed,
    /// Needed no more: what it asked for is always so, or is there already.
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
    /// A file, a key of a configuration, a certificate, a package.
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
    /// An object and what became of it.
    pub fn new(object: impl Into<String>, fate: Fate) -> Self {
        Self {
            object: object.into(),
            fate,
            became: None,
            reason: None,
            warnings: Vec::new(),
        }
    }

    /// An object that was left where it is, and why.
    pub fn not_taken(object: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(object, Fate::NotTaken).because(reason)
    }

    /// The same with what it is now.
    pub fn became(mut self, what: impl Into<String>) -> Self {
        self.became = Some(what.into());
        self
    }

    /// The same with the reason.
    pub fn because(mut self, reason: impl Into<String>) -> Self {
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
    /// Adds an object.
    pub fn push(&mut self, item: Item) {
        self.items.push(item);
    }

    /// How many objects had this fate.
    pub fn count(&self, fate: Fate) -> usize {
        self.items.iter().filter(|item| item.fate == fate).count()
    }
}
