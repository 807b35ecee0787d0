//! TLS: rustls with ring, a certificate that can be renewed while the server runs.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::AuthorityFiles;
use super::files::AuthorityError;

/// The TLS certificate in use; [`RenewableCertificate::reload`] changes it for new connections.
#[derive(Debug)]
pub struct RenewableCertificate {
    current: RwLock<Arc<CertifiedKey>>,
}

impl RenewableCertificate {
    /// Reads key, certificate and chain.
    ///
    /// # Errors
    /// The file cannot be read, or key and certificate do not belong together.
    pub fn load(files: &AuthorityFiles) -> Result<Arc<Self>, AuthorityError> {
        Ok(Arc::new(Self {
            current: RwLock::new(read(&files.tls())?),
        }))
    }

    /// Reads the file again.
    ///
    /// # Errors
    /// As [`Self::load`]; the certificate in use stays then.
    pub fn reload(&self, files: &AuthorityFiles) -> Result<(), AuthorityError> {
        let read = read(&files.tls())?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    }
}

impl ResolvesServerCert for RenewableCertificate {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(
            &self.current.read().unwrap_or_else(PoisonError::into_inner),
        ))
    }
}

/// The TLS settings of the server: TLS 1.2 and 1.3, no client certificates.
///
/// # Errors
/// The provider lacks a protocol version.
pub fn server_config(certificate: Arc<RenewableCertificate>) -> Result<rustls::ServerConfig, rustls::Error> {
    Ok(
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(certificate),
    )
}

fn read(path: &Path) -> Result<Arc<CertifiedKey>, AuthorityError> {
    let pem =
        secrecy::zeroize::Zeroizing::new(fs_err::read(path).map_err(|source| AuthorityError::Read {
            path: path.to_owned(),
            source,
        })?);
    let tls_error = |source| AuthorityError::Tls {
        path: path.to_owned(),
        source,
    };
    let unreadable =
        |error: rustls::pki_types::pem::Error| tls_error(rustls::Error::General(error.to_string()));
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(unreadable)?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(unreadable)?;
    let certified =
        CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider()).map_err(tls_error)?;
    Ok(Arc::new(certified))
}
