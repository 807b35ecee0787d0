//! Signing in, being locked out, signing out.

use muster_shared::clock::Clock as _;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::session::{Role, WhoAmI};
use reqwest::StatusCode;

use crate::client::{Person, bad, code};
use crate::harness::{PASSWORD, TestServer};

#[tokio::test]
async fn a_session_says_who_it_is_until_sign_out() {
    let server = TestServer::start().await;
    let person = server.sign_in(Role::Deployer).await;
    let who: WhoAmI = person.read("/api/v1/session").await;
    assert_eq!((who.user.as_str(), who.role), ("deployer", Role::Deployer));
    assert_eq!(
        person.delete("/api/v1/session").await.status(),
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        code(person.get("/api/v1/session").await).await,
        ErrorCode::SignInRequired
    );
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_are_answered_alike_and_locked_alike() {
    let server = TestServer::start().await;
    let mut answers = Vec::new();
    for user in ["viewer", "nobody"] {
        for _ in 0..5 {
            let error = bad(server.try_sign_in(user, "a wrong password").await).await;
            answers.push((error.code, error.message, error.hints));
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(answers[0].0, ErrorCode::SignInFailed);
    for user in ["viewer", "nobody", "VIEWER "] {
        // Locked: even the right password is not looked at.
        let answer = server.try_sign_in(user, PASSWORD).await;
        let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=6).contains(&wait), "{wait}");
        assert_eq!(code(answer).await, ErrorCode::LockedOut);
    }
    server.clock.forward(7);
    server.sign_in(Role::Viewer).await;
    assert_eq!(
        code(server.try_sign_in("nobody", PASSWORD).await).await,
        ErrorCode::SignInFailed
    );
}

#[tokio::test]
async fn a_session_ends_by_time() {
    let server = TestServer::start_with(|config| config.session_hours = 1).await;
    let person = server.sign_in(Role::Viewer).await;
    let who: WhoAmI = person.read("/api/v1/session").await;
    assert!(who.expires_at > server.clock.now());
    server.clock.forward(3601);
    assert_eq!(
        code(person.get("/api/v1/hosts").await).await,
        ErrorCode::SignInRequired
    );
}

#[tokio::test]
async fn no_password_and_no_token_is_in_the_database() {
    let server = TestServer::start().await;
    let person = server.administrator().await;
    let token = server.token(None, 5).await;
    let mut bytes = Vec::new();
    for name in ["muster.sqlite", "muster.sqlite-wal"] {
        bytes.extend(fs_err::read(server.data(name)).unwrap_or_default());
    }
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(
        holds("$argon2id$") && holds("administrator"),
        "the database was looked at"
    );
    let (_, secret) = token.split_once('.').unwrap();
    assert!(!holds(PASSWORD) && !holds(&person.token) && !holds(secret));
}

#[tokio::test]
async fn a_made_up_token_is_no_session() {
    let server = TestServer::start().await;
    for token in ["", "x", &"A".repeat(43), &"A".repeat(4000)] {
        let person = Person {
            server: &server,
            token: token.to_owned(),
        };
        assert_eq!(
            code(person.get("/api/v1/session").await).await,
            ErrorCode::SignInRequired
        );
    }
}
