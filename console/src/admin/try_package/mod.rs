//! A package is tried: installed, audited, prepared for a session and removed by an agent of its own, and
//! what each step changed on the machine is told.
//!
//! The agent lives below a temporary root and trusts one throw-away key, which signs the copies that it
//! installs; the machine's own agent, its configuration and its trust are not touched. What the scripts do to
//! the machine, they do to the machine.

mod snapshot;

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use muster_shared::control::Control;
use muster_shared::crypto::issue::{self, IssueError, Purpose, Subject};
use muster_shared::crypto::{FileSigner, KeyError, PrivateKey, SignError, Signer as _};
use muster_shared::hint::Hint;
use muster_shared::package::build::BuildOptions;
use muster_shared::package::filename::canonical_filename;
use muster_shared::package::sign::{self, Copy};
use muster_shared::package::{Package, PackageError, Verified};
use serde::{Deserialize, Serialize};

pub use self::snapshot::{Changes, Snapshot, usual_folders};
use super::agent_program::{AgentProgram, AgentProgramError};
use super::build::{self, BuildFailure};

/// How long the throw-away key counts.
const VALID_FOR: SignedDuration = SignedDuration::from_hours(24);

/// Why a package could not be tried at all. The machine is as it was.
#[derive(Debug, thiserror::Error)]
pub enum TryError {
    #[error("cannot prepare the throw-away agent in {path}")]
    Prepare {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot make the throw-away key")]
    Key(#[source] KeyError),
    #[error("cannot make the certificate of the throw-away key")]
    Issue(#[source] IssueError),
    #[error("cannot use the throw-away key")]
    Sign(#[source] SignError),
    #[error(transparent)]
    Build(#[from] BuildFailure),
    #[error("cannot copy {path} for the trial")]
    Copy {
        path: PathBuf,
        #[source]
        source: PackageError,
    },
}

impl Hint for TryError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Build(error) => error.hints(),
            Self::Copy { source, .. } => source.hints(),
            Self::Key(error) => error.hints(),
            Self::Prepare { .. } | Self::Issue(_) | Self::Sign(_) => Vec::new(),
        }
    }
}

/// One step of a trial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrialStep {
    /// `install`, `audit`, `session-setup`, `remove`, or `install NAME` for what the package needs.
    pub step: String,
    pub ok: bool,
    pub summary: String,
    /// What the script wrote.
    pub log: String,
}

/// What a trial came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrialReport {
    pub package: String,
    pub version: String,
    pub passed: bool,
    pub steps: Vec<TrialStep>,
    /// From before the installation until after it.
    pub installed: Changes,
    /// From before the installation until after the removal: what is left over.
    pub left_over: Changes,
}

/// An agent below a temporary root, and the key that it trusts.
#[derive(Debug)]
pub struct Trial {
    folder: PathBuf,
    signer: FileSigner,
    agent: AgentProgram,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    summary: String,
    #[serde(default)]
    exit: i64,
}

#[derive(Deserialize)]
struct Log {
    #[serde(default)]
    status: String,
    #[serde(default)]
    log: String,
}

/// The interpreter that the machine's own agent is told to use: the packages meet that one.
fn configured_python(agent: &AgentProgram) -> Option<String> {
    let shown: Vec<Setting> = agent.ask(&["config".as_ref(), "show".as_ref()]).ok()?;
    let python = shown.into_iter().find(|setting| setting.key == "python")?;
    python.value.as_str().map(str::to_owned)
}

#[derive(Deserialize)]
struct Setting {
    key: String,
    value: serde_json::Value,
}

#[derive(Deserialize)]
struct Row {
    package: String,
    #[serde(default)]
    audit_status: String,
}

impl Trial {
    /// Makes the root and the key in an empty folder.
    ///
    /// # Errors
    /// The folder or the key cannot be made.
    pub fn prepare(
        folder: &Path,
        agent: AgentProgram,
        maturities: &[String],
        now: Timestamp,
    ) -> Result<Self, TryError> {
        let key = PrivateKey::generate_ec().map_err(TryError::Key)?;
        let subject = Subject {
            common_name: "trial".to_owned(),
            ..Subject::default()
        };
        let purpose = Purpose {
            code_signing: true,
            client_auth: false,
            authority: false,
        };
        let from = now.checked_sub(SignedDuration::from_hours(1)).unwrap_or(now);
        let until = now.checked_add(VALID_FOR).unwrap_or(Timestamp::MAX);
        let certificate =
            issue::self_signed(&key, &subject, purpose, from, until).map_err(TryError::Issue)?;
        let failed = |source| TryError::Prepare {
            path: folder.to_owned(),
            source,
        };
        let trial = Self {
            folder: folder.to_owned(),
            signer: FileSigner::new(key, vec![certificate]).map_err(TryError::Sign)?,
            agent,
        };
        let etc = trial.root().join(if cfg!(windows) {
            "Program Files/Muster"
        } else {
            "etc/muster"
        });
        fs_err::create_dir_all(etc.join("trust")).map_err(failed)?;
        fs_err::write(etc.join("trust/trial.crt"), trial.signer.certificate().to_pem()).map_err(failed)?;
        let maturities: Vec<String> = maturities.iter().map(|one| format!("{one:?}")).collect();
        let mut config = format!(
            "uuid = \"trial\"\nuse_hostpackages = false\nmaturities = [{}]\n",
            maturities.join(", ")
        );
        if let Some(python) = configured_python(&trial.agent) {
            writeln!(config, "python = {python:?}").ok();
        }
        fs_err::write(etc.join("agent.toml"), config).map_err(failed)?;
        // What every machine has is no change of this one.
        for usual in ["var/lib", "usr/lib", "run", "opt", "Program Files", "ProgramData"] {
            fs_err::create_dir_all(trial.root().join(usual)).map_err(failed)?;
        }
        fs_err::create_dir_all(trial.folder.join("packages")).map_err(failed)?;
        Ok(trial)
    }

    /// The root of the agent: path helpers of scripts lead below it.
    pub fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    /// The agent's own files, which are no change of the machine.
    pub fn own_files(&self) -> Vec<PathBuf> {
        let own = [
            "var/lib/muster",
            "usr/lib/muster",
            "etc/muster",
            "run/muster",
            "Program Files/Muster",
            "ProgramData/Muster",
        ];
        own.iter().map(|path| self.root().join(path)).collect()
    }

    /// Builds sources with the throw-away key; the sources stay as they are.
    ///
    /// # Errors
    /// They cannot be built.
    pub fn build(&self, sources: &Path, now: Timestamp) -> Result<(PathBuf, Control), TryError> {
        let options = BuildOptions {
            keep_unknown: true,
            ..BuildOptions::default()
        };
        let built = build::build(
            sources,
            &self.folder.join("packages"),
            &self.signer,
            &options,
            now,
        )?;
        Ok((built.path, built.control))
    }

    /// Copies a verified package, signed with the throw-away key.
    ///
    /// # Errors
    /// It cannot be copied.
    pub fn copy(&self, package: &Package<Verified>, now: Timestamp) -> Result<(PathBuf, Control), TryError> {
        let path = self
            .folder
            .join("packages")
            .join(canonical_filename(package.control(), None));
        let copy = Copy {
            control: package.control().clone(),
            keep_unknown: true,
            without: &[],
        };
        let control = sign::sign_verified(package, copy, &path, &self.signer, now).map_err(|source| {
            TryError::Copy {
                path: package.path().to_owned(),
                source,
            }
        })?;
        Ok((path, control))
    }

    /// Goes through all steps: what the package needs first, in this order, then the package; removal the
    /// other way round. `started` hears the name of each step.
    pub fn run(
        &self,
        needed: &[(PathBuf, Control)],
        tried: &(PathBuf, Control),
        watched: &[PathBuf],
        mut started: impl FnMut(&str),
    ) -> TrialReport {
        let mut folders = watched.to_vec();
        folders.push(self.root());
        let own = self.own_files();
        let package = tried.1.package();
        let mut steps = Vec::new();
        let mut has_failed = false;
        for (file, control) in needed {
            let name = control.package();
            started(&format!("install {name}"));
            let step = self.step(
                &format!("install {name}"),
                &["install".as_ref(), file.as_os_str()],
                name,
            );
            has_failed |= !step.ok;
            steps.push(step);
        }
        let before = Snapshot::take(&folders, &own);
        let mut is_installed = false;
        if !has_failed {
            started("install");
            let step = self.step("install", &["install".as_ref(), tried.0.as_os_str()], package);
            is_installed = step.ok;
            steps.push(step);
        }
        let after = Snapshot::take(&folders, &own);
        if is_installed {
            started("audit");
            steps.push(self.audit(package));
            started("session-setup");
            let words: [&OsStr; 2] = ["session-setup".as_ref(), package.as_ref()];
            let mut step = self.step("session-setup", &words, package);
            // The stored log is still that of the installation.
            step.log = String::new();
            steps.push(step);
        }
        // Also after a failed installation: what it left is told.
        started("remove");
        let remove = self.step("remove", &["remove".as_ref(), package.as_ref()], package);
        if is_installed {
            steps.push(remove);
        }
        let end = Snapshot::take(&folders, &own);
        for (_file, control) in needed.iter().rev() {
            let name = control.package();
            started(&format!("remove {name}"));
            steps.push(self.step(
                &format!("remove {name}"),
                &["remove".as_ref(), name.as_ref()],
                name,
            ));
        }
        TrialReport {
            package: package.to_owned(),
            version: tried.1.version().to_owned(),
            passed: steps.iter().all(|step| step.ok),
            steps,
            installed: before.until(&after),
            left_over: before.until(&end),
        }
    }

    fn step(&self, name: &str, words: &[&OsStr], package: &str) -> TrialStep {
        let (ok, summary) = match self.ask::<Answer>(words) {
            Ok(answer) => (answer.exit == 0, answer.summary),
            Err(error) => (false, muster_shared::hint::chain(&error)),
        };
        let log: Option<Log> = self.ask(&["log".as_ref(), package.as_ref()]).ok();
        let (status, log) = log.map_or_else(Default::default, |log| (log.status, log.log));
        // An installation that says WARNING is in place, and is not what a developer wants.
        let is_in_order = matches!(status.as_str(), "" | "OK");
        TrialStep {
            step: name.to_owned(),
            ok: ok && is_in_order,
            summary: if ok && !is_in_order {
                format!("{summary}: {status}")
            } else {
                summary
            },
            log,
        }
    }

    fn audit(&self, package: &str) -> TrialStep {
        let words: [&OsStr; 3] = ["audit".as_ref(), "--force".as_ref(), package.as_ref()];
        let mut step = self.step("audit", &words, package);
        let rows: Vec<Row> = self.ask(&["list".as_ref()]).unwrap_or_default();
        if let Some(row) = rows.iter().find(|row| row.package == package) {
            // Without an audit() there is no word, and nothing to object to.
            let is_good = matches!(row.audit_status.as_str(), "OK" | "");
            step.ok = step.ok && is_good;
            if !is_good {
                step.summary = format!("the audit says {}", row.audit_status);
            }
        }
        let log: Option<Log> = self
            .ask(&["log".as_ref(), "--audit".as_ref(), package.as_ref()])
            .ok();
        step.log = log.map(|log| log.log).unwrap_or_default();
        step
    }

    fn ask<T: serde::de::DeserializeOwned>(&self, words: &[&OsStr]) -> Result<T, AgentProgramError> {
        let root = self.root();
        let mut all: Vec<&OsStr> = vec!["--root".as_ref(), root.as_os_str(), "--standalone".as_ref()];
        all.extend_from_slice(words);
        self.agent.ask(&all)
    }
}
