//! The certificates whose signatures the WAPT agent accepted, copied to our trust folder.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use muster_shared::crypto::Certificate;
use muster_shared::hint::chain;
use muster_shared::migrate::{Fate, Item, MigrationReport};

use super::base::Base;
use super::{MigrationError, read_small};
use crate::paths::Paths;
use crate::platform;

/// No file of certificates is larger, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// Takes each certificate over that may sign and is still valid.
pub(super) fn take(
    paths: &Paths,
    base: &Base,
    is_dry: bool,
    now: Timestamp,
    report: &mut MigrationReport,
) -> Result<(), MigrationError> {
    let folder = base.certificates();
    let mut present = trusted(paths);
    for file in files(&folder)? {
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let object = format!("certificate {name}");
        let certificates = read_small(&file, MAX_BYTES)
            .map_err(|error| error.to_string())
            .and_then(|bytes| {
                Certificate::chain_from_pem(&String::from_utf8_lossy(&bytes)).map_err(|error| chain(&error))
            });
        let certificates = match certificates {
            Ok(certificates) => certificates,
            Err(reason) => {
                report.push(Item::not_taken(object, reason));
                continue;
            }
        };
        let (valid, expired): (Vec<_>, Vec<_>) = certificates
            .into_iter()
            .partition(|certificate| certificate.not_after() > now);
        if valid.is_empty() {
            let ended = expired.iter().map(Certificate::not_after).max();
            let at = ended.map_or_else(String::new, |at| at.strftime(" on %Y-%m-%d").to_string());
            report.push(Item::not_taken(object, format!("it expired{at}")));
            continue;
        }
        if valid.iter().all(|certificate| present.contains(certificate)) {
            report.push(Item::new(object, Fate::NotNeeded).because("it is trusted already"));
            continue;
        }
        let target = free_name(&paths.trust_dir(), &file);
        let mut item = Item::new(object, Fate::Taken).became(target.display().to_string());
        for certificate in &expired {
            let name = certificate.common_name();
            item.warnings
                .push(format!("{name} in the same file has expired and was left out"));
        }
        for certificate in &valid {
            if !certificate.is_ca()
                && let Err(reason) = certificate.check_signing_purpose()
            {
                item.warnings
                    .push(format!("{}: {reason}", certificate.common_name()));
            }
        }
        if !is_dry {
            write(&target, &valid)?;
        }
        present.extend(valid);
        report.push(item);
    }
    if folder.join("server").is_dir() {
        report.push(
            Item::new("ssl/server", Fate::NotNeeded)
                .because("the server is known by the fingerprint in its address: muster-agent register"),
        );
    }
    Ok(())
}

fn trusted(paths: &Paths) -> Vec<Certificate> {
    crate::revocation::trust_store(paths)
        .map(|store| store.anchors().to_vec())
        .unwrap_or_default()
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, MigrationError> {
    let entries = match fs_err::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(MigrationError::file("list", folder)(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(MigrationError::file("list", folder))?.path();
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        if path.is_file() && (extension == "crt" || extension == "pem") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The old name, or one with a number when a file of ours has it.
fn free_name(folder: &Path, file: &Path) -> PathBuf {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    (0..1000)
        .map(|number| match number {
            0 => folder.join(format!("{stem}.crt")),
            _ => folder.join(format!("{stem}-{number}.crt")),
        })
        .find(|path| !path.exists())
        .unwrap_or_else(|| folder.join(format!("{stem}.crt")))
}

/// Only what was read as certificates goes into the folder: a file that is none would refuse everything.
fn write(path: &Path, certificates: &[Certificate]) -> Result<(), MigrationError> {
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder).map_err(MigrationError::file("make the folder", folder))?;
    }
    let text: String = certificates.iter().map(Certificate::to_pem).collect();
    platform::write_private(path, text.as_bytes()).map_err(MigrationError::file("write", path))?;
    platform::wapt::let_everybody_read(path).map_err(MigrationError::file("open to readers", path))
}
