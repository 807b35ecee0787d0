//! The certificates whose signatures uploads and actions must carry, and the revocation lists that they are judged by.
//!
//! They are files in one folder, so that `muster-server trust add` works beside a running server and a lost
//! database loses no trust. The folder is looked at again whenever it changed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use jiff::{SignedDuration, Timestamp};
use muster_shared::crypto::TrustStore;

/// A revocation list is asked to be renewed this long before it ends.
const WARN_BEFORE: SignedDuration = SignedDuration::from_hours(24 * 7);

/// The trusted signers, read again when their folder changes.
#[derive(Debug)]
pub struct Signers {
    folder: PathBuf,
    held: Mutex<Option<Held>>,
}

struct Held {
    state: FolderState,
    store: Arc<TrustStore>,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}

/// Names, sizes and times of the certificates: what tells that the folder changed.
type FolderState = Vec<(PathBuf, u64, Option<SystemTime>)>;

/// The folder of trusted signers cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SignersError {
    #[error("cannot read the folder of trusted signers {folder}")]
    Folder {
        folder: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the folder of trusted signers {folder} holds a file that cannot be used: {reason}")]
    Certificate { folder: PathBuf, reason: String },
}

impl Signers {
    /// The signers of this folder; it is read at the first question.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            held: Mutex::new(None),
        }
    }

    /// Where the certificates lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The trusted certificates as they are now. A missing folder holds none.
    ///
    /// # Errors
    /// The folder or a certificate in it cannot be read.
    pub fn current(&self) -> Result<Arc<TrustStore>, SignersError> {
        let state = self.folder_state()?;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = held.as_ref().filter(|known| known.state == state) {
            return Ok(Arc::clone(&known.store));
        }
        let store = if state.is_empty() {
            TrustStore::new(Vec::new())
        } else {
            TrustStore::from_folder(&self.folder).map_err(|error| SignersError::Certificate {
                folder: self.folder.clone(),
                reason: muster_shared::hint::chain(&error),
            })?
        };
        let store = Arc::new(store);
        *held = Some(Held {
            state,
            store: Arc::clone(&store),
        });
        Ok(store)
    }

    /// What is wrong with the revocation lists in force, in sentences: one that ended refuses everybody whom its
    /// issuer vouches for, so it is said a week before.
    ///
    /// # Errors
    /// As [`Self::current`].
    pub fn list_warnings(&self, now: Timestamp) -> Result<Vec<String>, SignersError> {
        let soon = now.checked_add(WARN_BEFORE).unwrap_or(Timestamp::MAX);
        let mut warnings = Vec::new();
        for (issuer, list) in self.current()?.crls_in_force(&[], now) {
            let Some(next) = list.next_update() else { continue };
            let name = issuer.common_name();
            if next < now {
                warnings.push(format!(
                    "the revocation list of {name} ended on {next}: whatever it vouches for is refused"
                ));
            } else if next < soon {
                warnings.push(format!("the revocation list of {name} ends on {next}"));
            }
        }
        Ok(warnings)
    }

    fn folder_state(&self) -> Result<FolderState, SignersError> {
        let folder_error = |source| SignersError::Folder {
            folder: self.folder.clone(),
            source,
        };
        let entries = match fs_err::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(folder_error(error)),
        };
        let mut state = Vec::new();
        for entry in entries {
            let entry = entry.map_err(folder_error)?;
            let metadata = entry.metadata().map_err(folder_error)?;
            if metadata.is_file() {
                state.push((entry.path(), metadata.len(), metadata.modified().ok()));
            }
        }
        state.sort();
        Ok(state)
    }
}
