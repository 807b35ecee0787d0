//! Envelopes and the payloads inside: no panic, nothing accepted without trust.
#![no_main]

use libfuzzer_sys::fuzz_target;
use muster_shared::crypto::TrustStore;
use muster_shared::envelope::{self, Envelope};
use muster_shared::protocol::action::ActionPayload;

fuzz_target!(|bytes: &[u8]| {
    envelope::parse_payload::<ActionPayload>(bytes).ok();
    let Ok(envelope) = serde_json::from_slice::<Envelope>(bytes) else {
        return;
    };
    envelope.payload_unverified().ok();
    let at = "2026-11-24T12:00:00Z".parse().expect("a time");
    assert!(
        envelope
            .verify(&envelope.payload_type.clone(), &TrustStore::default(), at)
            .is_err()
    );
});
