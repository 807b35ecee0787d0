//! Replaces the private package of one host, by compare and swap.
//!
//! Two administrators who edit the same host: the first to save wins, the second is told and nothing of the
//! first is lost. The content that was read is named by its entity tag, the SHA-256 of the file.

use std::sync::Arc;

use muster_shared::name::HostId;

use super::Repository;
use super::error::{RepositoryError, doing};
use super::file_store::{Area, FileName, StoredFile};
use super::inspect::Inspected;
use super::upload::{Received, blocking};
use crate::domain::package_upload::{Precondition, check_precondition};
use crate::store::packages::{self, HostPackageRecord};

/// What became of a host package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedForHost {
    pub record: HostPackageRecord,
    /// The identical file was already there.
    pub unchanged: bool,
}

impl Repository {
    /// Checks an upload and makes it the package of a host.
    ///
    /// # Errors
    /// A check fails, the package that is there is not the one that the writer read, or the disk or the
    /// database refuses; the package that was there stays.
    pub async fn publish_for_host(
        &self,
        identifier: &HostId,
        received: Received,
        precondition: &Precondition,
        by: &str,
    ) -> Result<PublishedForHost, RepositoryError> {
        let (staged, inspected) = self.inspect_received(received, Some(identifier.clone())).await?;
        let _publishing = self.publishing.lock().await;
        let current = packages::find_host_package(&self.store, &identifier.key()).await?;
        if let Some(record) = current
            .as_ref()
            .filter(|record| record.sha256 == inspected.sha256)
        {
            return Ok(PublishedForHost {
                record: record.clone(),
                unchanged: true,
            });
        }
        check_precondition(
            identifier,
            precondition,
            current.as_ref().map(|record| record.sha256.as_str()),
        )?;
        let name: FileName = match &current {
            Some(record) => record.filename.parse()?,
            None => host_file_name(&inspected)?,
        };
        let before = self.read_whole(Area::HostPackages, name.clone()).await?;
        let stored = self.place(staged, Area::HostPackages, name.clone()).await?;
        let record = host_record_of(&inspected, &stored, self.clock.now(), by);
        if let Err(error) = packages::put_host_package(&self.store, &record).await {
            self.restore(name, before).await;
            return Err(error.into());
        }
        self.cache.forget(Area::HostPackages, &name);
        tracing::info!(host = %identifier, version = %record.version, user = by, "host package published");
        Ok(PublishedForHost {
            record,
            unchanged: false,
        })
    }

    async fn read_whole(&self, area: Area, name: FileName) -> Result<Option<Vec<u8>>, RepositoryError> {
        let path = self.files.path(area, &name);
        blocking(move || match fs_err::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(doing("read the host package that is there")(error)),
        })
        .await
    }

    /// Puts back what was there before an upload whose row could not be written.
    async fn restore(&self, name: FileName, before: Option<Vec<u8>>) {
        let files = Arc::clone(&self.files);
        let restored = blocking(move || {
            let outcome = match before {
                Some(bytes) => files.write(Area::HostPackages, &name, &bytes).map(|_| ()),
                None => files.remove(Area::HostPackages, &name),
            };
            outcome.map_err(doing("put a host package back"))
        })
        .await;
        if let Err(error) = restored {
            tracing::error!(error = %muster_shared::hint::chain(&error),
                "a host package whose row could not be written stays in the folder until the next start");
        }
    }
}

/// `<identifier>.wapt`, with the identifier as the package spells it.
pub(super) fn host_file_name(inspected: &Inspected) -> Result<FileName, RepositoryError> {
    Ok(format!("{}.wapt", inspected.control.package()).parse()?)
}

/// The row of a host package that lies in the folder.
pub(super) fn host_record_of(
    inspected: &Inspected,
    stored: &StoredFile,
    uploaded_at: jiff::Timestamp,
    by: &str,
) -> HostPackageRecord {
    let control = &inspected.control;
    HostPackageRecord {
        host_key: control.package().to_ascii_lowercase(),
        filename: stored.name.as_str().to_owned(),
        version: control.version().to_owned(),
        size: inspected.size,
        sha256: inspected.sha256.clone(),
        modified_at: stored.modified,
        depends: control.depends().to_owned(),
        conflicts: control.conflicts().to_owned(),
        groups: control
            .depends_list()
            .into_iter()
            .map(|request| request.name)
            .collect(),
        signer_fingerprint: inspected
            .chain
            .first()
            .map(|(fingerprint, _)| fingerprint.clone())
            .unwrap_or_default(),
        uploaded_at,
        uploaded_by: by.to_owned(),
    }
}
