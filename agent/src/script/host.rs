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
use super::job::{Job, JobAgent, Line, RunnerResult, ScriptFailure, read_line};
use super::memory::{self, Changes, Known};
use super::process::{self, Ended, Limits, Tail};
use crate::config::Config;
use crate::paths::Paths;
use crate::platform;
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
    paths: Paths,
    python: Option<PathBuf>,
    limits: Limits,
    identifier: String,
    shown_config: Map<String, Value>,
    repositories: Vec<String>,
    is_on_machine: bool,
    state: Option<State>,
}

impl ScriptHost {
    /// A host for the agent's scripts.
    pub fn new(paths: &Paths, config: &Config, identifier: &str) -> Self {
        let shown_config = config
            .shown(paths)
            .into_iter()
            .map(|shown| (shown.key.to_owned(), shown.value))
            .collect();
        // An agent below a root, such as a developer's trial, has the interpreter of the machine's own.
        let mut bundled = paths.bundled_python_dir();
        if paths.root().is_some() && !bundled.is_dir() {
            bundled = Paths::new(None).bundled_python_dir();
        }
        Self {
            paths: paths.clone(),
            python: platform::find_python(config.python.as_deref(), &bundled),
            limits: Limits {
                total: config.script_timeout,
                idle: config.script_idle_timeout,
            },
            identifier: identifier.to_owned(),
            shown_config,
            repositories: config.repository_url().into_iter().collect(),
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
        let mut command = Command::new(&python);
        command
            // Isolated, without the machine's own modules, leaving no compiled files.
            .args(["-I", "-S", "-B"])
            .arg(&runner)
            .arg(&job.0)
            .current_dir(subject.package_dir.unwrap_or(subject.persistent_dir))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut log = Tail::default();
        let mut result: Option<Box<RunnerResult>> = None;
        let ended = process::run(&mut command, self.limits, cancel, |line| {
            match read_line(line, &nonce) {
                Line::Log(text) => {
                    if !text.trim().is_empty() {
                        progress(None, &text);
                    }
                    log.push(&text);
                }
                Line::Progress { percent, text } => {
                    progress(percent, &text);
                    log.push(&text);
                }
                Line::Result(found) => result = Some(found),
            }
        })
        .await
        .map_err(|source| ScriptError::Start { python, source })?;
        drop(job);
        let verdict = match (ended, result.as_deref()) {
            (Ended::Cancelled, _) => Verdict::Ended {
                reason: format!(
                    "{}() was ended before it was done: the task was cancelled or the agent stopped",
                    hook.as_str()
                ),
            },
            (Ended::TooLong, _) => Verdict::Ended {
                reason: format!(
                    "{}() ran longer than {} s and was ended",
                    hook.as_str(),
                    self.limits.total.as_secs()
                ),
            },
            (Ended::Silent, _) => Verdict::Ended {
                reason: format!(
                    "{}() was silent for {} s and was ended",
                    hook.as_str(),
                    self.limits.idle.as_secs()
                ),
            },
            (Ended::Exited(_), Some(result)) => verdict_of(result),
            (Ended::Exited(status), None) => Verdict::Ended {
                reason: format!("the script process ended without a result ({status})"),
            },
        };
        let mut result = result.map(|result| *result).unwrap_or_default();
        self.keep(subject, &known, &verdict, &mut result, &mut log).await;
        if let Verdict::Ended { reason } = &verdict {
            log.push(reason);
        }
        let mut uninstall_keys = result.uninstallkey.unwrap_or_default();
        uninstall_keys.truncate(MAX_KEYS);
        let params = match result.params {
            Value::Object(params) => params,
            _ => subject.params.clone(),
        };
        Ok(HookRun {
            verdict,
            log: log.text(),
            uninstall_keys,
            missing_keys: result.missing_keys,
            new_keys: result.new_keys,
            changed: result.changed,
            params,
        })
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

    fn write_job(
        &self,
        hook: Hook,
        subject: &Subject<'_>,
        nonce: &str,
        known: &Known,
    ) -> Result<JobFile, ScriptError> {
        let folder = self.paths.private_dir();
        let path = folder.join(format!("job-{nonce}.json"));
        let root = match self.paths.root() {
            Some(root) if !self.is_on_machine => root.display().to_string(),
            _ => String::new(),
        };
        let state_dir = self.paths.state_dir();
        let job = Job {
            nonce,
            hook: hook.as_str(),
            setup_py: subject.setup_py,
            package_dir: subject.package_dir,
            control: subject.control,
            params: subject.params,
            force: subject.force,
            root: &root,
            persistent_dir: subject.persistent_dir,
            persistent_source_dir: subject.package_dir.map(|dir| dir.join("WAPT").join("persistent")),
            user: subject.user,
            usergroups: &[],
            language: &language(),
            uninstallkey: subject.uninstall_keys,
            wapt: JobAgent {
                host_uuid: &self.identifier,
                wapt_base_dir: &state_dir,
                private_dir: &folder,
                config: self.shown_config.clone(),
                repositories: self.repositories.clone(),
                config_filename: self.paths.config_file(),
                version: env!("CARGO_PKG_VERSION"),
                known,
            },
        };
        let error = |source| ScriptError::Job {
            path: path.clone(),
            source,
        };
        platform::lock_down_dir(&folder).map_err(error)?;
        let bytes = serde_json::to_vec(&job).map_err(|failure| error(failure.into()))?;
        platform::write_private(&path, &bytes).map_err(error)?;
        Ok(JobFile(path))
    }
}

/// The job's file goes when the hook is over, however it ends.
struct JobFile(PathBuf);

impl Drop for JobFile {
    fn drop(&mut self) {
        fs_err::remove_file(&self.0).ok();
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

/// Two letters of the system's language.
fn language() -> String {
    ["LC_ALL", "LC_MESSAGES", "LANG"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .find_map(|value| {
            let code: String = value.chars().take(2).collect();
            code.chars()
                .all(|letter| letter.is_ascii_lowercase())
                .then_some(code)
        })
        .filter(|code| code.len() == 2)
        .unwrap_or_else(|| "en".to_owned())
}

#[cfg(test)]
mod tests;
