//! Who signs: a key file or a key on a token; which ones there are; opening one with its password or PIN.

use std::fmt;
use std::path::{Path, PathBuf};

use muster_shared::crypto::pkcs11_uri::{Pkcs11Uri, UriError};
use muster_shared::crypto::token::{
    self, PinState, TokenError, TokenInfo, TokenName, TokenSelector, TokenSigner,
};
use muster_shared::crypto::{Certificate, CertificateError, FileSigner, PrivateKey, SignError, Signer};
use muster_shared::hint::Hint;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// A person's choice of what to sign with. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum SignerChoice {
    /// A key in a file, with the file of its certificate.
    KeyFile { certificate: PathBuf, key: PathBuf },
    /// A key on a PKCS#11 token.
    Token {
        /// The PKCS#11 library.
        module: PathBuf,
        /// Label or serial number of the token.
        label: String,
        /// `CKA_ID` in hex, label or fingerprint of the certificate; the only one that can sign when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key_id: Option<String>,
        /// File of its certificate and those above it; those on the token when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        certificate: Option<PathBuf>,
    },
    /// A key on a token, named by a PKCS#11 URI (RFC 7512).
    Uri {
        /// The PKCS#11 library.
        module: PathBuf,
        uri: String,
        /// File of its certificate and those above it; those on the token when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        certificate: Option<PathBuf>,
    },
}

impl SignerChoice {
    /// A choice from a PKCS#11 URI; `module` is the library when the URI names none.
    ///
    /// # Errors
    /// It is no URI, or neither it nor anything else names a library.
    pub fn from_uri(text: &str, module: Option<PathBuf>, known: &[PathBuf]) -> Result<Self, SignerError> {
        let uri: Pkcs11Uri = text.parse()?;
        let only_known = match known {
            [one] => Some(one.clone()),
            _ => None,
        };
        let module = super::token::module_of(&uri, known)
            .or(module)
            .or(only_known)
            .ok_or_else(|| SignerError::NoModule { uri: text.to_owned() })?;
        Ok(Self::Uri {
            module,
            uri: text.to_owned(),
            certificate: None,
        })
    }

    /// The same key with the certificate in a file, in place of the one on the token.
    #[must_use]
    pub fn with_certificate(mut self, file: PathBuf) -> Self {
        match &mut self {
            Self::KeyFile { certificate, .. } => *certificate = file,
            Self::Token { certificate, .. } | Self::Uri { certificate, .. } => *certificate = Some(file),
        }
        self
    }

    /// The file of its certificates, when it has one.
    fn certificate_file(&self) -> Option<&Path> {
        match self {
            Self::KeyFile { certificate, .. } => Some(certificate),
            Self::Token { certificate, .. } | Self::Uri { certificate, .. } => certificate.as_deref(),
        }
    }

    /// The certificates in its file; none when it names no file.
    fn given_certificates(&self) -> Result<Vec<Certificate>, SignerError> {
        let Some(path) = self.certificate_file() else {
            return Ok(Vec::new());
        };
        Certificate::chain_from_file(path).map_err(|source| SignerError::Certificate {
            path: path.to_owned(),
            source,
        })
    }
}

impl fmt::Display for SignerChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyFile { key, .. } => write!(f, "{}", key.display()),
            Self::Token { label, .. } => write!(f, "the token {label}"),
            Self::Uri { uri, .. } => f.write_str(uri),
        }
    }
}

/// Why a signer cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    #[error(transparent)]
    Open(#[from] SignError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("cannot read the certificate {path}")]
    Certificate {
        path: PathBuf,
        #[source]
        source: CertificateError,
    },
    #[error("cannot read the key {path}")]
    Key {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Uri(#[from] UriError),
    #[error("{uri} names no PKCS#11 library")]
    NoModule { uri: String },
    #[error("cannot read the PIN of {uri}")]
    PinFile {
        uri: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{module} finds {count} tokens that can sign")]
    WhichToken { module: PathBuf, count: usize },
}

impl Hint for SignerError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Open(error) => error.hints(),
            Self::Token(error) => error.hints(),
            Self::Certificate { .. } => vec!["give the .crt file (PEM) that belongs to the key".to_owned()],
            Self::Key { .. } => vec!["give the .pem file that `muster key create` made".to_owned()],
            Self::Uri(error) => error.hints(),
            Self::NoModule { .. } => vec![
                "name it with --module, or in the URI: ?module-path=/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so".to_owned(),
            ],
            Self::PinFile { .. } => vec!["leave ?pin-source= out to be asked for the PIN".to_owned()],
            Self::WhichToken { .. } => {
                vec!["choose one with --token LABEL; `muster token list` shows them".to_owned()]
            }
        }
    }
}

/// What must be given to open a signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretKind {
    /// Nothing; or the reader asks for the PIN itself.
    None,
    Password,
    Pin,
}

/// What opening a signer needs, without opening it.
///
/// # Errors
/// The key file cannot be read, or the module or the token is not there.
pub fn needs_secret(choice: &SignerChoice) -> Result<SecretKind, SignerError> {
    // A missing certificate is said before a password or PIN is asked for.
    choice.given_certificates()?;
    match choice {
        SignerChoice::KeyFile { key, .. } => {
            let pem = read_key(key)?;
            Ok(if PrivateKey::is_encrypted(&pem) {
                SecretKind::Password
            } else {
                SecretKind::None
            })
        }
        SignerChoice::Token { module, label, .. } => {
            let tokens = token::list(module)?;
            let info = tokens.iter().find(|token| is_called(token, label));
            let info = info.ok_or_else(|| TokenError::NoToken {
                wanted: format!("{label:?}"),
                found: names(&tokens),
            })?;
            needs_pin(info)
        }
        SignerChoice::Uri { module, uri, .. } => {
            let uri: Pkcs11Uri = uri.parse()?;
            let info = TokenName::Uri(Box::new(uri.clone())).find(module)?;
            match needs_pin(&info)? {
                // The file that the URI names is read late, by `open`.
                SecretKind::Pin if uri.pin_source.is_some() => Ok(SecretKind::None),
                needed => Ok(needed),
            }
        }
    }
}

fn needs_pin(info: &TokenInfo) -> Result<SecretKind, SignerError> {
    match info.pin {
        PinState::NotNeeded | PinState::ReaderPad => Ok(SecretKind::None),
        PinState::Locked => Err(TokenError::PinLocked(info.label.clone()).into()),
        PinState::Ready | PinState::WrongBefore | PinState::LastTry => Ok(SecretKind::Pin),
    }
}

/// The PIN in the file that a URI names: its first line.
///
/// # Errors
/// The file cannot be read.
pub fn pin_of(uri: &Pkcs11Uri) -> Result<Option<SecretString>, SignerError> {
    use std::io::Read as _;
    let Some(path) = &uri.pin_source else {
        return Ok(None);
    };
    let mut text = zeroize::Zeroizing::new(String::new());
    fs_err::File::open(path)
        .and_then(|file| file.take(4096).read_to_string(&mut text))
        .map_err(|source| SignerError::PinFile {
            uri: uri.to_string(),
            source,
        })?;
    Ok(Some(SecretString::from(
        text.lines().next().unwrap_or_default().to_owned(),
    )))
}

/// Opens a signer. A password or PIN is tried once.
///
/// # Errors
/// A file cannot be read, the secret is wrong, or the token does not have such a key.
pub fn open(choice: &SignerChoice, secret: Option<&SecretString>) -> Result<Box<dyn Signer>, SignerError> {
    let given = choice.given_certificates()?;
    match choice {
        SignerChoice::KeyFile { certificate, key } => {
            Ok(Box::new(FileSigner::open(certificate, key, secret)?))
        }
        SignerChoice::Token {
            module,
            label,
            key_id,
            ..
        } => {
            let selector = TokenSelector {
                module: module.clone(),
                token: label.clone(),
                key: key_id.clone().unwrap_or_default(),
            };
            let opened = TokenSigner::open_with(&selector, secret, &given);
            Ok(Box::new(opened.map_err(|error| of_token(choice, error))?))
        }
        SignerChoice::Uri { module, uri, .. } => {
            let uri: Pkcs11Uri = uri.parse()?;
            let from_file = match secret {
                Some(_) => None,
                None => pin_of(&uri)?,
            };
            let opened = TokenSigner::open_uri(module, &uri, secret.or(from_file.as_ref()), &given);
            Ok(Box::new(opened.map_err(|error| of_token(choice, error))?))
        }
    }
}

/// A certificate of another key is refused in the words used for key files.
fn of_token(choice: &SignerChoice, error: TokenError) -> SignerError {
    match (error, choice.certificate_file()) {
        (TokenError::OtherKey { .. }, Some(certificate)) => SignError::KeyMismatch {
            key: choice.to_string(),
            certificate: certificate.display().to_string(),
        }
        .into(),
        (error, _) => error.into(),
    }
}

/// The certificates that a signer would put beside its signatures, signer first, without opening it. Empty
/// when a token shows none before its PIN.
///
/// # Errors
/// The certificate file cannot be read, or the module or the token is not there.
pub fn certificates(choice: &SignerChoice) -> Result<Vec<Certificate>, SignerError> {
    let given = choice.given_certificates()?;
    if !given.is_empty() {
        return Ok(given);
    }
    match choice {
        SignerChoice::KeyFile { .. } => Ok(given),
        SignerChoice::Token {
            module,
            label,
            key_id,
            ..
        } => {
            let tokens = token::list(module)?;
            let info = tokens.iter().find(|token| is_called(token, label));
            let held = info
                .map(|token| token.certificates.as_slice())
                .unwrap_or_default();
            let wanted = key_id.as_deref().unwrap_or_default();
            let chosen = held.iter().filter(|one| {
                wanted.is_empty()
                    || one.id.eq_ignore_ascii_case(wanted)
                    || one.label == wanted
                    || one.certificate.fingerprint().eq_ignore_ascii_case(wanted)
            });
            Ok(chosen.map(|one| one.certificate.clone()).collect())
        }
        SignerChoice::Uri { module, uri, .. } => {
            let uri: Pkcs11Uri = uri.parse()?;
            let info = TokenName::Uri(Box::new(uri.clone())).find(module)?;
            let chosen = info.certificates.into_iter().filter(|one| {
                uri.id.as_ref().is_none_or(|id| hex::encode(id) == one.id)
                    && uri.object.as_ref().is_none_or(|label| *label == one.label)
            });
            Ok(chosen.map(|one| one.certificate).collect())
        }
    }
}

/// The tokens that these modules find. Asks for no PIN.
///
/// # Errors
/// A module cannot be loaded.
pub fn list_tokens(modules: &[PathBuf]) -> Result<Vec<TokenInfo>, SignerError> {
    let mut tokens = Vec::new();
    for module in modules {
        tokens.extend(token::list(module)?);
    }
    Ok(tokens)
}

/// The one token of a module that holds a certificate.
///
/// # Errors
/// There is none, or there are several.
pub fn only_token(module: &Path) -> Result<SignerChoice, SignerError> {
    let tokens = token::list(module)?;
    let able: Vec<&TokenInfo> = tokens
        .iter()
        .filter(|token| !token.certificates.is_empty())
        .collect();
    // With a single token, its certificates may only show after the PIN.
    let chosen = match (able.as_slice(), tokens.as_slice()) {
        ([one], _) => Some(*one),
        ([], [one]) => Some(one),
        _ => None,
    };
    match chosen {
        Some(one) => Ok(SignerChoice::Token {
            module: module.to_owned(),
            label: one.label.clone(),
            key_id: None,
            certificate: None,
        }),
        None if tokens.is_empty() => Err(TokenError::NoToken {
            wanted: "any".to_owned(),
            found: names(&tokens),
        }
        .into()),
        None => Err(SignerError::WhichToken {
            module: module.to_owned(),
            count: able.len(),
        }),
    }
}

fn is_called(token: &TokenInfo, name: &str) -> bool {
    token.label == name || token.serial == name
}

fn names(tokens: &[TokenInfo]) -> String {
    if tokens.is_empty() {
        return "none".to_owned();
    }
    tokens
        .iter()
        .map(|token| token.label.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

fn read_key(path: &Path) -> Result<String, SignerError> {
    fs_err::read_to_string(path).map_err(|source| SignerError::Key {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_kept_without_any_secret() {
        let choice = SignerChoice::Token {
            module: "/usr/lib/opensc-pkcs11.so".into(),
            label: "Alice".into(),
            key_id: None,
            certificate: None,
        };
        let text = toml::to_string(&choice).unwrap();
        assert_eq!(
            text,
            "kind = \"token\"\nmodule = \"/usr/lib/opensc-pkcs11.so\"\nlabel = \"Alice\"\n"
        );
        assert_eq!(toml::from_str::<SignerChoice>(&text).unwrap(), choice);
    }

    #[test]
    fn a_missing_file_is_named_before_a_password_is_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let choice = SignerChoice::KeyFile {
            certificate: dir.path().join("a.crt"),
            key: dir.path().join("a.pem"),
        };
        assert!(matches!(
            needs_secret(&choice),
            Err(SignerError::Certificate { .. })
        ));
    }
}
