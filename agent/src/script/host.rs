//! Runs one hook of one package's script and says what came of it.
//!
//! The script text comes from the caller: bytes of a package that was just verified, or the copy that was
//! stored at its installation. It reaches the child through a private job file, never through a path that
//! others could change.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use muster_shared::clock::{Clock as _, SystemClock};
use muster_shared::control::Control;
use muster_shared::hint::{Hint, chain};
use serde_json::{Map, Value};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::embedded::{EmbeddedError, prepare};
use super::environment;
use super::job::{Line, RunnerResult, ScriptFailure, read_line};
use super::memory::{self, Changes, Known};
use super::process::{self, Ended, Limits, Tail};
use super::python::Python;
use super::running::Record;
use crate::config::Config;
use crate::paths::Paths;
use crate::platform::{self, GroupChild};
use crate::state::State;

/// Uninstall keys of one package that are believed.
const MAX_KEYS: usize = 1000;

/// A function of `setup.py`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    Install,
    Uninstall,
    Audit,
    SessionSetup,
    /// For packagers: fetches the next version of what the sources package.
    UpdatePackage,
}

impl Hook {
    /// The name of the function.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Uninstall => "uninstall",
            Self::Audit => "audit",
            Self::SessionSetup => "session_setup",
            Self::UpdatePackage => "update_package",
        }
    }
}

/// The package whose hook runs.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub control: &'a Control,
    pub setup_py: &'a str,
    pub params: &'a Map<String, Value>,
    /// The unpacked package; only while it is being installed.
    pub package_dir: Option<&'a Path>,
    /// Files that the package keeps for later hooks.
    pub persistent_dir: &'a Path,
    /// The keys that the installation left, for later hooks.
    pub uninstall_keys: Option<&'a [String]>,
    pub force: bool,
    /// On whose behalf it runs, for the script's `user`.
    pub user: &'a str,
}

/// What a hook said.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It ended by itself; its word, as the script gave it.
    Done { status: String },
    /// The script has no such hook.
    Absent,
    /// It raised an exception.
    Raised(ScriptFailure),
    /// It was ended, or broke down without a word.
    Ended { reason: String },
}

/// A hook that was run.
#[derive(Debug, Clone, PartialEq)]
pub struct HookRun {
    pub verdict: Verdict,
    /// The end of what it wrote.
    pub log: String,
    pub uninstall_keys: Vec<String>,
    /// Keys that should be there after an installation and are not.
    pub missing_keys: Vec<String>,
    /// Keys that appeared while `install()` ran.
    pub new_keys: Vec<String>,
    /// `update_package()` says that it changed the sources.
    pub changed: bool,
    /// A program that it ran asked for a restart of the machine (exit codes 3010 and 1641).
    pub wants_restart: bool,
    pub params: Map<String, Value>,
}

/// Why a hook could not be run at all.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    #[error("no Python was found to run package scripts")]
    NoPython,
    #[error(transparent)]
    Runner(#[from] EmbeddedError),
    #[error("the job for the script cannot be written to {path}", path = path.display())]
    Job {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the place for scripts of users' sessions, {folder}, cannot be prepared", folder = folder.display())]
    Session {
        folder: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the script process cannot be started with {python}", python = python.display())]
    Start {
        python: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl Hint for ScriptError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::NoPython => vec!["install python3, or set python in agent.toml to its path".to_owned()],
            _ => Vec::new(),
        }
    }
}

/// Runs hooks for one agent.
#[derive(Debug, Clone)]
pub struct ScriptHost {
    pub(super) paths: Paths,
    pub(super) python: Option<PathBuf>,
    pub(super) limits: Limits,
    pub(super) identifier: String,
    pub(super) shown_config: Map<String, Value>,
    pub(super) repositories: Vec<String>,
    pub(super) is_on_machine: bool,
    pub(super) state: Option<State>,
}

impl ScriptHost {
    /// A host for the agent's scripts.
    pub fn new(paths: &Paths, config: &Config, identifier: &str) -> Self {
        let shown_config = config
            .shown(paths)
            .into_iter()
            .map(|shown| (shown.key.to_owned(), shown.value))
            .collect();
        Self {
            paths: paths.clone(),
            python: Python::find(paths, config).map(|python| python.path),
            limits: Limits {
                total: config.script_timeout,
                idle: config.script_idle_timeout,
            },
            identifier: identifier.to_owned(),
            shown_config,
            repositories: config.repository_urls(),
            is_on_machine: false,
            state: None,
        }
    }

    /// The same host for scripts that may ask the agent: what is installed, what it keeps for them.
    pub fn with_state(mut self, state: &State) -> Self {
        self.state = Some(state.clone());
        self
    }

    /// The same host, whose scripts see the machine itself although the agent's own files lie below a root.
    pub fn on_machine(mut self) -> Self {
        self.is_on_machine = true;
        self
    }

    /// The same host with other limits.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The Python that runs scripts, if one was found.
    pub fn python(&self) -> Option<&Path> {
        self.python.as_deref()
    }

    /// Runs one hook; `progress` gets what it says while it runs.
    ///
    /// # Errors
    /// When it cannot be run at all. A hook that fails, or is cancelled, is not an error of this kind.
    pub async fn run(
        &self,
        hook: Hook,
        subject: &Subject<'_>,
        cancel: &CancellationToken,
        mut progress: impl FnMut(Option<u8>, &str),
    ) -> Result<HookRun, ScriptError> {
        let python = self.python.clone().ok_or(ScriptError::NoPython)?;
        let runner = prepare(&self.paths)?;
        let nonce = Uuid::new_v4().simple().to_string();
        let known = memory::known(self.state.as_ref(), subject.user).await;
        let job = self.write_job(hook, subject, &nonce, &known)?;
        let mut command = interpreter(&python, &runner, job.path());
        command.current_dir(subject.package_dir.unwrap_or(subject.persistent_dir));
        // Developers' hooks run as programs of theirs do.
        if !self.is_on_machine {
            command
                .env_clear()
                .envs(environment::of_scripts(std::env::vars_os()));
        }
        let start = |mark: &str| platform::spawn_in_group(&mut command, mark);
        let (ended, mut result, mut log) = self
            .conduct(hook, subject, &nonce, start, cancel, &mut progress)
            .await
            .map_err(|source| ScriptError::Start { python, source })?;
        drop(job);
        let verdict = self.verdict(hook, ended, result.as_deref());
        let mut result_of_script = result.take().map(|result| *result).unwrap_or_default();
        self.keep(subject, &known, &verdict, &mut result_of_script, &mut log)
            .await;
        Ok(finished(subject, verdict, result_of_script, log))
    }

    /// Starts the child, keeps it on record, and reads what it says until it is over.
    pub(super) async fn conduct(
        &self,
        hook: Hook,
        subject: &Subject<'_>,
        nonce: &str,
        start: impl FnOnce(&str) -> std::io::Result<GroupChild>,
        cancel: &CancellationToken,
        progress: &mut impl FnMut(Option<u8>, &str),
    ) -> std::io::Result<(Ended, Option<Box<RunnerResult>>, Tail)> {
        let record = Record::begin(self.state.as_ref(), hook, subject).await;
        let group = start(record.mark())?;
        record.started(group.id()).await;
        let staged = Staged::of(&self.paths, subject);
        let mut log = Tail::default();
        let mut result: Option<Box<RunnerResult>> = None;
        let ended = process::watch(group, self.limits, cancel, |line| match read_line(line, nonce) {
            Line::Log(text) => {
                let text = staged.shown(text);
                if !text.trim().is_empty() {
                    progress(None, &text);
                }
                log.push(&text);
            }
            Line::Progress { percent, text } => {
                let text = staged.shown(text);
                progress(percent, &text);
                log.push(&text);
            }
            Line::Result(mut found) => {
                if let Some(error) = &mut found.error {
                    error.message = staged.shown(std::mem::take(&mut error.message));
                }
                result = Some(found);
            }
        })
        .await;
        record.over().await;
        Ok((ended?, result, log))
    }

    pub(super) fn verdict(&self, hook: Hook, ended: Ended, result: Option<&RunnerResult>) -> Verdict {
        let reason = match (ended, result) {
            (Ended::Exited(_), Some(result)) => return verdict_of(result),
            (Ended::Cancelled, _) => {
                format!(
                    "{}() was ended before it was done: the task was cancelled or the agent stopped",
                    hook.as_str()
                )
            }
            (Ended::TooLong, _) => {
                format!(
                    "{}() ran longer than {} s and was ended",
                    hook.as_str(),
                    self.limits.total.as_secs()
                )
            }
            (Ended::Silent, _) => {
                format!(
                    "{}() was silent for {} s and was ended",
                    hook.as_str(),
                    self.limits.idle.as_secs()
                )
            }
            (Ended::Exited(status), None) => {
                format!("the script process ended without a result ({status})")
            }
        };
        Verdict::Ended { reason }
    }

    /// Keeps what the script asked to be kept; its log says what became of it.
    async fn keep(
        &self,
        subject: &Subject<'_>,
        known: &Known,
        verdict: &Verdict,
        result: &mut RunnerResult,
        log: &mut Tail,
    ) {
        let Some(state) = &self.state else { return };
        let ended_well = matches!(verdict, Verdict::Done { .. }) && result.missing_keys.is_empty();
        let changes = Changes {
            params: std::mem::take(&mut result.written_params),
            audit_data: std::mem::take(&mut result.audit_data),
            orders: if ended_well {
                std::mem::take(&mut result.orders)
            } else {
                Vec::new()
            },
        };
        match memory::keep(
            state,
            subject.control.package(),
            known,
            changes,
            SystemClock.now(),
        )
        .await
        {
            Ok(lines) => lines.iter().for_each(|line| log.push(line)),
            Err(error) => log.push(&format!(
                "what the script asked the agent to keep was lost: {}",
                chain(&error)
            )),
        }
    }
}

/// The interpreter on a job: isolated, without the machine's own modules, leaving no compiled files.
pub(super) fn interpreter(python: &Path, runner: &Path, job: &Path) -> Command {
    let mut command = Command::new(python);
    command
        .args(["-I", "-S", "-B"])
        .arg(runner)
        .arg(job)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What a hook came to, with its log.
pub(super) fn finished(
    subject: &Subject<'_>,
    verdict: Verdict,
    result: RunnerResult,
    mut log: Tail,
) -> HookRun {
    if let Verdict::Ended { reason } = &verdict {
        log.push(reason);
    }
    let mut uninstall_keys = result.uninstallkey.unwrap_or_default();
    uninstall_keys.truncate(MAX_KEYS);
    let params = match result.params {
        Value::Object(params) => params,
        _ => subject.params.clone(),
    };
    HookRun {
        verdict,
        log: log.text(),
        uninstall_keys,
        missing_keys: result.missing_keys,
        new_keys: result.new_keys,
        changed: result.changed,
        wants_restart: result.wants_restart,
        params,
    }
}

/// The folder of an unpacked package has a name of chance that tells nobody anything: logs leave it out.
struct Staged(Option<String>);

impl Staged {
    fn of(paths: &Paths, subject: &Subject<'_>) -> Self {
        let staged = subject
            .package_dir
            .filter(|folder| folder.starts_with(paths.staging_dir()));
        Self(staged.map(|folder| format!("{}{}", folder.display(), std::path::MAIN_SEPARATOR)))
    }

    fn shown(&self, text: String) -> String {
        match &self.0 {
            Some(folder) if text.contains(folder.as_str()) => text.replace(folder.as_str(), ""),
            _ => text,
        }
    }
}

fn verdict_of(result: &RunnerResult) -> Verdict {
    if let Some(failure) = &result.error {
        return Verdict::Raised(failure.clone());
    }
    if result.absent {
        return Verdict::Absent;
    }
    Verdict::Done {
        status: result.status.clone().unwrap_or_else(|| "OK".to_owned()),
    }
}

#[cfg(test)]
mod tests;
