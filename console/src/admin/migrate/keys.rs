//! The keys and certificates of a folder: which belong together, what each may do, and copies in today's form.
//!
//! Keys are read with their passwords and written as PKCS#8 with PBES2. Neither a password nor a key is ever
//! part of the report.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use muster_shared::crypto::{Certificate, KeyError, PrivateKey};
use muster_shared::hint::chain;
use secrecy::SecretString;

use super::{Fate, Item, MigrationReport};
use crate::admin::certificate::CertificateFacts;
use crate::admin::write::{self, Readers};

/// The most files that are looked at.
const MAX_FILES: usize = 2000;

/// The largest PEM file, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// How many passwords are tried on one key.
const MAX_TRIES: usize = 100;

/// Identifiers of signature algorithms whose digests can be forged, in DER.
const BROKEN_SIGNATURES: [(&[u8], &str); 3] = [
    (
        &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05],
        "SHA-1",
    ),
    (
        &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04],
        "MD5",
    ),
    (&[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01], "SHA-1"),
];

/// What encrypts a key that had no password.
#[derive(Debug, Clone)]
pub enum NewPassword {
    /// This one, for keys that have none.
    Given(SecretString),
    /// None: the key stays readable for everybody who has the file.
    None,
    /// Nobody said; such keys are not taken.
    Unknown,
}

/// Why a folder of keys cannot be taken over at all.
#[derive(Debug, thiserror::Error)]
pub enum KeyMigrationError {
    #[error("cannot read the folder {path}")]
    Folder {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot make the folder {path}")]
    OutFolder {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} holds neither a key nor a certificate (.pem, .crt, .cer, .key)")]
    Nothing { path: PathBuf },
}

/// Looks at every key and certificate of a folder, and writes the keys and their certificates to `out`.
///
/// `password` is asked for each encrypted key with the number of the try; nothing ends the asking for it.
///
/// # Errors
/// The folder cannot be read, holds nothing of the kind, or `out` cannot be made.
pub fn migrate(
    folder: &Path,
    out: Option<&Path>,
    new_password: &NewPassword,
    now: Timestamp,
    mut password: impl FnMut(&Path, usize) -> Option<SecretString>,
) -> Result<MigrationReport, KeyMigrationError> {
    let files = read_folder(folder)?;
    if let Some(out) = out {
        fs_err::create_dir_all(out).map_err(|source| KeyMigrationError::OutFolder {
            path: out.to_owned(),
            source,
        })?;
    }
    let mut report = MigrationReport::default();
    let mut chains: Vec<(PathBuf, Vec<Certificate>)> = Vec::new();
    for (path, text) in &files {
        if text.contains("-----BEGIN CERTIFICATE-----") {
            match Certificate::chain_from_pem(text) {
                Ok(chain) => chains.push((path.clone(), chain)),
                Err(error) => report
                    .items
                    .push(Item::not_taken(shown(path), chain_text(&error))),
            }
        }
    }
    let mut with_key = Vec::new();
    let mut locked = Vec::new();
    for (path, text) in &files {
        if !text.contains("PRIVATE KEY-----") {
            continue;
        }
        let (key, used) = match open(path, text, &mut password) {
            Ok(opened) => opened,
            Err(reason) => {
                if PrivateKey::is_encrypted(text) {
                    locked.push(shown(path));
                }
                report.items.push(Item::not_taken(shown(path), reason));
                continue;
            }
        };
        let spki = key.spki_der().unwrap_or_default();
        let own = chains
            .iter()
            .filter(|(_, chain)| chain.first().is_some_and(|first| first.spki_der() == spki));
        // A file with more than the certificate alone brings its issuers along.
        let own = own.max_by_key(|(_, chain)| chain.len());
        with_key.extend(own.map(|(path, _)| path.clone()));
        let item = write_key(path, &key, used.as_ref(), new_password, out);
        report.items.push(if let Some((certificate, _)) = own {
            with_note(item, &format!("belongs to {}", shown(certificate)))
        } else {
            let mut item = item;
            item.warnings
                .push("no certificate of this folder belongs to it".to_owned());
            item
        });
    }
    for (path, chain) in &chains {
        let key_of = if with_key.contains(path) || has_same_leaf(&chains, &with_key, chain) {
            KeyOf::Here
        } else if locked.is_empty() {
            KeyOf::Elsewhere
        } else {
            KeyOf::Perhaps(locked.join(" or "))
        };
        report
            .items
            .push(write_certificate(path, chain, &key_of, out, now));
    }
    if report.items.is_empty() {
        return Err(KeyMigrationError::Nothing {
            path: folder.to_owned(),
        });
    }
    report.items.sort_by(|a, b| a.object.cmp(&b.object));
    Ok(report)
}

/// Where the key of a certificate is.
enum KeyOf {
    Here,
    /// In one of these files, which no password given opens.
    Perhaps(String),
    Elsewhere,
}

fn has_same_leaf(
    chains: &[(PathBuf, Vec<Certificate>)],
    with_key: &[PathBuf],
    chain: &[Certificate],
) -> bool {
    chains.iter().any(|(path, other)| {
        with_key.contains(path)
            && match (other.first(), chain.first()) {
                (Some(a), Some(b)) => a.spki_der() == b.spki_der(),
                _ => false,
            }
    })
}

fn read_folder(folder: &Path) -> Result<Vec<(PathBuf, String)>, KeyMigrationError> {
    let failed = |source| KeyMigrationError::Folder {
        path: folder.to_owned(),
        source,
    };
    let mut paths = Vec::new();
    for entry in fs_err::read_dir(folder).map_err(failed)?.take(MAX_FILES) {
        let path = entry.map_err(failed)?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("pem" | "crt" | "cer" | "key")) && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let mut bytes = Vec::new();
        fs_err::File::open(&path)
            .and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes))
            .map_err(failed)?;
        let text = match Certificate::from_der(&bytes) {
            // Certificates of Windows are often DER.
            Ok(certificate) => certificate.to_pem(),
            Err(_pem) => String::from_utf8_lossy(&bytes).into_owned(),
        };
        files.push((path, text));
    }
    Ok(files)
}

/// Opens a key, with the password that did it.
fn open(
    path: &Path,
    text: &str,
    password: &mut impl FnMut(&Path, usize) -> Option<SecretString>,
) -> Result<(PrivateKey, Option<SecretString>), String> {
    if !PrivateKey::is_encrypted(text) {
        return match PrivateKey::from_pem(text, None) {
            Ok(key) => Ok((key, None)),
            Err(error) => Err(chain_text(&error)),
        };
    }
    for attempt in 0.. {
        let Some(secret) = password(path, attempt) else {
            break;
        };
        match PrivateKey::from_pem(text, Some(&secret)) {
            Ok(key) => return Ok((key, Some(secret))),
            Err(KeyError::WrongPassword) if attempt + 1 < MAX_TRIES => {}
            Err(error) => return Err(chain_text(&error)),
        }
    }
    Err("it is encrypted, and no password that was given opens it".to_owned())
}

fn write_key(
    path: &Path,
    key: &PrivateKey,
    used: Option<&SecretString>,
    new_password: &NewPassword,
    out: Option<&Path>,
) -> Item {
    let object = shown(path);
    let (password, reason) = match (used, new_password) {
        (Some(used), _) => (Some(used), "PKCS#8, encrypted with the same password"),
        (None, NewPassword::Given(new)) => (Some(new), "PKCS#8, encrypted with the new password"),
        (None, NewPassword::None) => (None, "PKCS#8, without a password as before"),
        (None, NewPassword::Unknown) => {
            return Item::not_taken(
                object,
                "it has no password: give one with --new-password-file, or leave it open with --no-password",
            );
        }
    };
    let Some(out) = out else {
        return Item::new(object, Fate::Changed).because(reason);
    };
    let target = out.join(path.with_extension("pem").file_name().unwrap_or_default());
    let pem = match key.to_pem(password) {
        Ok(pem) => pem,
        Err(error) => return Item::not_taken(object, chain_text(&error)),
    };
    let mut item = match write::create(&target, pem.as_bytes(), Readers::Owner) {
        Ok(()) => Item::new(object, Fate::Changed)
            .became(target.display().to_string())
            .because(reason),
        Err(error) => return not_written(object, &target, &error),
    };
    if password.is_none() {
        item.warnings
            .push("the key has no password: who has the file signs as you".to_owned());
    }
    item
}

fn write_certificate(
    path: &Path,
    chain: &[Certificate],
    key_of: &KeyOf,
    out: Option<&Path>,
    now: Timestamp,
) -> Item {
    let object = shown(path);
    let Some(leaf) = chain.first() else {
        return Item::not_taken(object, "it holds no certificate");
    };
    let facts = CertificateFacts::of(leaf, now);
    let written = out.map(|out| {
        let target = out.join(path.with_extension("crt").file_name().unwrap_or_default());
        let pem = chain
            .iter()
            .map(Certificate::to_pem)
            .collect::<Vec<_>>()
            .join("\n");
        write::create(&target, pem.as_bytes(), Readers::Everyone)
            .map(|()| target.display().to_string())
            .map_err(|error| not_written(object.clone(), &target, &error))
    });
    let mut item = match written {
        Some(Err(item)) => return item,
        Some(Ok(target)) => Item::new(object, Fate::Taken).became(target),
        None => Item::new(object, Fate::Taken),
    };
    item.reason = Some(format!(
        "{}, {}; may {}",
        facts.common_name,
        facts.key,
        facts.may.join("; may ")
    ));
    item.warnings.clone_from(&facts.warnings);
    item.warnings.extend(weaknesses(leaf, &facts, key_of));
    item
}

/// What to know before this certificate is used here.
fn weaknesses(leaf: &Certificate, facts: &CertificateFacts, key_of: &KeyOf) -> Vec<String> {
    let mut warnings = Vec::new();
    for (algorithm, digest) in BROKEN_SIGNATURES {
        if leaf
            .der()
            .windows(algorithm.len())
            .any(|window| window == algorithm)
        {
            warnings.push(format!(
                "its own signature uses {digest}, which can be forged: have it issued again"
            ));
            break;
        }
    }
    let bits = facts
        .key
        .strip_prefix("RSA ")
        .and_then(|bits| bits.parse::<u32>().ok());
    if bits.is_some_and(|bits| bits < 2048) {
        warnings.push(format!(
            "{} is too weak and accepted nowhere: make a new key",
            facts.key
        ));
    }
    if !facts.may_sign_code && !facts.is_ca {
        warnings.push("it is not for signing code: packages with setup.py need another one".to_owned());
    }
    match key_of {
        KeyOf::Here => {}
        KeyOf::Elsewhere => warnings.push("its key is not in this folder".to_owned()),
        KeyOf::Perhaps(files) => warnings.push(format!(
            "{files} could be its key: it cannot be told without the password"
        )),
    }
    warnings
}

fn with_note(mut item: Item, note: &str) -> Item {
    item.reason = Some(match item.reason {
        Some(reason) => format!("{reason}; {note}"),
        None => note.to_owned(),
    });
    item
}

fn not_written(object: String, target: &Path, error: &std::io::Error) -> Item {
    let reason = if error.kind() == std::io::ErrorKind::AlreadyExists {
        format!("{} is there, and nothing is written over", target.display())
    } else {
        format!("cannot write {}: {error}", target.display())
    };
    Item::not_taken(object, reason)
}

fn shown(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn chain_text(error: &(dyn std::error::Error + 'static)) -> String {
    chain(error)
}
