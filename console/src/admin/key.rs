//! Making a person's key and certificate: self-signed to start with, or issued by a CA of the organisation.
//!
//! The key never leaves the file it is written to, encrypted with the person's password unless they insist;
//! neither file ever replaces one that is there.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use muster_shared::crypto::issue::{self, IssueError, IssuingKey, Purpose, SignerKey, Subject};
use muster_shared::crypto::{Certificate, CertificateError, FileSigner, KeyError, PrivateKey, Signer};
use muster_shared::hint::Hint;
use secrecy::SecretString;

use super::certificate::ordered_chain;
use super::password::{self, ShortPassword};
use super::pkcs12::{self, Pkcs12Error};
use super::write::{self, Readers};

/// The kinds of key that sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// Accepted by agents of the predecessor too.
    Rsa { bits: usize },
    /// EC P-256: smaller and faster; agents of the predecessor refuse it.
    Ec,
}

/// Who vouches for the new certificate.
pub enum Issuer {
    /// The new key itself.
    SelfSigned,
    /// A CA: its certificate, what follows it up to the root, and its open key, in a file or on a token.
    Ca(Box<dyn Signer>),
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::SelfSigned => f.write_str("SelfSigned"),
            Self::Ca(signer) => write!(f, "Ca({})", signer.certificate().common_name()),
        }
    }
}

/// What to make.
#[derive(Debug)]
pub struct KeyRequest {
    pub key_type: KeyType,
    pub subject: Subject,
    pub purpose: Purpose,
    pub valid_for: SignedDuration,
    pub issuer: Issuer,
    /// Where the key goes (PEM, PKCS#8).
    pub key_path: PathBuf,
    /// Where the certificate and its intermediates go (PEM).
    pub certificate_path: PathBuf,
    /// `None` leaves the key unencrypted.
    pub password: Option<SecretString>,
    /// Also a PKCS#12 file, and its password.
    pub pkcs12: Option<(PathBuf, SecretString)>,
}

/// Why no key was made. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum KeyCreateError {
    #[error("{path} exists already")]
    Exists { path: PathBuf },
    #[error("cannot write {path}")]
    Write {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the key cannot be made")]
    Generate(#[source] KeyError),
    #[error("the certificate cannot be made")]
    Issue(#[source] IssueError),
    #[error("{path} cannot be used as the issuer")]
    IssuerCertificate {
        path: PathBuf,
        #[source]
        source: CertificateError,
    },
    #[error("{name} may not issue certificates: it is no CA")]
    NotACa { name: String },
    #[error("the key {path} of the issuer cannot be used")]
    IssuerKey {
        path: PathBuf,
        #[source]
        source: KeyError,
    },
    #[error("the key {path} does not belong to the issuer's certificate")]
    IssuerMismatch { path: PathBuf },
    #[error(transparent)]
    Password(#[from] ShortPassword),
    #[error(transparent)]
    Pkcs12(Pkcs12Error),
    #[error("a certificate is valid for 1 day to 30 years, not {days} days")]
    Validity { days: i64 },
}

impl Hint for KeyCreateError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Exists { .. } => vec!["choose another name; a key is never overwritten".to_owned()],
            Self::NotACa { .. } => vec!["make one with: muster key create ca --ca".to_owned()],
            Self::IssuerKey { source, .. } | Self::Generate(source) => source.hints(),
            Self::Write { source, .. } => match source.kind() {
                std::io::ErrorKind::StorageFull => {
                    vec!["free some space and try again; nothing was changed".to_owned()]
                }
                std::io::ErrorKind::NotFound => vec!["make the folder first".to_owned()],
                std::io::ErrorKind::PermissionDenied => {
                    vec!["choose a folder that you may write to".to_owned()]
                }
                _ => Vec::new(),
            },
            Self::Password(short) => short.hints(),
            Self::Pkcs12(error) => error.hints(),
            Self::Issue(IssueError::Sign(source)) => source.hints(),
            Self::Issue(IssueError::Country(_)) => vec!["for example --country FR".to_owned()],
            Self::Issue(IssueError::CommonName) => vec!["give one with --cn".to_owned()],
            Self::Issue(_)
            | Self::IssuerCertificate { .. }
            | Self::IssuerMismatch { .. }
            | Self::Validity { .. } => Vec::new(),
        }
    }
}

/// An open signer as the CA that is to issue a certificate.
///
/// # Errors
/// Its certificate is no CA.
pub fn issuer(signer: Box<dyn Signer>) -> Result<Issuer, KeyCreateError> {
    if !signer.certificate().is_ca() {
        return Err(KeyCreateError::NotACa {
            name: signer.certificate().common_name(),
        });
    }
    Ok(Issuer::Ca(signer))
}

/// Opens a CA in files that is to issue a certificate.
///
/// # Errors
/// A file cannot be read, the password is wrong, the certificate is no CA, or the two do not belong together.
pub fn open_issuer(
    certificate_path: &Path,
    key_path: &Path,
    password: Option<&SecretString>,
) -> Result<Issuer, KeyCreateError> {
    let unusable = |source| KeyCreateError::IssuerCertificate {
        path: certificate_path.to_owned(),
        source,
    };
    let chain = Certificate::chain_from_file(certificate_path).map_err(unusable)?;
    let first = chain.first().ok_or_else(|| unusable(CertificateError::Empty))?;
    if !first.is_ca() {
        return Err(KeyCreateError::NotACa {
            name: first.common_name(),
        });
    }
    let pem = fs_err::read_to_string(key_path).map_err(|source| KeyCreateError::Write {
        path: key_path.to_owned(),
        source,
    });
    let of_key = |source| KeyCreateError::IssuerKey {
        path: key_path.to_owned(),
        source,
    };
    let key = PrivateKey::from_pem(&pem?, password).map_err(of_key)?;
    let signer = FileSigner::new(key, chain).map_err(|_mismatch| KeyCreateError::IssuerMismatch {
        path: key_path.to_owned(),
    })?;
    issuer(Box::new(signer))
}

/// Refuses early a certificate that cannot issue: before its key is looked for.
///
/// # Errors
/// It cannot be read, or is no CA.
pub fn check_issuer(path: &Path) -> Result<(), KeyCreateError> {
    let unusable = |source| KeyCreateError::IssuerCertificate {
        path: path.to_owned(),
        source,
    };
    let chain = Certificate::chain_from_file(path).map_err(unusable)?;
    match chain.first() {
        Some(first) if first.is_ca() => Ok(()),
        Some(first) => Err(KeyCreateError::NotACa {
            name: first.common_name(),
        }),
        None => Err(unusable(CertificateError::Empty)),
    }
}

/// Refuses early what [`create`] would refuse: before a password is asked for.
///
/// # Errors
/// A file is in the way, or the validity is out of range.
pub fn check(request: &KeyRequest) -> Result<(), KeyCreateError> {
    let pkcs12 = request.pkcs12.as_ref().map(|(path, _password)| path);
    for path in [&request.key_path, &request.certificate_path]
        .into_iter()
        .chain(pkcs12)
    {
        if path.symlink_metadata().is_ok() {
            return Err(KeyCreateError::Exists { path: path.clone() });
        }
    }
    let days = request.valid_for.as_hours() / 24;
    if !(1..=30 * 366).contains(&days) {
        return Err(KeyCreateError::Validity { days });
    }
    Ok(())
}

/// Makes the key and its certificate and writes both files. Takes about a second for RSA.
///
/// # Errors
/// Nothing is left behind when one of the two files cannot be written.
pub fn create(request: &KeyRequest, now: Timestamp) -> Result<Certificate, KeyCreateError> {
    check(request)?;
    if let Some(password) = &request.password {
        password::check(password)?;
    }
    let key = match request.key_type {
        KeyType::Rsa { bits } => PrivateKey::generate_rsa(bits),
        KeyType::Ec => PrivateKey::generate_ec(),
    }
    .map_err(KeyCreateError::Generate)?;
    let profile = Profile {
        subject: &request.subject,
        purpose: request.purpose,
        valid_for: request.valid_for,
        issuer: &request.issuer,
    };
    let chain = certify(&key, &profile, now)?;
    let certificate = chain
        .first()
        .cloned()
        .ok_or(KeyCreateError::NotACa { name: String::new() })?;
    let key_pem = key
        .to_pem(request.password.as_ref())
        .map_err(KeyCreateError::Generate)?;
    let chain_pem: String = chain.iter().map(Certificate::to_pem).collect();
    let pkcs12 = match &request.pkcs12 {
        Some((path, password)) => {
            let identity = pkcs12::Identity { key, chain };
            pkcs12::export(&identity, password, path).map_err(KeyCreateError::Pkcs12)?;
            Some(path)
        }
        None => None,
    };
    let written = create_pair(request, &key_pem, &chain_pem);
    if let (Err(_), Some(path)) = (&written, pkcs12) {
        fs_err::remove_file(path).ok();
    }
    written?;
    Ok(certificate)
}

/// What a new certificate is to say, and who signs it.
#[derive(Debug)]
pub struct Profile<'a> {
    pub subject: &'a Subject,
    pub purpose: Purpose,
    pub valid_for: SignedDuration,
    pub issuer: &'a Issuer,
}

/// Makes the certificate of a key, wherever the key is. The answer is the certificate, then those above it.
///
/// # Errors
/// The subject breaks a rule, or a key cannot sign.
pub fn certify(
    key: &dyn IssuingKey,
    profile: &Profile<'_>,
    now: Timestamp,
) -> Result<Vec<Certificate>, KeyCreateError> {
    // An hour back, for machines whose clock is a little slow.
    let not_before = now.checked_sub(SignedDuration::from_hours(1)).unwrap_or(now);
    let not_after = now.checked_add(profile.valid_for).unwrap_or(Timestamp::MAX);
    let (subject, purpose) = (profile.subject, profile.purpose);
    match profile.issuer {
        Issuer::SelfSigned => {
            let made = issue::self_signed(key, subject, purpose, not_before, not_after);
            Ok(vec![made.map_err(KeyCreateError::Issue)?])
        }
        Issuer::Ca(signer) => {
            let first = signer.certificate();
            let spki = key.spki_der().map_err(KeyCreateError::Generate)?;
            let not_after = not_after.min(first.not_after());
            let issuer_key = SignerKey(signer.as_ref());
            let made = issue::issued_by(first, &issuer_key, &spki, subject, purpose, not_before, not_after)
                .map_err(KeyCreateError::Issue)?;
            Ok(ordered_chain(&made, signer.chain()))
        }
    }
}

fn create_pair(request: &KeyRequest, key_pem: &str, chain_pem: &str) -> Result<(), KeyCreateError> {
    create_file(&request.key_path, key_pem.as_bytes(), Readers::Owner)?;
    if let Err(error) = create_file(&request.certificate_path, chain_pem.as_bytes(), Readers::Everyone) {
        fs_err::remove_file(&request.key_path).ok();
        return Err(error);
    }
    Ok(())
}

fn create_file(path: &Path, bytes: &[u8], readers: Readers) -> Result<(), KeyCreateError> {
    write::create(path, bytes, readers).map_err(|source| {
        if source.kind() == std::io::ErrorKind::AlreadyExists {
            KeyCreateError::Exists {
                path: path.to_owned(),
            }
        } else {
            KeyCreateError::Write {
                path: path.to_owned(),
                source,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use muster_shared::crypto::TrustStore;

    use super::*;

    fn now() -> Timestamp {
        "2026-03-01T10:00:00Z".parse().unwrap()
    }

    fn request(dir: &Path, name: &str, issuer: Issuer, authority: bool) -> KeyRequest {
        KeyRequest {
            key_type: KeyType::Ec,
            subject: Subject {
                common_name: name.to_owned(),
                ..Subject::default()
            },
            purpose: Purpose {
                code_signing: true,
                client_auth: true,
                authority,
            },
            valid_for: SignedDuration::from_hours(24 * 365),
            issuer,
            key_path: dir.join(format!("{name}.pem")),
            certificate_path: dir.join(format!("{name}.crt")),
            password: Some(SecretString::from("long enough".to_owned())),
            pkcs12: None,
        }
    }

    #[test]
    fn a_self_signed_key_opens_with_its_password_and_signs() {
        let dir = tempfile::tempdir().unwrap();
        let request = request(dir.path(), "alice", Issuer::SelfSigned, false);
        let certificate = create(&request, now()).unwrap();
        assert!(certificate.may_sign_code());
        let signer = FileSigner::open(
            &request.certificate_path,
            &request.key_path,
            request.password.as_ref(),
        );
        let signer = signer.unwrap();
        let signature = signer.sign(b"message").unwrap();
        certificate.verify(b"message", &signature).unwrap();
        assert!(FileSigner::open(&request.certificate_path, &request.key_path, None).is_err());
    }

    #[test]
    fn a_ca_issues_a_certificate_that_its_anchor_vouches_for() {
        let dir = tempfile::tempdir().unwrap();
        let ca = request(dir.path(), "ca", Issuer::SelfSigned, true);
        let root = create(&ca, now()).unwrap();
        let issuer = open_issuer(&ca.certificate_path, &ca.key_path, ca.password.as_ref()).unwrap();
        let bob = create(&request(dir.path(), "bob", issuer, false), now()).unwrap();
        TrustStore::new(vec![root]).check(&bob, &[], now()).unwrap();
        let chain = Certificate::chain_from_file(&dir.path().join("bob.crt")).unwrap();
        assert_eq!(chain.len(), 2);
        let issuer = open_issuer(
            &dir.path().join("bob.crt"),
            &dir.path().join("bob.pem"),
            ca.password.as_ref(),
        );
        assert!(matches!(issuer, Err(KeyCreateError::NotACa { .. })));
    }

    #[test]
    fn a_file_in_the_way_is_never_overwritten_and_nothing_is_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        fs_err::write(dir.path().join("alice.crt"), "precious").unwrap();
        let request = request(dir.path(), "alice", Issuer::SelfSigned, false);
        assert!(matches!(
            create(&request, now()),
            Err(KeyCreateError::Exists { .. })
        ));
        assert_eq!(fs_err::read_dir(dir.path()).unwrap().count(), 1);
        assert_eq!(fs_err::read(dir.path().join("alice.crt")).unwrap(), b"precious");
    }
}
