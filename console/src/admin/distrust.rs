//! Taking trust from keys: documents signed with one's own certificate, gathered in the file that lies beside the index.
//!
//! Parties: an *administrator* whose certificate machines trust by itself signs; whoever has the repository's folder puts
//! the file there; *agents* judge it and never forget. Everything that an agent would refuse in any case is refused here
//! before anybody signs it.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use muster_shared::crypto::{Certificate, Signer};
use muster_shared::envelope::{Envelope, EnvelopeError};
use muster_shared::hint::Hint;
use muster_shared::rules::distrust::{
    self, DISTRUST_TYPE, DISTRUST_VERSION, Distrust, DistrustError, DistrustFile, DistrustedKey,
    MAX_DISTRUST_FILE_BYTES, MAX_DOCUMENTS,
};

use super::write::{Readers, replace};

/// Why nobody is distrusted.
#[derive(Debug, thiserror::Error)]
pub enum DistrustFileError {
    #[error("cannot read {path}", path = path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} is no file of signed documents", path = path.display())]
    NoFile {
        path: PathBuf,
        #[source]
        source: DistrustError,
    },
    #[error("{path} holds {MAX_DOCUMENTS} documents already, or more than {MAX_DISTRUST_FILE_BYTES} bytes", path = .0.display())]
    Full(PathBuf),
    #[error("{0} signs the document itself: machines take no word of a key against itself")]
    Own(String),
    #[error("agents would refuse this document")]
    Document(#[source] DistrustError),
    #[error("the document cannot be signed")]
    Sign(#[source] EnvelopeError),
    #[error("the document cannot be written")]
    Write(#[source] serde_json::Error),
    #[error("cannot write {path}", path = path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl Hint for DistrustFileError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Own(_) => vec![
                "whoever still has the key takes it back with `muster cert revoke`".to_owned(),
                "else somebody else signs, whose certificate machines trust: --certificate and --key"
                    .to_owned(),
            ],
            Self::NoFile { .. } | Self::Full(_) => {
                vec!["name another file with --out; machines never forget what they believed".to_owned()]
            }
            Self::Sign(source) => source.hints(),
            Self::Read { .. } | Self::Document(_) | Self::Write(_) | Self::File { .. } => Vec::new(),
        }
    }
}

/// The documents of a file; none when there is no such file yet.
///
/// # Errors
/// It cannot be read, or is another kind of file.
pub fn documents(path: &Path) -> Result<Vec<Envelope>, DistrustFileError> {
    match fs_err::read(path) {
        Ok(bytes) => distrust::read(&bytes).map_err(|source| DistrustFileError::NoFile {
            path: path.to_owned(),
            source,
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(DistrustFileError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

/// A document against the keys of these certificates, signed.
///
/// # Errors
/// It names the signer's own key, breaks a bound, or the key cannot sign.
pub fn sign(
    certificates: &[Certificate],
    reason: &str,
    signer: &dyn Signer,
    now: Timestamp,
) -> Result<Envelope, DistrustFileError> {
    let own = signer.certificate();
    if certificates
        .iter()
        .any(|certificate| certificate.spki_der() == own.spki_der())
    {
        return Err(DistrustFileError::Own(own.common_name()));
    }
    let document = Distrust {
        version: DISTRUST_VERSION,
        issued_at: now,
        keys: certificates
            .iter()
            .map(|certificate| DistrustedKey::of(certificate, reason))
            .collect(),
    };
    document.check().map_err(DistrustFileError::Document)?;
    let payload = serde_json::to_vec(&document).map_err(DistrustFileError::Write)?;
    Envelope::sign(DISTRUST_TYPE, &payload, signer).map_err(DistrustFileError::Sign)
}

/// Puts the file into its place: the new one whole, or the one before.
///
/// # Errors
/// There are too many documents, or the disk does not take it.
pub fn write(path: &Path, documents: Vec<Envelope>) -> Result<(), DistrustFileError> {
    if documents.len() > MAX_DOCUMENTS {
        return Err(DistrustFileError::Full(path.to_owned()));
    }
    let mut bytes =
        serde_json::to_vec_pretty(&DistrustFile { documents }).map_err(DistrustFileError::Write)?;
    bytes.push(b'\n');
    if bytes.len() > MAX_DISTRUST_FILE_BYTES {
        return Err(DistrustFileError::Full(path.to_owned()));
    }
    replace(path, &bytes, Readers::Everyone).map_err(|source| DistrustFileError::File {
        path: path.to_owned(),
        source,
    })
}
