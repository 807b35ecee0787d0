//! Sources fetch their next version: `update_package()` runs as hooks do, and may change control and files.

use std::ffi::OsStr;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::agent_program::{AgentProgram, AgentProgramError};

/// What one hook of a folder of sources came to, as the agent's program says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookOutcome {
    pub package: String,
    /// `OK`, `ABSENT` when the sources have no such hook, or what the script said.
    pub status: String,
    /// Why it failed, with the line of the script.
    #[serde(default)]
    pub error: Option<String>,
    /// Control or files are others now, as far as the script says.
    #[serde(default)]
    pub changed: bool,
    #[serde(default)]
    pub version_before: String,
    #[serde(default)]
    pub version: String,
    /// The end of what the script wrote.
    #[serde(default)]
    pub log: String,
}

impl HookOutcome {
    /// The hook ran and said OK.
    pub fn is_ok(&self) -> bool {
        self.status == "OK"
    }
}

/// Runs `update_package()` of a folder of sources; what the script writes goes to standard error.
///
/// # Errors
/// The agent's program cannot run it at all.
pub fn update_sources(
    agent: &AgentProgram,
    sources: &Path,
    timeout: Option<&str>,
) -> Result<HookOutcome, AgentProgramError> {
    let mut words: Vec<&OsStr> = vec![
        "run-hook".as_ref(),
        sources.as_os_str(),
        "update-package".as_ref(),
    ];
    if let Some(timeout) = timeout {
        words.extend::<[&OsStr; 2]>(["--timeout".as_ref(), timeout.as_ref()]);
    }
    agent.ask(&words)
}
