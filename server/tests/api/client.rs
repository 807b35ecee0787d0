//! People who talk to a test server.

use muster_shared::protocol::error::{ErrorBody, ErrorCode};
use muster_shared::protocol::session::{Role, Session, SignIn};
use muster_shared::protocol::token::{CreateToken, CreatedToken};
use reqwest::{Method, RequestBuilder, Response};
use serde::de::DeserializeOwned;

use crate::harness::{PASSWORD, TestServer};

impl TestServer {
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    pub(crate) async fn try_sign_in(&self, user: &str, password: &str) -> Response {
        let body = SignIn {
            user: user.to_owned(),
            password: password.to_owned(),
        };
        self.request(Method::POST, "/api/v1/session")
            .json(&body)
            .send()
            .await
            .unwrap()
    }

    pub(crate) async fn sign_in(&self, role: Role) -> Person<'_> {
        let answer = self.try_sign_in(role.as_str(), PASSWORD).await;
        let session: Session = good(answer).await;
        assert_eq!(session.role, role);
        Person {
            server: self,
            token: session.token,
        }
    }

    pub(crate) async fn administrator(&self) -> Person<'_> {
        self.sign_in(Role::Administrator).await
    }

    /// An enrolment token, for one identifier when it is given.
    pub(crate) async fn token(&self, identifier: Option<&str>, uses: u32) -> String {
        let body = CreateToken {
            uses,
            lifetime_secs: 3600,
            note: String::new(),
            identifier: identifier.map(str::to_owned),
        };
        let person = self.administrator().await;
        let answer = person.post("/api/v1/enrolment-tokens", &body).await;
        good::<CreatedToken>(answer).await.token
    }
}

/// Somebody who signed in.
pub(crate) struct Person<'a> {
    pub(crate) server: &'a TestServer,
    pub(crate) token: String,
}

impl Person<'_> {
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.server.request(method, path).bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub(crate) async fn read<T: DeserializeOwned>(&self, path: &str) -> T {
        good(self.get(path).await).await
    }

    pub(crate) async fn post(&self, path: &str, body: &impl serde::Serialize) -> Response {
        self.request(Method::POST, path).json(body).send().await.unwrap()
    }

    pub(crate) async fn delete(&self, path: &str) -> Response {
        self.request(Method::DELETE, path).send().await.unwrap()
    }
}

/// The body of an answer that must be a success.
pub(crate) async fn good<T: DeserializeOwned>(answer: Response) -> T {
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert!(status.is_success(), "{status}: {text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The body of an answer that must be an error in the form that all errors have.
pub(crate) async fn bad(answer: Response) -> ErrorBody {
    let status = answer.status().as_u16();
    let id = answer
        .headers()
        .get("x-request-id")
        .map(|id| id.to_str().unwrap().to_owned());
    let text = answer.text().await.unwrap();
    let body: ErrorBody =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{status} {error}: {text}"));
    assert_eq!(status, body.code.http_status(), "{text}");
    assert_eq!(id.as_deref(), Some(body.request_id.as_str()));
    assert!(!body.message.is_empty());
    body
}

/// The code of an answer that must be an error.
pub(crate) async fn code(answer: Response) -> ErrorCode {
    bad(answer).await.code
}
