//! Requests of hosts: replayed, late, early, changed, foreign.

use std::collections::BTreeMap;

use muster_shared::clock::Clock as _;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::http_signature::{RequestParts, content_digest, sign};
use reqwest::Method;

use crate::client::{bad, code};
use crate::harness::TestServer;
use crate::host::{Host, send_signed};

const REPORT: &str = "/api/v1/host/report";

#[tokio::test]
async fn a_request_is_good_once() {
    let server = TestServer::start().await;
    let host = Host::registered(&server, "host-1").await;
    let body = host.report_of(&[], &BTreeMap::new());
    let headers = host.signature(&server, "POST", REPORT, &body);
    assert!(
        send_signed(&server, Method::POST, REPORT, body.clone(), &headers)
            .await
            .status()
            .is_success()
    );
    let again = send_signed(&server, Method::POST, REPORT, body, &headers).await;
    assert_eq!(code(again).await, ErrorCode::HostRequestReplayed);
}

#[tokio::test]
async fn a_request_with_a_wrong_time_is_told_the_time_of_the_server() {
    let server = TestServer::start().await;
    let host = Host::registered(&server, "host-1").await;
    let body = host.report_of(&[], &BTreeMap::new());
    let headers = host.signature(&server, "POST", REPORT, &body);
    server.clock.forward(302);
    let error = bad(send_signed(&server, Method::POST, REPORT, body, &headers).await).await;
    assert_eq!(error.code, ErrorCode::HostClockWrong);
    let off = error
        .server_time
        .unwrap()
        .duration_since(server.clock.now())
        .as_secs();
    assert!(off.abs() <= 2, "{off}");
}

#[tokio::test]
async fn a_request_from_before_the_start_is_told_to_try_again_even_when_the_database_is_new() {
    let mut server = TestServer::start().await;
    let host = Host::registered(&server, "host-1").await;
    let body = host.report_of(&[], &BTreeMap::new());
    let headers = host.signature(&server, "POST", REPORT, &body);
    server.clock.forward(5);
    server.restart();
    let answer = send_signed(&server, Method::POST, REPORT, body, &headers).await;
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(code(answer).await, ErrorCode::HostRequestTooEarly);
    host.report(&server, &[], &BTreeMap::new()).await;
}

#[tokio::test]
async fn any_change_of_a_signed_request_is_refused() {
    let server = TestServer::start().await;
    let host = Host::registered(&server, "host-1").await;
    let body = host.report_of(&[], &BTreeMap::new());
    let signed = || host.signature(&server, "POST", REPORT, &body);
    let answer = send_signed(&server, Method::POST, REPORT, b"{}".to_vec(), &signed()).await;
    assert_eq!(
        code(answer).await,
        ErrorCode::HostSignatureInvalid,
        "another body"
    );
    let mut headers = signed();
    headers.content_digest = content_digest(b"{}");
    let answer = send_signed(&server, Method::POST, REPORT, b"{}".to_vec(), &headers).await;
    assert_eq!(
        code(answer).await,
        ErrorCode::HostSignatureInvalid,
        "another body and digest"
    );
    let answer = send_signed(
        &server,
        Method::POST,
        "/api/v1/host/report?x=1",
        body.clone(),
        &signed(),
    )
    .await;
    assert_eq!(
        code(answer).await,
        ErrorCode::HostSignatureInvalid,
        "another query"
    );
    let headers = host.signature(&server, "GET", "/wapt-host/host-1.wapt", b"");
    let answer = send_signed(
        &server,
        Method::GET,
        "/wapt-host/host-2.wapt",
        Vec::new(),
        &headers,
    )
    .await;
    assert_eq!(
        code(answer).await,
        ErrorCode::HostSignatureInvalid,
        "another path"
    );
    let elsewhere = RequestParts {
        method: "POST",
        authority: "other.example.org",
        path: REPORT,
        query: "",
    };
    let created = server.clock.now().as_second();
    let headers = sign(
        &elsewhere,
        &content_digest(&body),
        created,
        "a-nonce-for-elsewhere",
        &host.key,
    )
    .unwrap();
    let error = bad(send_signed(&server, Method::POST, REPORT, body.clone(), &headers).await).await;
    assert_eq!(error.code, ErrorCode::HostSignatureInvalid, "another server");
    assert!(error.hints.concat().contains(&server.authority()));
    let mut headers = signed();
    headers.signature_input = headers.signature_input.replace("muster-host-1", "other");
    let answer = send_signed(&server, Method::POST, REPORT, body.clone(), &headers).await;
    assert_eq!(code(answer).await, ErrorCode::HostSignatureInvalid, "another tag");
    let unsigned = server
        .request(Method::POST, REPORT)
        .body(body.clone())
        .send()
        .await
        .unwrap();
    assert_eq!(code(unsigned).await, ErrorCode::HostSignatureMissing);
    // The flow without an attack.
    assert!(
        send_signed(&server, Method::POST, REPORT, body.clone(), &signed())
            .await
            .status()
            .is_success()
    );
}

#[tokio::test]
async fn a_stranger_or_another_host_cannot_report_for_or_read_the_package_of_a_host() {
    let server = TestServer::start().await;
    let host = Host::registered(&server, "host-1").await;
    let other = Host::registered(&server, "host-2").await;
    let stranger = Host::new("host-1");
    let body = host.report_of(&[], &BTreeMap::new());
    let answer = stranger.send(&server, Method::POST, REPORT, body.clone()).await;
    assert_eq!(code(answer).await, ErrorCode::HostUnknown);
    let answer = other.send(&server, Method::POST, REPORT, body).await;
    assert_eq!(code(answer).await, ErrorCode::HostForbidden);
    let answer = other
        .send(&server, Method::GET, "/wapt-host/host-1.wapt", Vec::new())
        .await;
    assert_eq!(code(answer).await, ErrorCode::HostForbidden);
    let answer = host
        .send(&server, Method::GET, "/wapt-host/host-1.wapt", Vec::new())
        .await;
    assert_eq!(
        code(answer).await,
        ErrorCode::NotFound,
        "there is none, and it may know"
    );
}

#[tokio::test]
async fn a_body_without_a_registered_key_is_not_read() {
    let server = TestServer::start().await;
    let stranger = Host::new("host-1");
    let body = vec![b' '; 1024 * 1024];
    let answer = stranger.send(&server, Method::POST, REPORT, body).await;
    assert_eq!(code(answer).await, ErrorCode::HostUnknown);
    let body = vec![b' '; 65 * 1024];
    let answer = stranger
        .send(&server, Method::POST, "/api/v1/register", body)
        .await;
    assert_eq!(code(answer).await, ErrorCode::BodyTooLarge);
}
