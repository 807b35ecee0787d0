//! What the agent hands to the script runner, and the frames that come back.
//!
//! The runner reads one JSON file. On its standard output every line that begins with the record
//! separator and the job's nonce is a frame; all other lines are the script's log. The nonce is made for
//! each run, so that text which a script prints is not taken for a frame by accident.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::memory::{AuditChange, Known, Params, ScriptOrder};
use crate::state::packages::Installed;

/// First character of a frame.
pub(super) const FRAME_MARK: char = '\x1e';

/// The file that the runner reads.
#[derive(Debug, Serialize)]
pub(super) struct Job<'a> {
    pub nonce: &'a str,
    pub hook: &'a str,
    pub setup_py: &'a str,
    pub package_dir: Option<&'a std::path::Path>,
    pub control: &'a muster_shared::control::Control,
    pub params: &'a Map<String, Value>,
    pub force: bool,
    pub root: &'a str,
    pub persistent_dir: &'a std::path::Path,
    pub persistent_source_dir: Option<std::path::PathBuf>,
    pub user: &'a str,
    pub usergroups: &'a [String],
    pub language: &'a str,
    pub uninstallkey: Option<&'a [String]>,
    /// Rights that new files are made without; as it is when not given.
    pub umask: Option<u32>,
    /// Where a script without a package folder begins.
    pub working_dir: Option<&'a std::path::Path>,
    pub wapt: JobAgent<'a>,
}

/// The agent as scripts see it (`WAPT`).
#[derive(Debug, Serialize)]
pub(super) struct JobAgent<'a> {
    pub host_uuid: &'a str,
    pub wapt_base_dir: &'a std::path::Path,
    pub private_dir: &'a std::path::Path,
    pub config: Map<String, Value>,
    pub repositories: Vec<String>,
    pub config_filename: std::path::PathBuf,
    pub version: &'a str,
    #[serde(flatten)]
    pub known: &'a Known,
}

/// An installed package as scripts see it.
#[derive(Debug, Serialize)]
pub(super) struct InstalledName {
    pub package: String,
    pub version: String,
    pub section: String,
    pub install_status: String,
}

impl InstalledName {
    /// What a row of the database says of it.
    pub(super) fn of(row: &Installed) -> Self {
        Self {
            package: row.package().to_owned(),
            version: row.control.version().to_owned(),
            section: row.control.section().to_owned(),
            install_status: row.status.as_str().to_owned(),
        }
    }
}

/// One line of the runner's output.
#[derive(Debug, PartialEq)]
pub(super) enum Line {
    Log(String),
    Progress { percent: Option<u8>, text: String },
    Result(Box<RunnerResult>),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Frame {
    Progress {
        #[serde(default)]
        percent: Option<f64>,
        #[serde(default)]
        text: String,
    },
    Result(Box<RunnerResult>),
}

/// How a hook ended.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub(super) struct RunnerResult {
    pub status: Option<String>,
    /// The script has no such hook.
    pub absent: bool,
    pub uninstallkey: Option<Vec<String>>,
    pub missing_keys: Vec<String>,
    pub new_keys: Vec<String>,
    pub changed: bool,
    /// A program asked for a restart of the machine.
    pub wants_restart: bool,
    /// The parameters as the script left them; anything but an object is its own mistake.
    pub params: Value,
    pub error: Option<ScriptFailure>,
    /// Parameters of the agent that the script wrote; `null` for those it deleted.
    pub written_params: Params,
    pub audit_data: Vec<AuditChange>,
    pub orders: Vec<ScriptOrder>,
}

/// An exception that a script raised.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct ScriptFailure {
    #[serde(rename = "type")]
    pub kind: String,
    pub message: String,
    /// Line of `setup.py`.
    pub line: Option<u64>,
    pub traceback: String,
    /// What the exception asks the status to be.
    pub install_status: Option<String>,
}

impl std::fmt::Display for ScriptFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.kind)?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        if let Some(line) = self.line {
            write!(f, " (setup.py line {line})")?;
        }
        Ok(())
    }
}

/// Tells frames from log lines.
pub(super) fn read_line(line: &str, nonce: &str) -> Line {
    let frame = line
        .strip_prefix(FRAME_MARK)
        .and_then(|rest| rest.strip_prefix(nonce))
        .and_then(|rest| rest.strip_prefix(' '))
        .and_then(|json| serde_json::from_str::<Frame>(json).ok());
    match frame {
        Some(Frame::Progress { percent, text }) => Line::Progress {
            percent: percent.map(|percent| percent.clamp(0.0, 100.0) as u8),
            text,
        },
        Some(Frame::Result(result)) => Line::Result(result),
        None => Line::Log(line.trim_start_matches(FRAME_MARK).to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_need_the_nonce_of_their_run() {
        let progress = "\u{1e}n1 {\"event\":\"progress\",\"percent\":40.5,\"text\":\"copying\"}";
        assert_eq!(
            read_line(progress, "n1"),
            Line::Progress {
                percent: Some(40),
                text: "copying".to_owned()
            }
        );
        assert!(matches!(read_line(progress, "n2"), Line::Log(_)));
        assert_eq!(read_line("plain", "n1"), Line::Log("plain".to_owned()));
    }

    #[test]
    fn a_result_carries_its_error() {
        let line = "\u{1e}n {\"event\":\"result\",\"status\":null,\"value\":3,\"error\":{\"type\":\"ValueError\",\"message\":\"no\",\"line\":7,\"traceback\":\"T\",\"install_status\":null,\"grace_delay\":null}}";
        let Line::Result(result) = read_line(line, "n") else {
            panic!("not a result")
        };
        assert_eq!(
            result.error.unwrap().to_string(),
            "ValueError: no (setup.py line 7)"
        );
    }
}
