//! Encrypted host packages: no panic, one error.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use muster_shared::crypto::PrivateKey;
use muster_shared::package::encrypted::{self, EncryptedError};

static KEY: LazyLock<PrivateKey> = LazyLock::new(|| {
    let pem = include_str!("../../golden/keys/leaf.pem");
    PrivateKey::from_pem(pem, None).expect("the golden key")
});

fuzz_target!(|bytes: &[u8]| {
    match encrypted::decrypt(bytes, &KEY) {
        Ok(_plain) => assert!(encrypted::is_encrypted(bytes)),
        Err(error) => assert_eq!(error, EncryptedError::Decrypt),
    }
});
