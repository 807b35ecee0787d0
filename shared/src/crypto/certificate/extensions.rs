//! What the extensions of a certificate say: what it is for, whom it may vouch for, where its lists are.

use const_oid::db::rfc5280::ID_KP_CODE_SIGNING;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectKeyIdentifier};

use super::Certificate;

/// Critical extensions that the chain check understands; any other refuses the certificate.
const UNDERSTOOD: [&str; 7] = [
    "2.5.29.19", // basicConstraints
    "2.5.29.15", // keyUsage
    "2.5.29.37", // extKeyUsage
    "2.5.29.17", // subjectAltName
    "2.5.29.14", // subjectKeyIdentifier
    "2.5.29.35", // authorityKeyIdentifier
    "2.5.29.31", // cRLDistributionPoints: says where to look, restricts nothing
];

impl Certificate {
    /// Basic constraints say that this is a CA.
    pub fn is_ca(&self) -> bool {
        self.basic_constraints().is_some_and(|constraints| constraints.ca)
    }

    /// How many CAs may stand between this one and a leaf, when limited.
    pub(in crate::crypto) fn path_length(&self) -> Option<u8> {
        self.basic_constraints()
            .and_then(|constraints| constraints.path_len_constraint)
    }

    /// Key usage allows signing certificates, or says nothing.
    pub(in crate::crypto) fn may_sign_certificates(&self) -> bool {
        self.extension::<KeyUsage>()
            .is_none_or(|usage| usage.key_cert_sign())
    }

    /// Key usage allows signing data, or says nothing.
    pub fn may_sign_data(&self) -> bool {
        self.extension::<KeyUsage>()
            .is_none_or(|usage| usage.digital_signature() || usage.non_repudiation() || self.is_ca())
    }

    /// The extended key usage lists code signing. Without the extension nothing is allowed.
    pub fn may_sign_code(&self) -> bool {
        self.extended_key_usage()
            .is_some_and(|usages| usages.iter().any(|oid| oid == &ID_KP_CODE_SIGNING.to_string()))
    }

    /// The OIDs of the extended key usage, `None` without the extension.
    pub fn extended_key_usage(&self) -> Option<Vec<String>> {
        self.extension::<ExtendedKeyUsage>()
            .map(|usage| usage.0.iter().map(ToString::to_string).collect())
    }

    /// A person signs with a certificate for code signing or client authentication, or without any extended key
    /// usage; one for TLS servers or only for mail belongs to something else.
    ///
    /// # Errors
    /// The purposes that it is made for, in words.
    pub fn check_signing_purpose(&self) -> Result<(), String> {
        const CODE_SIGNING: &str = "1.3.6.1.5.5.7.3.3";
        const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";
        const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";
        const EMAIL_PROTECTION: &str = "1.3.6.1.5.5.7.3.4";
        let Some(purposes) = self.extended_key_usage() else {
            return Ok(());
        };
        let has = |purpose: &str| purposes.iter().any(|one| one == purpose);
        // A TLS server's certificate often carries clientAuth too; it still is no person's.
        if !has(SERVER_AUTH) && (has(CODE_SIGNING) || has(CLIENT_AUTH)) {
            return Ok(());
        }
        let names: Vec<&str> = purposes
            .iter()
            .map(|oid| match oid.as_str() {
                SERVER_AUTH => "serverAuth",
                CLIENT_AUTH => "clientAuth",
                CODE_SIGNING => "codeSigning",
                EMAIL_PROTECTION => "emailProtection",
                other => other,
            })
            .collect();
        Err(names.join(", "))
    }

    /// The subject alternative names as text, for display.
    pub fn alternative_names(&self) -> Vec<String> {
        use x509_cert::ext::pkix::{SubjectAltName, name::GeneralName};
        self.extension::<SubjectAltName>()
            .map(|names| {
                names
                    .0
                    .iter()
                    .filter_map(|name| match name {
                        GeneralName::DnsName(dns) => Some(dns.to_string()),
                        GeneralName::Rfc822Name(mail) => Some(mail.to_string()),
                        GeneralName::IpAddress(bytes) => ip_text(bytes.as_bytes()),
                        _ => None,
                    })
                    .collect()
            })
            .unwrap_or_default()
    }

    /// The subject key identifier, when the certificate names it.
    pub(in crate::crypto) fn subject_key_id(&self) -> Option<Vec<u8>> {
        self.extension::<SubjectKeyIdentifier>()
            .map(|id| id.0.as_bytes().to_vec())
    }

    /// The key may sign revocation lists: key usage says so or says nothing, or it may issue what a list takes
    /// back, or it takes back itself.
    pub(in crate::crypto) fn may_sign_lists(&self) -> bool {
        self.is_self_issued()
            || self
                .extension::<KeyUsage>()
                .is_none_or(|usage| usage.crl_sign() || usage.key_cert_sign())
    }

    /// Where the issuer publishes its revocation list: the web addresses named in the certificate.
    pub fn crl_urls(&self) -> Vec<String> {
        use x509_cert::ext::pkix::CrlDistributionPoints;
        use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
        let points = self.extension::<CrlDistributionPoints>().map(|points| points.0);
        let mut urls = Vec::new();
        for point in points.unwrap_or_default() {
            if let Some(DistributionPointName::FullName(names)) = point.distribution_point {
                urls.extend(names.into_iter().filter_map(|name| match name {
                    GeneralName::UniformResourceIdentifier(url) => Some(url.to_string()),
                    _ => None,
                }));
            }
        }
        urls.retain(|url| url.starts_with("http://") || url.starts_with("https://"));
        urls
    }

    /// The first extension that decides about trust and cannot be decoded: absent it would allow more.
    pub(in crate::crypto) fn damaged_extension(&self) -> Option<String> {
        self.damaged::<BasicConstraints>()
            .or_else(|| self.damaged::<KeyUsage>())
            .or_else(|| self.damaged::<ExtendedKeyUsage>())
    }

    fn damaged<T>(&self) -> Option<String>
    where
        for<'a> T: der::Decode<'a, Error = der::Error> + const_oid::AssociatedOid,
    {
        let extensions = self.tbs().extensions()?;
        let is_present = extensions.iter().any(|one| one.extn_id == T::OID);
        (is_present && self.extension::<T>().is_none()).then(|| T::OID.to_string())
    }

    /// The first critical extension that the chain check does not understand.
    pub(in crate::crypto) fn unknown_critical_extension(&self) -> Option<String> {
        self.tbs()
            .extensions()?
            .iter()
            .filter(|extension| extension.critical)
            .map(|extension| extension.extn_id.to_string())
            .find(|oid| !UNDERSTOOD.contains(&oid.as_str()))
    }

    fn basic_constraints(&self) -> Option<BasicConstraints> {
        self.extension::<BasicConstraints>()
    }

    /// An extension; one that cannot be decoded reads as absent and is refused by [`Self::damaged_extension`].
    pub(super) fn extension<T>(&self) -> Option<T>
    where
        for<'a> T: der::Decode<'a, Error = der::Error> + const_oid::AssociatedOid,
    {
        let wanted = T::OID;
        let extension = self
            .tbs()
            .extensions()?
            .iter()
            .find(|one| one.extn_id == wanted)?;
        T::from_der(extension.extn_value.as_bytes()).ok()
    }
}

fn ip_text(bytes: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(four).to_string());
    }
    <[u8; 16]>::try_from(bytes)
        .ok()
        .map(|sixteen| std::net::Ipv6Addr::from(sixteen).to_string())
}
