//! Finds what lies behind an address of the repository.
//!
//! Only what has a row is served, the signed rules of repositories, and the documents that take trust from keys. Small files are read whole, compared with the hash of their row and kept in
//! memory; large ones are streamed from the disk, as long as their size is the row's.

use std::sync::Arc;

use actix_web::web::Bytes;
use jiff::Timestamp;
use muster_shared::crypto::Certificate;
use muster_shared::name::HostId;
use muster_shared::package::{PackageError, encrypted};
use muster_shared::rules::distrust::{DISTRUST_FILE, MAX_DISTRUST_FILE_BYTES};
use muster_shared::rules::repository::{MAX_RULES_FILE_BYTES, RULES_FILE};
use sha2::{Digest as _, Sha256};

use super::Repository;
use super::cache;
use super::error::{RepositoryError, doing};
use super::file_store::{Area, FileName, StoredFile};
use super::index::INDEX_NAME;
use super::serve::{Content, PACKAGE_TYPE, Representation};
use super::upload::blocking;
use crate::store::packages::{self, FileFacts};

impl Repository {
    /// The index, the rules of repositories, or a package by its file name.
    ///
    /// # Errors
    /// There is none, or the disk or the database refuses.
    pub async fn package_file(&self, name: &str) -> Result<Representation, RepositoryError> {
        if name == INDEX_NAME {
            let index = self
                .current_index()
                .await
                .ok_or_else(|| not_found("file", name))?;
            return Ok(Representation {
                tag: index.tag,
                modified: index.modified,
                content_type: PACKAGE_TYPE,
                is_public: true,
                content: Content::Memory(index.bytes),
            });
        }
        if name == RULES_FILE {
            return self.signed_file(RULES_FILE, MAX_RULES_FILE_BYTES).await;
        }
        if name == DISTRUST_FILE {
            return self.signed_file(DISTRUST_FILE, MAX_DISTRUST_FILE_BYTES).await;
        }
        let name: FileName = name.parse().map_err(|_error| not_found("package", name))?;
        let facts = packages::file_facts(&self.store, name.as_str())
            .await?
            .ok_or_else(|| not_found("package", name.as_str()))?;
        self.file(Area::Packages, name, facts).await
    }

    /// Signed documents, as somebody put them beside the packages. Each agent judges them: nothing is checked here but
    /// their size.
    async fn signed_file(&self, file: &'static str, most: usize) -> Result<Representation, RepositoryError> {
        let absent = || not_found("file", file);
        let stored = self.mark(file).await?.ok_or_else(absent)?;
        if stored.size > most as u64 {
            tracing::error!(
                size = stored.size,
                "{file} is too large to be one that agents read"
            );
            return Err(absent());
        }
        let bytes = self.read_small(Area::Packages, &stored.name).await?;
        Ok(Representation {
            tag: hex::encode(Sha256::digest(&bytes)),
            modified: stored.modified,
            content_type: "application/json",
            is_public: true,
            content: Content::Memory(bytes),
        })
    }

    /// Size and time of the signed rules of repositories, which tell when they changed; `None` without any.
    ///
    /// # Errors
    /// The disk refuses.
    pub async fn rules_mark(&self) -> Result<Option<StoredFile>, RepositoryError> {
        self.mark(RULES_FILE).await
    }

    /// Size and time of the documents that take trust from keys; `None` without any.
    ///
    /// # Errors
    /// The disk refuses.
    pub async fn distrust_mark(&self) -> Result<Option<StoredFile>, RepositoryError> {
        self.mark(DISTRUST_FILE).await
    }

    async fn mark(&self, file: &'static str) -> Result<Option<StoredFile>, RepositoryError> {
        let name: FileName = file.parse()?;
        let files = Arc::clone(&self.files);
        blocking(move || {
            files
                .find(Area::Packages, &name)
                .map_err(doing("look for a signed document"))
        })
        .await
    }

    /// The package of one host.
    ///
    /// # Errors
    /// There is none, or the disk or the database refuses.
    pub async fn host_package_file(&self, identifier: &HostId) -> Result<Representation, RepositoryError> {
        let record = packages::find_host_package(&self.store, &identifier.key())
            .await?
            .ok_or_else(|| not_found("package of the host", identifier.as_str()))?;
        let name = record.filename.parse()?;
        let facts = FileFacts {
            filename: record.filename,
            size: record.size,
            sha256: record.sha256,
            modified_at: record.modified_at,
        };
        self.file(Area::HostPackages, name, facts).await
    }

    /// The package of a host as it would be answered encrypted to a certificate, without its bytes; with a tag
    /// that names the package and the key, as each encryption gives other bytes. `None` when it is too large to be
    /// encrypted.
    ///
    /// # Errors
    /// There is none, or the database refuses.
    pub async fn host_package_outline(
        &self,
        identifier: &HostId,
        certificate: &Certificate,
    ) -> Result<Option<Representation>, RepositoryError> {
        let record = packages::find_host_package(&self.store, &identifier.key())
            .await?
            .ok_or_else(|| not_found("package of the host", identifier.as_str()))?;
        if record.size > encrypted::MAX_PLAIN_BYTES as u64 {
            return Ok(None);
        }
        Ok(Some(Representation {
            tag: encrypted_tag(&record.sha256, certificate),
            modified: record.modified_at,
            content_type: PACKAGE_TYPE,
            is_public: false,
            content: Content::Memory(Bytes::new()),
        }))
    }

    /// The package of a host, encrypted to a certificate: only whole, see [`Self::host_package_outline`]. The last
    /// encryption is kept while it is small.
    ///
    /// # Errors
    /// There is none, the disk refuses, or the certificate has no RSA key.
    pub async fn host_package_encrypted(
        &self,
        identifier: &HostId,
        certificate: Certificate,
        now: Timestamp,
    ) -> Result<Representation, RepositoryError> {
        let file = self.host_package_file(identifier).await?;
        let tag = encrypted_tag(&file.tag, &certificate);
        let name: FileName = format!("{}.wapt", identifier.key()).parse()?;
        let representation = |bytes, file| Representation {
            tag: tag.clone(),
            content: Content::Memory(bytes),
            ..file
        };
        if let Some((bytes, _tag)) = self.encrypted.find(Area::HostPackages, &name, Some(&tag)) {
            return Ok(representation(bytes, file));
        }
        let plain = match file.content.clone() {
            Content::Memory(bytes) => bytes,
            Content::File { path, .. } => {
                let read = move || fs_err::read(path).map_err(doing("read a host package"));
                blocking(read).await?.into()
            }
        };
        let bytes: Bytes = blocking(move || {
            encrypted::encrypt(&plain, &certificate, now)
                .map_err(|error| RepositoryError::Package(PackageError::Decrypt(error)))
        })
        .await?
        .into();
        self.encrypted
            .keep(Area::HostPackages, &name, &tag, bytes.clone());
        Ok(representation(bytes, file))
    }

    /// An icon by its file name.
    ///
    /// # Errors
    /// There is none, or the disk refuses.
    pub async fn icon_file(&self, name: &str) -> Result<Representation, RepositoryError> {
        let name: FileName = name.parse().map_err(|_error| not_found("icon", name))?;
        let files = Arc::clone(&self.files);
        let asked = name.clone();
        let stored =
            blocking(move || files.find(Area::Icons, &asked).map_err(doing("look for an icon"))).await?;
        let stored = stored.ok_or_else(|| not_found("icon", name.as_str()))?;
        let (bytes, tag) = if let Some(kept) = self.cache.find(Area::Icons, &name, None) {
            kept
        } else {
            let bytes = self.read_small(Area::Icons, &name).await?;
            let tag = hex::encode(Sha256::digest(&bytes));
            self.cache.keep(Area::Icons, &name, &tag, bytes.clone());
            (bytes, tag)
        };
        Ok(Representation {
            tag,
            modified: stored.modified,
            content_type: "image/png",
            is_public: true,
            content: Content::Memory(bytes),
        })
    }

    async fn file(
        &self,
        area: Area,
        name: FileName,
        facts: FileFacts,
    ) -> Result<Representation, RepositoryError> {
        let representation = |content, modified| Representation {
            tag: facts.sha256.clone(),
            modified,
            content_type: PACKAGE_TYPE,
            is_public: area != Area::HostPackages,
            content,
        };
        if let Some((bytes, _)) = self.cache.find(area, &name, Some(&facts.sha256)) {
            return Ok(representation(Content::Memory(bytes), facts.modified_at));
        }
        let path = self.files.path(area, &name);
        if facts.size > cache::MAX_FILE_BYTES {
            let modified = self.check_size(area, &name, facts.size).await?;
            return Ok(representation(
                Content::File {
                    path,
                    size: facts.size,
                },
                modified,
            ));
        }
        let bytes = self.read_small(area, &name).await?;
        if hex::encode(Sha256::digest(&bytes)) != facts.sha256 {
            return Err(changed_on_disk(&name));
        }
        self.cache.keep(area, &name, &facts.sha256, bytes.clone());
        Ok(representation(Content::Memory(bytes), facts.modified_at))
    }

    async fn check_size(&self, area: Area, name: &FileName, size: u64) -> Result<Timestamp, RepositoryError> {
        let files = Arc::clone(&self.files);
        let asked = name.clone();
        let stored = blocking(move || files.find(area, &asked).map_err(doing("look for a package"))).await?;
        match stored {
            Some(stored) if stored.size == size => Ok(stored.modified),
            Some(_) => Err(changed_on_disk(name)),
            None => Err(not_found("package", name.as_str())),
        }
    }

    async fn read_small(&self, area: Area, name: &FileName) -> Result<Bytes, RepositoryError> {
        let path = self.files.path(area, name);
        let asked = name.clone();
        blocking(move || match fs_err::read(path) {
            Ok(bytes) => Ok(Bytes::from(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(not_found("file", asked.as_str()))
            }
            Err(error) => Err(doing("read a file of the repository")(error)),
        })
        .await
    }
}

/// Names a package and the key that it is encrypted to.
fn encrypted_tag(sha256: &str, certificate: &Certificate) -> String {
    hex::encode(Sha256::digest(format!("{sha256}-{}", certificate.spki_sha256())))
}

fn not_found(what: &'static str, name: &str) -> RepositoryError {
    RepositoryError::NotFound {
        what,
        name: name.to_owned(),
    }
}

/// Somebody wrote over a published file: it is not what was checked, so nobody gets it.
fn changed_on_disk(name: &FileName) -> RepositoryError {
    tracing::error!(file = %name, "a file of the repository was changed on the disk; restart the server to have it checked");
    not_found("file", name.as_str())
}
