//! From what is wanted to what is to be done, with a reason for each.
//!
//! The rule: for each name the newest visible candidate that satisfies every request reaching it from installed
//! or wanted parents; an installed version that satisfies stays; no backtracking to older parents; with no
//! candidate the parents become errors, naming all requests. `docs/resolution.md` says what follows from it
//! where packages disagree, stand in each other's way or depend on each other in a circle. In short:
//!
//! - A name is reached from what is wanted, through packages that the plan installs or keeps. Installed packages
//!   that are not reached ask too (pins hold for everyone), but lead nowhere. A package that is replaced asks
//!   what its new version asks.
//! - A package given up asks for nothing any more: the rest is worked out again without it.
//! - A conflict of a package to be installed removes what is installed and not needed, with its dependents; what
//!   is needed wins over the package that conflicts with it.
//! - In a circle in which newest versions exclude each other in turn, a version once excluded stays excluded.
//!
//! The answer depends only on what is asked, not on the order of the rows or of hashing; nothing recurses, and
//! the work grows with the requests that are reached.

mod conflicts;
mod fixpoint;
mod graph;
mod outcome;
mod settle;

use serde::{Deserialize, Serialize};

use super::Catalogue;
use crate::request::Request;

/// How many levels of dependencies are followed below what is wanted.
pub const MAX_DEPTH: usize = 30;

/// A package that a host has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// Its name.
    pub package: String,
    /// Its version.
    pub version: String,
    /// What it depends on, as it was when it was installed.
    #[serde(default)]
    pub depends: Vec<Request>,
}

impl Installed {
    /// A package without dependencies.
    pub fn new(package: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            package: package.into(),
            version: version.into(),
            depends: Vec::new(),
        }
    }

    /// Adds what it depends on.
    pub fn with_depends(mut self, depends: Vec<Request>) -> Self {
        self.depends = depends;
        self
    }
}

/// Something that a host must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The package, possibly with a condition.
    pub request: Request,
    /// Who wants it.
    pub why: Why,
}

/// Why something is wanted, and so whether an installed version may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Somebody asks for it: an installed version that satisfies stays.
    Asked,
    /// The host's package lists it: as [`Why::Asked`], said in other words.
    Assigned,
    /// The host looks for it by name (host, unit and profile packages): the newest is taken.
    Implicit,
    /// It is installed and a newer version may be there: the newest is taken.
    Upgrade,
    /// Its last installation failed or it is forced: it is installed again.
    Retry,
}

/// What is to be done on a host: first the removals, then the steps, each in the given order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// What to remove, dependents before what they depend on.
    pub removals: Vec<Removal>,
    /// What to install, dependencies before what depends on them.
    pub steps: Vec<Step>,
    /// What is wanted and stays as it is.
    pub kept: Vec<Kept>,
    /// What cannot be had.
    pub errors: Vec<Unresolved>,
}

impl Resolution {
    /// Whether nothing is to be done and nothing is missing.
    pub fn is_settled(&self) -> bool {
        self.removals.is_empty() && self.steps.is_empty() && self.errors.is_empty()
    }

    /// The step for a package.
    pub fn step(&self, package: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.package == package)
    }

    /// The error about a package.
    pub fn error(&self, package: &str) -> Option<&Unresolved> {
        self.errors.iter().find(|error| error.package == package)
    }
}

/// One package to install.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its name.
    pub package: String,
    /// The version to install.
    pub version: String,
    /// The file of the package in the repository.
    pub filename: String,
    /// The version that is replaced.
    pub installed_version: Option<String>,
    /// What happens to it.
    pub change: Change,
    /// A sentence without a full stop: who needs it.
    pub because: String,
    /// The packages among the steps that must have succeeded before.
    pub needs: Vec<String>,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It was not there.
    Install,
    /// A lower version was there.
    Upgrade,
    /// A higher version was there that some request does not take.
    Downgrade,
    /// The same version was there.
    Reinstall,
}

/// One package to remove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// Its name.
    pub package: String,
    /// The version installed.
    pub version: String,
    /// A sentence without a full stop: what it stands in the way of.
    pub because: String,
}

/// One package that is wanted and stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Its name.
    pub package: String,
    /// The version installed.
    pub version: String,
    /// A sentence without a full stop: why it stays.
    pub because: String,
}

/// One package that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unresolved {
    /// Its name.
    pub package: String,
    /// The packages that need it and so are not installed; empty when it is wanted for itself.
    pub wanted_by: Vec<String>,
    /// The requests that nothing satisfies together, or the one among its conflicts; `sentence` says who
    /// makes them.
    #[serde(default)]
    pub requests: Vec<String>,
    /// A sentence without a full stop: the requests and the rule.
    pub sentence: String,
}

/// Works out what a host has to do.
///
/// Each name among `installed` counts once, the last one. The time taken grows with what can be reached
/// from `wanted`, times how often something there has to be given up.
pub fn plan(catalogue: &Catalogue, installed: &[Installed], wanted: &[Wanted]) -> Resolution {
    let mut graph = graph::Graph::new(catalogue, installed, wanted);
    let solution = settle::settle(&mut graph);
    outcome::resolution(&mut graph, &solution)
}

#[cfg(test)]
mod counterexamples;
#[cfg(test)]
mod tests;
