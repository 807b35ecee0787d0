//! The file in which a job is handed over: readable by the one who runs it, gone when the hook is over.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::host::{Hook, ScriptError, ScriptHost, Subject};
use super::job::{Job, JobAgent};
use super::memory::Known;
use crate::platform::{self, Account};

/// Settings that scripts of users' sessions see; others may hold what is not for users.
const SETTINGS_FOR_USERS: [&str; 4] = ["wapt_server", "repo_url", "maturities", "locales"];

/// What files of the machine's scripts are made without.
const UMASK: u32 = 0o022;

/// The file of one job.
pub(super) struct JobFile(PathBuf);

impl JobFile {
    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for JobFile {
    fn drop(&mut self) {
        fs_err::remove_file(&self.0).ok();
    }
}

impl ScriptHost {
    /// The job of a script of the machine.
    pub(super) fn write_job(
        &self,
        hook: Hook,
        subject: &Subject<'_>,
        nonce: &str,
        known: &Known,
    ) -> Result<JobFile, ScriptError> {
        let folder = self.paths.private_dir();
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
            // A developer's own umask is what that developer wants.
            umask: (!self.is_on_machine).then_some(UMASK),
            working_dir: None,
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
        platform::lock_down_dir(&folder).map_err(|source| ScriptError::Job {
            path: folder.clone(),
            source,
        })?;
        write(&folder.join(format!("job-{nonce}.json")), &job)
    }

    /// The job of a script of a user's session, in a folder that the user gets.
    pub(super) fn write_session_job(
        &self,
        hook: Hook,
        subject: &Subject<'_>,
        nonce: &str,
        account: &Account,
        folder: &Path,
    ) -> Result<JobFile, ScriptError> {
        let config: Map<String, Value> = self
            .shown_config
            .iter()
            .filter(|(name, _value)| SETTINGS_FOR_USERS.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let job = Job {
            nonce,
            hook: hook.as_str(),
            setup_py: subject.setup_py,
            package_dir: None,
            control: subject.control,
            params: subject.params,
            force: subject.force,
            // The session is the machine's, wherever the agent's own files lie.
            root: "",
            persistent_dir: subject.persistent_dir,
            persistent_source_dir: None,
            user: account.name(),
            usergroups: account.groups(),
            language: &language(),
            uninstallkey: subject.uninstall_keys,
            umask: Some(account.umask().unwrap_or(UMASK)),
            working_dir: Some(account.home()),
            wapt: JobAgent {
                host_uuid: &self.identifier,
                wapt_base_dir: folder,
                private_dir: folder,
                config,
                repositories: self.repositories.clone(),
                config_filename: self.paths.config_file(),
                version: env!("CARGO_PKG_VERSION"),
                // What other packages keep is not for users, and users keep nothing for them.
                known: &Known::default(),
            },
        };
        write(&folder.join(format!("job-{nonce}.json")), &job)
    }
}

fn write(path: &Path, job: &Job<'_>) -> Result<JobFile, ScriptError> {
    let error = |source| ScriptError::Job {
        path: path.to_path_buf(),
        source,
    };
    let bytes = serde_json::to_vec(job).map_err(|failure| error(failure.into()))?;
    platform::write_private(path, &bytes).map_err(error)?;
    Ok(JobFile(path.to_path_buf()))
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
