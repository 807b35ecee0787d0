//! Renewing a certificate: the same key, the same subject and purposes, another time.
//!
//! The old certificate's signed part is taken over element by element, so that names keep their very encoding and
//! extensions that nobody here knows stay. New are the serial number, the dates, the signature and, because they
//! follow from the issuer, its name and the authority key identifier.

use const_oid::AssociatedOid as _;
use der::asn1::{ContextSpecific, OctetString};
use der::{Decode as _, Encode as _, Reader as _, SliceReader, Tag, TagMode, TagNumber};
use jiff::Timestamp;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::AuthorityKeyIdentifier;

use super::key::{IssuingKey, algorithm_der, sequence, signed};
use super::{IssueError, crl, random_serial};
use crate::crypto::certificate::Certificate;
use crate::crypto::public_key;

/// Makes a new certificate for the key, subject and purposes of an old one.
///
/// `issuer` is the CA and its key; without it the certificate is signed by `own_key`, its own.
///
/// # Errors
/// A key does not belong to its certificate, the issuer is no CA, or signing fails.
pub fn renewed(
    old: &Certificate,
    issuer: Option<&Certificate>,
    key: &dyn IssuingKey,
    not_before: Timestamp,
    not_after: Timestamp,
) -> Result<Certificate, IssueError> {
    let above = issuer.unwrap_or(old);
    let spki = key.spki_der()?;
    if spki != above.spki_der() {
        return Err(IssueError::OtherKey(above.common_name()));
    }
    if issuer.is_some_and(|issuer| !issuer.is_ca()) {
        return Err(IssueError::NotACa(above.common_name()));
    }
    let mut elements = Elements::of(old.tbs_der())?;
    elements.replace(
        SERIAL,
        der::asn1::Int::new(&random_serial()?).and_then(|serial| serial.to_der()),
    )?;
    elements.replace(ALGORITHM, Ok(algorithm_der(public_key::kind(&spki))?))?;
    elements.replace(ISSUER, above.subject_name().to_der())?;
    let dates = [crl::time(not_before)?, crl::time(not_after)?];
    let dates: Vec<Vec<u8>> = dates
        .iter()
        .map(|date| date.to_der().map_err(IssueError::Encode))
        .collect::<Result<_, _>>()?;
    let dates: Vec<&[u8]> = dates.iter().map(Vec::as_slice).collect();
    elements.replace(VALIDITY, Ok(sequence(&dates)?))?;
    elements.set_authority_key(above.subject_key_id())?;
    let parts: Vec<&[u8]> = elements.0.iter().map(|(_tag, der)| der.as_slice()).collect();
    let der = signed(&sequence(&parts)?, key)?;
    Certificate::from_der(&der).map_err(IssueError::ReadBack)
}

const SERIAL: usize = 0;
const ALGORITHM: usize = 1;
const ISSUER: usize = 2;
const VALIDITY: usize = 3;

/// The elements of a signed part, in order.
struct Elements(Vec<(Tag, Vec<u8>)>);

impl Elements {
    fn of(tbs: &[u8]) -> Result<Self, IssueError> {
        let read = || -> Result<Self, der::Error> {
            let mut reader = SliceReader::new(tbs)?;
            der::Header::decode(&mut reader)?;
            let mut elements = Vec::new();
            while !reader.is_finished() {
                let tag = Tag::peek(&reader)?;
                elements.push((tag, reader.tlv_bytes()?.to_vec()));
            }
            Ok(Self(elements))
        };
        read().map_err(IssueError::Encode)
    }

    /// Replaces one of the elements that follow the optional version.
    fn replace(&mut self, place: usize, der: Result<Vec<u8>, der::Error>) -> Result<(), IssueError> {
        let der = der.map_err(IssueError::Encode)?;
        let has_version = self
            .0
            .first()
            .is_some_and(|(tag, _der)| tag.is_context_specific());
        if let Some(slot) = self.0.get_mut(place + usize::from(has_version)) {
            slot.1 = der;
        }
        Ok(())
    }

    /// The authority key identifier names the issuer's key; one that named a serial number would be wrong now.
    fn set_authority_key(&mut self, key: Option<Vec<u8>>) -> Result<(), IssueError> {
        let is_extensions = |tag: Tag| tag.is_context_specific() && tag.number() == TagNumber(3);
        let Some(slot) = self.0.iter_mut().find(|(tag, _der)| is_extensions(*tag)) else {
            return Ok(());
        };
        let change = |der: &[u8]| -> Result<Vec<u8>, der::Error> {
            let tagged = ContextSpecific::<Vec<Extension>>::from_der(der)?;
            let mut extensions = tagged.value;
            extensions.retain(|extension| extension.extn_id != AuthorityKeyIdentifier::OID);
            if let Some(key) = key {
                let identifier = AuthorityKeyIdentifier {
                    key_identifier: Some(OctetString::new(key)?),
                    ..AuthorityKeyIdentifier::default()
                };
                extensions.push(Extension {
                    extn_id: AuthorityKeyIdentifier::OID,
                    critical: false,
                    extn_value: OctetString::new(identifier.to_der()?)?,
                });
            }
            ContextSpecific {
                tag_number: TagNumber(3),
                tag_mode: TagMode::Explicit,
                value: extensions,
            }
            .to_der()
        };
        slot.1 = change(&slot.1).map_err(IssueError::Encode)?;
        Ok(())
    }
}
