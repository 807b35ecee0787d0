//! Hooks that run as a user of this machine, in that user's session.
//!
//! Users may not enter the agent's folders, and must not learn what is in them. For the time that hooks run there
//! is a place outside: the Python side, which everybody may read and nobody but administrators may change, and
//! for each hook a folder that belongs to the user with the job and a copy of the files that the package keeps.
//! What comes back is the user's word about the user's own session: neither parameters nor orders are taken.

use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::embedded::unpack_for_all;
use super::host::{Hook, HookRun, ScriptError, ScriptHost, Subject, finished, interpreter};
use crate::install::stage::{copy_tree, remove_tree};
use crate::paths::Paths;
use crate::platform::{self, Account};

/// What the hooks of sessions need, where users may read it; goes with this value.
#[derive(Debug)]
pub struct SessionPlace {
    folder: PathBuf,
    runner: PathBuf,
}

impl SessionPlace {
    /// Makes the place anew.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(paths: &Paths) -> Result<Self, ScriptError> {
        let folder = paths.session_dir();
        let failed = |source| ScriptError::Session {
            folder: folder.clone(),
            source,
        };
        remove_tree(&folder)
            .and_then(|()| platform::make_passage(&folder))
            .map_err(failed)?;
        let python = folder.join("python");
        let runner = unpack_for_all(&python)?;
        Ok(Self { folder, runner })
    }

    /// A folder for one hook, which still belongs to administrators.
    fn begin(&self) -> Result<Begun, ScriptError> {
        let folder = self.folder.join(Uuid::new_v4().simple().to_string());
        platform::lock_down_dir(&folder).map_err(|source| ScriptError::Session {
            folder: folder.clone(),
            source,
        })?;
        Ok(Begun(folder))
    }
}

impl Drop for SessionPlace {
    fn drop(&mut self) {
        if let Err(error) = remove_tree(&self.folder) {
            tracing::warn!(%error, "the folder of session set-ups cannot be removed");
        }
    }
}

/// The folder of one hook; goes when the hook is over.
struct Begun(PathBuf);

impl Drop for Begun {
    fn drop(&mut self) {
        if let Err(error) = remove_tree(&self.0) {
            tracing::warn!(%error, "the folder of a session set-up cannot be removed");
        }
    }
}

impl ScriptHost {
    /// Runs a hook as this user; `progress` gets what it says while it runs.
    ///
    /// # Errors
    /// When it cannot be run at all. A hook that fails, or is cancelled, is not an error of this kind.
    pub async fn run_as(
        &self,
        account: &Account,
        place: &SessionPlace,
        subject: &Subject<'_>,
        cancel: &CancellationToken,
        mut progress: impl FnMut(Option<u8>, &str),
    ) -> Result<HookRun, ScriptError> {
        let python = self.python().ok_or(ScriptError::NoPython)?;
        let hook = Hook::SessionSetup;
        let begun = place.begin()?;
        let persistent = begun.0.join("persistent");
        kept(subject.persistent_dir, &persistent)?;
        let nonce = Uuid::new_v4().simple().to_string();
        let subject = &Subject {
            persistent_dir: &persistent,
            ..*subject
        };
        let job = self.write_session_job(hook, subject, &nonce, account, &begun.0)?;
        platform::give_to(&begun.0, account).map_err(|source| ScriptError::Session {
            folder: begun.0.clone(),
            source,
        })?;
        let command = interpreter(python, &place.runner, job.path());
        let start = |mark: &str| platform::spawn_as(account, &command, mark);
        let (ended, result, log) = self
            .conduct(hook, subject, &nonce, start, cancel, &mut progress)
            .await
            .map_err(|source| ScriptError::Start {
                python: python.to_path_buf(),
                source,
            })?;
        let verdict = self.verdict(hook, ended, result.as_deref());
        let result = result.map(|result| *result).unwrap_or_default();
        Ok(finished(subject, verdict, result, log))
    }
}

/// Copies what the package keeps to where the user may read it.
fn kept(source: &Path, target: &Path) -> Result<(), ScriptError> {
    platform::lock_down_dir(target)
        .and_then(|()| {
            if source.is_dir() {
                copy_tree(source, target)
            } else {
                Ok(())
            }
        })
        .map_err(|source| ScriptError::Session {
            folder: target.to_path_buf(),
            source,
        })
}
