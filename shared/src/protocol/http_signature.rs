//! Signed requests of hosts (RFC 9421) with digests of their bodies (RFC 9530).
//!
//! Parties: the *host* signs with its identity key (EC P-256, raw 64-byte signatures); the *server* looks up
//! the public key by `keyid`, the SHA-256 of the SubjectPublicKeyInfo. Signed components, in this order:
//! `@method`, `@authority` (the server's public name, so that any proxy may stand in front), `@path`,
//! `@query` and `content-digest`; parameters `created`, `nonce`, `keyid`, `alg`, `tag`. Order of checks on
//! the server: headers parse; `created` within [`ALLOWED_SKEW_SECS`]; the key is known; the digest fits the
//! body; the signature fits; the nonce was never seen.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};

use crate::crypto::{IdentityKey, KeyError, SignatureError, verify_host_signature};

/// How far `created` may be from the server's clock, in seconds.
pub const ALLOWED_SKEW_SECS: i64 = 300;

/// The `tag` of these signatures: it keeps them apart from signatures for any other use.
pub const TAG: &str = "muster-host-1";

const COMPONENTS: &str = r#"("@method" "@authority" "@path" "@query" "content-digest")"#;
const LABEL: &str = "muster";
const MAX_NONCE: usize = 64;

/// The parts of a request that are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestParts<'a> {
    /// Upper case.
    pub method: &'a str,
    /// `name` or `name:port`, lower case, without the port when it is 443.
    pub authority: &'a str,
    /// As sent, percent-encoded, without the query.
    pub path: &'a str,
    /// Without the question mark; empty when there is none.
    pub query: &'a str,
}

/// The headers of a signed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHeaders {
    /// `Content-Digest`
    pub content_digest: String,
    /// `Signature-Input`
    pub signature_input: String,
    /// `Signature`
    pub signature: String,
}

/// Why the signature headers of a request are not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HttpSignatureError {
    #[error("the Signature-Input header is not in the form that hosts use")]
    Input,
    #[error("the Signature header is not in the form that hosts use")]
    Signature,
    #[error("the signature does not match the request")]
    Mismatch(#[from] SignatureError),
}

/// A signature's parameters as read from the headers; nothing in it is proved before [`Self::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedSignature {
    /// Unix seconds.
    pub created: i64,
    pub nonce: String,
    /// Lower-case hex SHA-256 of the SubjectPublicKeyInfo.
    pub keyid: String,
    signature: Vec<u8>,
}

/// The value of `Content-Digest` for a body, empty ones too.
pub fn content_digest(body: &[u8]) -> String {
    content_digest_of_hash(&Sha256::digest(body).into())
}

/// The value of `Content-Digest` for a body whose SHA-256 is known.
pub fn content_digest_of_hash(hash: &[u8; 32]) -> String {
    format!("sha-256=:{}:", BASE64.encode(hash))
}

/// Signs a request.
///
/// # Errors
/// When the key cannot sign.
pub fn sign(
    parts: &RequestParts<'_>,
    content_digest: &str,
    created: i64,
    nonce: &str,
    key: &IdentityKey,
) -> Result<SignedHeaders, KeyError> {
    let parameters = parameters(created, nonce, &key.keyid());
    let signature = key.sign_raw(base(parts, content_digest, &parameters).as_bytes())?;
    Ok(SignedHeaders {
        content_digest: content_digest.to_owned(),
        signature_input: format!("{LABEL}={parameters}"),
        signature: format!("{LABEL}=:{}:", BASE64.encode(signature)),
    })
}

/// Reads the two signature headers. Only the exact form that [`sign`] writes is accepted: one way to say a
/// thing leaves no room for two readings.
///
/// # Errors
/// When a header is in any other form.
pub fn parse(signature_input: &str, signature: &str) -> Result<ParsedSignature, HttpSignatureError> {
    use HttpSignatureError::{Input, Signature};
    let rest = signature_input
        .strip_prefix(LABEL)
        .and_then(|rest| rest.strip_prefix('='))
        .and_then(|rest| rest.strip_prefix(COMPONENTS))
        .and_then(|rest| rest.strip_prefix(";created="))
        .ok_or(Input)?;
    let (created, rest) = rest.split_once(";nonce=\"").ok_or(Input)?;
    let (nonce, rest) = rest.split_once("\";keyid=\"").ok_or(Input)?;
    let (keyid, _rest) = rest.split_once("\";").ok_or(Input)?;
    let created: i64 = created.parse().map_err(|_error| Input)?;
    let nonce_is_plain = (8..=MAX_NONCE).contains(&nonce.len())
        && nonce
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let keyid_is_hash = keyid.len() == 64
        && keyid
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    // Writing it again and comparing whole leaves nothing unread.
    if !nonce_is_plain
        || !keyid_is_hash
        || signature_input != format!("{LABEL}={}", parameters(created, nonce, keyid))
    {
        return Err(Input);
    }
    let signature = signature
        .strip_prefix(LABEL)
        .and_then(|rest| rest.strip_prefix("=:"))
        .and_then(|rest| rest.strip_suffix(':'))
        .and_then(|encoded| BASE64.decode(encoded).ok())
        .filter(|bytes| bytes.len() == 64)
        .ok_or(Signature)?;
    Ok(ParsedSignature {
        created,
        nonce: nonce.to_owned(),
        keyid: keyid.to_owned(),
        signature,
    })
}

impl ParsedSignature {
    /// Checks the signature with a public key (DER SubjectPublicKeyInfo).
    ///
    /// # Errors
    /// When it does not match.
    pub fn verify(
        &self,
        parts: &RequestParts<'_>,
        content_digest: &str,
        spki_der: &[u8],
    ) -> Result<(), HttpSignatureError> {
        let parameters = parameters(self.created, &self.nonce, &self.keyid);
        let message = base(parts, content_digest, &parameters);
        verify_host_signature(spki_der, message.as_bytes(), &self.signature)?;
        Ok(())
    }

    /// `created` is within the allowed distance of the server's time, both in Unix seconds.
    pub fn is_timely(&self, now: i64) -> bool {
        self.created.abs_diff(now) <= ALLOWED_SKEW_SECS.unsigned_abs()
    }
}

fn parameters(created: i64, nonce: &str, keyid: &str) -> String {
    format!(
        r#"{COMPONENTS};created={created};nonce="{nonce}";keyid="{keyid}";alg="ecdsa-p256-sha256";tag="{TAG}""#
    )
}

/// The signature base of RFC 9421 §2.5.
fn base(parts: &RequestParts<'_>, content_digest: &str, parameters: &str) -> String {
    let RequestParts {
        method,
        authority,
        path,
        query,
    } = parts;
    format!(
        "\"@method\": {method}\n\"@authority\": {authority}\n\"@path\": {path}\n\"@query\": ?{query}\n\
         \"content-digest\": {content_digest}\n\"@signature-params\": {parameters}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTS: RequestParts<'static> = RequestParts {
        method: "POST",
        authority: "srv.example.org:8443",
        path: "/api/v1/host/report",
        query: "a=1",
    };

    fn signed() -> (IdentityKey, SignedHeaders) {
        let key = IdentityKey::generate().unwrap();
        let headers = sign(
            &PARTS,
            &content_digest(b"body"),
            1_700_000_000,
            "nonce-0123456789",
            &key,
        )
        .unwrap();
        (key, headers)
    }

    #[test]
    fn a_signed_request_verifies_with_the_key_that_it_names() {
        let (key, headers) = signed();
        let parsed = parse(&headers.signature_input, &headers.signature).unwrap();
        assert_eq!(parsed.keyid, key.keyid());
        assert_eq!(parsed.nonce, "nonce-0123456789");
        parsed
            .verify(&PARTS, &content_digest(b"body"), &key.spki_der())
            .unwrap();
    }

    #[test]
    fn any_change_of_the_request_breaks_the_signature() {
        let (key, headers) = signed();
        let parsed = parse(&headers.signature_input, &headers.signature).unwrap();
        let spki = key.spki_der();
        for parts in [
            RequestParts {
                method: "PUT",
                ..PARTS
            },
            RequestParts {
                authority: "other.example.org",
                ..PARTS
            },
            RequestParts {
                path: "/api/v1/register",
                ..PARTS
            },
            RequestParts { query: "", ..PARTS },
        ] {
            assert!(
                parsed.verify(&parts, &content_digest(b"body"), &spki).is_err(),
                "{parts:?}"
            );
        }
        assert!(parsed.verify(&PARTS, &content_digest(b"other"), &spki).is_err());
        let stranger = IdentityKey::generate().unwrap();
        assert!(
            parsed
                .verify(&PARTS, &content_digest(b"body"), &stranger.spki_der())
                .is_err()
        );
        for change in [
            ParsedSignature {
                created: 1_700_000_001,
                ..parsed.clone()
            },
            ParsedSignature {
                nonce: "nonce-0123456780".into(),
                ..parsed.clone()
            },
        ] {
            assert!(change.verify(&PARTS, &content_digest(b"body"), &spki).is_err());
        }
    }

    #[test]
    fn headers_in_any_other_form_are_refused() {
        let (_key, headers) = signed();
        let good = headers.signature_input.as_str();
        for bad in [
            String::new(),
            good.replace("muster-host-1", "other"),
            good.replace("ecdsa-p256-sha256", "hmac-sha256"),
            good.replace(" \"@query\"", ""),
            good.replace("created=1", "created=+1"),
            good.replace("nonce-0123456789", "short"),
            format!("{good};expires=5"),
            format!("{good}, other=()"),
        ] {
            assert_eq!(
                parse(&bad, &headers.signature),
                Err(HttpSignatureError::Input),
                "{bad}"
            );
        }
        for bad in ["", "muster=::", "muster=:AAAA:", "other=:AAAA:"] {
            assert_eq!(parse(good, bad), Err(HttpSignatureError::Signature), "{bad}");
        }
    }

    #[test]
    fn five_minutes_either_way_are_timely() {
        let (_key, headers) = signed();
        let parsed = parse(&headers.signature_input, &headers.signature).unwrap();
        assert!(parsed.is_timely(1_700_000_300) && parsed.is_timely(1_699_999_700));
        assert!(!parsed.is_timely(1_700_000_301) && !parsed.is_timely(i64::MIN));
    }
}
