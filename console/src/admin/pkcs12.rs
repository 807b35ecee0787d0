//! PKCS#12 files (`.p12`, `.pfx`): a key with its certificates in one encrypted file, as browsers, Windows and other
//! tools exchange them. Written with AES-256 and SHA-256; read also in the older forms (3DES, RC2).

use std::path::{Path, PathBuf};

use muster_shared::crypto::{Certificate, CertificateError, KeyError, PrivateKey};
use muster_shared::hint::Hint;
use p12_keystore::{
    EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, Pkcs12Archive, PrivateKeyChain,
};
use secrecy::{ExposeSecret as _, SecretString};

use super::password::{self, ShortPassword};
use super::write::{self, Readers};

/// The largest file read, in bytes.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// How often the password is hashed: about a tenth of a second.
const ITERATIONS: u32 = 100_000;

/// Why a PKCS#12 file was not written or read.
#[derive(Debug, thiserror::Error)]
pub enum Pkcs12Error {
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} exists already")]
    Exists { path: PathBuf },
    #[error("cannot write {path}")]
    Write {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} is larger than {MAX_FILE_BYTES} bytes")]
    TooLarge { path: PathBuf },
    #[error("the password does not open {path}")]
    WrongPassword { path: PathBuf },
    #[error("{path} is no PKCS#12 file that can be read")]
    Format {
        path: PathBuf,
        #[source]
        source: p12_keystore::error::Error,
    },
    #[error("{path} holds {count} private keys, and one is wanted")]
    Keys { path: PathBuf, count: usize },
    #[error("{path} holds no certificate of its private key")]
    NoCertificate { path: PathBuf },
    #[error("the private key of {path} cannot be used")]
    Key {
        path: PathBuf,
        #[source]
        source: KeyError,
    },
    #[error("a certificate of {path} cannot be used")]
    Certificate {
        path: PathBuf,
        #[source]
        source: CertificateError,
    },
    #[error("the key cannot be put into a PKCS#12 file")]
    Make(#[source] p12_keystore::error::Error),
    #[error("the key does not belong to the certificate of {name}")]
    Mismatch { name: String },
    #[error(transparent)]
    Password(#[from] ShortPassword),
}

impl Hint for Pkcs12Error {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Exists { .. } => vec!["choose another name; nothing is overwritten".to_owned()],
            Self::WrongPassword { .. } => vec!["type the password again; nothing was changed".to_owned()],
            Self::Format { .. } => {
                vec!["give a .p12 or .pfx file; `openssl pkcs12 -info` says what another one is".to_owned()]
            }
            Self::Key { source, .. } => source.hints(),
            Self::Password(short) => short.hints(),
            Self::NoCertificate { .. } => {
                vec!["export it again with its certificate, for example openssl pkcs12 -export -in CRT -inkey KEY".to_owned()]
            }
            _ => Vec::new(),
        }
    }
}

/// A key with its certificate and those above it.
#[derive(Debug)]
pub struct Identity {
    pub key: PrivateKey,
    /// The key's own certificate first.
    pub chain: Vec<Certificate>,
}

/// The bytes of a PKCS#12 file.
///
/// # Errors
/// The key is not the first certificate's, or the password is too short.
pub fn encode(identity: &Identity, password: &SecretString) -> Result<Vec<u8>, Pkcs12Error> {
    password::check(password)?;
    let leaf = identity.chain.first();
    let name = leaf.map_or_else(String::new, Certificate::common_name);
    let own = identity.key.spki_der().ok();
    if leaf.map(|leaf| leaf.spki_der().to_vec()) != own {
        return Err(Pkcs12Error::Mismatch { name });
    }
    let plain = identity.key.to_pkcs8_plain().map_err(|source| Pkcs12Error::Key {
        path: PathBuf::new(),
        source,
    })?;
    let key = p12_keystore::PrivateKey::from_der(&plain).map_err(Pkcs12Error::Make)?;
    let certificates: Vec<p12_keystore::Certificate> = identity
        .chain
        .iter()
        .map(|certificate| p12_keystore::Certificate::from_der(certificate.der()))
        .collect::<Result<_, _>>()
        .map_err(Pkcs12Error::Make)?;
    let id = leaf.map(Certificate::spki_sha256).unwrap_or_default();
    let id = hex::decode(id.get(..40).unwrap_or_default()).unwrap_or_default();
    let mut store = KeyStore::new();
    let chain = PrivateKeyChain::new(id, key, certificates);
    store.add_entry(&name, KeyStoreEntry::PrivateKeyChain(chain));
    store
        .writer(password.expose_secret())
        .encryption_algorithm(EncryptionAlgorithm::PbeWithHmacSha256AndAes256)
        .encryption_iterations(ITERATIONS)
        .mac_algorithm(MacAlgorithm::HmacSha256)
        .mac_iterations(ITERATIONS)
        .write()
        .map_err(Pkcs12Error::Make)
}

/// Writes a PKCS#12 file, readable by its owner; nothing is overwritten.
///
/// # Errors
/// As [`encode`], and when the file exists or the disk does not take it.
pub fn export(identity: &Identity, password: &SecretString, path: &Path) -> Result<(), Pkcs12Error> {
    let bytes = encode(identity, password)?;
    create(path, &bytes, Readers::Owner)
}

/// Reads the one key of a PKCS#12 file with its certificates.
///
/// # Errors
/// The password does not open it, or it holds something else.
pub fn import(path: &Path, password: &SecretString) -> Result<Identity, Pkcs12Error> {
    use std::io::Read as _;
    let path_of = || path.to_owned();
    let failed = |source| Pkcs12Error::Read {
        path: path_of(),
        source,
    };
    let mut bytes = Vec::new();
    let file = fs_err::File::open(path).map_err(failed)?;
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(Pkcs12Error::TooLarge { path: path_of() });
    }
    let archive = Pkcs12Archive::from_pkcs12(&bytes, password.expose_secret()).map_err(|source| {
        use p12_keystore::error::Error;
        match source {
            Error::MacError(_) => Pkcs12Error::WrongPassword { path: path_of() },
            source => Pkcs12Error::Format {
                path: path_of(),
                source,
            },
        }
    })?;
    let [held] = archive.keys.as_slice() else {
        return Err(Pkcs12Error::Keys {
            path: path_of(),
            count: archive.keys.len(),
        });
    };
    let of_key = |source| Pkcs12Error::Key {
        path: path_of(),
        source,
    };
    let key = PrivateKey::from_pkcs8_plain(held.key.as_der()).map_err(of_key)?;
    let spki = key.spki_der().map_err(of_key)?;
    let mut certificates = Vec::new();
    for held in &archive.certs {
        let read = Certificate::from_der(held.cert.as_der()).map_err(|source| Pkcs12Error::Certificate {
            path: path_of(),
            source,
        })?;
        certificates.push(read);
    }
    let leaf = certificates.iter().find(|one| one.spki_der() == spki);
    let leaf = leaf.ok_or_else(|| Pkcs12Error::NoCertificate { path: path_of() })?;
    Ok(Identity {
        chain: super::certificate::ordered_chain(leaf, &certificates),
        key,
    })
}

fn create(path: &Path, bytes: &[u8], readers: Readers) -> Result<(), Pkcs12Error> {
    write::create(path, bytes, readers).map_err(|source| {
        let path = path.to_owned();
        if source.kind() == std::io::ErrorKind::AlreadyExists {
            Pkcs12Error::Exists { path }
        } else {
            Pkcs12Error::Write { path, source }
        }
    })
}

/// Writes a key and its certificates as two PEM files; neither is overwritten.
///
/// # Errors
/// The password is too short, or a file exists or cannot be written; nothing is left behind then.
pub fn write_pem(
    identity: &Identity,
    password: Option<&SecretString>,
    key_path: &Path,
    certificate_path: &Path,
) -> Result<(), Pkcs12Error> {
    if let Some(password) = password {
        password::check(password)?;
    }
    let key = identity.key.to_pem(password).map_err(|source| Pkcs12Error::Key {
        path: key_path.to_owned(),
        source,
    })?;
    let chain: String = identity.chain.iter().map(Certificate::to_pem).collect();
    create(key_path, key.as_bytes(), Readers::Owner)?;
    if let Err(error) = create(certificate_path, chain.as_bytes(), Readers::Everyone) {
        fs_err::remove_file(key_path).ok();
        return Err(error);
    }
    Ok(())
}
