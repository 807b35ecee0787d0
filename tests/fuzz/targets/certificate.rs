//! Certificates and revocation lists, PEM and DER: no panic, and the DER is kept as it came.
#![no_main]

use libfuzzer_sys::fuzz_target;
use muster_shared::crypto::{Certificate, RevocationList, TrustStore};

fuzz_target!(|bytes: &[u8]| {
    let mut chain = Certificate::chain_from_pem(&String::from_utf8_lossy(bytes)).unwrap_or_default();
    if let Ok(certificate) = Certificate::from_der(bytes) {
        assert_eq!(certificate.der(), bytes);
        chain.push(certificate);
    }
    let at = "2026-11-24T12:00:00Z".parse().expect("a time");
    for certificate in chain.iter().take(4) {
        certificate.common_name();
        certificate.subject();
        certificate.alternative_names();
        certificate.may_sign_code();
        certificate.check_signing_purpose().ok();
        certificate.key_kind();
        certificate.not_after();
        assert_eq!(
            Certificate::from_pem(&certificate.to_pem())
                .expect("PEM reads back")
                .der(),
            certificate.der()
        );
        assert!(
            TrustStore::default()
                .check_signer(certificate, &chain, at)
                .is_err()
        );
    }
    for list in RevocationList::all_from_bytes(bytes).unwrap_or_default() {
        list.issuer();
        list.number();
        list.is_expired(at);
        list.entries().count();
    }
});
