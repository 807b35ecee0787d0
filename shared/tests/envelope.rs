//! The envelope and its Merkle targets against vectors that were made without this code.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::path::Path;

use jiff::Timestamp;
use muster_shared::crypto::{Certificate, FileSigner, Signer as _, TrustStore};
use muster_shared::envelope::{self, Envelope, merkle};
use muster_shared::protocol::action::{ACTION_TYPE, ActionKind, ActionPayload};
use muster_shared::protocol::error::ErrorCode;
use serde_json::Value;

fn golden() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden")
}

fn vector(count: u64) -> Value {
    let text = fs_err::read_to_string(golden().join(format!("envelope/targets-{count}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn at() -> Timestamp {
    "2026-11-24T12:05:00Z".parse().unwrap()
}

fn trust() -> TrustStore {
    TrustStore::from_folder(&golden().join("certs")).unwrap()
}

fn signer() -> FileSigner {
    let keys = golden().join("keys");
    FileSigner::open(&keys.join("signer.crt"), &keys.join("signer.pem"), None).unwrap()
}

#[test]
fn roots_and_proofs_are_those_of_the_vectors() {
    for count in [1, 2, 3, 5, 8] {
        let vector = vector(count);
        let targets: Vec<String> = serde_json::from_value(vector["targets"].clone()).unwrap();
        let tree = merkle::Tree::new(&targets).unwrap();
        assert_eq!(
            (tree.count(), tree.root()),
            (count, vector["root"].as_str().unwrap().to_owned())
        );
        for target in &targets {
            let proof: merkle::Proof = serde_json::from_value(vector["proofs"][target].clone()).unwrap();
            assert_eq!(tree.proof(target), Some(proof.clone()), "{target} of {count}");
            assert!(merkle::verify(target, &proof, count, &tree.root()));
            assert!(!merkle::verify("someone-else", &proof, count, &tree.root()));
        }
    }
}

#[test]
fn envelopes_of_the_vectors_verify_for_a_pinned_signer_and_for_a_leaf() {
    for count in [1, 2, 3, 5, 8] {
        let vector = vector(count);
        for (name, common_name) in [("signer", "Testeur-éà"), ("leaf", "peer-leaf")] {
            let envelope: Envelope = serde_json::from_value(vector["envelopes"][name].clone()).unwrap();
            let verified = envelope.verify(ACTION_TYPE, &trust(), at()).unwrap();
            assert_eq!(verified.signer().common_name(), common_name);
            let payload: ActionPayload = envelope::parse_payload(&verified.payload).unwrap();
            assert_eq!(
                (payload.action, payload.targets.count),
                (ActionKind::Install, count)
            );
        }
    }
}

#[test]
fn our_signature_is_the_one_of_the_vector() {
    let vector = vector(3);
    let theirs: Envelope = serde_json::from_value(vector["envelopes"]["signer"].clone()).unwrap();
    let ours = Envelope::sign(ACTION_TYPE, &theirs.payload_unverified().unwrap(), &signer()).unwrap();
    assert_eq!(ours.signatures, theirs.signatures);
}

#[test]
fn what_was_not_signed_is_refused_with_its_own_code() {
    let signer = signer();
    let good = Envelope::sign(ACTION_TYPE, b"{\"a\":1}", &signer).unwrap();
    let code = |envelope: &Envelope| envelope.verify(ACTION_TYPE, &trust(), at()).unwrap_err().code();

    let mut payload = good.clone();
    payload.payload = "eyJhIjoyfQ==".into();
    assert_eq!(code(&payload), ErrorCode::EnvelopeSignatureInvalid);
    let mut unsigned = good.clone();
    unsigned.signatures.clear();
    assert_eq!(code(&unsigned), ErrorCode::EnvelopeInvalid);
    let mut other_type = good.clone();
    other_type.payload_type = "application/vnd.muster.rule+json".into();
    assert_eq!(code(&other_type), ErrorCode::PayloadUnsupported);
    let mut no_certificate = good.clone();
    no_certificate.certificates.clear();
    assert_eq!(code(&no_certificate), ErrorCode::EnvelopeInvalid);

    // Another trusted certificate under the stranger's keyid does not help.
    let keys = golden().join("keys");
    let stranger = FileSigner::open(&keys.join("untrusted.crt"), &keys.join("untrusted.pem"), None).unwrap();
    let mut foreign = Envelope::sign(ACTION_TYPE, b"{\"a\":1}", &stranger).unwrap();
    foreign.certificates.push(signer.certificate().to_pem());
    assert_eq!(code(&foreign), ErrorCode::EnvelopeSignerUntrusted);
    foreign.signatures[0].keyid = signer.certificate().fingerprint();
    assert_eq!(code(&foreign), ErrorCode::EnvelopeSignatureInvalid);

    // A second signature that does not hold spoils the envelope.
    let mut two = good.clone();
    two.signatures.push(foreign.signatures[0].clone());
    assert_eq!(code(&two), ErrorCode::EnvelopeSignatureInvalid);
    let expired = good.verify(ACTION_TYPE, &trust(), "2101-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(expired.unwrap_err().code(), ErrorCode::EnvelopeSignerUntrusted);
}

#[test]
fn the_same_key_counts_once_however_often_it_signs() {
    let signer = signer();
    let mut envelope = Envelope::sign(ACTION_TYPE, b"{}", &signer).unwrap();
    let again = envelope.signatures[0].clone();
    envelope.signatures.push(again);
    let verified = envelope.verify(ACTION_TYPE, &trust(), at()).unwrap();
    assert_eq!(verified.signers.len(), 1);
}

#[test]
fn a_signed_payload_with_an_unknown_field_a_duplicate_key_or_an_unknown_action_is_refused() {
    let good = String::from_utf8(
        serde_json::from_value::<Envelope>(vector(1)["envelopes"]["signer"].clone())
            .unwrap()
            .payload_unverified()
            .unwrap(),
    )
    .unwrap();
    envelope::parse_payload::<ActionPayload>(good.as_bytes()).unwrap();
    for bad in [
        good.replacen('{', "{\"extra\":1,", 1),
        good.replacen("{\"version\":1,", "{\"version\":1,\"version\":1,", 1),
        good.replace("\"force\":false", "\"force\":false,\"other\":true"),
        good.replace("\"install\"", "\"format-disk\""),
        format!("{good} trailing"),
    ] {
        let error = envelope::parse_payload::<ActionPayload>(bad.as_bytes()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::PayloadUnsupported, "{bad}");
    }
}

#[test]
fn certificates_issued_by_us_are_trusted_through_their_authority() {
    use muster_shared::crypto::{IdentityKey, issue};
    let (from, to) = (
        "2026-01-01T00:00:00Z".parse().unwrap(),
        "2036-01-01T00:00:00Z".parse().unwrap(),
    );
    let authority = issue::Authority::create("Muster host CA", from, to).unwrap();
    let again =
        issue::Authority::from_pem(&authority.certificate().to_pem(), &authority.key_pem().unwrap()).unwrap();
    let key = IdentityKey::generate().unwrap();
    let host = again.issue_host(&key.spki_der(), "pc-1", from, to).unwrap();
    assert_eq!(
        (host.common_name(), host.spki_sha256()),
        ("pc-1".to_owned(), key.keyid())
    );
    let trust = TrustStore::new(vec![authority.certificate().clone()]);
    trust.check(&host, &[], at()).unwrap();
    assert!(!host.may_sign_code());
    let (server, key_pem) = authority
        .issue_server(&["srv.example.org".into(), "127.0.0.1".into()], from, to)
        .unwrap();
    assert_eq!(server.alternative_names(), ["srv.example.org", "127.0.0.1"]);
    assert!(key_pem.contains("PRIVATE KEY"));
    assert_eq!(Certificate::from_pem(&server.to_pem()).unwrap(), server);
    assert!(TrustStore::new(vec![server]).check(&host, &[], at()).is_err());
}
