//! The files in `ca/`: created once by `init`, read by `run`; private keys only for the server's account.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp, ToSpan as _};
use muster_shared::crypto::issue::{Authority, IssueError};
use muster_shared::crypto::{Certificate, CertificateError};
use muster_shared::hint::Hint;

use crate::layout::write_atomically;

/// How long the CAs live, in days: longer than any server; they are replaced on purpose, not by surprise.
const CA_DAYS: i64 = 20 * 365;

/// How long a TLS certificate lives, in days: what clients accept of a private CA.
const TLS_DAYS: i64 = 397;

/// Certificates begin this long ago, for clients whose clocks are behind.
const BACKDATED: SignedDuration = SignedDuration::from_hours(24);

/// A TLS certificate is renewed when it ends within this many days.
const RENEW_WITHIN_DAYS: i64 = 60;

/// What can go wrong with the server's own keys.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error("{path} is already there")]
    Exists { path: PathBuf },
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot write {path}")]
    Write {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} is no certificate that can be read")]
    Certificate {
        path: PathBuf,
        #[source]
        source: CertificateError,
    },
    #[error("cannot issue the certificate {name}")]
    Issue {
        name: String,
        #[source]
        source: IssueError,
    },
    #[error("the TLS key {path} and its certificate cannot be used")]
    Tls {
        path: PathBuf,
        #[source]
        source: rustls::Error,
    },
}

impl Hint for AuthorityError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Exists { .. } => vec![
                "this server was initialised before; use `muster-server run`, or another data folder".into(),
            ],
            Self::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => vec![
                "run `muster-server init --name NAME` first, or restore the folder `ca` from a backup".into(),
            ],
            Self::Read { .. } | Self::Write { .. } => {
                vec!["run it as the account that owns the data folder".into()]
            }
            Self::Certificate { .. } | Self::Tls { .. } => {
                vec!["restore the folder `ca` from a backup".into()]
            }
            Self::Issue { .. } => Vec::new(),
        }
    }
}

/// The folder `ca/`.
#[derive(Debug, Clone)]
pub struct AuthorityFiles {
    folder: PathBuf,
}

impl AuthorityFiles {
    /// The files in this folder; nothing is read.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// Any of the files is there.
    pub fn exist(&self) -> bool {
        self.all().iter().any(|path| path.exists())
    }

    /// Creates both CAs and the first TLS certificate, for these names.
    ///
    /// # Errors
    /// A file is already there, or cannot be written.
    pub fn create(&self, names: &[String], now: Timestamp) -> Result<(), AuthorityError> {
        if let Some(path) = self.all().into_iter().find(|path| path.exists()) {
            return Err(AuthorityError::Exists { path });
        }
        let name = names.first().map_or("Muster", String::as_str);
        for (kind, certificate, key) in [
            ("server", self.server_ca(), self.server_ca_key()),
            ("host", self.host_ca(), self.host_ca_key()),
        ] {
            // A common name has at most 64 characters.
            let common_name: String = format!("Muster {kind} CA of {name}").chars().take(64).collect();
            let issue_error = |source| AuthorityError::Issue {
                name: common_name.clone(),
                source,
            };
            let authority = Authority::create(&common_name, backdated(now), after_days(now, CA_DAYS))
                .map_err(issue_error)?;
            write(&key, authority.key_pem().map_err(issue_error)?.as_bytes(), true)?;
            write(&certificate, authority.certificate().to_pem().as_bytes(), false)?;
        }
        self.issue_tls(names, now)
    }

    /// Issues a new TLS certificate for these names; the pin stays, since it names the CA.
    ///
    /// # Errors
    /// The server CA cannot be read or the files cannot be written.
    pub fn issue_tls(&self, names: &[String], now: Timestamp) -> Result<(), AuthorityError> {
        let authority = authority(&self.server_ca(), &self.server_ca_key())?;
        // No TLS certificate outlives its CA.
        let not_after = after_days(now, TLS_DAYS).min(authority.certificate().not_after());
        let (certificate, key) =
            authority
                .issue_server(names, backdated(now), not_after)
                .map_err(|source| AuthorityError::Issue {
                    name: names.join(", "),
                    source,
                })?;
        // One file with key and chain: a renewal cut off by a power failure never mixes two pairs.
        let chain = format!(
            "{}{}{}",
            *key,
            certificate.to_pem(),
            authority.certificate().to_pem()
        );
        write(&self.tls(), chain.as_bytes(), true)
    }

    /// Issues a new TLS certificate for the same names when the present one ends soon. True when it did.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub fn renew_tls_if_due(&self, now: Timestamp) -> Result<bool, AuthorityError> {
        let present = self.tls_certificate()?;
        if present.not_after() > after_days(now, RENEW_WITHIN_DAYS) {
            return Ok(false);
        }
        self.issue_tls(&present.alternative_names(), now)?;
        Ok(true)
    }

    /// The certificate that TLS clients see.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn tls_certificate(&self) -> Result<Certificate, AuthorityError> {
        certificate(&self.tls())
    }

    /// The certificate of the server CA, whose fingerprint is the pin.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn server_ca_certificate(&self) -> Result<Certificate, AuthorityError> {
        certificate(&self.server_ca())
    }

    /// The host CA with its key.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn host_authority(&self) -> Result<super::HostAuthority, AuthorityError> {
        Ok(super::HostAuthority::new(authority(
            &self.host_ca(),
            &self.host_ca_key(),
        )?))
    }

    /// Key, certificate and chain of TLS, in one PEM file.
    pub fn tls(&self) -> PathBuf {
        self.folder.join("tls.pem")
    }

    fn server_ca(&self) -> PathBuf {
        self.folder.join("server-ca.crt")
    }

    fn server_ca_key(&self) -> PathBuf {
        self.folder.join("server-ca.key")
    }

    fn host_ca(&self) -> PathBuf {
        self.folder.join("host-ca.crt")
    }

    fn host_ca_key(&self) -> PathBuf {
        self.folder.join("host-ca.key")
    }

    fn all(&self) -> [PathBuf; 5] {
        [
            self.server_ca(),
            self.server_ca_key(),
            self.host_ca(),
            self.host_ca_key(),
            self.tls(),
        ]
    }
}

/// So many days after a time; far in the future when that is out of range.
pub(super) fn after_days(at: Timestamp, days: i64) -> Timestamp {
    at.checked_add((days * 24).hours()).unwrap_or(Timestamp::MAX)
}

pub(super) fn backdated(at: Timestamp) -> Timestamp {
    at.checked_sub(BACKDATED).unwrap_or(at)
}

fn authority(certificate: &Path, key: &Path) -> Result<Authority, AuthorityError> {
    let read = |path: &Path| {
        fs_err::read_to_string(path).map_err(|source| AuthorityError::Read {
            path: path.to_owned(),
            source,
        })
    };
    let key = secrecy::zeroize::Zeroizing::new(read(key)?);
    Authority::from_pem(&read(certificate)?, &key).map_err(|source| AuthorityError::Issue {
        name: certificate.display().to_string(),
        source,
    })
}

fn certificate(path: &Path) -> Result<Certificate, AuthorityError> {
    let text = fs_err::read_to_string(path).map_err(|source| AuthorityError::Read {
        path: path.to_owned(),
        source,
    })?;
    Certificate::from_pem(&text).map_err(|source| AuthorityError::Certificate {
        path: path.to_owned(),
        source,
    })
}

fn write(path: &Path, bytes: &[u8], private: bool) -> Result<(), AuthorityError> {
    write_atomically(path, bytes, private).map_err(|source| AuthorityError::Write {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn created() -> (tempfile::TempDir, AuthorityFiles, Timestamp) {
        let folder = tempfile::tempdir().unwrap();
        let files = AuthorityFiles::new(folder.path());
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        files
            .create(&["srv.example.org".to_owned(), "localhost".to_owned()], now)
            .unwrap();
        (folder, files, now)
    }

    #[test]
    fn nothing_is_overwritten() {
        let (_folder, files, now) = created();
        let pin = files.server_ca_certificate().unwrap().fingerprint();
        let error = files.create(&["other".to_owned()], now).unwrap_err();
        assert!(matches!(error, AuthorityError::Exists { .. }));
        assert_eq!(files.server_ca_certificate().unwrap().fingerprint(), pin);
    }

    #[test]
    fn a_tls_certificate_that_ends_soon_is_renewed_for_the_same_names_under_the_same_pin() {
        let (_folder, files, now) = created();
        let (pin, first) = (
            files.server_ca_certificate().unwrap().fingerprint(),
            files.tls_certificate().unwrap(),
        );
        assert!(!files.renew_tls_if_due(now).unwrap());
        let later = after_days(now, 340);
        assert!(files.renew_tls_if_due(later).unwrap());
        let second = files.tls_certificate().unwrap();
        assert_ne!(first.fingerprint(), second.fingerprint());
        assert_eq!(first.alternative_names(), second.alternative_names());
        assert_eq!(files.server_ca_certificate().unwrap().fingerprint(), pin);
        assert!(!files.renew_tls_if_due(later).unwrap());
    }

    #[cfg(unix)]
    #[test]
    fn private_keys_are_for_their_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let (folder, files, _now) = created();
        for path in [
            folder.path().join("server-ca.key"),
            folder.path().join("host-ca.key"),
            files.tls(),
        ] {
            let mode = fs_err::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", path.display());
        }
    }

    #[test]
    fn a_folder_without_files_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let error = AuthorityFiles::new(folder.path()).tls_certificate().unwrap_err();
        assert!(error.hints().concat().contains("init"));
    }
}
