//! Signed requests, registration, reports and the host's own package against a real TLS server.
#![expect(clippy::unwrap_used, reason = "tests")]

mod edge_support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use edge_support::{Body, Reply, Request, TestServer, config_for, identity};
use muster_agent::identity::Identity;
use muster_agent::repo::hostpackage::{HostPackageFetch, fetch};
use muster_agent::report::Reporter;
use muster_agent::server_client::{Proof, ServerClient, ServerError};
use muster_shared::clock::now;
use muster_shared::crypto::issue::Authority;
use muster_shared::hint::Hint as _;
use muster_shared::protocol::error::{ErrorBody, ErrorCode};
use muster_shared::protocol::host::{RegisterAnswer, RegisterOutcome, RegisterRequest};
use muster_shared::protocol::inventory::{Block, Report, ReportAnswer, block_hash};
use serde_json::{Value, json};

/// The server's side of a registration: a certificate for the key that the request carries.
fn registered(request: &Request) -> Reply {
    let asked: RegisterRequest = request.json();
    let spki = BASE64.decode(asked.public_key).unwrap();
    let end = now() + jiff::SignedDuration::from_hours(24);
    let ca = Authority::create("host CA", now(), end).unwrap();
    let certificate = ca.issue_host(&spki, &asked.identifier, now(), end).unwrap();
    Reply::json(&RegisterAnswer {
        outcome: RegisterOutcome::Registered,
        certificate: Some(certificate.to_pem()),
        host_ca: Some(ca.certificate().to_pem()),
        server_time: now(),
    })
}

fn held(hashes: &BTreeMap<Block, String>) -> Reply {
    Reply::json(&ReportAnswer {
        hashes: hashes.clone(),
        server_time: now(),
    })
}

fn empty_report() -> Report {
    Report {
        identifier: "test-host".to_owned(),
        hashes: BTreeMap::new(),
        blocks: BTreeMap::new(),
        running: None,
    }
}

fn client(server: &TestServer, identity: &Identity) -> ServerClient {
    ServerClient::new(&server.config(""), identity).unwrap()
}

#[tokio::test]
async fn every_request_is_signed_by_the_hosts_key_for_the_servers_name() {
    let place = tempfile::tempdir().unwrap();
    let identity = identity(place.path());
    let server = TestServer::start(|_request, _number| held(&BTreeMap::new())).await;
    let client = client(&server, &identity);
    for _ in 0..2 {
        client.report(&empty_report()).await.unwrap();
    }
    let spki = identity.key().spki_der();
    let signatures: Vec<_> = server
        .seen()
        .iter()
        .map(|request| request.signature(&server.authority, &spki))
        .collect();
    assert!(
        signatures
            .iter()
            .all(|signature| signature.keyid == identity.key().keyid())
    );
    assert!(
        signatures
            .iter()
            .all(|signature| signature.is_timely(now().as_second()))
    );
    assert_ne!(signatures[0].nonce, signatures[1].nonce);
}

#[tokio::test]
async fn a_wrong_clock_is_made_up_for_in_signatures_only() {
    let place = tempfile::tempdir().unwrap();
    let identity = identity(place.path());
    let server_time = now() + jiff::SignedDuration::from_hours(48);
    let server = TestServer::start(move |_request, number| {
        if number == 0 {
            let mut body = ErrorBody::new(ErrorCode::HostClockWrong, "wrong clock");
            body.server_time = Some(server_time);
            return Reply::error(&body);
        }
        held(&BTreeMap::new())
    })
    .await;
    let client = client(&server, &identity);
    client.report(&empty_report()).await.unwrap();
    client.report(&empty_report()).await.unwrap();
    let spki = identity.key().spki_der();
    let timely: Vec<_> = server
        .seen()
        .iter()
        .map(|request| {
            request
                .signature(&server.authority, &spki)
                .is_timely(server_time.as_second())
        })
        .collect();
    assert_eq!(timely, [false, true, true]);
}

#[tokio::test]
async fn a_clock_that_is_always_wrong_is_an_error_and_no_loop() {
    let place = tempfile::tempdir().unwrap();
    let server = TestServer::start(move |_request, _number| {
        let mut body = ErrorBody::new(ErrorCode::HostClockWrong, "wrong clock");
        body.server_time = Some(now());
        Reply::error(&body)
    })
    .await;
    let error = client(&server, &identity(place.path()))
        .report(&empty_report())
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::HostClockWrong);
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_server_that_has_just_started_is_asked_once_more() {
    let place = tempfile::tempdir().unwrap();
    let server = TestServer::start(|_request, number| {
        if number == 0 {
            Reply::refusal(ErrorCode::HostRequestTooEarly)
        } else {
            held(&BTreeMap::new())
        }
    })
    .await;
    let identity = identity(place.path());
    client(&server, &identity).report(&empty_report()).await.unwrap();
    let spki = identity.key().spki_der();
    let created: Vec<_> = server
        .seen()
        .iter()
        .map(|request| request.signature(&server.authority, &spki).created)
        .collect();
    assert!(created[1] > created[0], "{created:?}");
}

#[tokio::test]
async fn a_registration_carries_its_proof_and_keeps_the_certificate() {
    let place = tempfile::tempdir().unwrap();
    let identity = identity(place.path());
    let server = TestServer::start(|request, _number| registered(request)).await;
    let proof = Proof {
        token: Some("token-1".into()),
        user: Some("ann".to_owned()),
        password: Some("secret".into()),
    };
    let answer = client(&server, &identity).register(&proof).await.unwrap();
    assert_eq!(answer.outcome, RegisterOutcome::Registered);
    let request = &server.seen()[0];
    request.signature(&server.authority, &identity.key().spki_der());
    let asked: RegisterRequest = request.json();
    assert_eq!(asked.token.as_deref(), Some("token-1"));
    assert_eq!(
        (asked.user.as_deref(), asked.password.as_deref()),
        (Some("ann"), Some("secret"))
    );
    assert!(!asked.hostname.is_empty() && asked.certificate.is_none());
    let again = edge_support::identity(place.path());
    assert!(again.is_registered() && again.certificate().is_some());
}

#[tokio::test]
async fn a_pending_registration_is_an_answer_and_leaves_the_host_unregistered() {
    let place = tempfile::tempdir().unwrap();
    let identity = identity(place.path());
    let server = TestServer::start(|_request, _number| {
        Reply::json(&RegisterAnswer {
            outcome: RegisterOutcome::Pending,
            certificate: None,
            host_ca: None,
            server_time: now(),
        })
    })
    .await;
    let answer = client(&server, &identity)
        .register(&Proof::default())
        .await
        .unwrap();
    assert_eq!(answer.outcome, RegisterOutcome::Pending);
    assert!(!identity.is_registered());
}

#[tokio::test]
async fn a_refused_token_is_told_with_what_to_do() {
    let place = tempfile::tempdir().unwrap();
    let server =
        TestServer::start(|_request, _number| Reply::refusal(ErrorCode::EnrolmentTokenInvalid)).await;
    let error = client(&server, &identity(place.path()))
        .register(&Proof::default())
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::EnrolmentTokenInvalid);
    assert!(error.hints()[0].contains("enrol-token"), "{:?}", error.hints());
}

#[tokio::test]
async fn a_server_that_lost_its_database_gets_the_certificate_and_then_the_report() {
    let place = tempfile::tempdir().unwrap();
    let identity = identity(place.path());
    let known = Arc::new(Mutex::new(true));
    let server = TestServer::start({
        let known = known.clone();
        move |request, _number| match request.path.as_str() {
            "/api/v1/register" => {
                *known.lock().unwrap() = true;
                registered(request)
            }
            _ if *known.lock().unwrap() => held(&BTreeMap::new()),
            _ => Reply::refusal(ErrorCode::HostUnknown),
        }
    })
    .await;
    let client = client(&server, &identity);
    client.register(&Proof::default()).await.unwrap();
    *known.lock().unwrap() = false;
    client.report(&empty_report()).await.unwrap();
    let paths: Vec<String> = server.seen().iter().map(|request| request.path.clone()).collect();
    let (register, report) = ("/api/v1/register", "/api/v1/host/report");
    assert_eq!(paths, [register, report, register, report]);
    let again: RegisterRequest = server.seen()[2].json();
    assert!(again.certificate.is_some() && again.token.is_none());
}

#[tokio::test]
async fn an_unknown_host_without_a_certificate_is_told_to_register() {
    let place = tempfile::tempdir().unwrap();
    let server = TestServer::start(|_request, _number| Reply::refusal(ErrorCode::HostUnknown)).await;
    let error = client(&server, &identity(place.path()))
        .report(&empty_report())
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::HostUnknown);
    assert!(error.hints()[0].contains("register"));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn another_server_at_the_same_name_gets_nothing() {
    let place = tempfile::tempdir().unwrap();
    let server = TestServer::start(|_request, _number| held(&BTreeMap::new())).await;
    let config = config_for(&server.authority, &"ab".repeat(32), "");
    let client = ServerClient::new(&config, &identity(place.path())).unwrap();
    let error = client.report(&empty_report()).await.unwrap_err();
    assert!(matches!(error, ServerError::NotTrusted { .. }), "{error:?}");
    assert!(error.is_unreachable());
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn no_server_at_all_is_told_as_unreachable() {
    let place = tempfile::tempdir().unwrap();
    let authority = {
        let server = TestServer::start(|_request, _number| held(&BTreeMap::new())).await;
        server.authority.clone()
    };
    let client = ServerClient::new(
        &config_for(&authority, &"ab".repeat(32), ""),
        &identity(place.path()),
    )
    .unwrap();
    let error = client.report(&empty_report()).await.unwrap_err();
    assert!(matches!(error, ServerError::Unreachable { .. }), "{error:?}");
    assert_eq!(error.code(), ErrorCode::Unavailable);
}

#[tokio::test]
async fn answers_without_end_and_answers_of_others_are_bounded_errors() {
    let place = tempfile::tempdir().unwrap();
    let server = TestServer::start(|_request, number| match number {
        0 => Reply::with_body(Body::Endless),
        1 => Reply::new(502, "<html>Bad gateway</html>"),
        _ => Reply::new(200, "{\"hashes\": 7}"),
    })
    .await;
    let client = client(&server, &identity(place.path()));
    let endless = client.report(&empty_report()).await.unwrap_err();
    assert!(matches!(endless, ServerError::TooLarge { .. }), "{endless:?}");
    let gateway = client.report(&empty_report()).await.unwrap_err();
    assert!(
        matches!(gateway, ServerError::Status { status: 502, .. }),
        "{gateway:?}"
    );
    let nonsense = client.report(&empty_report()).await.unwrap_err();
    assert!(matches!(nonsense, ServerError::Unreadable { .. }), "{nonsense:?}");
}

/// A server that stores blocks as the real one does; the test looks into it and empties it.
fn storing(
    store: Arc<Mutex<BTreeMap<Block, Value>>>,
) -> impl Fn(&Request, usize) -> Reply + Send + Sync + 'static {
    move |request, _number| {
        let report: Report = request.json();
        let mut store = store.lock().unwrap();
        store.extend(report.blocks);
        let hashes = store
            .iter()
            .map(|(block, value)| (*block, block_hash(value)))
            .collect();
        held(&hashes)
    }
}

#[tokio::test]
async fn reports_carry_what_changed_and_a_lost_database_gets_everything_back() {
    let place = tempfile::tempdir().unwrap();
    let store = Arc::new(Mutex::new(BTreeMap::new()));
    let server = TestServer::start(storing(store.clone())).await;
    let client = client(&server, &identity(place.path()));
    let mut blocks = BTreeMap::from([
        (Block::Host, json!({"hostname": "pc"})),
        (Block::Software, json!([{"key": "a"}])),
    ]);
    let mut reporter = Reporter::new();
    let sent = |from: usize| -> Vec<usize> {
        server.seen()[from..]
            .iter()
            .map(|request| request.json::<Report>().blocks.len())
            .collect()
    };

    reporter.send(&client, &blocks, None).await.unwrap();
    assert_eq!(sent(0), [0, 2], "asks first, then sends what is missing");
    assert_eq!(*store.lock().unwrap(), blocks);

    reporter.send(&client, &blocks, Some("installing")).await.unwrap();
    assert_eq!(sent(2), [0], "nothing changed");

    blocks.insert(Block::Host, json!({"hostname": "pc2"}));
    reporter.send(&client, &blocks, None).await.unwrap();
    assert_eq!(sent(3), [1], "one block changed");

    store.lock().unwrap().clear();
    reporter.send(&client, &blocks, None).await.unwrap();
    assert_eq!(sent(4), [0, 2], "the answer said that all is gone");
    assert_eq!(*store.lock().unwrap(), blocks);
}

#[tokio::test]
async fn the_hosts_package_is_fetched_signed_once_and_kept_private() {
    let place = tempfile::tempdir().unwrap();
    let identity = identity(place.path());
    let server = TestServer::start(|request, _number| {
        assert_eq!(request.path, "/wapt-host/test-host.wapt");
        if request.header("if-none-match") == Some("\"1\"") {
            return Reply::new(304, "");
        }
        Reply::new(200, "the package").header("etag", "\"1\"")
    })
    .await;
    let client = client(&server, &identity);
    let target = place.path().join("host.wapt");
    let HostPackageFetch::New { path, validators } = fetch(&client, None, &target).await.unwrap() else {
        panic!("nothing was known before");
    };
    assert_eq!(fs_err::read(&path).unwrap(), b"the package");
    assert_eq!(
        fetch(&client, Some(&validators), &target).await.unwrap(),
        HostPackageFetch::Unchanged
    );
    for request in server.seen() {
        request.signature(&server.authority, &identity.key().spki_der());
    }
}

#[tokio::test]
async fn no_host_package_is_normal_and_a_forbidden_one_says_why() {
    let place = tempfile::tempdir().unwrap();
    let server = TestServer::start(|_request, number| {
        Reply::refusal(if number == 0 {
            ErrorCode::NotFound
        } else {
            ErrorCode::HostPending
        })
    })
    .await;
    let client = client(&server, &identity(place.path()));
    let target = place.path().join("host.wapt");
    assert_eq!(
        fetch(&client, None, &target).await.unwrap(),
        HostPackageFetch::Absent
    );
    let forbidden = fetch(&client, None, &target).await.unwrap();
    assert!(
        matches!(forbidden, HostPackageFetch::Forbidden { .. }),
        "{forbidden:?}"
    );
    assert!(!target.exists());
}
