//! Keys and certificates on a token: made there, brought there, renewed there; and its PIN.
//!
//! What was begun and not finished is taken off the token again. A PIN is given to the token once.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use muster_shared::crypto::pkcs11_uri::{Pkcs11Uri, UriError};
use muster_shared::crypto::token::{NewKey, OpenToken, TokenCertificate, TokenError, TokenKey, TokenName};
use muster_shared::crypto::{Certificate, PrivateKey};
use muster_shared::hint::Hint;

use super::key::{self, KeyCreateError, Profile};
use super::renew::{self, RenewError};

/// Why a token is as it was.
#[derive(Debug, thiserror::Error)]
pub enum TokenChangeError {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Create(#[from] KeyCreateError),
    #[error(transparent)]
    Renew(#[from] RenewError),
    #[error(transparent)]
    Uri(#[from] UriError),
    #[error("the key does not belong to the certificate of {name}")]
    Mismatch { name: String },
    #[error("the file holds no certificate")]
    NoCertificate,
    #[error("the token {token} holds {count} certificates with a key that {wanted} may mean")]
    WhichKey {
        token: String,
        count: usize,
        wanted: String,
    },
}

impl Hint for TokenChangeError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Token(error) => error.hints(),
            Self::Create(error) => error.hints(),
            Self::Renew(error) => error.hints(),
            Self::Uri(error) => error.hints(),
            Self::Mismatch { .. } => vec!["give the key and the certificate of the same person".to_owned()],
            Self::WhichKey { .. } => {
                vec!["name one with --key-id; `muster token list` shows them".to_owned()]
            }
            Self::NoCertificate => Vec::new(),
        }
    }
}

/// What was put onto a token.
#[derive(Debug, Clone)]
pub struct OnToken {
    /// The certificate, then those above it.
    pub chain: Vec<Certificate>,
    /// `CKA_ID`, lower-case hex.
    pub id: String,
    /// Names the key from now on.
    pub uri: Pkcs11Uri,
}

/// A token's name as people give it: a label, a serial number, or a PKCS#11 URI.
///
/// # Errors
/// It begins like a URI and is none.
pub fn name_of(text: &str) -> Result<TokenName, UriError> {
    if Pkcs11Uri::is_uri(text) {
        Ok(TokenName::Uri(Box::new(text.parse()?)))
    } else {
        Ok(TokenName::Text(text.to_owned()))
    }
}

/// Makes a key on the token, and its certificate beside it.
///
/// # Errors
/// The token or the issuer refuses, or `keep` does; the token is as before then.
pub fn create(
    token: &OpenToken,
    kind: NewKey,
    label: &str,
    id: Option<&str>,
    profile: &Profile<'_>,
    now: Timestamp,
) -> Result<OnToken, TokenChangeError> {
    let id = token.free_id(id)?;
    let key = token.generate(kind, label, &id)?;
    let done = key::certify(&key, profile, now)
        .map_err(TokenChangeError::from)
        .and_then(|chain| store(token, &chain, label, &id));
    undo_unless(done, &key)
}

/// Brings a key with its certificate onto the token.
///
/// # Errors
/// The two do not belong together, or the token does not take them; it is as before then.
pub fn import(
    token: &OpenToken,
    key: &PrivateKey,
    chain: &[Certificate],
    label: &str,
    id: Option<&str>,
) -> Result<OnToken, TokenChangeError> {
    let leaf = chain.first().ok_or(TokenChangeError::NoCertificate)?;
    if key.spki_der().map_err(TokenError::Key)? != leaf.spki_der() {
        return Err(TokenChangeError::Mismatch {
            name: leaf.common_name(),
        });
    }
    let id = token.free_id(id)?;
    let brought = token.import(key, label, &id)?;
    undo_unless(store(token, chain, label, &id), &brought)
}

fn undo_unless(
    done: Result<OnToken, TokenChangeError>,
    key: &TokenKey<'_>,
) -> Result<OnToken, TokenChangeError> {
    if done.is_err() {
        key.take_off();
    }
    done
}

/// The certificate under the id of its key, and CAs between it and the root, which packages carry along.
fn store(
    token: &OpenToken,
    chain: &[Certificate],
    label: &str,
    id: &[u8],
) -> Result<OnToken, TokenChangeError> {
    let leaf = chain.first().ok_or(TokenChangeError::NoCertificate)?;
    token.store(leaf, label, id)?;
    let held = token.certificates()?;
    for above in chain.iter().skip(1).filter(|one| !one.is_self_issued()) {
        if held.iter().any(|known| known.certificate == *above) {
            continue;
        }
        let fingerprint = hex::decode(above.spki_sha256()).unwrap_or_default();
        let id = fingerprint.get(..20).unwrap_or_default();
        token.store(above, &above.common_name(), id)?;
    }
    let own = TokenCertificate {
        label: label.to_owned(),
        id: hex::encode(id),
        certificate: leaf.clone(),
    };
    Ok(OnToken {
        chain: chain.to_vec(),
        uri: token.info().uri(Some(&own)),
        id: own.id,
    })
}

/// Renews the certificate of a key on the token; `issuer` is the open CA, or `None` for a self-signed one.
///
/// # Errors
/// No key or several match, or the token or the issuer refuses; the old certificate stays then.
pub fn renew(
    token: &OpenToken,
    wanted: &str,
    issuer: Option<&dyn muster_shared::crypto::Signer>,
    valid_for: SignedDuration,
    now: Timestamp,
) -> Result<OnToken, TokenChangeError> {
    let held = token.certificates()?;
    let able: Vec<&TokenCertificate> = held
        .iter()
        .filter(|one| {
            wanted.is_empty()
                || one.id.eq_ignore_ascii_case(wanted)
                || one.label == wanted
                || one.certificate.fingerprint().eq_ignore_ascii_case(wanted)
        })
        .filter(|one| token.key_of(one).is_ok())
        .collect();
    let [old] = able.as_slice() else {
        return Err(TokenChangeError::WhichKey {
            token: token.info().label.clone(),
            count: able.len(),
            wanted: if wanted.is_empty() {
                "(any)".to_owned()
            } else {
                wanted.to_owned()
            },
        });
    };
    let chain = match issuer {
        Some(signer) => {
            let key = muster_shared::crypto::issue::SignerKey(signer);
            renew::renew(&old.certificate, signer.chain(), &key, valid_for, now)?
        }
        None => renew::renew(&old.certificate, &[], &token.key_of(old)?, valid_for, now)?,
    };
    let new = chain.first().ok_or(TokenChangeError::NoCertificate)?;
    token.replace(old, new)?;
    let own = TokenCertificate {
        certificate: new.clone(),
        ..(*old).clone()
    };
    Ok(OnToken {
        uri: token.info().uri(Some(&own)),
        id: own.id,
        chain,
    })
}

/// Folders in which PKCS#11 libraries lie, where a URI only names one.
const MODULE_FOLDERS: [&str; 9] = [
    "/usr/lib/x86_64-linux-gnu/pkcs11",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu/pkcs11",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64/pkcs11",
    "/usr/lib64",
    "/usr/lib/pkcs11",
    "/usr/lib/softhsm",
    "/usr/lib",
];

/// The library that a URI names by path, or by a name that is looked for in the usual folders and among the known
/// ones; `None` when it names none.
pub fn module_of(uri: &Pkcs11Uri, known: &[PathBuf]) -> Option<PathBuf> {
    if let Some(path) = &uri.module_path {
        return Some(path.clone());
    }
    let name = uri
        .module_name
        .as_deref()
        .filter(|name| !name.contains(['/', '\\']))?;
    let is_named = |path: &Path| {
        let stem = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        stem == name || stem == format!("lib{name}") || stem == format!("{name}-pkcs11")
    };
    if let Some(path) = known.iter().find(|path| is_named(path)) {
        return Some(path.clone());
    }
    MODULE_FOLDERS
        .iter()
        .flat_map(|folder| {
            [name.to_owned(), format!("lib{name}"), format!("{name}-pkcs11")]
                .map(|stem| Path::new(folder).join(format!("{stem}.so")))
        })
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_found_by_path_or_among_the_known_by_name_and_never_by_a_path_in_a_name() {
        let known = [PathBuf::from("/opt/x/libvendor.so")];
        let of = |text: &str| module_of(&text.parse().unwrap(), &known);
        assert_eq!(of("pkcs11:?module-path=/a/b.so"), Some("/a/b.so".into()));
        assert_eq!(
            of("pkcs11:?module-name=vendor"),
            Some("/opt/x/libvendor.so".into())
        );
        assert_eq!(of("pkcs11:?module-name=../../tmp/evil"), None);
        assert_eq!(of("pkcs11:token=a"), None);
    }
}
