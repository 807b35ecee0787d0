//! WAPT's host key becomes our decryption key: what was encrypted to this host can still be opened.

use std::path::{Path, PathBuf};

use muster_shared::crypto::PrivateKey;
use muster_shared::hint::chain;
use muster_shared::migrate::{Fate, Item, MigrationReport};

use super::base::Base;
use super::{MigrationError, read_small};
use crate::identity::DECRYPTION_KEY_FILE;
use crate::paths::Paths;
use crate::platform;

/// No key is longer, in bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// Takes the key of the host over, when we have none yet.
pub(super) fn take(
    paths: &Paths,
    base: &Base,
    uuid: Option<&str>,
    is_dry: bool,
    report: &mut MigrationReport,
) -> Result<(), MigrationError> {
    let Some(file) = find(&base.private(), uuid) else {
        report.push(Item::not_taken(
            "host key",
            "the WAPT agent has none, or this user may not read it",
        ));
        return Ok(());
    };
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let object = format!("host key {name}");
    let pem = read_small(&file, MAX_BYTES)
        .map_err(|error| error.to_string())
        .and_then(|bytes| String::from_utf8(bytes).map_err(|error| error.to_string()));
    let key = pem.and_then(|pem| PrivateKey::from_pem(&pem, None).map_err(|error| chain(&error)));
    let key = match key {
        Ok(key @ PrivateKey::Rsa(_)) => key,
        Ok(_other) => {
            report.push(Item::not_taken(
                object,
                "it is no RSA key, so nothing is encrypted to it",
            ));
            return Ok(());
        }
        Err(reason) => {
            report.push(Item::not_taken(object, reason));
            return Ok(());
        }
    };
    let target = paths.private_dir().join(DECRYPTION_KEY_FILE);
    if let Ok(ours) = read_small(&target, MAX_BYTES) {
        let ours = PrivateKey::from_pem(&String::from_utf8_lossy(&ours), None);
        let is_same = ours.is_ok_and(|ours| match (ours.spki_der(), key.spki_der()) {
            (Ok(ours), Ok(theirs)) => ours == theirs,
            _ => false,
        });
        report.push(if is_same {
            Item::new(object, Fate::NotNeeded).because("it is the decryption key already")
        } else {
            Item::not_taken(
                object,
                "this host has a decryption key of its own; remove host-decrypt.pem first to take this one",
            )
        });
        return Ok(());
    }
    if !is_dry {
        let text = key
            .to_pem(None)
            .map_err(|error| MigrationError::file("write", &target)(std::io::Error::other(chain(&error))))?;
        platform::write_private(&target, text.as_bytes()).map_err(MigrationError::file("write", &target))?;
    }
    report.push(Item::new(object, Fate::Taken).became("the key that opens what is encrypted to this host"));
    Ok(())
}

/// `<uuid>.pem`, else the only key that is there.
fn find(folder: &Path, uuid: Option<&str>) -> Option<PathBuf> {
    if let Some(uuid) = uuid {
        let named = folder.join(format!("{uuid}.pem"));
        if named.is_file() {
            return Some(named);
        }
    }
    let mut keys: Vec<PathBuf> = fs_err::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "pem"))
        .collect();
    match keys.len() {
        1 => keys.pop(),
        _ => None,
    }
}
