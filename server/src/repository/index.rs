//! The index file: a pure function of the rows, rewritten after each change and kept in memory.
//!
//! Its bytes depend on the rows alone, so the same repository has the same entity tag after a restart or a
//! lost database. Changes that come while an index is being written share the next one.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix_web::web::Bytes;
use jiff::Timestamp;
use muster_shared::crypto::{Certificate, TrustStore};
use muster_shared::hint::chain;
use muster_shared::index::{self, IndexEntry};
use sha2::{Digest as _, Sha256};

use super::Repository;
use super::error::{RepositoryError, doing};
use super::file_store::{Area, FileName, FileStore};
use super::upload::blocking;
use crate::store::packages::{self, PackageRecord};

/// The name of the index.
pub(super) const INDEX_NAME: &str = "Packages";

/// The index as it is served.
#[derive(Debug, Clone)]
pub(super) struct IndexFile {
    pub bytes: Bytes,
    /// SHA-256 of the bytes, lower-case hex.
    pub tag: String,
    pub modified: Timestamp,
    /// The trust whose revocation lists the index carries.
    trust: Arc<TrustStore>,
}

impl Repository {
    /// Writes the index so that it shows every row committed before this call.
    ///
    /// # Errors
    /// The database or the disk; the index that was there stays.
    pub(super) async fn refresh_index(&self) -> Result<(), RepositoryError> {
        let wanted = self.index_wanted.fetch_add(1, Ordering::SeqCst) + 1;
        let mut written = self.index_written.lock().await;
        if *written >= wanted {
            return Ok(());
        }
        let shown = self.index_wanted.load(Ordering::SeqCst);
        let records = packages::all(&self.store).await?;
        let certificates = packages::certificates(&self.store).await?;
        let files = Arc::clone(&self.files);
        let (trust, now) = (self.signers.current()?, self.clock.now());
        let file =
            blocking(move || write_if_changed(files.as_ref(), records, certificates, trust, now)).await?;
        *self.index.write().await = Some(file);
        *written = shown;
        Ok(())
    }

    /// The index as it is now; `None` before the first recovery.
    pub(super) async fn current_index(&self) -> Option<IndexFile> {
        let current = self.index.read().await.clone();
        // `muster-server trust add` works beside a running server: the next agent that asks gets the new lists.
        let is_stale = current.as_ref().is_some_and(|index| {
            self.signers
                .current()
                .is_ok_and(|trust| !Arc::ptr_eq(&trust, &index.trust))
        });
        if !is_stale {
            return current;
        }
        if let Err(error) = self.refresh_index().await {
            tracing::error!(error = %chain(&error), "the index could not be written with the new revocation lists");
            return current;
        }
        self.index.read().await.clone()
    }
}

fn write_if_changed(
    files: &dyn FileStore,
    records: Vec<PackageRecord>,
    certificates: Vec<(String, String)>,
    trust: Arc<TrustStore>,
    now: Timestamp,
) -> Result<IndexFile, RepositoryError> {
    let lists = lists(&trust, &certificates, now);
    let bytes = index_bytes(records, certificates, &lists)?;
    let name = index_name()?;
    let path = files.path(Area::Packages, &name);
    let stored = match files
        .find(Area::Packages, &name)
        .map_err(doing("look at the index"))?
    {
        Some(stored)
            if stored.size == bytes.len() as u64 && fs_err::read(path).is_ok_and(|there| there == bytes) =>
        {
            stored
        }
        _ => files
            .write(Area::Packages, &name, &bytes)
            .map_err(doing("write the index"))?,
    };
    Ok(IndexFile {
        tag: hex::encode(Sha256::digest(&bytes)),
        bytes: bytes.into(),
        modified: stored.modified,
        trust,
    })
}

/// The revocation lists in force that the server's trust folder holds, in DER: agents count only those that their
/// own trust vouches for.
fn lists(trust: &TrustStore, certificates: &[(String, String)], now: Timestamp) -> Vec<Vec<u8>> {
    if trust.crls().next().is_none() {
        return Vec::new();
    }
    let intermediates: Vec<Certificate> = certificates
        .iter()
        .flat_map(|(_, pem)| Certificate::chain_from_pem(pem).unwrap_or_default())
        .collect();
    let in_force = trust.crls_in_force(&intermediates, now).into_iter();
    let mut lists: Vec<Vec<u8>> = in_force.map(|(_issuer, list)| list.der().to_vec()).collect();
    lists.sort_unstable();
    lists
}

fn index_bytes(
    records: Vec<PackageRecord>,
    certificates: Vec<(String, String)>,
    lists: &[Vec<u8>],
) -> Result<Vec<u8>, RepositoryError> {
    let newest = records
        .iter()
        .map(|record| record.uploaded_at)
        .max()
        .unwrap_or(Timestamp::UNIX_EPOCH);
    let entries: Vec<IndexEntry> = records
        .into_iter()
        .map(|record| IndexEntry {
            control: record.control,
            filename: record.filename,
            size: record.size,
            md5sum: record.md5,
            sha256sum: Some(record.sha256),
            repository: String::new(),
        })
        .collect();
    let certificates: Vec<Vec<u8>> = certificates
        .into_iter()
        .map(|(_, pem)| pem.into_bytes())
        .collect();
    index::write(&entries, &certificates, lists, newest).map_err(RepositoryError::Index)
}

fn index_name() -> Result<FileName, RepositoryError> {
    Ok(INDEX_NAME.parse()?)
}
