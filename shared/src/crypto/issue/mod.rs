//! Issuing certificates: people's (self-signed to start with), the server's TLS name, and hosts'.
//!
//! Parties: a *person's* certificate says what their key may sign; the *server CA* vouches for the server's
//! TLS name and is what a `muster://` pin names, so the TLS certificate can be renewed without touching any
//! client; the *host CA* vouches that a server accepted a host's identity key.

mod crl;
mod key;
mod renew;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyUsagePurpose, SanType, SerialNumber,
};
use zeroize::Zeroizing;

use super::certificate::{Certificate, CertificateError};
use super::key::{KeyError, PrivateKey, fill_random};
use super::revocation::CrlError;
use super::signer::SignError;
pub use crl::revocation_list;
use key::RcgenKey;
pub use key::{IssuingKey, SignerKey};
pub use renew::renewed;

/// Why a certificate could not be issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    #[error("the key cannot be used")]
    Key(#[from] KeyError),
    #[error("the certificate cannot be made")]
    Make(#[source] rcgen::Error),
    #[error("the certificate made cannot be read back")]
    ReadBack(#[source] CertificateError),
    #[error("the key cannot sign")]
    Sign(#[source] Box<SignError>),
    #[error("what is to be signed cannot be encoded")]
    Encode(#[source] der::Error),
    #[error("the revocation list made cannot be read back")]
    Crl(#[source] Box<CrlError>),
    #[error("the key does not belong to the certificate of {0}")]
    OtherKey(String),
    #[error("{0} may not issue certificates: it is no CA")]
    NotACa(String),
    #[error("{0:?} is not a serial number in hex")]
    Serial(String),
    #[error("{0:?} is not a DNS name or an address")]
    Name(String),
    #[error("a country is two letters, not {0:?}")]
    Country(String),
    #[error("a common name is needed, of at most 64 characters")]
    CommonName,
}

/// Who a person's certificate is about. Empty parts are left out.
#[derive(Debug, Clone, Default)]
pub struct Subject {
    /// Names the signer in packages.
    pub common_name: String,
    pub organisation: String,
    pub unit: String,
    pub locality: String,
    /// Two letters.
    pub country: String,
    pub email: String,
}

/// What a person's certificate allows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purpose {
    /// Sign packages that carry code (`setup.py`).
    pub code_signing: bool,
    /// Sign in to servers with the certificate, and order actions.
    pub client_auth: bool,
    /// Issue certificates for others. WAPT's own signers carry it.
    pub authority: bool,
}

/// Makes a self-signed certificate for a person's key.
///
/// # Errors
/// When the subject breaks a rule or the key cannot sign.
pub fn self_signed(
    key: &dyn IssuingKey,
    subject: &Subject,
    purpose: Purpose,
    not_before: Timestamp,
    not_after: Timestamp,
) -> Result<Certificate, IssueError> {
    let mut params = person_params(subject, purpose, not_before, not_after)?;
    if !purpose.authority {
        // So that it can take itself back; a CA's certificate has it anyway.
        params.key_usages.push(KeyUsagePurpose::CrlSign);
    }
    let key = RcgenKey::new(key)?;
    let made = params.self_signed(&key).map_err(|error| key.failed(error))?;
    Certificate::from_der(made.der()).map_err(IssueError::ReadBack)
}

/// Makes a certificate for a person's key (given by its DER SubjectPublicKeyInfo), issued by a CA.
///
/// # Errors
/// When the subject breaks a rule, the issuer is no CA, or its key cannot sign.
pub fn issued_by(
    issuer: &Certificate,
    issuer_key: &dyn IssuingKey,
    spki_der: &[u8],
    subject: &Subject,
    purpose: Purpose,
    not_before: Timestamp,
    not_after: Timestamp,
) -> Result<Certificate, IssueError> {
    let mut params = person_params(subject, purpose, not_before, not_after)?;
    params.use_authority_key_identifier_extension = true;
    let key = RcgenKey::new(issuer_key)?;
    let made = {
        let issuer = Issuer::from_ca_cert_der(&issuer.der().into(), &key).map_err(IssueError::Make)?;
        let spki = rcgen::SubjectPublicKeyInfo::from_der(spki_der).map_err(IssueError::Make)?;
        params.signed_by(&spki, &issuer)
    };
    let made = made.map_err(|error| key.failed(error))?;
    Certificate::from_der(made.der()).map_err(IssueError::ReadBack)
}

fn person_params(
    subject: &Subject,
    purpose: Purpose,
    not_before: Timestamp,
    not_after: Timestamp,
) -> Result<CertificateParams, IssueError> {
    if subject.common_name.is_empty() || subject.common_name.chars().count() > 64 {
        return Err(IssueError::CommonName);
    }
    let mut params = base_params(&subject.common_name, not_before, not_after)?;
    let name = &mut params.distinguished_name;
    if !subject.organisation.is_empty() {
        name.push(DnType::OrganizationName, subject.organisation.as_str());
    }
    if !subject.unit.is_empty() {
        name.push(DnType::OrganizationalUnitName, subject.unit.as_str());
    }
    if !subject.locality.is_empty() {
        name.push(DnType::LocalityName, subject.locality.as_str());
    }
    if !subject.country.is_empty() {
        let two_letters =
            subject.country.len() == 2 && subject.country.chars().all(|c| c.is_ascii_alphabetic());
        if !two_letters {
            return Err(IssueError::Country(subject.country.clone()));
        }
        name.push(DnType::CountryName, subject.country.to_ascii_uppercase().as_str());
    }
    if !subject.email.is_empty() {
        let mail = subject
            .email
            .clone()
            .try_into()
            .map_err(|_error| IssueError::Name(subject.email.clone()))?;
        params.subject_alt_names.push(SanType::Rfc822Name(mail));
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    if purpose.authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages.push(KeyUsagePurpose::KeyCertSign);
        params.key_usages.push(KeyUsagePurpose::CrlSign);
    } else {
        params.is_ca = IsCa::ExplicitNoCa;
    }
    if purpose.code_signing {
        params
            .extended_key_usages
            .push(ExtendedKeyUsagePurpose::CodeSigning);
    }
    if purpose.client_auth {
        params
            .extended_key_usages
            .push(ExtendedKeyUsagePurpose::ClientAuth);
    }
    Ok(params)
}

/// A CA of the server: its key is EC P-256 and stays in a file beside its certificate.
pub struct Authority {
    certificate: Certificate,
    key: PrivateKey,
}

impl Authority {
    /// Makes a CA that may issue leaves only.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn create(
        common_name: &str,
        not_before: Timestamp,
        not_after: Timestamp,
    ) -> Result<Self, IssueError> {
        let key = PrivateKey::generate_ec()?;
        let mut params = base_params(common_name, not_before, not_after)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let made = params
            .self_signed(&RcgenKey::new(&key)?)
            .map_err(IssueError::Make)?;
        let certificate = Certificate::from_der(made.der()).map_err(IssueError::ReadBack)?;
        Ok(Self { certificate, key })
    }

    /// Reads a CA back from its two PEM texts.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, IssueError> {
        Ok(Self {
            certificate: Certificate::from_pem(certificate).map_err(IssueError::ReadBack)?,
            key: PrivateKey::from_pem(key, None)?,
        })
    }

    /// The CA's certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The CA's key in PEM, not encrypted.
    ///
    /// # Errors
    /// When encoding fails.
    pub fn key_pem(&self) -> Result<Zeroizing<String>, IssueError> {
        Ok(self.key.to_pem(None)?)
    }

    /// Issues a TLS server certificate for DNS names and addresses, with a new key in PEM.
    ///
    /// # Errors
    /// When a name is none, or signing fails.
    pub fn issue_server(
        &self,
        names: &[String],
        not_before: Timestamp,
        not_after: Timestamp,
    ) -> Result<(Certificate, Zeroizing<String>), IssueError> {
        let key = PrivateKey::generate_ec()?;
        let common_name = names.first().ok_or(IssueError::CommonName)?;
        let mut params = base_params(common_name, not_before, not_after)?;
        for name in names {
            params.subject_alt_names.push(match name.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_not_an_address) => SanType::DnsName(
                    name.clone()
                        .try_into()
                        .map_err(|_error| IssueError::Name(name.clone()))?,
                ),
            });
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = self.sign(params, &key.spki_der()?)?;
        Ok((certificate, key.to_pem(None)?))
    }

    /// Issues a certificate for a host's identity key, given by its DER SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// When the key cannot be read or signing fails.
    pub fn issue_host(
        &self,
        spki_der: &[u8],
        identifier: &str,
        not_before: Timestamp,
        not_after: Timestamp,
    ) -> Result<Certificate, IssueError> {
        let mut params = base_params(identifier, not_before, not_after)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params, spki_der)
    }

    fn sign(&self, mut params: CertificateParams, spki_der: &[u8]) -> Result<Certificate, IssueError> {
        params.use_authority_key_identifier_extension = true;
        let issuer = Issuer::from_ca_cert_der(&self.certificate.der().into(), RcgenKey::new(&self.key)?)
            .map_err(IssueError::Make)?;
        let spki = rcgen::SubjectPublicKeyInfo::from_der(spki_der).map_err(IssueError::Make)?;
        let made = params.signed_by(&spki, &issuer).map_err(IssueError::Make)?;
        Certificate::from_der(made.der()).map_err(IssueError::ReadBack)
    }
}

fn base_params(
    common_name: &str,
    not_before: Timestamp,
    not_after: Timestamp,
) -> Result<CertificateParams, IssueError> {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    params.distinguished_name = name;
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let at = |time: Timestamp| {
        epoch + std::time::Duration::from_secs(u64::try_from(time.as_second()).unwrap_or(0))
    };
    params.not_before = at(not_before);
    params.not_after = at(not_after);
    params.serial_number = Some(SerialNumber::from_slice(&random_serial()?));
    Ok(params)
}

fn random_serial() -> Result<[u8; 16], KeyError> {
    let mut serial = [0_u8; 16];
    fill_random(&mut serial)?;
    // Positive and never empty, whatever the random bytes are (RFC 5280 §4.1.2.2).
    serial[0] = serial[0] & 0x7f | 0x40;
    Ok(serial)
}
