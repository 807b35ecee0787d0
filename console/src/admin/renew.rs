//! Renewing a certificate with the same key: what trusts the key's issuer goes on trusting it, and nothing that was
//! signed has to be signed again by another key.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use muster_shared::crypto::Certificate;
use muster_shared::crypto::issue::{self, IssueError, IssuingKey};
use muster_shared::hint::Hint;

use super::write::{self, Readers};

/// Why a certificate was not renewed.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    #[error("{name} was issued by {issuer}, whose key is needed to renew it")]
    NeedsIssuer { name: String, issuer: String },
    #[error("{name} is self-signed; it is renewed with its own key, not by {ca}")]
    SelfSigned { name: String, ca: String },
    #[error("the certificate cannot be made")]
    Issue(#[source] IssueError),
    #[error("a certificate is valid for 1 day to 30 years, not {days} days")]
    Validity { days: i64 },
    #[error("cannot write {path}")]
    Write {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl Hint for RenewError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::NeedsIssuer { .. } => vec!["name it with --ca ca.crt --ca-key ca.pem".to_owned()],
            Self::SelfSigned { .. } => vec![
                "leave --ca out; or have the CA issue a new certificate with `muster key create --issuer`"
                    .to_owned(),
            ],
            Self::Issue(IssueError::Sign(source)) => source.hints(),
            Self::Issue(_) | Self::Validity { .. } | Self::Write { .. } => Vec::new(),
        }
    }
}

/// Makes the new certificate. `issuer` is the chain of the CA, its own certificate first; empty for a self-signed one.
/// The answer is the new certificate, then those above it.
///
/// # Errors
/// The key is not the issuer's, or the certificate is of another kind than asked for.
pub fn renew(
    old: &Certificate,
    issuer: &[Certificate],
    key: &dyn IssuingKey,
    valid_for: SignedDuration,
    now: Timestamp,
) -> Result<Vec<Certificate>, RenewError> {
    let days = valid_for.as_hours() / 24;
    if !(1..=30 * 366).contains(&days) {
        return Err(RenewError::Validity { days });
    }
    let ca = issuer.first();
    match ca {
        None if !old.is_self_issued() => {
            return Err(RenewError::NeedsIssuer {
                name: old.common_name(),
                issuer: old.issuer(),
            });
        }
        Some(ca) if old.is_self_issued() && ca.spki_der() != old.spki_der() => {
            return Err(RenewError::SelfSigned {
                name: old.common_name(),
                ca: ca.common_name(),
            });
        }
        _ => {}
    }
    let ca = ca.filter(|_ca| !old.is_self_issued());
    // An hour back, for machines whose clock is a little slow.
    let not_before = now.checked_sub(SignedDuration::from_hours(1)).unwrap_or(now);
    let mut not_after = now.checked_add(valid_for).unwrap_or(Timestamp::MAX);
    if let Some(ca) = ca {
        not_after = not_after.min(ca.not_after());
    }
    let new = issue::renewed(old, ca, key, not_before, not_after).map_err(RenewError::Issue)?;
    Ok(match ca {
        Some(_) => super::certificate::ordered_chain(&new, issuer),
        None => vec![new],
    })
}

/// Writes a chain to a file that nobody has: the name given, else with the time behind it (`alice-20260301-100000.crt`).
///
/// # Errors
/// The folder or the disk does not take it.
pub fn write_beside(path: &Path, chain: &[Certificate], now: Timestamp) -> Result<PathBuf, RenewError> {
    let text: String = chain.iter().map(Certificate::to_pem).collect();
    let stem = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let extension = path.extension().map_or_else(
        || "crt".to_owned(),
        |extension| extension.to_string_lossy().into_owned(),
    );
    let stamp = now.strftime("%Y%m%d-%H%M%S");
    let dated = path.with_file_name(format!("{stem}-{stamp}.{extension}"));
    for candidate in [path, &dated] {
        match write::create(candidate, text.as_bytes(), Readers::Everyone) {
            Ok(()) => return Ok(candidate.to_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && candidate == path => {}
            Err(source) => {
                return Err(RenewError::Write {
                    path: candidate.to_owned(),
                    source,
                });
            }
        }
    }
    Err(RenewError::Write {
        path: dated,
        source: std::io::ErrorKind::AlreadyExists.into(),
    })
}
