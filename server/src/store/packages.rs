//! The rows behind the repository: packages, the certificates that signed them, and host packages.
//!
//! The files are the truth; these rows make them listable and are rebuilt from the files when they are lost.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use muster_shared::control::Control;
use muster_shared::protocol::package::PackageRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::{Store, StoreError, micros, timestamp};

/// One published package.
#[derive(Debug, Clone, PartialEq)]
pub struct PackageRecord {
    pub filename: String,
    pub control: Control,
    /// In bytes.
    pub size: u64,
    pub sha256: String,
    pub md5: String,
    /// When the file last changed: with the size it tells whether somebody touched it.
    pub modified_at: Timestamp,
    pub has_icon: bool,
    /// The signer's common name, from the certificate that was checked: the control may say anything.
    pub signer: String,
    /// Fingerprints of the signer's certificates, the signer first.
    pub chain: Vec<String>,
    pub uploaded_at: Timestamp,
    /// Empty for files that were put into the folder by hand.
    pub uploaded_by: String,
}

impl PackageRecord {
    /// SHA-256 of the signer's certificate, lower-case hex.
    pub fn signer_fingerprint(&self) -> &str {
        self.chain.first().map_or("", String::as_str)
    }

    /// The row as consoles list it.
    pub fn to_row(&self, host_count: u32) -> PackageRow {
        let text = |name: &str| self.control.get(name).to_owned();
        PackageRow {
            package: self.control.package().to_owned(),
            version: self.control.version().to_owned(),
            section: self.control.section().to_owned(),
            name: text("name"),
            architecture: self.control.architecture().to_owned(),
            maturity: text("maturity"),
            locale: text("locale"),
            target_os: text("target_os"),
            description: text("description"),
            depends: text("depends"),
            conflicts: text("conflicts"),
            maintainer: text("maintainer"),
            priority: text("priority"),
            package_uuid: text("package_uuid"),
            filename: self.filename.clone(),
            size: self.size,
            sha256: self.sha256.clone(),
            signer: self.signer.clone(),
            signer_fingerprint: self.signer_fingerprint().to_owned(),
            signature_date: text("signature_date"),
            uploaded_at: self.uploaded_at,
            uploaded_by: self.uploaded_by.clone(),
            host_count,
        }
    }
}

/// What a download needs to know about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    pub filename: String,
    pub size: u64,
    pub sha256: String,
    pub modified_at: Timestamp,
}

/// One published host package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPackageRecord {
    /// The host's identifier in lower case.
    pub host_key: String,
    pub filename: String,
    pub version: String,
    pub size: u64,
    /// Also its entity tag.
    pub sha256: String,
    pub modified_at: Timestamp,
    pub depends: String,
    pub conflicts: String,
    /// Names of the direct dependencies.
    pub groups: Vec<String>,
    pub signer_fingerprint: String,
    pub uploaded_at: Timestamp,
    pub uploaded_by: String,
}

/// Adds a package and the certificates of its signer.
///
/// # Errors
/// The database refused; nothing was added.
pub async fn insert(
    store: &Store,
    record: &PackageRecord,
    certificates: &[(String, String)],
) -> Result<(), StoreError> {
    let mut transaction = store.begin().await?;
    for (fingerprint, pem) in certificates {
        sqlx::query(
            "INSERT INTO package_certificates (fingerprint, pem) VALUES (?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(fingerprint)
        .bind(pem)
        .execute(&mut *transaction)
        .await?;
    }
    let control = &record.control;
    sqlx::query(
        "INSERT INTO packages (filename, package, version, section, architecture, maturity, locale, package_uuid, \
         signer, signer_fingerprint, signature_date, size, sha256, md5, modified_at, has_icon, chain, uploaded_at, \
         uploaded_by, control_json) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&record.filename)
    .bind(control.package())
    .bind(control.version())
    .bind(control.section())
    .bind(control.architecture())
    .bind(control.maturity())
    .bind(control.get("locale"))
    .bind(control.get("package_uuid"))
    .bind(&record.signer)
    .bind(record.signer_fingerprint())
    .bind(control.get("signature_date"))
    .bind(signed(record.size))
    .bind(&record.sha256)
    .bind(&record.md5)
    .bind(micros(record.modified_at))
    .bind(record.has_icon)
    .bind(record.chain.join(","))
    .bind(micros(record.uploaded_at))
    .bind(&record.uploaded_by)
    .bind(serde_json::to_string(control).map_err(|error| corrupt("a control", &error.to_string()))?)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(())
}

/// Removes a package's row. Certificates stay; those that no package names are left out of the index.
///
/// # Errors
/// The database refused; nothing was removed.
pub async fn delete(store: &Store, filename: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM packages WHERE filename = ?")
        .bind(filename)
        .execute(store.writer())
        .await?;
    Ok(())
}

/// The package with this file name.
///
/// # Errors
/// The database refused.
pub async fn find(store: &Store, filename: &str) -> Result<Option<PackageRecord>, StoreError> {
    sqlx::query("SELECT * FROM packages WHERE filename = ?")
        .bind(filename)
        .fetch_optional(store.readers())
        .await?
        .map(|row| package_record(&row))
        .transpose()
}

/// Every package with this name, all versions.
///
/// # Errors
/// The database refused.
pub async fn named(store: &Store, package: &str) -> Result<Vec<PackageRecord>, StoreError> {
    sqlx::query("SELECT * FROM packages WHERE package = ? ORDER BY filename")
        .bind(package)
        .fetch_all(store.readers())
        .await?
        .iter()
        .map(package_record)
        .collect()
}

/// Every package, ordered by file name.
///
/// # Errors
/// The database refused.
pub async fn all(store: &Store) -> Result<Vec<PackageRecord>, StoreError> {
    sqlx::query("SELECT * FROM packages ORDER BY filename")
        .fetch_all(store.readers())
        .await?
        .iter()
        .map(package_record)
        .collect()
}

/// Packages whose name contains a text, by name, the latest upload first; and how many there are in all.
///
/// # Errors
/// The database refused.
pub async fn search(
    store: &Store,
    text: &str,
    skip: u32,
    limit: u32,
) -> Result<(Vec<PackageRecord>, u64), StoreError> {
    let total: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM packages WHERE ?1 = '' OR instr(lower(package), lower(?1)) > 0 \
         OR instr(lower(coalesce(json_extract(control_json, '$.name'), '')), lower(?1)) > 0",
    )
    .bind(text)
    .fetch_one(store.readers())
    .await?;
    let rows = sqlx::query(
        "SELECT * FROM packages WHERE ?1 = '' OR instr(lower(package), lower(?1)) > 0 \
         OR instr(lower(coalesce(json_extract(control_json, '$.name'), '')), lower(?1)) > 0 \
         ORDER BY package, uploaded_at DESC, filename LIMIT ?2 OFFSET ?3",
    )
    .bind(text)
    .bind(limit)
    .bind(skip)
    .fetch_all(store.readers())
    .await?;
    let records = rows.iter().map(package_record).collect::<Result<Vec<_>, _>>()?;
    Ok((records, unsigned(total)))
}

/// Size, time and hash of the file with this name.
///
/// # Errors
/// The database refused.
pub async fn file_facts(store: &Store, filename: &str) -> Result<Option<FileFacts>, StoreError> {
    let row = sqlx::query("SELECT filename, size, sha256, modified_at FROM packages WHERE filename = ?")
        .bind(filename)
        .fetch_optional(store.readers())
        .await?;
    row.map(|row| facts(&row)).transpose()
}

/// Size, time and hash of every file, by file name.
///
/// # Errors
/// The database refused.
pub async fn all_file_facts(store: &Store) -> Result<BTreeMap<String, FileFacts>, StoreError> {
    let rows = sqlx::query("SELECT filename, size, sha256, modified_at FROM packages")
        .fetch_all(store.readers())
        .await?;
    rows.iter()
        .map(|row| facts(row).map(|facts| (facts.filename.clone(), facts)))
        .collect()
}

/// Whether a package that is published has this icon.
///
/// # Errors
/// The database refused.
pub async fn has_icon(store: &Store, package_uuid: &str) -> Result<bool, StoreError> {
    let row = sqlx::query(
        "SELECT EXISTS (SELECT 1 FROM packages WHERE package_uuid = ? AND has_icon = 1) AS found",
    )
    .bind(package_uuid)
    .fetch_one(store.readers())
    .await?;
    Ok(row.try_get("found")?)
}

/// The uuid and file name of every package with an icon.
///
/// # Errors
/// The database refused.
pub async fn icons(store: &Store) -> Result<Vec<(String, String)>, StoreError> {
    Ok(
        sqlx::query_as("SELECT package_uuid, filename FROM packages WHERE has_icon = 1")
            .fetch_all(store.readers())
            .await?,
    )
}

/// The certificates that signed the packages, as (fingerprint, PEM), ordered by fingerprint.
///
/// # Errors
/// The database refused.
pub async fn certificates(store: &Store) -> Result<Vec<(String, String)>, StoreError> {
    let mut used = BTreeSet::new();
    for row in sqlx::query("SELECT DISTINCT chain FROM packages")
        .fetch_all(store.readers())
        .await?
    {
        let chain: String = row.try_get("chain")?;
        used.extend(
            chain
                .split(',')
                .filter(|part| !part.is_empty())
                .map(ToOwned::to_owned),
        );
    }
    let rows = sqlx::query("SELECT fingerprint, pem FROM package_certificates ORDER BY fingerprint")
        .fetch_all(store.readers())
        .await?;
    let mut certificates = Vec::with_capacity(used.len());
    for row in rows {
        let fingerprint: String = row.try_get("fingerprint")?;
        if used.contains(&fingerprint) {
            certificates.push((fingerprint, row.try_get("pem")?));
        }
    }
    Ok(certificates)
}

/// How many hosts have each version of these packages in place.
///
/// # Errors
/// The database refused.
pub async fn host_counts(
    store: &Store,
    packages: &BTreeSet<String>,
) -> Result<BTreeMap<(String, String), u32>, StoreError> {
    let mut counts = BTreeMap::new();
    // SQLite takes at most 32,766 values in one statement.
    let names: Vec<&String> = packages.iter().collect();
    for names in names.chunks(10_000) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT package, version, COUNT(*) AS hosts FROM installed_packages WHERE package IN (",
        );
        let mut values = query.separated(", ");
        for name in names {
            values.push_bind(*name);
        }
        values.push_unseparated(") AND status IN ('OK', 'WARNING', 'UNKNOWN') GROUP BY package, version");
        for row in query.build().fetch_all(store.readers()).await? {
            let hosts: i64 = row.try_get("hosts")?;
            counts.insert(
                (row.try_get("package")?, row.try_get("version")?),
                u32::try_from(hosts).unwrap_or(u32::MAX),
            );
        }
    }
    Ok(counts)
}

/// Adds or replaces a host package and writes its direct dependencies to the host's row, if there is one.
///
/// # Errors
/// The database refused; nothing was changed.
pub async fn put_host_package(store: &Store, record: &HostPackageRecord) -> Result<(), StoreError> {
    let groups =
        serde_json::to_string(&record.groups).map_err(|error| corrupt("groups", &error.to_string()))?;
    let mut transaction = store.begin().await?;
    sqlx::query(
        "INSERT OR REPLACE INTO host_packages (identifier, filename, version, size, sha256, modified_at, depends, \
         conflicts, groups_json, signer_fingerprint, uploaded_at, uploaded_by) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&record.host_key)
    .bind(&record.filename)
    .bind(&record.version)
    .bind(signed(record.size))
    .bind(&record.sha256)
    .bind(micros(record.modified_at))
    .bind(&record.depends)
    .bind(&record.conflicts)
    .bind(&groups)
    .bind(&record.signer_fingerprint)
    .bind(micros(record.uploaded_at))
    .bind(&record.uploaded_by)
    .execute(&mut *transaction)
    .await?;
    sqlx::query("UPDATE hosts SET groups_json = ? WHERE host_key = ?")
        .bind(&groups)
        .bind(&record.host_key)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(())
}

/// Removes a host package's row and the dependencies in the host's row.
///
/// # Errors
/// The database refused; nothing was changed.
pub async fn delete_host_package(store: &Store, host_key: &str) -> Result<(), StoreError> {
    let mut transaction = store.begin().await?;
    sqlx::query("DELETE FROM host_packages WHERE identifier = ?")
        .bind(host_key)
        .execute(&mut *transaction)
        .await?;
    sqlx::query("UPDATE hosts SET groups_json = '[]' WHERE host_key = ?")
        .bind(host_key)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(())
}

/// The package of one host, by its identifier in lower case.
///
/// # Errors
/// The database refused.
pub async fn find_host_package(
    store: &Store,
    host_key: &str,
) -> Result<Option<HostPackageRecord>, StoreError> {
    sqlx::query("SELECT * FROM host_packages WHERE identifier = ?")
        .bind(host_key)
        .fetch_optional(store.readers())
        .await?
        .map(|row| host_package_record(&row))
        .transpose()
}

/// Every host package, by the host's identifier in lower case.
///
/// # Errors
/// The database refused.
pub async fn all_host_packages(store: &Store) -> Result<BTreeMap<String, HostPackageRecord>, StoreError> {
    let rows = sqlx::query("SELECT * FROM host_packages")
        .fetch_all(store.readers())
        .await?;
    rows.iter()
        .map(|row| host_package_record(row).map(|record| (record.host_key.clone(), record)))
        .collect()
}

fn package_record(row: &SqliteRow) -> Result<PackageRecord, StoreError> {
    let control: String = row.try_get("control_json")?;
    let chain: String = row.try_get("chain")?;
    Ok(PackageRecord {
        filename: row.try_get("filename")?,
        control: serde_json::from_str(&control).map_err(|error| corrupt("a control", &error.to_string()))?,
        size: unsigned(row.try_get("size")?),
        sha256: row.try_get("sha256")?,
        md5: row.try_get("md5")?,
        modified_at: timestamp(row.try_get("modified_at")?),
        has_icon: row.try_get("has_icon")?,
        signer: row.try_get("signer")?,
        chain: chain
            .split(',')
            .filter(|part| !part.is_empty())
            .map(ToOwned::to_owned)
            .collect(),
        uploaded_at: timestamp(row.try_get("uploaded_at")?),
        uploaded_by: row.try_get("uploaded_by")?,
    })
}

fn host_package_record(row: &SqliteRow) -> Result<HostPackageRecord, StoreError> {
    let groups: String = row.try_get("groups_json")?;
    Ok(HostPackageRecord {
        host_key: row.try_get("identifier")?,
        filename: row.try_get("filename")?,
        version: row.try_get("version")?,
        size: unsigned(row.try_get("size")?),
        sha256: row.try_get("sha256")?,
        modified_at: timestamp(row.try_get("modified_at")?),
        depends: row.try_get("depends")?,
        conflicts: row.try_get("conflicts")?,
        groups: serde_json::from_str(&groups).map_err(|error| corrupt("groups", &error.to_string()))?,
        signer_fingerprint: row.try_get("signer_fingerprint")?,
        uploaded_at: timestamp(row.try_get("uploaded_at")?),
        uploaded_by: row.try_get("uploaded_by")?,
    })
}

fn facts(row: &SqliteRow) -> Result<FileFacts, StoreError> {
    Ok(FileFacts {
        filename: row.try_get("filename")?,
        size: unsigned(row.try_get("size")?),
        sha256: row.try_get("sha256")?,
        modified_at: timestamp(row.try_get("modified_at")?),
    })
}

fn corrupt(what: &'static str, value: &str) -> StoreError {
    StoreError::Corrupt {
        what,
        value: value.to_owned(),
    }
}

/// File sizes never reach the sign bit.
fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn unsigned(size: i64) -> u64 {
    u64::try_from(size).unwrap_or(0)
}
