//! The agent's program on this machine, as package developers use it: found, and run with its answer read.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use muster_shared::hint::Hint;
use serde::Deserialize;
use serde::de::DeserializeOwned;

const PROGRAM: &str = if cfg!(windows) {
    "muster-agent.exe"
} else {
    "muster-agent"
};

/// Why the agent's program did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum AgentProgramError {
    #[error("the program {PROGRAM} was not found, neither beside this one nor in PATH")]
    NotFound,
    #[error("{path} is not a program")]
    NotAProgram { path: PathBuf },
    #[error("cannot start {path}")]
    Start {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The agent said why.
    #[error("{message}")]
    Refused { message: String, hints: Vec<String> },
    #[error("{path} ended without an answer ({status})")]
    NoAnswer { path: PathBuf, status: ExitStatus },
}

impl Hint for AgentProgramError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::NotFound | Self::NotAProgram { .. } => {
                vec!["name it with --agent PATH, or put it beside muster".to_owned()]
            }
            Self::Refused { hints, .. } => hints.clone(),
            Self::NoAnswer { .. } => {
                vec!["check that muster and muster-agent are of the same version".to_owned()]
            }
            Self::Start { .. } => Vec::new(),
        }
    }
}

#[derive(Deserialize)]
struct ErrorAnswer {
    error: ErrorText,
}

#[derive(Deserialize)]
struct ErrorText {
    message: String,
    #[serde(default)]
    hints: Vec<String>,
}

/// The agent's program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentProgram(PathBuf);

impl AgentProgram {
    /// The program named, else the one beside this program, else the one in `PATH`.
    ///
    /// # Errors
    /// There is none.
    pub fn find(named: Option<&Path>) -> Result<Self, AgentProgramError> {
        if let Some(path) = named {
            return if path.is_file() {
                // Without a separator the system would look for it in PATH.
                Ok(Self(
                    std::path::absolute(path).unwrap_or_else(|_same| path.to_owned()),
                ))
            } else {
                Err(AgentProgramError::NotAProgram {
                    path: path.to_owned(),
                })
            };
        }
        let own = std::env::current_exe().ok();
        let beside = own.as_deref().and_then(Path::parent).map(Path::to_owned);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = beside
            .into_iter()
            .chain(std::env::split_paths(&path).filter(|folder| folder.is_absolute()));
        folders
            .map(|folder| folder.join(PROGRAM))
            .find(|program| program.is_file())
            .map(Self)
            .ok_or(AgentProgramError::NotFound)
    }

    /// A command with these words.
    pub fn command(&self, words: &[&std::ffi::OsStr]) -> Command {
        let mut command = Command::new(&self.0);
        command.args(words);
        command
    }

    /// Runs a command whose output goes where this program's goes; how it ended.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn run(&self, words: &[&std::ffi::OsStr]) -> Result<ExitStatus, AgentProgramError> {
        self.command(words)
            .stdin(Stdio::null())
            .status()
            .map_err(|source| AgentProgramError::Start {
                path: self.0.clone(),
                source,
            })
    }

    /// Runs a command with `--json` and reads its answer; what it says beside goes to standard error.
    ///
    /// # Errors
    /// It cannot be started, refuses, or answers something else.
    pub fn ask<T: DeserializeOwned>(&self, words: &[&std::ffi::OsStr]) -> Result<T, AgentProgramError> {
        let output = self
            .command(words)
            .arg("--json")
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|source| AgentProgramError::Start {
                path: self.0.clone(),
                source,
            })?;
        if let Ok(refused) = serde_json::from_slice::<ErrorAnswer>(&output.stdout) {
            return Err(AgentProgramError::Refused {
                message: refused.error.message,
                hints: refused.error.hints,
            });
        }
        serde_json::from_slice(&output.stdout).map_err(|_other| AgentProgramError::NoAnswer {
            path: self.0.clone(),
            status: output.status,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = AgentProgram::find(Some(Path::new("/nowhere/muster-agent"))).unwrap_err();
        assert!(error.to_string().contains("/nowhere/muster-agent"), "{error}");
        assert!(!error.hints().is_empty());
    }
}
