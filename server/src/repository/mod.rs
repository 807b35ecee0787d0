//! The repository: package files, their index and icons, and the private packages of hosts.
//!
//! The folder is the truth and a rename is the moment of publishing; rows and index follow it and are
//! brought in line with it at the next start, so a crash at any moment completes a publish or undoes it.
//! Nothing is visible before its signature, its signer and its rules are checked, not even files that
//! somebody puts into the folder by hand.

pub mod browse;
mod cache;
pub mod error;
pub mod file_store;
mod files;
mod index;
mod inspect;
pub mod list;
mod publish;
mod publish_host;
mod recover;
pub mod serve;
pub mod updates;
pub mod upload;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use muster_shared::clock::Clock;
use tokio::sync::{Mutex, RwLock};

pub use self::error::RepositoryError;
pub use self::publish::Published;
pub use self::publish_host::PublishedForHost;
pub use self::recover::Recovered;
use crate::store::Store;
use crate::trust::Signers;
use cache::Cache;
use file_store::FileStore;
use index::IndexFile;

/// The repository of one server.
pub struct Repository {
    files: Arc<dyn FileStore>,
    store: Store,
    signers: Arc<Signers>,
    clock: Arc<dyn Clock>,
    /// The largest package taken.
    upload_limit_bytes: u64,
    /// Held while a file and its row change together.
    publishing: Mutex<()>,
    cache: Cache,
    /// Host packages as they were encrypted last, by package and key.
    encrypted: Cache,
    index: RwLock<Option<IndexFile>>,
    /// Grows with each change that the index must show.
    index_wanted: AtomicU64,
    /// The last change that the written index shows; held while it is written.
    index_written: Mutex<u64>,
}

impl Repository {
    /// A repository over these files and rows. [`Repository::recover`] comes before the first request.
    pub fn new(
        files: Arc<dyn FileStore>,
        store: Store,
        signers: Arc<Signers>,
        clock: Arc<dyn Clock>,
        upload_limit_bytes: u64,
    ) -> Self {
        Self {
            files,
            store,
            signers,
            clock,
            upload_limit_bytes,
            publishing: Mutex::new(()),
            cache: Cache::default(),
            encrypted: Cache::default(),
            index: RwLock::new(None),
            index_wanted: AtomicU64::new(0),
            index_written: Mutex::new(0),
        }
    }

    /// The largest package taken, in bytes.
    pub fn upload_limit_bytes(&self) -> u64 {
        self.upload_limit_bytes
    }
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Repository").finish_non_exhaustive()
    }
}
