//! Why an LDAP server gave no answer.

use std::path::PathBuf;

use ldap3::LdapError;

use super::guard::Refusal;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum LdapFailure {
    #[error("{url} gave no whole answer within {seconds} s")]
    Time { url: String, seconds: u64 },
    #[error("{url} cannot be reached")]
    Connect {
        url: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{url} is not read any further")]
    Refused {
        url: String,
        #[source]
        source: Refusal,
    },
    #[error("the answers of {url} cannot be carried inside of this process")]
    Inside {
        url: String,
        #[source]
        source: Box<LdapError>,
    },
    #[error("{url}: the certificates of {path} (verify_cert_ldap) cannot be used", path = path.display())]
    Authorities {
        url: String,
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{url}: TLS cannot be set up")]
    Tls {
        url: String,
        #[source]
        source: muster_shared::crypto::tls::TlsError,
    },
    #[error("the password in {path} (ldap_password_file) cannot be read", path = path.display())]
    Password {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{url} does not accept {dn} (ldap_bind_dn)")]
    Bind {
        url: String,
        dn: String,
        #[source]
        source: Box<LdapError>,
    },
    #[error("{url} does not say below which name it keeps its entries; set ldap_base_dn")]
    NoBase { url: String },
    #[error("{url} does not answer the search for {what} below {base}")]
    Search {
        url: String,
        what: &'static str,
        base: String,
        #[source]
        source: Box<LdapError>,
    },
    #[error("{url} has several computers of the name {hostname}: {dns}")]
    Ambiguous {
        url: String,
        hostname: String,
        dns: String,
    },
    #[error("{url} has more {what} for this computer than the {limit} that are read")]
    TooMany {
        url: String,
        what: &'static str,
        limit: usize,
    },
    #[error("the answer of {url} cannot be understood")]
    Malformed { url: String },
}
