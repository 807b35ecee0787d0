//! Rules about which address serves a repository: read from files that people write, signed, and shown.
//!
//! Parties: an *administrator* writes and signs; whoever has the repository's folder puts the file beside the index;
//! *agents* judge it. Everything that an agent would refuse is refused here before anybody signs it.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use muster_shared::crypto::{Certificate, Signer, TrustStore};
use muster_shared::envelope::{Envelope, EnvelopeError, parse_payload};
use muster_shared::hint::Hint;
use muster_shared::rules::repository::{
    MAX_RULES_FILE_BYTES, RULES_TYPE, RULES_VERSION, RepositoryRules, RepositoryRulesError, Rule,
};
use serde::Deserialize;

use super::write::{Readers, replace};

/// Why rules are not signed or not shown.
#[derive(Debug, thiserror::Error)]
pub enum RulesFileError {
    #[error("cannot read {path}", path = path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} has more than {MAX_RULES_FILE_BYTES} bytes", path = .0.display())]
    TooLarge(PathBuf),
    #[error("{path} holds no rules", path = path.display())]
    Toml {
        path: PathBuf,
        #[source]
        source: Box<toml::de::Error>,
    },
    #[error("{path} holds no rules", path = path.display())]
    Json {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("{path} is no file of signed rules", path = path.display())]
    NoEnvelope {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("agents would refuse these rules")]
    Rules(#[source] RepositoryRulesError),
    #[error("the certificate of {0} is not made for signing code, so agents would refuse its rules")]
    Signer(String),
    #[error("the rules cannot be signed")]
    Sign(#[source] EnvelopeError),
    #[error("the signed rules of {path} cannot be read", path = path.display())]
    Payload {
        path: PathBuf,
        #[source]
        source: EnvelopeError,
    },
    #[error("the rules cannot be written")]
    Write(#[source] serde_json::Error),
    #[error("cannot write {path}", path = path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl Hint for RulesFileError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Toml { .. } | Self::Json { .. } => {
                vec!["`muster repo rules sign --help` shows a file of rules".to_owned()]
            }
            Self::NoEnvelope { .. } => vec!["sign it first: muster repo rules sign FILE".to_owned()],
            Self::Signer(_) => vec![
                "sign with a certificate for code (`muster cert show` prints what one is for)".to_owned(),
                "machines that pin this very certificate take its rules all the same: --any-certificate"
                    .to_owned(),
            ],
            Self::Sign(source) | Self::Payload { source, .. } => source.hints(),
            Self::Read { .. } | Self::TooLarge(_) | Self::Rules(_) | Self::Write(_) | Self::File { .. } => {
                Vec::new()
            }
        }
    }
}

/// A file as people write it: `[[rule]]` tables in TOML, or JSON with a list `rules`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesFile {
    #[serde(default, alias = "rules")]
    rule: Vec<Rule>,
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, RulesFileError> {
    let read = |source| RulesFileError::Read {
        path: path.to_owned(),
        source,
    };
    if fs_err::metadata(path).map_err(read)?.len() > MAX_RULES_FILE_BYTES as u64 {
        return Err(RulesFileError::TooLarge(path.to_owned()));
    }
    fs_err::read(path).map_err(read)
}

/// The rules of a file: JSON when its name ends in `.json`, TOML otherwise.
///
/// # Errors
/// It cannot be read, or holds something else.
pub fn read(path: &Path) -> Result<Vec<Rule>, RulesFileError> {
    let bytes = read_bounded(path)?;
    let is_json = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let file: RulesFile = if is_json {
        serde_json::from_slice(&bytes).map_err(|source| RulesFileError::Json {
            path: path.to_owned(),
            source,
        })?
    } else {
        toml::from_str(&String::from_utf8_lossy(&bytes)).map_err(|source| RulesFileError::Toml {
            path: path.to_owned(),
            source: Box::new(source),
        })?
    };
    Ok(file.rule)
}

/// A document of these rules from now on for so many days, checked as agents check it.
///
/// # Errors
/// An agent would refuse it.
pub fn document(rules: Vec<Rule>, days: u16, now: Timestamp) -> Result<RepositoryRules, RulesFileError> {
    let lifetime = SignedDuration::from_hours(24 * i64::from(days));
    let rules = RepositoryRules {
        version: RULES_VERSION,
        issued_at: now,
        expires_at: now.checked_add(lifetime).unwrap_or(Timestamp::MAX),
        rules,
    };
    rules.checked().map_err(RulesFileError::Rules)
}

/// Whether agents that trust the signer's CA take rules of theirs.
pub fn may_sign(certificate: &Certificate) -> bool {
    certificate.may_sign_code()
}

/// Signs a document: the bytes of the file that lies beside the index.
///
/// # Errors
/// The key cannot sign, or agents would refuse a signer who is not pinned and `any_certificate` is not given.
pub fn sign(
    document: &RepositoryRules,
    signer: &dyn Signer,
    any_certificate: bool,
) -> Result<Vec<u8>, RulesFileError> {
    let certificate = signer.certificate();
    if !may_sign(certificate) && !any_certificate {
        return Err(RulesFileError::Signer(certificate.common_name()));
    }
    let payload = serde_json::to_vec(document).map_err(RulesFileError::Write)?;
    let envelope = Envelope::sign(RULES_TYPE, &payload, signer).map_err(RulesFileError::Sign)?;
    let mut bytes = serde_json::to_vec_pretty(&envelope).map_err(RulesFileError::Write)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Puts the signed file into its place: the new one whole, or the one before.
///
/// # Errors
/// The disk does not take it.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), RulesFileError> {
    replace(path, bytes, Readers::Everyone).map_err(|source| RulesFileError::File {
        path: path.to_owned(),
        source,
    })
}

/// A signed file, opened.
#[derive(Debug, Clone)]
pub struct SignedRules {
    /// What is in it; believed only as far as `verdict` says.
    pub rules: RepositoryRules,
    /// Names of those whose certificates are named as signers.
    pub signers: Vec<String>,
    /// With a trust folder: whether machines with it take the rules now, and if not why.
    pub verdict: Option<Result<(), String>>,
}

/// Opens a signed file; with a trust folder judges it as agents do.
///
/// # Errors
/// It cannot be read, or is no such file.
pub fn open(path: &Path, trust: Option<&TrustStore>, now: Timestamp) -> Result<SignedRules, RulesFileError> {
    let bytes = read_bounded(path)?;
    let envelope: Envelope = serde_json::from_slice(&bytes).map_err(|source| RulesFileError::NoEnvelope {
        path: path.to_owned(),
        source,
    })?;
    let payload_error = |source| RulesFileError::Payload {
        path: path.to_owned(),
        source,
    };
    let payload = envelope.payload_unverified().map_err(payload_error)?;
    let rules: RepositoryRules = parse_payload(&payload).map_err(payload_error)?;
    let rules = rules.checked().map_err(RulesFileError::Rules)?;
    let named = envelope
        .signatures
        .iter()
        .map(|signature| signature.keyid.as_str());
    let certificates: Vec<Certificate> = envelope
        .certificates
        .iter()
        .filter_map(|pem| Certificate::from_pem(pem).ok())
        .collect();
    let signers = named
        .map(|keyid| {
            let certificate = certificates.iter().find(|one| one.fingerprint() == keyid);
            certificate.map_or_else(|| keyid.to_owned(), Certificate::common_name)
        })
        .collect();
    let verdict = trust.map(|trust| {
        let verified = envelope
            .verify(RULES_TYPE, trust, now)
            .map_err(|error| muster_shared::hint::chain(&error))?;
        let counts = |signer: &Certificate| trust.is_pinned(signer) || may_sign(signer);
        if !verified.signers.iter().any(counts) {
            return Err("its signer's certificate is not made for signing code".to_owned());
        }
        rules.check_times(now, None).map_err(|error| error.to_string())
    });
    Ok(SignedRules {
        rules,
        signers,
        verdict,
    })
}
