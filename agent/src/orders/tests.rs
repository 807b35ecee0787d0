//! Orders: each reason to refuse, by name, beside the same order accepted.

use jiff::ToSpan as _;
use muster_shared::crypto::issue::Authority as HostAuthority;
use muster_shared::crypto::{FileSigner, IdentityKey, PrivateKey, Signer, issue};
use muster_shared::protocol::action::{ActionOptions, Targets};

use super::*;
use crate::config::Config;
use crate::state::tests::{now, open};

const HOST: &str = "Host-1";
const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/keys");

fn signer(certificate: &str, key: &str) -> FileSigner {
    let path = |name: &str| std::path::PathBuf::from(KEYS).join(name);
    FileSigner::open(&path(certificate), &path(key), None).unwrap()
}

fn payload(action: ActionKind) -> (ActionPayload, Proof) {
    let tree = merkle::Tree::new(&[HOST, "other"]).unwrap();
    let payload = ActionPayload {
        version: ACTION_VERSION,
        batch: Uuid::now_v7(),
        action,
        packages: Vec::new(),
        options: ActionOptions::default(),
        issued_at: now(),
        not_before: now(),
        expires_at: now() + 15.minutes(),
        targets: Targets {
            count: tree.count(),
            root: tree.root(),
        },
    };
    (payload, tree.proof(HOST).unwrap())
}

fn seal(payload: &impl serde::Serialize, signer: &dyn Signer) -> Envelope {
    Envelope::sign(ACTION_TYPE, &serde_json::to_vec(payload).unwrap(), signer).unwrap()
}

struct Place {
    _folder: tempfile::TempDir,
    state: State,
    trust: TrustStore,
    authority: Authority,
    clock: Timestamp,
}

async fn place() -> Place {
    let (folder, state) = open().await;
    Place {
        _folder: folder,
        state,
        trust: TrustStore::new(vec![
            signer("signer.crt", "signer.pem").certificate().clone(),
            Certificate::chain_from_file(&std::path::PathBuf::from(KEYS).join("ca.crt"))
                .unwrap()
                .remove(0),
        ]),
        authority: Authority::default(),
        clock: now() + 1.minute(),
    }
}

impl Place {
    async fn accept(&self, envelope: &Envelope, proof: &Proof) -> Result<Accepted, Refusal> {
        Judge {
            trust: &self.trust,
            authority: &self.authority,
            identifier: HOST,
            state: &self.state,
            now: self.clock,
        }
        .accept(envelope, proof)
        .await
    }

    async fn refused(&self, change: impl FnOnce(&mut ActionPayload)) -> ErrorCode {
        let (mut payload, proof) = payload(ActionKind::Update);
        change(&mut payload);
        let envelope = seal(&payload, &signer("signer.crt", "signer.pem"));
        let code = self.accept(&envelope, &proof).await.unwrap_err().code();
        assert!(
            self.state.recent_tasks(10).await.unwrap().is_empty(),
            "a refused order left a task"
        );
        code
    }
}

#[tokio::test]
async fn a_pinned_signers_order_becomes_a_task() {
    let place = place().await;
    let (payload, proof) = payload(ActionKind::Update);
    let accepted = place
        .accept(&seal(&payload, &signer("signer.crt", "signer.pem")), &proof)
        .await
        .unwrap();
    let tasks = place.state.recent_tasks(10).await.unwrap();
    assert_eq!(
        (tasks.len(), tasks[0].batch, tasks[0].id),
        (1, Some(payload.batch), accepted.task.id)
    );
    assert_eq!(tasks[0].ordered_by, accepted.signer);
}

#[tokio::test]
async fn a_leaf_of_a_pinned_ca_may_order_when_it_signs_code() {
    let place = place().await;
    let (payload, proof) = payload(ActionKind::Update);
    let envelope = seal(&payload, &signer("leaf-chain.crt", "leaf.pem"));
    place.accept(&envelope, &proof).await.unwrap();
}

#[tokio::test]
async fn an_order_seen_before_is_refused() {
    let place = place().await;
    let (payload, proof) = payload(ActionKind::Update);
    let envelope = seal(&payload, &signer("signer.crt", "signer.pem"));
    place.accept(&envelope, &proof).await.unwrap();
    let again = place.accept(&envelope, &proof).await.unwrap_err();
    assert_eq!(again.code(), ErrorCode::ActionReplayed);
    assert_eq!(place.state.recent_tasks(10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_signer_nobody_here_trusts_is_refused() {
    let mut place = place().await;
    place.trust = TrustStore::new(Vec::new());
    assert_eq!(place.refused(|_| {}).await, ErrorCode::EnvelopeSignerUntrusted);
}

#[tokio::test]
async fn a_payload_changed_after_signing_is_refused() {
    let place = place().await;
    let (mut payload, proof) = payload(ActionKind::Update);
    let mut envelope = seal(&payload, &signer("signer.crt", "signer.pem"));
    payload.action = ActionKind::Upgrade;
    envelope.payload = seal(&payload, &signer("signer.crt", "signer.pem")).payload;
    let refusal = place.accept(&envelope, &proof).await.unwrap_err();
    assert_eq!(refusal.code(), ErrorCode::EnvelopeSignatureInvalid);
}

#[tokio::test]
async fn an_order_of_another_type_is_refused() {
    let place = place().await;
    let (payload, proof) = payload(ActionKind::Update);
    let bytes = serde_json::to_vec(&payload).unwrap();
    let envelope = Envelope::sign(
        "application/vnd.other+json",
        &bytes,
        &signer("signer.crt", "signer.pem"),
    )
    .unwrap();
    assert_eq!(
        place.accept(&envelope, &proof).await.unwrap_err().code(),
        ErrorCode::PayloadUnsupported
    );
}

#[tokio::test]
async fn unknown_fields_and_versions_are_refused() {
    let place = place().await;
    let (payload, proof) = payload(ActionKind::Update);
    let mut value = serde_json::to_value(&payload).unwrap();
    value["surprise"] = true.into();
    let envelope = seal(&value, &signer("signer.crt", "signer.pem"));
    assert_eq!(
        place.accept(&envelope, &proof).await.unwrap_err().code(),
        ErrorCode::PayloadUnsupported
    );
    assert_eq!(
        place.refused(|payload| payload.version = 2).await,
        ErrorCode::PayloadUnsupported
    );
}

#[tokio::test]
async fn an_order_that_is_not_valid_yet_is_refused() {
    let place = place().await;
    let code = place.refused(|payload| {
        payload.not_before = now() + 10.minutes();
    });
    assert_eq!(code.await, ErrorCode::ActionNotYetValid);
}

#[tokio::test]
async fn an_expired_order_is_refused() {
    let mut place = place().await;
    place.clock = now() + 16.minutes();
    assert_eq!(place.refused(|_| {}).await, ErrorCode::ActionExpired);
}

#[tokio::test]
async fn an_expired_order_stays_expired_when_the_clock_is_set_back() {
    let mut place = place().await;
    place.state.raise_high_water(now() + 48.hours()).await.unwrap();
    place.clock = now();
    assert_eq!(place.refused(|_| {}).await, ErrorCode::ActionExpired);
}

#[tokio::test]
async fn an_order_of_unbounded_life_is_refused() {
    let place = place().await;
    let code = place.refused(|payload| payload.expires_at = now() + (31 * 24).hours());
    assert_eq!(code.await, ErrorCode::ActionInvalid);
    let code = place.refused(|payload| payload.expires_at = payload.issued_at);
    assert_eq!(code.await, ErrorCode::ActionInvalid);
}

#[tokio::test]
async fn an_order_for_another_host_is_refused() {
    let place = place().await;
    let (payload, _) = payload(ActionKind::Update);
    let others = merkle::Tree::new(&[HOST, "other"])
        .unwrap()
        .proof("other")
        .unwrap();
    let envelope = seal(&payload, &signer("signer.crt", "signer.pem"));
    assert_eq!(
        place.accept(&envelope, &others).await.unwrap_err().code(),
        ErrorCode::ActionNotForHost
    );
    let code = place.refused(|payload| payload.targets.root = "00".repeat(32));
    assert_eq!(code.await, ErrorCode::ActionNotForHost);
}

#[tokio::test]
async fn arguments_that_make_no_sense_are_refused() {
    let place = place().await;
    for change in [
        (|payload: &mut ActionPayload| payload.action = ActionKind::Install) as fn(&mut ActionPayload),
        |payload| payload.packages = vec!["demo (>=1)".to_owned()],
        |payload| payload.packages = vec!["demo".to_owned(); MAX_ACTION_PACKAGES + 1],
        |payload| payload.action = ActionKind::Cancel,
    ] {
        assert_eq!(place.refused(change).await, ErrorCode::ActionInvalid);
    }
}

#[tokio::test]
async fn a_narrowed_signer_orders_only_what_its_rule_lists() {
    let mut place = place().await;
    let fingerprint = signer("signer.crt", "signer.pem").certificate().fingerprint();
    let mut config = Config::default();
    config.orders.signers.insert(
        fingerprint,
        crate::config::SignerRule {
            actions: vec![ActionKind::Inventory],
        },
    );
    place.authority = Authority::new(&config, None);
    assert_eq!(place.refused(|_| {}).await, ErrorCode::EnvelopeSignerForbidden);
    let (payload, proof) = payload(ActionKind::Inventory);
    place
        .accept(&seal(&payload, &signer("signer.crt", "signer.pem")), &proof)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_reboot_needs_permission() {
    let place = place().await;
    let code = place.refused(|payload| payload.action = ActionKind::Reboot);
    assert_eq!(code.await, ErrorCode::EnvelopeSignerForbidden);
}

#[tokio::test]
async fn certificates_of_servers_and_hosts_may_not_order() {
    let authority = HostAuthority::create("hosts", now() - 1.hour(), now() + 24.hours()).unwrap();
    let trust = TrustStore::new(vec![authority.certificate().clone()]);
    let (server, _key) = authority
        .issue_server(&["muster.example".to_owned()], now() - 1.hour(), now() + 1.hour())
        .unwrap();
    let path = [server, authority.certificate().clone()];
    let refusal = Authority::default()
        .may_order(&trust, &path, ActionKind::Update)
        .unwrap_err();
    assert!(
        matches!(refusal, Forbidden::Purpose(ref purpose) if purpose == "serverAuth"),
        "{refusal}"
    );

    let key = IdentityKey::generate().unwrap();
    let host = authority
        .issue_host(&key.spki_der(), "other-host", now() - 1.hour(), now() + 1.hour())
        .unwrap();
    let own = Authority::new(&Config::default(), Some(&host));
    let path = [host, authority.certificate().clone()];
    assert_eq!(
        own.may_order(&trust, &path, ActionKind::Update).unwrap_err(),
        Forbidden::Host
    );
}

#[test]
fn a_server_cannot_make_hosts_of_people_by_the_name_that_it_issues_under() {
    let (from, to) = (now() - 1.hour(), now() + 24.hours());
    let subject = |name: &str| issue::Subject {
        common_name: name.to_owned(),
        ..issue::Subject::default()
    };
    let purpose = |authority: bool| issue::Purpose {
        code_signing: !authority,
        client_auth: false,
        authority,
    };
    let (ca_key, key) = (
        PrivateKey::generate_ec().unwrap(),
        PrivateKey::generate_ec().unwrap(),
    );
    let people = issue::self_signed(&ca_key, &subject("people"), purpose(true), from, to).unwrap();
    let spki = key.spki_der().unwrap();
    let bob = subject("bob");
    let leaf = issue::issued_by(&people, &ca_key, &spki, &bob, purpose(false), from, to).unwrap();
    // The server's own key under the name of the people's CA.
    let forged = HostAuthority::create("people", from, to).unwrap();
    let key = IdentityKey::generate().unwrap();
    let host = forged.issue_host(&key.spki_der(), HOST, from, to).unwrap();
    assert_eq!(host.issuer(), leaf.issuer());
    let own = Authority::new(&Config::default(), Some(&host));
    let trust = TrustStore::new(vec![people.clone()]);
    let path = [leaf, people];
    own.may_order(&trust, &path, ActionKind::Update).unwrap();
}

#[tokio::test]
async fn orders_from_before_the_database_was_lost_are_refused() {
    let place = place().await;
    let since = now() + 30.seconds();
    place
        .state
        .set_fact(crate::state::facts::ORDERS_SINCE, &since.to_string())
        .await
        .unwrap();
    assert_eq!(place.refused(|_| {}).await, ErrorCode::ActionReplayed);
}
