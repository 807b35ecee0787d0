//! Making revocation lists: what an issuer takes back, signed with its key.
//!
//! Parties: the *issuer* of the certificates, which for a self-signed signer is the signer: their list, signed
//! with the very key that is taken back, ends the trust in it. Its next list carries everything that the last
//! one did, under a higher number.

use std::time::Duration;

use const_oid::AssociatedOid as _;
use der::asn1::{GeneralizedTime, OctetString, UtcTime};
use der::{Decode as _, Encode as _};
use jiff::Timestamp;
use sha1::{Digest as _, Sha1};
use x509_cert::crl::{RevokedCert, TbsCertList};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, CrlNumber};
use x509_cert::serial_number::SerialNumber;
use x509_cert::time::Time;

use super::IssueError;
use super::key::{IssuingKey, algorithm_der, signed};
use crate::crypto::certificate::Certificate;
use crate::crypto::public_key;
use crate::crypto::revocation::{RevocationList, Revoked};

/// Makes a list. The entries are serial numbers in hex, with when and why.
///
/// `number` must be higher than that of the last list of this issuer; the time in seconds is a good one.
///
/// # Errors
/// The key is not the issuer's or cannot sign, or a serial number is none.
pub fn revocation_list(
    issuer: &Certificate,
    key: &dyn IssuingKey,
    entries: &[(String, Revoked)],
    number: u64,
    this_update: Timestamp,
    next_update: Timestamp,
) -> Result<RevocationList, IssueError> {
    let spki = key.spki_der()?;
    if spki != issuer.spki_der() {
        return Err(IssueError::OtherKey(issuer.common_name()));
    }
    let mut revoked = Vec::new();
    for (serial, entry) in entries {
        revoked.push(revoked_certificate(serial, *entry)?);
    }
    let algorithm = spki::AlgorithmIdentifierOwned::from_der(&algorithm_der(public_key::kind(&spki))?)
        .map_err(IssueError::Encode)?;
    let tbs = TbsCertList::<x509_cert::certificate::Rfc5280> {
        version: x509_cert::Version::V2,
        signature: algorithm,
        issuer: issuer.subject_name().clone(),
        this_update: time(this_update)?,
        next_update: Some(time(next_update)?),
        // An empty sequence is not allowed (RFC 5280 §5.1.2.6).
        revoked_certificates: (!revoked.is_empty()).then_some(revoked),
        crl_extensions: Some(vec![
            Extension {
                extn_id: AuthorityKeyIdentifier::OID,
                critical: false,
                extn_value: octets(&AuthorityKeyIdentifier {
                    key_identifier: Some(
                        OctetString::new(key_identifier(issuer)?).map_err(IssueError::Encode)?,
                    ),
                    ..AuthorityKeyIdentifier::default()
                })?,
            },
            Extension {
                extn_id: CrlNumber::OID,
                critical: false,
                extn_value: octets(&number)?,
            },
        ]),
    };
    let der = signed(&tbs.to_der().map_err(IssueError::Encode)?, key)?;
    RevocationList::from_der(&der).map_err(|error| IssueError::Crl(Box::new(error)))
}

fn revoked_certificate(
    serial: &str,
    entry: Revoked,
) -> Result<RevokedCert<x509_cert::certificate::Rfc5280>, IssueError> {
    let refused = || IssueError::Serial(serial.to_owned());
    let bytes = hex::decode(serial).map_err(|_error| refused())?;
    let reason = entry.reason.map(|reason| -> Result<_, IssueError> {
        Ok(vec![Extension {
            extn_id: x509_cert::ext::pkix::CrlReason::OID,
            critical: false,
            extn_value: octets(&reason.to_crl())?,
        }])
    });
    Ok(RevokedCert {
        serial_number: SerialNumber::new(&bytes).map_err(|_error| refused())?,
        revocation_date: time(entry.at)?,
        crl_entry_extensions: reason.transpose()?,
    })
}

/// The issuer's subject key identifier; without one, the SHA-1 of its key (RFC 5280 §4.2.1.2), which names no
/// secret and secures nothing.
fn key_identifier(issuer: &Certificate) -> Result<Vec<u8>, IssueError> {
    if let Some(own) = issuer.subject_key_id() {
        return Ok(own);
    }
    let info = spki::SubjectPublicKeyInfoRef::from_der(issuer.spki_der())
        .map_err(|_error| IssueError::Key(crate::crypto::key::KeyError::Encode))?;
    Ok(Sha1::digest(info.subject_public_key.raw_bytes()).to_vec())
}

fn octets(value: &impl der::Encode) -> Result<OctetString, IssueError> {
    value
        .to_der()
        .and_then(OctetString::new)
        .map_err(IssueError::Encode)
}

/// UTCTime until 2049, GeneralizedTime from then on (RFC 5280 §5.1.2.4).
pub(super) fn time(at: Timestamp) -> Result<Time, IssueError> {
    let since = Duration::from_secs(u64::try_from(at.as_second()).unwrap_or(0));
    UtcTime::from_unix_duration(since)
        .map(Time::UtcTime)
        .or_else(|_late| GeneralizedTime::from_unix_duration(since).map(Time::GeneralTime))
        .map_err(IssueError::Encode)
}
