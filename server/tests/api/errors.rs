//! Errors look alike everywhere, and the API's description holds still.

use muster_shared::protocol::Health;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::session::Role;
use reqwest::Method;
use serde_json::Value;

use crate::client::{bad, code, good};
use crate::harness::TestServer;

#[tokio::test]
async fn what_does_not_exist_or_cannot_be_read_is_an_error_in_json() {
    let server = TestServer::start().await;
    let person = server.administrator().await;
    assert_eq!(
        code(server.request(Method::GET, "/nowhere").send().await.unwrap()).await,
        ErrorCode::RouteNotFound
    );
    let answer = server
        .request(Method::PATCH, "/api/v1/session")
        .send()
        .await
        .unwrap();
    assert_eq!(code(answer).await, ErrorCode::MethodNotAllowed);
    for body in ["{", "[]", "{\"user\": 5, \"password\": \"x\"}", ""] {
        let request = server
            .request(Method::POST, "/api/v1/session")
            .header("content-type", "application/json");
        assert_eq!(
            code(request.body(body).send().await.unwrap()).await,
            ErrorCode::RequestInvalid,
            "{body}"
        );
    }
    let request = server
        .request(Method::POST, "/api/v1/session")
        .header("content-type", "application/json");
    let answer = request
        .body(format!("{{\"user\": \"{}\"}}", "x".repeat(300_000)))
        .send()
        .await
        .unwrap();
    assert_eq!(code(answer).await, ErrorCode::BodyTooLarge);
    let nested = format!("{}{}", "[".repeat(3000), "]".repeat(3000));
    let request = server
        .request(Method::POST, "/api/v1/session")
        .header("content-type", "application/json");
    assert_eq!(
        code(request.body(nested).send().await.unwrap()).await,
        ErrorCode::RequestInvalid
    );
    for path in [
        "/api/v1/hosts?limit=0",
        "/api/v1/hosts?limit=50001",
        "/api/v1/hosts?limit=many",
        "/api/v1/hosts?cursor=a%20b",
        "/api/v1/hosts?sort=secret",
        "/api/v1/actions?limit=1001",
        "/api/v1/actions?cursor=x",
        "/api/v1/actions/not-a-batch",
    ] {
        assert_eq!(
            code(person.get(path).await).await,
            ErrorCode::RequestInvalid,
            "{path}"
        );
    }
    let error = bad(person.get("/api/v1/hosts?filter=sofware%3Ax").await).await;
    assert_eq!(error.code, ErrorCode::FilterInvalid);
    for path in [
        "/api/v1/hosts/nobody",
        "/api/v1/hosts/a%20b",
        "/api/v1/actions/01900000-0000-7000-8000-000000000000",
    ] {
        assert_eq!(code(person.get(path).await).await, ErrorCode::NotFound, "{path}");
    }
}

#[tokio::test]
async fn answers_carry_the_security_headers_and_nothing_private_is_cached() {
    let server = TestServer::start().await;
    let person = server.sign_in(Role::Viewer).await;
    let answer = person.get("/api/v1/hosts").await;
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(answer.headers()[name], value);
    }
    assert!(answer.headers().contains_key("strict-transport-security"));
    let health: Health = good(
        server
            .request(Method::GET, "/api/v1/health")
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(
        (health.status.as_str(), health.name.as_str()),
        ("ok", "localhost")
    );
}

#[tokio::test]
async fn the_api_is_described_as_it_is_and_its_description_holds_still() {
    let server = TestServer::start().await;
    let mut document: Value = good(
        server
            .request(Method::GET, "/api/v1/openapi.json")
            .send()
            .await
            .unwrap(),
    )
    .await;
    document["info"]["version"] = "VERSION".into();
    insta::assert_json_snapshot!("openapi", document);
}
