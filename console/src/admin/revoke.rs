//! Taking certificates back: the revocation list of a CA, or of a self-signed signer, kept in its own file.
//!
//! The file is all the state there is: the next list carries everything of the last one under a higher number. The
//! number is the time in seconds, so that it grows even when a file is lost; what the lost one took back has to be
//! named again then.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use muster_shared::crypto::issue::{self, IssueError, IssuingKey};
use muster_shared::crypto::revocation::{Reason, Revoked};
use muster_shared::crypto::{Certificate, CrlError, RevocationList};
use muster_shared::hint::Hint;

use super::write::{self, Readers};

/// Why nothing was taken back.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    #[error("{path} cannot be continued")]
    Read {
        path: PathBuf,
        #[source]
        source: Box<CrlError>,
    },
    #[error("{path} holds {count} revocation lists, and one is wanted")]
    Several { path: PathBuf, count: usize },
    #[error("{path} is not a revocation list that {issuer} signed")]
    OtherIssuer { path: PathBuf, issuer: String },
    #[error("{path} has a number too large to go on from")]
    Number { path: PathBuf },
    #[error("{ca} did not issue the certificate of {name}, so it cannot take it back")]
    NotIssued { ca: String, name: String },
    #[error("{text:?} is not a serial number (hexadecimal, at most 20 bytes)")]
    Serial { text: String },
    #[error("a revocation list is valid for 1 to 3660 days, not {days}")]
    Validity { days: i64 },
    #[error("the revocation list cannot be made")]
    Issue(#[source] IssueError),
    #[error("cannot write {path}")]
    Write {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl Hint for RevokeError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::NotIssued { .. } => {
                vec!["name the CA that issued it with --ca; `muster cert show` says which one did".to_owned()]
            }
            Self::OtherIssuer { .. } | Self::Several { .. } | Self::Number { .. } => {
                vec!["name the file of this issuer's list with --crl".to_owned()]
            }
            Self::Serial { .. } => vec!["`muster cert show` prints it".to_owned()],
            Self::Issue(IssueError::Sign(source)) => source.hints(),
            Self::Read { .. } | Self::Validity { .. } | Self::Issue(_) | Self::Write { .. } => Vec::new(),
        }
    }
}

/// What is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenBack {
    /// Lower-case hex.
    pub serial: String,
    /// Of the certificate, when it was at hand.
    pub name: Option<String>,
}

impl TakenBack {
    /// A certificate that the issuer issued; a self-signed one takes itself back.
    ///
    /// # Errors
    /// Another one issued it.
    pub fn certificate(issuer: &Certificate, certificate: &Certificate) -> Result<Self, RevokeError> {
        if !certificate.is_issued_by(issuer) {
            return Err(RevokeError::NotIssued {
                ca: issuer.common_name(),
                name: certificate.common_name(),
            });
        }
        Ok(Self {
            serial: certificate.serial(),
            name: Some(certificate.common_name()),
        })
    }

    /// A certificate that is lost, by its serial number as tools print it.
    ///
    /// # Errors
    /// It is none.
    pub fn serial(text: &str) -> Result<Self, RevokeError> {
        let refused = || RevokeError::Serial {
            text: text.to_owned(),
        };
        let digits = text
            .trim()
            .trim_start_matches("0x")
            .replace([':', ' '], "")
            .to_ascii_lowercase();
        let even = if digits.len() % 2 == 1 {
            format!("0{digits}")
        } else {
            digits
        };
        let bytes = hex::decode(&even).map_err(|_error| refused())?;
        if bytes.is_empty() || bytes.len() > 20 {
            return Err(refused());
        }
        Ok(Self {
            serial: even,
            name: None,
        })
    }
}

/// The most files of a folder that are looked at.
const MAX_FILES: usize = 2000;

/// The other certificates of the same keys in the folders of these files, such as renewed ones, that have not ended. What
/// is no certificate is passed over.
pub fn same_key(
    files: &[PathBuf],
    certificates: &[Certificate],
    now: Timestamp,
) -> Vec<(PathBuf, Certificate)> {
    let mut folders: Vec<&Path> = files
        .iter()
        .map(|file| match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        })
        .collect();
    folders.sort_unstable();
    folders.dedup();
    let mut found: Vec<(PathBuf, Certificate)> = Vec::new();
    for folder in folders {
        let Ok(entries) = fs_err::read_dir(folder) else {
            continue;
        };
        let mut paths: Vec<PathBuf> = entries
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| {
                let extension = path.extension().and_then(|extension| extension.to_str());
                matches!(extension, Some("crt" | "pem" | "cer")) && path.is_file()
            })
            .take(MAX_FILES)
            .collect();
        paths.sort();
        for path in paths {
            let chain = Certificate::chain_from_file(&path).unwrap_or_default();
            let Some(first) = chain.into_iter().next() else {
                continue;
            };
            let is_other = !certificates.contains(&first) && found.iter().all(|(_, known)| *known != first);
            let is_same_key = certificates.iter().any(|one| one.spki_der() == first.spki_der());
            if is_other && is_same_key && first.not_after() >= now {
                let shown = path.strip_prefix("./").map(Path::to_owned).unwrap_or(path);
                found.push((shown, first));
            }
        }
    }
    found
}

/// The last list of an issuer, read from its file; `None` when there is no file yet.
///
/// # Errors
/// The file holds something else, or a list of another issuer.
pub fn last(path: &Path, issuer: &Certificate) -> Result<Option<RevocationList>, RevokeError> {
    let lists = match RevocationList::all_from_file(path) {
        Ok(lists) => lists,
        Err(CrlError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Ok(None);
        }
        Err(source) => {
            return Err(RevokeError::Read {
                path: path.to_owned(),
                source: Box::new(source),
            });
        }
    };
    let count = lists.len();
    let mut lists = lists.into_iter();
    match (lists.next(), lists.next()) {
        (Some(list), None) if list.is_signed_by(issuer) => Ok(Some(list)),
        (Some(_), None) => Err(RevokeError::OtherIssuer {
            path: path.to_owned(),
            issuer: issuer.common_name(),
        }),
        _ => Err(RevokeError::Several {
            path: path.to_owned(),
            count,
        }),
    }
}

/// A new list: everything of the last one and more.
#[derive(Debug)]
pub struct Issued {
    pub list: RevocationList,
    /// Those that the last list had already.
    pub already: Vec<TakenBack>,
}

/// What the next list is to be.
#[derive(Debug)]
pub struct NextList<'a> {
    /// Whose list, and where it is kept.
    pub issuer: &'a Certificate,
    pub path: &'a Path,
    pub last: Option<&'a RevocationList>,
    pub add: &'a [TakenBack],
    pub reason: Option<Reason>,
    /// After this time the list is refused, and with it everything that its issuer vouches for.
    pub valid_for: SignedDuration,
}

/// Makes the next list of an issuer and writes it in the place of the last.
///
/// # Errors
/// The key is not the issuer's or cannot sign, or the disk does not take it; the last list stays then.
pub fn issue(next: &NextList<'_>, key: &dyn IssuingKey, now: Timestamp) -> Result<Issued, RevokeError> {
    let days = next.valid_for.as_hours() / 24;
    if !(1..=3660).contains(&days) {
        return Err(RevokeError::Validity { days });
    }
    let mut entries: Vec<(String, Revoked)> =
        next.last.map(|last| last.entries().collect()).unwrap_or_default();
    let mut already = Vec::new();
    for one in next.add {
        if entries.iter().any(|(serial, _)| *serial == one.serial) {
            already.push(one.clone());
            continue;
        }
        let revoked = Revoked {
            at: now,
            reason: next.reason,
        };
        entries.push((one.serial.clone(), revoked));
    }
    entries.sort_by(|(a, one), (b, other)| (one.at, a).cmp(&(other.at, b)));
    let too_large = || RevokeError::Number {
        path: next.path.to_owned(),
    };
    let before = match next.last.and_then(RevocationList::number) {
        None => 0,
        Some(bytes) if bytes.len() <= 8 => bytes
            .iter()
            .fold(0_u64, |number, byte| number << 8 | u64::from(*byte)),
        Some(_) => return Err(too_large()),
    };
    let number = before
        .checked_add(1)
        .ok_or_else(too_large)?
        .max(u64::try_from(now.as_second()).unwrap_or(0));
    let until = now.checked_add(next.valid_for).unwrap_or(Timestamp::MAX);
    let list =
        issue::revocation_list(next.issuer, key, &entries, number, now, until).map_err(RevokeError::Issue)?;
    write::replace(next.path, list.to_pem().as_bytes(), Readers::Everyone).map_err(|source| {
        RevokeError::Write {
            path: next.path.to_owned(),
            source,
        }
    })?;
    Ok(Issued { list, already })
}
