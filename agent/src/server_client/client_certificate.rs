//! The certificate that this machine shows to servers that ask for one in TLS.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::error::ServerError;
use crate::config::ClientCertificate;

/// The largest file of certificates or of a key, in bytes.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// The same TLS settings, with a certificate to show.
///
/// # Errors
/// A file cannot be read, or the two do not belong together.
pub(super) fn showing(
    tls: &Arc<ClientConfig>,
    client: &ClientCertificate,
) -> Result<Arc<ClientConfig>, ServerError> {
    let unusable =
        |path: &Path, source: Box<dyn std::error::Error + Send + Sync>| ServerError::ClientCertificate {
            path: path.to_path_buf(),
            source,
        };
    let read = |path: &Path| {
        let bytes = read_small(path).map_err(|source| unusable(path, Box::new(source)))?;
        Ok::<_, ServerError>(bytes)
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&read(&client.certificate)?)
        .collect::<Result<_, _>>()
        .map_err(|source| unusable(&client.certificate, Box::new(source)))?;
    if chain.is_empty() {
        return Err(unusable(&client.certificate, "it holds no certificate".into()));
    }
    let key = PrivateKeyDer::from_pem_slice(&read(&client.key)?)
        .map_err(|source| unusable(&client.key, Box::new(source)))?;
    let certified = CertifiedKey::from_der(chain, key, tls.crypto_provider())
        .map_err(|source| unusable(&client.certificate, Box::new(source)))?;
    let mut config = ClientConfig::clone(tls);
    config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(certified));
    Ok(Arc::new(config))
}

fn read_small(path: &Path) -> std::io::Result<Vec<u8>> {
    if fs_err::metadata(path)?.len() > MAX_FILE_BYTES {
        return Err(std::io::Error::other(format!(
            "it is larger than {MAX_FILE_BYTES} bytes"
        )));
    }
    fs_err::read(path)
}

#[cfg(test)]
mod tests {
    use muster_shared::clock::now;
    use muster_shared::crypto::issue::Authority;
    use muster_shared::crypto::tls::{ServerTrust, client_config};
    use muster_shared::hint::chain;

    use super::*;

    #[test]
    fn a_certificate_and_its_key_are_shown_and_others_are_refused_by_file() {
        let place = tempfile::tempdir().unwrap();
        let day = jiff::SignedDuration::from_hours(24);
        let ca = Authority::create("ca", now() - day, now() + day).unwrap();
        let (leaf, key) = ca
            .issue_server(&["pc-1".to_owned()], now() - day, now() + day)
            .unwrap();
        let (_other, other_key) = ca
            .issue_server(&["pc-2".to_owned()], now() - day, now() + day)
            .unwrap();
        let write = |name: &str, text: &str| {
            let path = place.path().join(name);
            fs_err::write(&path, text).unwrap();
            path
        };
        let tls = client_config(&ServerTrust::Pin("ab".repeat(32))).unwrap();
        let certificate = write("pc.crt", &leaf.to_pem());
        let good = ClientCertificate {
            certificate: certificate.clone(),
            key: write("pc.pem", &key),
        };
        assert!(
            showing(&tls, &good)
                .unwrap()
                .client_auth_cert_resolver
                .has_certs()
        );
        assert!(!tls.client_auth_cert_resolver.has_certs());
        let wrong = ClientCertificate {
            certificate,
            key: write("other.pem", &other_key),
        };
        let error = chain(&showing(&tls, &wrong).unwrap_err());
        assert!(error.contains("pc.crt"), "{error}");
        let missing = ClientCertificate {
            key: place.path().join("none.pem"),
            ..wrong
        };
        assert!(chain(&showing(&tls, &missing).unwrap_err()).contains("none.pem"));
    }
}
