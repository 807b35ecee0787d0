//! What a certificate says and what its holder may do, in words.

use jiff::Timestamp;
use muster_shared::crypto::Certificate;
use serde::Serialize;

/// A certificate as shown to people and as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CertificateFacts {
    pub common_name: String,
    pub subject: String,
    pub issuer: String,
    pub serial: String,
    /// Hex SHA-256 of the DER certificate.
    pub fingerprint: String,
    /// Hex SHA-256 of the public key.
    pub key_fingerprint: String,
    /// "RSA 2048", "EC P-256".
    pub key: String,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    pub self_signed: bool,
    pub is_ca: bool,
    pub may_sign_code: bool,
    pub alternative_names: Vec<String>,
    /// Sentences: what the holder of its key may do.
    pub may: Vec<String>,
    /// Sentences: what is wrong with it at the time given.
    pub warnings: Vec<String>,
}

impl CertificateFacts {
    /// The facts of a certificate, judged at a time.
    pub fn of(certificate: &Certificate, at: Timestamp) -> Self {
        Self {
            common_name: certificate.common_name(),
            subject: certificate.subject(),
            issuer: certificate.issuer(),
            serial: certificate.serial(),
            fingerprint: certificate.fingerprint(),
            key_fingerprint: certificate.spki_sha256(),
            key: certificate.key_kind().to_string(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
            self_signed: certificate.is_self_issued(),
            is_ca: certificate.is_ca(),
            may_sign_code: certificate.may_sign_code(),
            alternative_names: certificate.alternative_names(),
            may: what_it_may(certificate),
            warnings: warnings(certificate, at),
        }
    }
}

/// A certificate and those above it among others, each the issuer of the one before.
pub fn ordered_chain(leaf: &Certificate, others: &[Certificate]) -> Vec<Certificate> {
    let mut chain = vec![leaf.clone()];
    while let Some(last) = chain.last().filter(|last| !last.is_self_issued()) {
        let issuer = others
            .iter()
            .find(|one| !chain.contains(one) && last.is_issued_by(one));
        let Some(issuer) = issuer.cloned() else { break };
        chain.push(issuer);
    }
    chain
}

const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";
const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";
const CODE_SIGNING: &str = "1.3.6.1.5.5.7.3.3";

/// What the holder of a certificate's key may do, on machines that trust it or its issuer.
pub fn what_it_may(certificate: &Certificate) -> Vec<String> {
    let usages = certificate.extended_key_usage();
    let has = |oid: &str| {
        usages
            .as_ref()
            .is_some_and(|usages| usages.iter().any(|usage| usage == oid))
    };
    let mut may = Vec::new();
    if certificate.may_sign_data() {
        if certificate.may_sign_code() {
            may.push("sign any package, also those that carry code (setup.py)".to_owned());
        } else {
            may.push(
                "sign packages without code (host, group, unit, profile), but none with setup.py".to_owned(),
            );
        }
        let orders = usages.is_none() || has(CODE_SIGNING) || has(CLIENT_AUTH);
        if orders {
            may.push("order actions on the machines that trust it".to_owned());
        }
    }
    if certificate.is_ca() {
        may.push(
            "issue certificates for others, who are then trusted where it is; what they may sign, code or not, their \
             own certificates say"
                .to_owned(),
        );
    }
    if has(SERVER_AUTH) {
        may.push("identify a server".to_owned());
    }
    if may.is_empty() {
        may.push("nothing that Muster knows of".to_owned());
    }
    may
}

fn warnings(certificate: &Certificate, at: Timestamp) -> Vec<String> {
    let mut warnings = Vec::new();
    let month = jiff::SignedDuration::from_hours(24 * 30);
    if certificate.not_after() < at {
        warnings.push("it has expired: nothing signed with it is accepted".to_owned());
    } else if certificate.not_before() > at {
        warnings.push("it is not valid yet".to_owned());
    } else if certificate.not_after().duration_since(at) < month {
        warnings.push("it expires within 30 days".to_owned());
    }
    warnings
}
