//! Taking trust from a key whose holder cannot, or will not, take it back: signed by another anchor.
//!
//! Parties: a *person* whose certificate is itself an anchor signs the document (an [`Envelope`] of [`DISTRUST_TYPE`]);
//! the repository only carries it beside its index; the *agent* judges it. Order of checks: the signature and chain
//! hold at this agent's own time, and nobody in it was taken back or distrusted; one of the signers is an anchor by
//! itself, not by somebody else's word; the payload is one of this version, without unknown fields, within its bounds
//! and not from the future; no key in it is that signer's own, who has a revocation list for that.
//!
//! What was believed once stays so for ever: there is no end and no way back but by the administrator of the machine. So a
//! key that was stolen gains nothing by a document of its own once it is distrusted, nor by hiding this one later.
//! Trust is taken from keys, not from certificates: a renewed certificate of the same key is no way around.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::crypto::{Certificate, TrustStore};
use crate::envelope::{Envelope, EnvelopeError, parse_payload};

/// The payload type of the envelope.
pub const DISTRUST_TYPE: &str = "application/vnd.muster.distrust+json";
/// The version of the payload that is read and written.
pub const DISTRUST_VERSION: u32 = 1;
/// The file beside the index.
pub const DISTRUST_FILE: &str = "distrust.json";
/// The largest file, in bytes.
pub const MAX_DISTRUST_FILE_BYTES: usize = 512 * 1024;
/// The most documents of one file.
pub const MAX_DOCUMENTS: usize = 64;
/// The most keys of one document.
pub const MAX_KEYS: usize = 100;

/// The longest name or reason, in characters.
const MAX_CHARS: usize = 200;

/// How far a document may be issued ahead of the clock of whoever reads it.
const MAX_AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// The file beside the index: nothing in it is believed but the documents that are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DistrustFile {
    pub documents: Vec<Envelope>,
}

/// The signed payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distrust {
    /// Always [`DISTRUST_VERSION`].
    pub version: u32,
    pub issued_at: Timestamp,
    pub keys: Vec<DistrustedKey>,
}

/// A key that is trusted no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DistrustedKey {
    /// SHA-256 of the SubjectPublicKeyInfo, lower-case hex.
    pub key: String,
    /// What its certificate calls its holder; for people.
    pub name: String,
    /// Why; for people. May be empty.
    #[serde(default)]
    pub reason: String,
}

impl DistrustedKey {
    /// The key of a certificate.
    pub fn of(certificate: &Certificate, reason: &str) -> Self {
        Self {
            key: certificate.spki_sha256(),
            name: certificate.common_name().chars().take(MAX_CHARS).collect(),
            reason: reason.to_owned(),
        }
    }
}

/// A document that counts, and whose word it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Believed {
    pub issued_at: Timestamp,
    pub keys: Vec<DistrustedKey>,
    /// Name on the certificate of the anchor that signed it.
    pub by: String,
}

/// Why a document is not believed.
#[derive(Debug, thiserror::Error)]
pub enum DistrustError {
    #[error("the file has more than {MAX_DISTRUST_FILE_BYTES} bytes or {MAX_DOCUMENTS} documents")]
    TooLarge,
    #[error("the file holds no signed documents")]
    NoFile(#[source] serde_json::Error),
    #[error("the signature does not count")]
    Envelope(#[source] EnvelopeError),
    #[error("{0} may not take trust from others: only whose certificate is itself in the trust folder may")]
    NoAnchor(String),
    #[error("{0} names the own key: a revocation list takes that back (`muster cert revoke`)")]
    OwnKey(String),
    #[error("the document is of version {0}, and {DISTRUST_VERSION} is read")]
    Version(u32),
    #[error("the document names no key, more than {MAX_KEYS}, or what is no key")]
    Keys,
    #[error("the document was issued on {issued_at}, it is {now} here")]
    Ahead { issued_at: Timestamp, now: Timestamp },
}

/// Reads the file beside the index; what is in it is not believed yet.
///
/// # Errors
/// It is too large, or no such file.
pub fn read(bytes: &[u8]) -> Result<Vec<Envelope>, DistrustError> {
    if bytes.len() > MAX_DISTRUST_FILE_BYTES {
        return Err(DistrustError::TooLarge);
    }
    let file: DistrustFile = serde_json::from_slice(bytes).map_err(DistrustError::NoFile)?;
    if file.documents.len() > MAX_DOCUMENTS {
        return Err(DistrustError::TooLarge);
    }
    Ok(file.documents)
}

impl Distrust {
    /// Checks everything that needs no clock.
    ///
    /// # Errors
    /// The first rule of this format that it breaks.
    pub fn check(&self) -> Result<(), DistrustError> {
        if self.version != DISTRUST_VERSION {
            return Err(DistrustError::Version(self.version));
        }
        let is_hash = |text: &str| {
            text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let is_text = |text: &str| text.chars().count() <= MAX_CHARS && !text.chars().any(char::is_control);
        let all_good = self
            .keys
            .iter()
            .all(|key| is_hash(&key.key) && is_text(&key.name) && is_text(&key.reason));
        if !(1..=MAX_KEYS).contains(&self.keys.len()) || !all_good {
            return Err(DistrustError::Keys);
        }
        Ok(())
    }
}

/// Judges a document; see the module's text for the order of checks.
///
/// # Errors
/// The first check that fails.
pub fn judge(envelope: &Envelope, trust: &TrustStore, now: Timestamp) -> Result<Believed, DistrustError> {
    let verified = envelope
        .verify(DISTRUST_TYPE, trust, now)
        .map_err(DistrustError::Envelope)?;
    let anchors: Vec<&Certificate> = verified
        .signers
        .iter()
        .filter(|signer| trust.is_pinned(signer))
        .collect();
    if anchors.is_empty() {
        return Err(DistrustError::NoAnchor(verified.signer().common_name()));
    }
    let document: Distrust = parse_payload(&verified.payload).map_err(DistrustError::Envelope)?;
    document.check()?;
    if document.issued_at.duration_since(now) > MAX_AHEAD {
        return Err(DistrustError::Ahead {
            issued_at: document.issued_at,
            now,
        });
    }
    let is_own = |anchor: &Certificate| {
        let own = anchor.spki_sha256();
        document.keys.iter().any(|key| key.key == own)
    };
    let Some(by) = anchors.iter().find(|anchor| !is_own(anchor)) else {
        return Err(DistrustError::OwnKey(verified.signer().common_name()));
    };
    Ok(Believed {
        issued_at: document.issued_at,
        by: by.common_name(),
        keys: document.keys,
    })
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan as _;

    use super::*;
    use crate::crypto::issue::{self, Purpose, Subject};
    use crate::crypto::{FileSigner, PrivateKey, Signer, TrustError};

    fn now() -> Timestamp {
        "2026-12-01T10:00:00Z".parse().unwrap()
    }

    fn subject(name: &str) -> Subject {
        Subject {
            common_name: name.to_owned(),
            ..Subject::default()
        }
    }

    fn person(name: &str) -> FileSigner {
        let key = PrivateKey::generate_ec().unwrap();
        let purpose = Purpose {
            code_signing: true,
            client_auth: false,
            authority: false,
        };
        let certificate = issue::self_signed(
            &key,
            &subject(name),
            purpose,
            now() - 24.hours(),
            now() + 999.hours(),
        )
        .unwrap();
        FileSigner::new(key, vec![certificate]).unwrap()
    }

    fn document(keys: Vec<DistrustedKey>, signer: &dyn Signer) -> Envelope {
        let payload = Distrust {
            version: DISTRUST_VERSION,
            issued_at: now() - 1.hour(),
            keys,
        };
        Envelope::sign(DISTRUST_TYPE, &serde_json::to_vec(&payload).unwrap(), signer).unwrap()
    }

    fn key_of(signer: &dyn Signer) -> DistrustedKey {
        DistrustedKey::of(signer.certificate(), "key-compromise")
    }

    #[test]
    fn an_anchor_takes_trust_from_another_and_nobody_else_does() {
        let (alice, bob, eve) = (person("alice"), person("bob"), person("eve"));
        let trust = TrustStore::new(vec![alice.certificate().clone(), bob.certificate().clone()]);
        let good = document(vec![key_of(&alice)], &bob);
        let believed = judge(&good, &trust, now()).unwrap();
        assert_eq!((believed.by.as_str(), believed.keys.len()), ("bob", 1));
        // A stranger, and who speaks of the own key.
        let refused = judge(&document(vec![key_of(&alice)], &eve), &trust, now());
        assert!(matches!(
            refused,
            Err(DistrustError::Envelope(EnvelopeError::Trust(_)))
        ));
        let refused = judge(&document(vec![key_of(&bob)], &bob), &trust, now());
        assert!(matches!(refused, Err(DistrustError::OwnKey(_))));
        // Each byte of it is signed.
        let mut changed = good.clone();
        changed.payload = document(vec![key_of(&eve)], &bob).payload;
        let refused = judge(&changed, &trust, now());
        assert!(matches!(
            refused,
            Err(DistrustError::Envelope(EnvelopeError::Signature { .. }))
        ));
        let refused = judge(&good, &trust, now() - 30.hours());
        assert!(refused.is_err(), "from the future");
    }

    #[test]
    fn who_is_distrusted_is_refused_for_everything_and_takes_trust_from_nobody() {
        let (alice, bob) = (person("alice"), person("bob"));
        let trust = TrustStore::new(vec![alice.certificate().clone(), bob.certificate().clone()]);
        let at = |trust: &TrustStore| trust.check(alice.certificate(), &[], now());
        at(&trust).unwrap();
        let trust = trust.with_distrusted([(key_of(&alice).key, "bob".to_owned())]);
        let refused = at(&trust).unwrap_err();
        assert!(matches!(refused, TrustError::Distrusted { .. }), "{refused}");
        trust.check(bob.certificate(), &[], now()).unwrap();
        let revenge = judge(&document(vec![key_of(&bob)], &alice), &trust, now());
        assert!(revenge.is_err());
    }

    #[test]
    fn a_ca_that_is_distrusted_vouches_for_nobody_and_its_people_distrust_nobody() {
        let ca_key = PrivateKey::generate_ec().unwrap();
        let purpose = |authority: bool| Purpose {
            code_signing: !authority,
            client_auth: false,
            authority,
        };
        let (from, to) = (now() - 24.hours(), now() + 999.hours());
        let ca = issue::self_signed(&ca_key, &subject("ca"), purpose(true), from, to).unwrap();
        let key = PrivateKey::generate_ec().unwrap();
        let spki = key.spki_der().unwrap();
        let carol = subject("carol");
        let leaf = issue::issued_by(&ca, &ca_key, &spki, &carol, purpose(false), from, to).unwrap();
        let carol = FileSigner::new(key, vec![leaf]).unwrap();
        let bob = person("bob");
        let trust = TrustStore::new(vec![ca.clone(), bob.certificate().clone()]);
        trust.check(carol.certificate(), &[], now()).unwrap();
        let refused = judge(&document(vec![key_of(&bob)], &carol), &trust, now());
        assert!(matches!(refused, Err(DistrustError::NoAnchor(_))));
        let by_bob = judge(&document(vec![DistrustedKey::of(&ca, "")], &bob), &trust, now()).unwrap();
        let all = by_bob.keys.into_iter().map(|key| (key.key, by_bob.by.clone()));
        let trust = trust.with_distrusted(all);
        assert!(trust.check(carol.certificate(), &[], now()).is_err());
    }

    #[test]
    fn files_of_strangers_are_bounded() {
        assert!(matches!(
            read(&vec![b' '; MAX_DISTRUST_FILE_BYTES + 1]),
            Err(DistrustError::TooLarge)
        ));
        let deep = format!("{{\"documents\": {}", "[".repeat(200_000));
        assert!(matches!(read(deep.as_bytes()), Err(DistrustError::NoFile(_))));
        let bob = person("bob");
        let one = |key: &str| DistrustedKey {
            key: key.to_owned(),
            name: "x".to_owned(),
            reason: String::new(),
        };
        let trust = TrustStore::new(vec![bob.certificate().clone()]);
        for keys in [
            vec![],
            vec![one("ab")],
            vec![one(&"AB".repeat(32))],
            vec![one(&"ab".repeat(32)); MAX_KEYS + 1],
        ] {
            let refused = judge(&document(keys, &bob), &trust, now());
            assert!(matches!(refused, Err(DistrustError::Keys)), "{refused:?}");
        }
    }
}
