//! Who is let into the fleet, and who waits or is refused.

use std::collections::BTreeMap;

use muster_shared::crypto::Certificate;
use muster_shared::protocol::Page;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::host::{
    HostDetail, RegisterAnswer, RegisterOutcome, RegistrationDecision, RegistrationVerdict,
};
use muster_shared::protocol::token::TokenRow;
use reqwest::{Method, StatusCode};
use sha2::Digest as _;

use crate::client::{bad, code, good};
use crate::harness::{PASSWORD, TestServer};
use crate::host::{Host, Proof};

async fn outcome(answer: reqwest::Response) -> RegisterAnswer {
    good(answer).await
}

async fn detail(server: &TestServer, identifier: &str) -> HostDetail {
    server
        .administrator()
        .await
        .read(&format!("/api/v1/hosts/{identifier}"))
        .await
}

fn decision(decision: RegistrationVerdict, keyid: &str) -> RegistrationDecision {
    RegistrationDecision {
        decision,
        keyid: keyid.to_owned(),
    }
}

fn keyid(host: &Host) -> String {
    hex::encode(sha2::Sha256::digest(host.key.spki_der()))
}

#[tokio::test]
async fn a_token_enrols_as_many_machines_as_it_has_uses_and_the_same_machine_uses_it_once() {
    let server = TestServer::start().await;
    let token = server.token(None, 2).await;
    let first = Host::new("host-1");
    for _ in 0..3 {
        let answer = outcome(first.register(&server, Proof::token(&token)).await).await;
        assert_eq!(answer.outcome, RegisterOutcome::Registered);
        let certificate = Certificate::from_pem(&answer.certificate.unwrap()).unwrap();
        assert_eq!(certificate.common_name(), "host-1");
        assert_eq!(certificate.spki_der(), first.key.spki_der());
    }
    outcome(Host::new("host-2").register(&server, Proof::token(&token)).await).await;
    let error = bad(Host::new("host-3").register(&server, Proof::token(&token)).await).await;
    assert_eq!(error.code, ErrorCode::EnrolmentTokenInvalid);
    assert!(error.hints.concat().contains("new one"));
    let tokens: Page<TokenRow> = server
        .administrator()
        .await
        .read("/api/v1/enrolment-tokens")
        .await;
    assert_eq!(tokens.items[0].uses_left, 0);
    let row = detail(&server, "HOST-1").await.row;
    assert_eq!(
        (row.registered_by.as_str(), row.name.as_str()),
        ("token", "host-1.example.org")
    );
}

#[tokio::test]
async fn wrong_expired_deleted_and_foreign_tokens_are_refused_alike() {
    let server = TestServer::start().await;
    let token = server.token(None, 5).await;
    let (id, _secret) = token.split_once('.').unwrap();
    let mut messages = Vec::new();
    let for_another = server.token(Some("host-9"), 1).await;
    for wrong in [
        "",
        "x",
        "x.y",
        &format!("{id}.wrong"),
        &format!("{id}."),
        &for_another,
    ] {
        let error = bad(Host::new("host-1").register(&server, Proof::token(wrong)).await).await;
        assert_eq!(error.code, ErrorCode::EnrolmentTokenInvalid, "{wrong}");
        messages.push(error.message);
    }
    messages.dedup();
    assert_eq!(messages.len(), 1);
    let deleted = server
        .administrator()
        .await
        .delete(&format!("/api/v1/enrolment-tokens/{id}"))
        .await;
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    let answer = Host::new("host-1").register(&server, Proof::token(&token)).await;
    assert_eq!(code(answer).await, ErrorCode::EnrolmentTokenInvalid);
    let short = server.token(None, 5).await;
    server.clock.forward(3601);
    let answer = Host::new("host-1").register(&server, Proof::token(&short)).await;
    assert_eq!(code(answer).await, ErrorCode::EnrolmentTokenInvalid);
}

#[tokio::test]
async fn without_a_proof_a_machine_is_refused_unless_registration_is_open() {
    let server = TestServer::start().await;
    let error = bad(Host::new("host-1").register(&server, Proof::default()).await).await;
    assert_eq!(error.code, ErrorCode::RegistrationRefused);
    assert!(error.hints.concat().contains("token"));
    let open = TestServer::start_with(|config| config.open_registration = true).await;
    outcome(Host::new("host-1").register(&open, Proof::default()).await).await;
    assert_eq!(detail(&open, "host-1").await.row.registered_by, "open");
}

#[tokio::test]
async fn credentials_enrol_when_the_user_may_enrol() {
    let server = TestServer::start().await;
    let credentials = |user: &str, password: &str| Proof {
        user: Some((user.to_owned(), password.to_owned())),
        ..Proof::default()
    };
    let answer = Host::new("host-1")
        .register(&server, credentials("viewer", PASSWORD))
        .await;
    assert_eq!(code(answer).await, ErrorCode::RightMissing);
    let answer = Host::new("host-1")
        .register(&server, credentials("deployer", "a wrong password"))
        .await;
    assert_eq!(code(answer).await, ErrorCode::SignInFailed);
    outcome(
        Host::new("host-1")
            .register(&server, credentials("deployer", PASSWORD))
            .await,
    )
    .await;
    assert_eq!(detail(&server, "host-1").await.row.registered_by, "user:deployer");
}

#[tokio::test]
async fn a_known_identifier_with_a_new_key_waits_and_gets_nothing_private_until_it_is_decided() {
    let server = TestServer::start().await;
    let old = Host::registered(&server, "host-1").await;
    let new = Host::new("HOST-1");
    let token = server.token(None, 1).await;
    let answer = new.register(&server, Proof::token(&token)).await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let answer = outcome(answer).await;
    assert_eq!(
        (answer.outcome, answer.certificate),
        (RegisterOutcome::Pending, None)
    );
    assert!(detail(&server, "host-1").await.row.pending_registration);
    let package = new
        .send(&server, Method::GET, "/wapt-host/host-1.wapt", Vec::new())
        .await;
    assert_eq!(code(package).await, ErrorCode::HostPending);
    // The token was not used up, and the old machine goes on working.
    let tokens: Page<TokenRow> = server
        .administrator()
        .await
        .read("/api/v1/enrolment-tokens")
        .await;
    assert_eq!(tokens.items[0].uses_left, 1);
    old.report(&server, &[], &BTreeMap::new()).await;

    let person = server.administrator().await;
    let decided = person
        .post(
            "/api/v1/hosts/host-1/registration",
            &decision(RegistrationVerdict::Replace, &keyid(&new)),
        )
        .await;
    assert_eq!(decided.status(), StatusCode::NO_CONTENT);
    let again = outcome(new.register(&server, Proof::default()).await).await;
    assert_eq!(again.outcome, RegisterOutcome::Registered);
    assert!(!detail(&server, "host-1").await.row.pending_registration);
    let late = old
        .send(
            &server,
            Method::POST,
            "/api/v1/host/report",
            old.report_of(&[], &BTreeMap::new()),
        )
        .await;
    assert_eq!(code(late).await, ErrorCode::HostUnknown);
    let twice = person
        .post(
            "/api/v1/hosts/host-1/registration",
            &decision(RegistrationVerdict::Replace, &keyid(&new)),
        )
        .await;
    assert_eq!(code(twice).await, ErrorCode::Conflict);
}

#[tokio::test]
async fn a_refused_machine_stays_refused_until_a_token_for_its_identifier_decides() {
    let server = TestServer::start().await;
    let old = Host::registered(&server, "host-1").await;
    let new = Host::new("host-1");
    let token = server.token(None, 1).await;
    new.register(&server, Proof::token(&token)).await;
    let person = server.administrator().await;
    let decided = person
        .post(
            "/api/v1/hosts/host-1/registration",
            &decision(RegistrationVerdict::Refuse, &keyid(&new)),
        )
        .await;
    assert_eq!(decided.status(), StatusCode::NO_CONTENT);
    let answer = new.register(&server, Proof::token(&token)).await;
    assert_eq!(code(answer).await, ErrorCode::RegistrationRefused);
    let own = server.token(Some("host-1"), 1).await;
    let answer = outcome(new.register(&server, Proof::token(&own)).await).await;
    assert_eq!(answer.outcome, RegisterOutcome::Registered);
    let late = old
        .send(&server, Method::GET, "/wapt-host/host-1.wapt", Vec::new())
        .await;
    assert_eq!(code(late).await, ErrorCode::HostUnknown);
}

#[tokio::test]
async fn a_second_newcomer_takes_the_place_of_a_waiting_one_only_after_a_day() {
    let server = TestServer::start().await;
    let _old = Host::registered(&server, "host-1").await;
    let (first, second) = (Host::new("host-1"), Host::new("host-1"));
    let token = server.token(None, 5).await;
    let answer = outcome(first.register(&server, Proof::token(&token)).await).await;
    assert_eq!(answer.outcome, RegisterOutcome::Pending);
    let error = bad(second.register(&server, Proof::token(&token)).await).await;
    assert_eq!(error.code, ErrorCode::HostPending);
    assert!(error.message.contains("another key"), "{}", error.message);
    let row = detail(&server, "host-1").await.row;
    assert_eq!(row.pending_keyid, keyid(&first));

    // Asking again does not make the first one younger.
    server.clock.forward(12 * 3600);
    outcome(first.register(&server, Proof::default()).await).await;
    server.clock.forward(12 * 3600 + 1);
    let token = server.token(None, 5).await;
    let answer = outcome(second.register(&server, Proof::token(&token)).await).await;
    assert_eq!(answer.outcome, RegisterOutcome::Pending);
    let row = detail(&server, "host-1").await.row;
    assert_eq!(row.pending_keyid, keyid(&second));
}

#[tokio::test]
async fn a_decision_counts_for_the_key_that_it_names_and_no_other() {
    let server = TestServer::start().await;
    let old = Host::registered(&server, "host-1").await;
    let (new, other) = (Host::new("host-1"), Host::new("host-1"));
    let token = server.token(None, 5).await;
    new.register(&server, Proof::token(&token)).await;
    let person = server.administrator().await;
    let path = "/api/v1/hosts/host-1/registration";
    for named in [keyid(&other), keyid(&old), String::new()] {
        for verdict in [RegistrationVerdict::Replace, RegistrationVerdict::Refuse] {
            let answer = person.post(path, &decision(verdict, &named)).await;
            assert_eq!(answer.status(), StatusCode::PRECONDITION_FAILED);
            assert_eq!(code(answer).await, ErrorCode::Changed, "{verdict:?} {named}");
        }
    }
    let unnamed = person
        .post(path, &serde_json::json!({"decision": "replace"}))
        .await;
    assert_eq!(code(unnamed).await, ErrorCode::RequestInvalid);
    // Nothing was decided: the newcomer still waits and was not refused, the old machine goes on working.
    old.report(&server, &[], &BTreeMap::new()).await;
    let answer = outcome(new.register(&server, Proof::default()).await).await;
    assert_eq!(answer.outcome, RegisterOutcome::Pending);
    let answer = person
        .post(path, &decision(RegistrationVerdict::Replace, &keyid(&new)))
        .await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    let answer = outcome(new.register(&server, Proof::default()).await).await;
    assert_eq!(answer.outcome, RegisterOutcome::Registered);
    assert!(detail(&server, "host-1").await.row.pending_keyid.is_empty());
}

#[tokio::test]
async fn the_next_newcomer_may_wait_once_the_first_is_refused() {
    let server = TestServer::start().await;
    let _old = Host::registered(&server, "host-1").await;
    let (first, second) = (Host::new("host-1"), Host::new("host-1"));
    let token = server.token(None, 5).await;
    first.register(&server, Proof::token(&token)).await;
    let refused = server
        .administrator()
        .await
        .post(
            "/api/v1/hosts/host-1/registration",
            &decision(RegistrationVerdict::Refuse, &keyid(&first)),
        )
        .await;
    assert_eq!(refused.status(), StatusCode::NO_CONTENT);
    let answer = outcome(second.register(&server, Proof::token(&token)).await).await;
    assert_eq!(answer.outcome, RegisterOutcome::Pending);
}

#[tokio::test]
async fn a_lost_database_lets_the_fleet_back_in_by_its_certificates_and_nobody_else() {
    let mut server = TestServer::start().await;
    let host = Host::new("host-1");
    let token = server.token(None, 1).await;
    let certificate = outcome(host.register(&server, Proof::token(&token)).await)
        .await
        .certificate
        .unwrap();
    server.restart_without_database().await;
    server.clock.forward(2);
    let report = host
        .send(
            &server,
            Method::POST,
            "/api/v1/host/report",
            host.report_of(&[], &BTreeMap::new()),
        )
        .await;
    assert_eq!(code(report).await, ErrorCode::HostUnknown);
    // Another machine that got hold of the certificate does not hold its key.
    let thief = Host::new("host-1");
    let answer = thief.register(&server, Proof::certificate(&certificate)).await;
    assert_eq!(code(answer).await, ErrorCode::RegistrationRefused);
    let renamed = Host {
        identifier: "host-2".to_owned(),
        key: host.key,
    };
    let answer = renamed.register(&server, Proof::certificate(&certificate)).await;
    assert_eq!(code(answer).await, ErrorCode::RegistrationRefused);
    let host = Host {
        identifier: "host-1".to_owned(),
        key: renamed.key,
    };
    let answer = outcome(host.register(&server, Proof::certificate(&certificate)).await).await;
    assert_eq!(answer.outcome, RegisterOutcome::Registered);
    assert_eq!(detail(&server, "host-1").await.row.registered_by, "certificate");
}

#[tokio::test]
async fn a_key_belongs_to_one_identifier() {
    let server = TestServer::start().await;
    let host = Host::registered(&server, "host-1").await;
    let copy = Host {
        identifier: "host-2".to_owned(),
        key: host.key,
    };
    let token = server.token(None, 1).await;
    assert_eq!(
        code(copy.register(&server, Proof::token(&token)).await).await,
        ErrorCode::Conflict
    );
}

#[tokio::test]
async fn a_registration_must_be_signed_by_the_key_that_it_registers() {
    let server = TestServer::start_with(|config| config.open_registration = true).await;
    let (host, other) = (Host::new("host-1"), Host::new("host-1"));
    let request = serde_json::json!({
        "identifier": "host-1", "hostname": "x",
        "public_key": base64::Engine::encode(&base64::engine::general_purpose::STANDARD, other.key.spki_der()),
    });
    let body = request.to_string().into_bytes();
    let answer = host.send(&server, Method::POST, "/api/v1/register", body).await;
    assert_eq!(code(answer).await, ErrorCode::HostSignatureInvalid);
    let answer = Host::new("a b").register(&server, Proof::default()).await;
    assert_eq!(code(answer).await, ErrorCode::RequestInvalid);
}

#[tokio::test]
async fn a_deleted_host_is_unknown() {
    let server = TestServer::start().await;
    let host = Host::registered(&server, "host-1").await;
    let deleted = server.administrator().await.delete("/api/v1/hosts/HOST-1").await;
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    let late = host
        .send(&server, Method::GET, "/wapt-host/host-1.wapt", Vec::new())
        .await;
    assert_eq!(code(late).await, ErrorCode::HostUnknown);
}
