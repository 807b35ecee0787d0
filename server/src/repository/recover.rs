//! Brings rows, index and icons in line with the folder, once before the first request.
//!
//! A rename is the moment of publishing. So at a start: what lies in the staging area was never published
//! and goes; a file without a row, with another size or another time than its row is checked like an upload
//! and gets one, or stays invisible with its reason in the log; a row without a file goes. The index is
//! rewritten when it does not show exactly the rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use muster_shared::crypto::TrustStore;
use muster_shared::hint::chain;
use muster_shared::index::is_package_filename;
use muster_shared::name::HostId;

use super::Repository;
use super::error::{RepositoryError, doing};
use super::file_store::{Area, FileName, StoredFile};
use super::inspect::{Inspected, inspect};
use super::publish::{icon_name, record_of};
use super::publish_host::host_record_of;
use super::upload::blocking;
use crate::domain::package_upload::Destination;
use crate::store::packages::{self, PackageRecord};

/// What a start found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Uploads that a crash had cut short.
    pub cut_uploads: usize,
    /// Files that got a row.
    pub added: Vec<String>,
    /// Rows whose file is gone.
    pub removed: Vec<String>,
    /// Files that stay invisible, each with the reason.
    pub refused: Vec<(String, String)>,
}

impl Repository {
    /// Completes or undoes what a crash interrupted, and takes in what was put into the folder by hand.
    ///
    /// # Errors
    /// The disk or the database refuses; a single bad package does not.
    pub async fn recover(&self) -> Result<Recovered, RepositoryError> {
        let _publishing = self.publishing.lock().await;
        let files = Arc::clone(&self.files);
        let cut_uploads = blocking(move || {
            files
                .clear_staging()
                .map_err(doing("clear what interrupted uploads left"))
        })
        .await?;
        let mut recovered = Recovered {
            cut_uploads,
            ..Recovered::default()
        };
        let trust = self.signers.current()?;
        self.recover_packages(&trust, &mut recovered).await?;
        self.recover_host_packages(&trust, &mut recovered).await?;
        self.recover_icons(&trust).await?;
        self.refresh_index().await?;
        recovered.log();
        Ok(recovered)
    }

    async fn recover_packages(
        &self,
        trust: &Arc<TrustStore>,
        recovered: &mut Recovered,
    ) -> Result<(), RepositoryError> {
        let mut known = packages::all_file_facts(&self.store).await?;
        for file in self.list(Area::Packages).await? {
            if !is_package_filename(file.name.as_str()) {
                let reason = "readers of the index take no file of this name".to_owned();
                recovered.refused.push((file.name.to_string(), reason));
                continue;
            }
            let facts = known.remove(file.name.as_str());
            if facts.is_some_and(|facts| is_untouched(&file, facts.size, facts.modified_at)) {
                continue;
            }
            // Whatever the row said, it is not known to be about these bytes.
            let before = packages::find(&self.store, file.name.as_str()).await?;
            packages::delete(&self.store, file.name.as_str()).await?;
            match self.take_in(trust, &file, before).await {
                Ok(()) => recovered.added.push(file.name.to_string()),
                Err(error) => recovered.refuse(&file.name, error)?,
            }
        }
        for filename in known.into_keys() {
            packages::delete(&self.store, &filename).await?;
            recovered.removed.push(filename);
        }
        Ok(())
    }

    async fn take_in(
        &self,
        trust: &Arc<TrustStore>,
        file: &StoredFile,
        before: Option<PackageRecord>,
    ) -> Result<(), RepositoryError> {
        let inspected = self.inspect_file(trust, Area::Packages, &file.name, None).await?;
        if let Some(same) = self.find_same(&inspected).await? {
            return Err(crate::domain::package_upload::UploadRefusal::Exists {
                package: same.control.package().to_owned(),
                version: same.control.version().to_owned(),
                filename: same.filename,
            }
            .into());
        }
        self.write_icon(&inspected).await?;
        // Copied back from a backup, it is what was uploaded; else the file's own time keeps the list in order
        // after a lost database.
        let (at, by) = match &before {
            Some(before) if before.sha256 == inspected.sha256 => {
                (before.uploaded_at, before.uploaded_by.as_str())
            }
            _ => (file.modified, ""),
        };
        let record = record_of(&inspected, file, at, by);
        packages::insert(&self.store, &record, &inspected.chain).await?;
        Ok(())
    }

    async fn recover_host_packages(
        &self,
        trust: &Arc<TrustStore>,
        recovered: &mut Recovered,
    ) -> Result<(), RepositoryError> {
        let mut known = packages::all_host_packages(&self.store).await?;
        let mut seen = BTreeSet::new();
        for file in self.list(Area::HostPackages).await? {
            let Ok(identifier) = file.name.stem().parse::<HostId>() else {
                continue;
            };
            if !seen.insert(identifier.key()) {
                let reason = "another file is already the package of this host".to_owned();
                recovered.refused.push((file.name.to_string(), reason));
                continue;
            }
            let before = known.remove(&identifier.key());
            if before.as_ref().is_some_and(|record| {
                record.filename == file.name.as_str() && is_untouched(&file, record.size, record.modified_at)
            }) {
                continue;
            }
            match self
                .inspect_file(trust, Area::HostPackages, &file.name, Some(identifier.clone()))
                .await
            {
                Ok(inspected) => {
                    let (at, by) = match &before {
                        Some(before) if before.sha256 == inspected.sha256 => {
                            (before.uploaded_at, before.uploaded_by.as_str())
                        }
                        _ => (file.modified, ""),
                    };
                    let record = host_record_of(&inspected, &file, at, by);
                    packages::put_host_package(&self.store, &record).await?;
                    recovered.added.push(file.name.to_string());
                }
                Err(error) => {
                    recovered.refuse(&file.name, error)?;
                    packages::delete_host_package(&self.store, &identifier.key()).await?;
                }
            }
        }
        for (host_key, record) in known {
            packages::delete_host_package(&self.store, &host_key).await?;
            recovered.removed.push(record.filename);
        }
        Ok(())
    }

    /// Writes icons that are missing and removes those of no package.
    async fn recover_icons(&self, trust: &Arc<TrustStore>) -> Result<(), RepositoryError> {
        let mut wanted = BTreeMap::new();
        for (uuid, filename) in packages::icons(&self.store).await? {
            wanted.insert(icon_name(&uuid)?, filename);
        }
        for icon in self.list(Area::Icons).await? {
            if wanted.remove(&icon.name).is_none() && icon.name.as_str().strip_suffix(".png").is_some() {
                let files = Arc::clone(&self.files);
                blocking(move || {
                    files
                        .remove(Area::Icons, &icon.name)
                        .map_err(doing("remove an icon"))
                })
                .await?;
            }
        }
        for filename in wanted.into_values() {
            match self
                .inspect_file(trust, Area::Packages, &filename.parse()?, None)
                .await
            {
                Ok(inspected) => self.write_icon(&inspected).await?,
                Err(error) => {
                    tracing::warn!(%filename, error = %chain(&error), "the icon of a package cannot be restored");
                }
            }
        }
        Ok(())
    }

    async fn inspect_file(
        &self,
        trust: &Arc<TrustStore>,
        area: Area,
        name: &FileName,
        host: Option<HostId>,
    ) -> Result<Inspected, RepositoryError> {
        let trust = Arc::clone(trust);
        let path = self.files.path(area, name);
        let now = self.clock.now();
        blocking(move || {
            let destination = host.as_ref().map_or(Destination::Repository, Destination::Host);
            inspect(&path, &trust, now, destination)
        })
        .await
    }

    /// Files of an area in the order of their names; in the areas of packages only those.
    async fn list(&self, area: Area) -> Result<Vec<StoredFile>, RepositoryError> {
        let files = Arc::clone(&self.files);
        let mut listed = blocking(move || files.list(area).map_err(doing("list the repository"))).await?;
        listed.retain(|file| area == Area::Icons || file.name.is_package());
        listed.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(listed)
    }
}

impl Recovered {
    /// Notes a file that is not taken in; an error that is not about the file ends the start.
    fn refuse(&mut self, name: &FileName, error: RepositoryError) -> Result<(), RepositoryError> {
        use muster_shared::protocol::error::ErrorCode;
        if matches!(error.code(), ErrorCode::Internal | ErrorCode::StorageFull) {
            return Err(error);
        }
        self.refused.push((name.to_string(), chain(&error)));
        Ok(())
    }

    fn log(&self) {
        for (file, reason) in &self.refused {
            tracing::warn!(%file, %reason, "a file in the repository's folder is not published");
        }
        if self.cut_uploads > 0 || !self.added.is_empty() || !self.removed.is_empty() {
            tracing::info!(
                cut_uploads = self.cut_uploads,
                added = self.added.len(),
                removed = self.removed.len(),
                "the repository was brought in line with its folder"
            );
        }
    }
}

/// Rows hold microseconds, files may have finer times.
fn is_untouched(file: &StoredFile, size: u64, modified_at: jiff::Timestamp) -> bool {
    file.size == size && file.modified.as_microsecond() == modified_at.as_microsecond()
}
