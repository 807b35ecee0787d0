//! Publishes a package into the repository, and takes one out.
//!
//! Publishing: checks → icon → file renamed into place → row → index; an error after the rename takes
//! everything back. Taking out: row → index → file → icon, so that the index never names a file that is not
//! there. Both must run to their end: callers spawn them, since a handler is dropped when its client goes.

use std::sync::Arc;

use muster_shared::package::filename::canonical_filename;

use super::Repository;
use super::error::{RepositoryError, doing};
use super::file_store::{Area, FileName, Staged, StoredFile};
use super::inspect::{Inspected, inspect};
use super::upload::{Received, blocking};
use crate::domain::package_upload::{Destination, UploadRefusal, is_same_release};
use crate::store::packages::{self, PackageRecord};

/// What became of an upload.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    pub record: PackageRecord,
    /// The identical file was already there.
    pub unchanged: bool,
}

impl Repository {
    /// Checks an upload and publishes it. `by` is the user's name.
    ///
    /// # Errors
    /// A check fails, another content of this version is there, or the disk or the database refuses;
    /// nothing is left behind.
    pub async fn publish(&self, received: Received, by: &str) -> Result<Published, RepositoryError> {
        let (staged, inspected) = self.inspect_received(received, None).await?;
        let filename: FileName = canonical_filename(&inspected.control, Some(&inspected.md5)).parse()?;
        let publishing = self.publishing.lock().await;
        if let Some(record) = self.find_same(&inspected).await? {
            return Ok(Published {
                record,
                unchanged: true,
            });
        }
        self.write_icon(&inspected).await?;
        let stored = self.place(staged, Area::Packages, filename.clone()).await?;
        let record = record_of(&inspected, &stored, self.clock.now(), by);
        if let Err(error) = packages::insert(&self.store, &record, &inspected.chain).await {
            self.remove_files(&record).await;
            return Err(error.into());
        }
        drop(publishing);
        if let Err(error) = self.refresh_index().await {
            self.take_back(&record).await;
            return Err(error);
        }
        tracing::info!(
            package = record.control.package(),
            version = record.control.version(),
            file = %record.filename,
            user = by,
            "package published"
        );
        Ok(Published {
            record,
            unchanged: false,
        })
    }

    /// Takes a package out of the repository.
    ///
    /// # Errors
    /// There is none with this name, or the disk or the database refuses; then it stays.
    pub async fn delete(&self, filename: &str, by: &str) -> Result<PackageRecord, RepositoryError> {
        let _publishing = self.publishing.lock().await;
        let record =
            packages::find(&self.store, filename)
                .await?
                .ok_or_else(|| RepositoryError::NotFound {
                    what: "package",
                    name: filename.to_owned(),
                })?;
        packages::delete(&self.store, filename).await?;
        if let Err(error) = self.refresh_index().await {
            packages::insert(&self.store, &record, &[]).await?;
            return Err(error);
        }
        let name: FileName = filename.parse()?;
        let files = Arc::clone(&self.files);
        let removed = name.clone();
        let outcome = blocking(move || {
            files
                .remove(Area::Packages, &removed)
                .map_err(doing("remove a package"))
        })
        .await;
        if let Err(error) = outcome {
            packages::insert(&self.store, &record, &[]).await?;
            self.refresh_index().await?;
            return Err(error);
        }
        self.cache.forget(Area::Packages, &name);
        self.remove_icon(&record).await;
        tracing::info!(file = %filename, user = by, "package removed from the repository");
        Ok(record)
    }

    /// Reads, hashes and checks an upload away from the threads that answer requests.
    pub(super) async fn inspect_received(
        &self,
        received: Received,
        host: Option<muster_shared::name::HostId>,
    ) -> Result<(Box<dyn Staged>, Inspected), RepositoryError> {
        let trust = self.signers.current()?;
        let now = self.clock.now();
        blocking(move || {
            let destination = host.as_ref().map_or(Destination::Repository, Destination::Host);
            let inspected = inspect(received.staged.path(), &trust, now, destination)?;
            if inspected.sha256 != received.sha256 {
                return Err(RepositoryError::OtherHash {
                    announced: received.sha256,
                    received: inspected.sha256,
                });
            }
            Ok((received.staged, inspected))
        })
        .await
    }

    /// The published package with the same content, if there is one.
    ///
    /// # Errors
    /// Another content of the same release is published.
    pub(super) async fn find_same(
        &self,
        inspected: &Inspected,
    ) -> Result<Option<PackageRecord>, RepositoryError> {
        for existing in packages::named(&self.store, inspected.control.package()).await? {
            if existing.sha256 == inspected.sha256 {
                return Ok(Some(existing));
            }
            if is_same_release(&existing.control, &inspected.control) {
                return Err(UploadRefusal::Exists {
                    package: existing.control.package().to_owned(),
                    version: existing.control.version().to_owned(),
                    filename: existing.filename,
                }
                .into());
            }
        }
        Ok(None)
    }

    /// Gives a checked upload its name.
    pub(super) async fn place(
        &self,
        staged: Box<dyn Staged>,
        area: Area,
        name: FileName,
    ) -> Result<StoredFile, RepositoryError> {
        blocking(move || {
            staged
                .publish(area, &name)
                .map_err(doing("put a package into the repository"))
        })
        .await
    }

    /// Publishes the icon of a package, when it has one.
    pub(super) async fn write_icon(&self, inspected: &Inspected) -> Result<(), RepositoryError> {
        let Some(icon) = inspected.icon.clone() else {
            return Ok(());
        };
        let name = icon_name(inspected.control.get("package_uuid"))?;
        let files = Arc::clone(&self.files);
        self.cache.forget(Area::Icons, &name);
        blocking(move || {
            files
                .write(Area::Icons, &name, &icon)
                .map(|_| ())
                .map_err(doing("write an icon"))
        })
        .await
    }

    /// Removes the icon of a package that is no longer published, unless another one has the same.
    pub(super) async fn remove_icon(&self, record: &PackageRecord) {
        if !record.has_icon {
            return;
        }
        let uuid = record.control.get("package_uuid");
        let (Ok(name), Ok(false)) = (icon_name(uuid), packages::has_icon(&self.store, uuid).await) else {
            return;
        };
        self.cache.forget(Area::Icons, &name);
        let files = Arc::clone(&self.files);
        if let Err(error) =
            blocking(move || files.remove(Area::Icons, &name).map_err(doing("remove an icon"))).await
        {
            tracing::warn!(error = %muster_shared::hint::chain(&error), "an icon stays until the next start");
        }
    }

    /// Undoes a publish whose index could not be written.
    async fn take_back(&self, record: &PackageRecord) {
        let publishing = self.publishing.lock().await;
        if let Err(error) = packages::delete(&self.store, &record.filename).await {
            tracing::error!(error = %muster_shared::hint::chain(&error), file = %record.filename,
                "a package that could not be indexed stays in the database until the next start");
        }
        self.remove_files(record).await;
        drop(publishing);
        // Another upload may have written an index that shows this one.
        if let Err(error) = self.refresh_index().await {
            tracing::error!(error = %muster_shared::hint::chain(&error), "the index waits for the next upload or start");
        }
    }

    async fn remove_files(&self, record: &PackageRecord) {
        let Ok(name) = record.filename.parse::<FileName>() else {
            return;
        };
        self.cache.forget(Area::Packages, &name);
        let files = Arc::clone(&self.files);
        if let Err(error) = blocking(move || {
            files
                .remove(Area::Packages, &name)
                .map_err(doing("remove a package"))
        })
        .await
        {
            tracing::error!(error = %muster_shared::hint::chain(&error), file = %record.filename,
                "a package that could not be published stays in the folder until the next start");
        }
        self.remove_icon(record).await;
    }
}

/// The row of a package that lies in the folder.
pub(super) fn record_of(
    inspected: &Inspected,
    stored: &StoredFile,
    uploaded_at: jiff::Timestamp,
    by: &str,
) -> PackageRecord {
    PackageRecord {
        filename: stored.name.as_str().to_owned(),
        control: inspected.control.clone(),
        size: inspected.size,
        sha256: inspected.sha256.clone(),
        md5: inspected.md5.clone(),
        modified_at: stored.modified,
        has_icon: inspected.icon.is_some(),
        signer: inspected.signer.clone(),
        chain: inspected
            .chain
            .iter()
            .map(|(fingerprint, _)| fingerprint.clone())
            .collect(),
        uploaded_at,
        uploaded_by: by.to_owned(),
    }
}

/// The file name of the icon of a package.
pub(super) fn icon_name(package_uuid: &str) -> Result<FileName, RepositoryError> {
    Ok(format!("{package_uuid}.png").parse()?)
}
