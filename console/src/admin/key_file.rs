//! Key files: opening one, changing its password, and finding which key belongs to which certificate.
//!
//! A key file is replaced only when the new one was written, read back from the disk and opened with its new
//! password; until then the old one stays as it was.

use std::path::{Path, PathBuf};

use muster_shared::crypto::{Certificate, KeyError, PrivateKey};
use muster_shared::hint::Hint;
use secrecy::SecretString;
use serde::Serialize;
use zeroize::Zeroizing;

use super::password::{self, ShortPassword};
use super::write::{self, Readers};

/// The largest file that is looked at, in bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The most files of a folder that are looked at.
const MAX_FILES: usize = 2000;

/// Why a key file cannot be used or changed. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} is larger than {MAX_FILE_BYTES} bytes, which no key file is")]
    TooLarge { path: PathBuf },
    #[error("cannot write {path}")]
    Write {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the key {path} cannot be used")]
    Key {
        path: PathBuf,
        #[source]
        source: KeyError,
    },
    #[error(transparent)]
    Password(#[from] ShortPassword),
    #[error("{path} as written cannot be read back")]
    ReadBack {
        path: PathBuf,
        #[source]
        source: KeyError,
    },
}

impl Hint for KeyFileError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Key { source, .. } | Self::ReadBack { source, .. } => source.hints(),
            Self::Password(short) => short.hints(),
            Self::Read { .. } | Self::Write { .. } | Self::TooLarge { .. } => Vec::new(),
        }
    }
}

/// Reads a key file's text, within a size.
///
/// # Errors
/// When it cannot be read or is no text.
pub fn read(path: &Path) -> Result<Zeroizing<String>, KeyFileError> {
    use std::io::Read as _;
    let failed = |source| KeyFileError::Read {
        path: path.to_owned(),
        source,
    };
    let mut text = Zeroizing::new(String::new());
    let file = fs_err::File::open(path).map_err(failed)?;
    file.take(MAX_FILE_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(KeyFileError::TooLarge {
            path: path.to_owned(),
        });
    }
    Ok(text)
}

/// Opens the key in a file.
///
/// # Errors
/// When it cannot be read, or the password does not open it.
pub fn open(path: &Path, password: Option<&SecretString>) -> Result<PrivateKey, KeyFileError> {
    PrivateKey::from_pem(&read(path)?, password).map_err(|source| KeyFileError::Key {
        path: path.to_owned(),
        source,
    })
}

/// Changes the password of a key file, or takes it off with `None`. Also turns keys of the predecessor, whose
/// encryption is weak, into PKCS#8 with PBES2. Certificates in the same file stay.
///
/// # Errors
/// The old password does not open it, the new one is too short, or the disk does not take it.
pub fn change_password(
    path: &Path,
    old: Option<&SecretString>,
    new: Option<&SecretString>,
) -> Result<PrivateKey, KeyFileError> {
    if let Some(new) = new {
        password::check(new)?;
    }
    // The file itself and not a link to it: a new file in the place of the link would leave the old key as it was.
    let path = &*fs_err::canonicalize(path).map_err(|source| KeyFileError::Read {
        path: path.to_owned(),
        source,
    })?;
    let text = read(path)?;
    let of_key = |source| KeyFileError::Key {
        path: path.to_owned(),
        source,
    };
    let key = PrivateKey::from_pem(&text, old).map_err(of_key)?;
    let block = key.to_pem(new).map_err(of_key)?;
    let changed = with_key_block(&text, &block).ok_or_else(|| of_key(KeyError::NotPem))?;
    let mut broken = None;
    let written = write::replace_when(path, changed.as_bytes(), Readers::Owner, |draft| {
        let back = fs_err::read_to_string(draft).map(Zeroizing::new)?;
        let same = PrivateKey::from_pem(&back, new)
            .and_then(|back| Ok(back.spki_der()? == key.spki_der()?))
            .and_then(|same| if same { Ok(()) } else { Err(KeyError::Encode) });
        same.map_err(|source| {
            broken = Some(source);
            std::io::Error::other("read back")
        })
    });
    match (written, broken) {
        (Ok(()), _) => Ok(key),
        (Err(_), Some(source)) => Err(KeyFileError::ReadBack {
            path: path.to_owned(),
            source,
        }),
        (Err(source), None) => Err(KeyFileError::Write {
            path: path.to_owned(),
            source,
        }),
    }
}

/// The text with its first private key replaced.
fn with_key_block(text: &str, block: &str) -> Option<Zeroizing<String>> {
    let mut changed = Zeroizing::new(String::with_capacity(text.len() + block.len()));
    let mut lines = text.split_inclusive('\n');
    let mut found = false;
    for line in lines.by_ref() {
        let bare = line.trim_end();
        if bare.starts_with("-----BEGIN ") && bare.ends_with("PRIVATE KEY-----") {
            found = true;
            break;
        }
        changed.push_str(line);
    }
    if !found {
        return None;
    }
    changed.push_str(block);
    let end = lines
        .by_ref()
        .find(|line| line.trim_end().ends_with("PRIVATE KEY-----"));
    end?;
    for line in lines {
        changed.push_str(line);
    }
    Some(changed)
}

/// One key of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FoundKey {
    pub file: PathBuf,
    pub encrypted: bool,
    /// What is known of it.
    pub state: KeyState,
    /// Why it could not be opened, when that is not just a missing password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The certificates of this key.
    pub certificates: Vec<FoundCertificate>,
}

/// What is known of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// A certificate belongs to it.
    Matched,
    /// None of the certificates belongs to it.
    Alone,
    /// No password given opens it, so it cannot be told.
    Locked,
    /// It cannot be used.
    Unusable,
}

/// A certificate with the file that holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FoundCertificate {
    pub file: PathBuf,
    pub common_name: String,
    pub fingerprint: String,
    pub not_after: jiff::Timestamp,
}

/// Keys, and certificates without any of these keys.
#[derive(Debug, Default, Serialize)]
pub struct Pairs {
    pub keys: Vec<FoundKey>,
    pub certificates_without_key: Vec<FoundCertificate>,
    /// Keys that no password given opens: each may be the one of a certificate without key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub possible_keys: Vec<PathBuf>,
}

/// Finds which key belongs to which certificate among files and the files of folders. The password is tried on each
/// encrypted key.
///
/// # Errors
/// When a file that was named, or a folder, cannot be read.
pub fn pairs(paths: &[PathBuf], password: Option<&SecretString>) -> Result<Pairs, KeyFileError> {
    let mut keys: Vec<(FoundKey, Option<String>)> = Vec::new();
    let mut certificates: Vec<(FoundCertificate, String)> = Vec::new();
    // Those that follow the first of a file are of the CAs above it, whose keys are elsewhere.
    let mut leaves: Vec<FoundCertificate> = Vec::new();
    for (file, named) in files(paths)? {
        let text = match read(&file) {
            Ok(text) => text,
            Err(error) if named => return Err(error),
            // A folder may hold anything; what is no text holds no PEM.
            Err(_) => continue,
        };
        for (place, certificate) in Certificate::chain_from_pem(&text)
            .unwrap_or_default()
            .into_iter()
            .enumerate()
        {
            let found = FoundCertificate {
                file: file.clone(),
                common_name: certificate.common_name(),
                fingerprint: certificate.fingerprint(),
                not_after: certificate.not_after(),
            };
            if place == 0 {
                leaves.push(found.clone());
            }
            certificates.push((found, certificate.spki_sha256()));
        }
        if text.contains("PRIVATE KEY-----") {
            keys.push(judge(&file, &text, password));
        }
    }
    let mut pairs = Pairs::default();
    for (mut key, spki) in keys {
        if let Some(spki) = spki {
            let own = certificates.iter().filter(|(_, of)| *of == spki);
            key.certificates = own.map(|(found, _)| found.clone()).collect();
            if key.certificates.is_empty() {
                key.state = KeyState::Alone;
            }
        }
        pairs.keys.push(key);
    }
    let has_key = |found: &FoundCertificate| {
        let own = pairs.keys.iter().flat_map(|key| &key.certificates);
        own.into_iter()
            .any(|known| known.fingerprint == found.fingerprint)
    };
    leaves.retain(|found| !has_key(found));
    pairs.certificates_without_key = leaves;
    if !pairs.certificates_without_key.is_empty() {
        let locked = pairs.keys.iter().filter(|key| key.state == KeyState::Locked);
        pairs.possible_keys = locked.map(|key| key.file.clone()).collect();
    }
    Ok(pairs)
}

/// The key of a file, and the fingerprint of its public half when it opens.
fn judge(file: &Path, text: &str, password: Option<&SecretString>) -> (FoundKey, Option<String>) {
    use sha2::{Digest as _, Sha256};
    let encrypted = PrivateKey::is_encrypted(text);
    let opened = PrivateKey::from_pem(text, password.filter(|_| encrypted));
    let spki = opened.and_then(|key| key.spki_der());
    let (state, reason) = match &spki {
        Ok(_) => (KeyState::Matched, None),
        Err(KeyError::PasswordNeeded | KeyError::WrongPassword) => (KeyState::Locked, None),
        Err(error) => (KeyState::Unusable, Some(error.to_string())),
    };
    let found = FoundKey {
        file: file.to_owned(),
        encrypted,
        state,
        reason,
        certificates: Vec::new(),
    };
    (found, spki.ok().map(|spki| hex::encode(Sha256::digest(spki))))
}

/// The files, each with whether it was named itself.
fn files(paths: &[PathBuf]) -> Result<Vec<(PathBuf, bool)>, KeyFileError> {
    let mut files = Vec::new();
    for path in paths {
        let failed = |source| KeyFileError::Read {
            path: path.clone(),
            source,
        };
        if !fs_err::metadata(path).map_err(failed)?.is_dir() {
            files.push((path.clone(), true));
            continue;
        }
        let mut inside = Vec::new();
        for entry in fs_err::read_dir(path).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.is_file() && inside.len() < MAX_FILES {
                inside.push((path, false));
            }
        }
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretString {
        SecretString::from(text.to_owned())
    }

    #[test]
    fn a_password_is_changed_taken_off_and_put_on_and_certificates_beside_stay() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alice.pem");
        let key = PrivateKey::generate_ec().unwrap();
        let (one, two) = (secret("first password"), secret("second password"));
        let beside = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        fs_err::write(&path, format!("{}{beside}", *key.to_pem(Some(&one)).unwrap())).unwrap();
        change_password(&path, Some(&one), Some(&two)).unwrap();
        assert!(open(&path, Some(&one)).is_err());
        open(&path, Some(&two)).unwrap();
        assert!(fs_err::read_to_string(&path).unwrap().ends_with(beside));
        change_password(&path, Some(&two), None).unwrap();
        open(&path, None).unwrap();
        change_password(&path, None, Some(&one)).unwrap();
        assert_eq!(
            open(&path, Some(&one)).unwrap().spki_der().unwrap(),
            key.spki_der().unwrap()
        );
    }

    #[cfg(unix)]
    #[test]
    fn the_key_behind_a_link_is_changed_and_a_file_too_large_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("alice.pem"), dir.path().join("link.pem"));
        let key = PrivateKey::generate_ec().unwrap();
        fs_err::write(&path, key.to_pem(None).unwrap().as_bytes()).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        change_password(&link, None, Some(&secret("first password"))).unwrap();
        assert!(link.is_symlink());
        assert!(open(&path, None).is_err());
        open(&path, Some(&secret("first password"))).unwrap();
        let large = format!("{}{}", *key.to_pem(None).unwrap(), " ".repeat(1024 * 1024));
        fs_err::write(&path, &large).unwrap();
        let refused = change_password(&path, None, Some(&secret("first password"))).unwrap_err();
        assert!(matches!(refused, KeyFileError::TooLarge { .. }), "{refused}");
        assert_eq!(fs_err::read_to_string(&path).unwrap(), large);
    }

    #[test]
    fn a_refused_change_leaves_the_file_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alice.pem");
        let key = PrivateKey::generate_ec().unwrap();
        fs_err::write(
            &path,
            key.to_pem(Some(&secret("first password"))).unwrap().as_bytes(),
        )
        .unwrap();
        let before = fs_err::read(&path).unwrap();
        let wrong = change_password(&path, Some(&secret("wrong")), Some(&secret("long enough"))).unwrap_err();
        assert!(matches!(wrong, KeyFileError::Key { .. }), "{wrong}");
        let short = change_password(&path, Some(&secret("first password")), Some(&secret("x"))).unwrap_err();
        assert!(matches!(short, KeyFileError::Password(_)), "{short}");
        assert_eq!(fs_err::read(&path).unwrap(), before);
        assert_eq!(fs_err::read_dir(dir.path()).unwrap().count(), 1);
    }
}
