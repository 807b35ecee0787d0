//! The parts of a revocation list: its entries, one by one, and what its extensions say.

use std::collections::HashMap;

use const_oid::AssociatedOid as _;
use der::{Decode as _, Encode as _, Reader as _, SliceReader, Tag};
use x509_cert::crl::RevokedCert;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, CrlNumber, CrlReason, IssuingDistributionPoint};

use super::{CrlError, MAX_ENTRIES, Reason, Revoked, Scope};
use crate::crypto::certificate;

const DELTA_INDICATOR: &str = "2.5.29.27";
/// Written out: the library gives the type another identifier.
const ISSUING_DISTRIBUTION_POINT: &str = "2.5.29.28";
const ENTRY_ISSUER: &str = "2.5.29.29";

/// A reader inside the sequence that the bytes are.
pub(super) fn enter(der: &[u8]) -> Result<SliceReader<'_>, CrlError> {
    let mut reader = SliceReader::new(der).map_err(CrlError::Der)?;
    let header = der::Header::decode(&mut reader).map_err(CrlError::Der)?;
    header.tag().assert_eq(Tag::Sequence).map_err(CrlError::Der)?;
    // The length is not signed: with another one the same list would have another fingerprint.
    if header.length() != reader.remaining_len() {
        return Err(CrlError::Der(
            der::ErrorKind::Length { tag: Tag::Sequence }.into(),
        ));
    }
    Ok(reader)
}

pub(super) fn next_is(reader: &SliceReader<'_>, tags: &[Tag]) -> bool {
    !reader.is_finished() && Tag::peek(reader).is_ok_and(|tag| tags.contains(&tag))
}

/// The entries one by one: a list of 100,000 must not take ten times its size while it is read.
pub(super) fn entries(der: &[u8]) -> Result<HashMap<Box<[u8]>, Revoked>, CrlError> {
    let mut reader = enter(der)?;
    let mut revoked = HashMap::new();
    let mut count = 0;
    while !reader.is_finished() {
        count += 1;
        if count > MAX_ENTRIES {
            return Err(CrlError::TooManyEntries);
        }
        let entry =
            RevokedCert::<x509_cert::certificate::Rfc5280>::decode(&mut reader).map_err(CrlError::Der)?;
        let mut reason = None;
        for extension in entry.crl_entry_extensions.iter().flatten() {
            let oid = extension.extn_id;
            if oid == CrlReason::OID {
                reason = Some(CrlReason::from_der(extension.extn_value.as_bytes()).map_err(CrlError::Der)?);
            } else if oid.to_string() == ENTRY_ISSUER {
                return Err(CrlError::Indirect);
            } else if extension.critical {
                return Err(CrlError::Critical { oid: oid.to_string() });
            }
        }
        // Only a list of changes takes something off again, and those are refused; the newest list has it no more.
        if reason == Some(CrlReason::RemoveFromCRL) {
            continue;
        }
        revoked.insert(
            entry.serial_number.as_bytes().into(),
            Revoked {
                at: certificate::timestamp(entry.revocation_date),
                reason: reason.and_then(Reason::from_crl),
            },
        );
    }
    Ok(revoked)
}

/// What the extensions say.
pub(super) struct Facts {
    pub authority_key_id: Option<Vec<u8>>,
    pub number: Option<Vec<u8>>,
    pub scope: Scope,
    pub part: Vec<u8>,
}

impl Facts {
    pub(super) fn of(extensions: &[Extension]) -> Result<Self, CrlError> {
        let mut facts = Self {
            authority_key_id: None,
            number: None,
            scope: Scope::All,
            part: Vec::new(),
        };
        for extension in extensions {
            let value = extension.extn_value.as_bytes();
            let oid = extension.extn_id;
            if oid == AuthorityKeyIdentifier::OID {
                let read = AuthorityKeyIdentifier::from_der(value).map_err(CrlError::Der)?;
                facts.authority_key_id = read.key_identifier.map(|id| id.as_bytes().to_vec());
            } else if oid == CrlNumber::OID {
                let read = CrlNumber::from_der(value).map_err(CrlError::Der)?;
                facts.number = Some(read.0.as_bytes().to_vec());
            } else if oid.to_string() == ISSUING_DISTRIBUTION_POINT {
                let read = IssuingDistributionPoint::from_der(value).map_err(CrlError::Der)?;
                if read.indirect_crl {
                    return Err(CrlError::Indirect);
                }
                if read.only_some_reasons.is_some() || read.only_contains_attribute_certs {
                    return Err(CrlError::Partial);
                }
                facts.scope = match (read.only_contains_user_certs, read.only_contains_ca_certs) {
                    (false, false) => Scope::All,
                    (true, false) => Scope::Leaves,
                    (false, true) => Scope::Authorities,
                    (true, true) => return Err(CrlError::Partial),
                };
                facts.part = read.to_der().map_err(CrlError::Der)?;
            } else if oid.to_string() == DELTA_INDICATOR {
                return Err(CrlError::Delta);
            } else if extension.critical {
                return Err(CrlError::Critical { oid: oid.to_string() });
            }
        }
        Ok(facts)
    }
}
