//! Lint: what is wrong or doubtful in the sources of a package, each finding with its place and what to do.
//!
//! Nothing is executed. The control file is judged by the rules of building and signing, the scripts by the
//! grammar and the names that the agent's Python runs them with.

mod control;
mod deprecated;
mod hooks;
mod icon;
pub mod known_names;
mod names;
mod paths;
mod python2;
mod python2_names;
mod scope;
mod script;
mod sources;
mod suggest;
mod syntax;
mod tokens;
mod transport;
mod uninstall_key;

use std::path::Path;

use muster_shared::package::PackageError;
use serde::Serialize;

pub use self::sources::Sources;
pub use self::suggest::near;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It cannot work, or nobody would accept it: building stops.
    Error,
    /// Likely not meant.
    Warning,
    /// Works, and could be better.
    Note,
}

impl Severity {
    /// The word shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// One thing found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file: `demo/setup.py`, or `demo_1.wapt:setup.py` for one inside a package.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// Stable name of the rule.
    pub code: &'static str,
    pub severity: Severity,
    /// The object and the rule.
    pub message: String,
    /// What to do or to write.
    pub suggestion: Option<String>,
}

/// What was found in one package.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    pub findings: Vec<Finding>,
}

impl Report {
    /// How many findings have this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    }
}

/// Lints a folder of sources, or a package file without believing its signature.
///
/// # Errors
/// The folder or the file cannot be read.
pub fn lint(path: &Path) -> Result<Report, PackageError> {
    Ok(lint_sources(&Sources::read(path)?))
}

/// Lints what was read.
pub fn lint_sources(sources: &Sources) -> Report {
    let mut findings = Vec::new();
    let section = control::lint(sources, &mut findings);
    icon::lint(sources, &mut findings);
    script::lint(sources, section, &mut findings);
    findings.sort_by(|a, b| {
        let place = |finding: &Finding| (finding.line, finding.column);
        (&a.file, place(a), a.code).cmp(&(&b.file, place(b), b.code))
    });
    findings.dedup();
    Report { findings }
}
