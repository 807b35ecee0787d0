//! Machines that talk to a test server as agents do.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use muster_shared::clock::Clock as _;
use muster_shared::crypto::IdentityKey;
use muster_shared::protocol::host::{RegisterAnswer, RegisterOutcome, RegisterRequest};
use muster_shared::protocol::http_signature::{RequestParts, SignedHeaders, content_digest, sign};
use muster_shared::protocol::inventory::{Block, Report, ReportAnswer, block_hash};
use muster_shared::protocol::live::{FromAgent, ToAgent};
use reqwest::{Method, Response};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use uuid::Uuid;

use crate::client::good;
use crate::harness::TestServer;

/// A machine with its identity key.
pub(crate) struct Host {
    pub(crate) identifier: String,
    pub(crate) key: IdentityKey,
}

/// How a machine proves that it is expected.
#[derive(Default)]
pub(crate) struct Proof {
    pub(crate) token: Option<String>,
    pub(crate) user: Option<(String, String)>,
    pub(crate) certificate: Option<String>,
}

impl Proof {
    pub(crate) fn token(token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..Self::default()
        }
    }

    pub(crate) fn certificate(pem: &str) -> Self {
        Self {
            certificate: Some(pem.to_owned()),
            ..Self::default()
        }
    }
}

impl Host {
    pub(crate) fn new(identifier: &str) -> Self {
        Self {
            identifier: identifier.to_owned(),
            key: IdentityKey::generate().unwrap(),
        }
    }

    /// A machine that registered with a token.
    pub(crate) async fn registered(server: &TestServer, identifier: &str) -> Self {
        let host = Self::new(identifier);
        let token = server.token(None, 1).await;
        let answer: RegisterAnswer = good(host.register(server, Proof::token(&token)).await).await;
        assert_eq!(answer.outcome, RegisterOutcome::Registered);
        host
    }

    /// The signature over a request as an agent makes it now.
    pub(crate) fn signature(
        &self,
        server: &TestServer,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> SignedHeaders {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let parts = RequestParts {
            method,
            authority: &server.authority(),
            path,
            query,
        };
        let nonce = Uuid::new_v4().simple().to_string();
        sign(
            &parts,
            &content_digest(body),
            server.clock.now().as_second(),
            &nonce,
            &self.key,
        )
        .unwrap()
    }

    pub(crate) async fn send(
        &self,
        server: &TestServer,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Response {
        let headers = self.signature(server, method.as_str(), path, &body);
        send_signed(server, method, path, body, &headers).await
    }

    pub(crate) async fn register(&self, server: &TestServer, proof: Proof) -> Response {
        let (user, password) = proof.user.unzip();
        let request = RegisterRequest {
            identifier: self.identifier.clone(),
            public_key: STANDARD.encode(self.key.spki_der()),
            hostname: format!("{}.example.org", self.identifier),
            description: "a test".to_owned(),
            token: proof.token,
            user,
            password,
            certificate: proof.certificate,
        };
        self.send(
            server,
            Method::POST,
            "/api/v1/register",
            serde_json::to_vec(&request).unwrap(),
        )
        .await
    }

    pub(crate) fn report_of(
        &self,
        changed: &[(Block, Value)],
        unchanged: &BTreeMap<Block, String>,
    ) -> Vec<u8> {
        let mut hashes = unchanged.clone();
        hashes.extend(changed.iter().map(|(block, value)| (*block, block_hash(value))));
        let report = Report {
            identifier: self.identifier.clone(),
            hashes,
            blocks: changed.iter().cloned().collect(),
            running: None,
        };
        serde_json::to_vec(&report).unwrap()
    }

    pub(crate) async fn report(
        &self,
        server: &TestServer,
        changed: &[(Block, Value)],
        unchanged: &BTreeMap<Block, String>,
    ) -> ReportAnswer {
        let body = self.report_of(changed, unchanged);
        good(self.send(server, Method::POST, "/api/v1/host/report", body).await).await
    }

    /// Opens the live channel.
    pub(crate) async fn connect(&self, server: &TestServer) -> Live {
        self.try_connect(server).await.unwrap()
    }

    pub(crate) async fn try_connect(&self, server: &TestServer) -> Result<Live, u16> {
        let headers = self.signature(server, "GET", "/api/v1/host/live", b"");
        let mut request = format!("wss://localhost:{}/api/v1/host/live", server.port)
            .into_client_request()
            .unwrap();
        for (name, value) in signed_headers(&headers) {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let tcp = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
        let mut tls = rustls::ClientConfig::clone(&server.tls);
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let stream = TlsConnector::from(std::sync::Arc::new(tls))
            .connect("localhost".try_into().unwrap(), tcp)
            .await
            .unwrap();
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((socket, _answer)) => Ok(Live { socket }),
            Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }
}

pub(crate) async fn send_signed(
    server: &TestServer,
    method: Method,
    path: &str,
    body: Vec<u8>,
    headers: &SignedHeaders,
) -> Response {
    let mut request = server.request(method, path).body(body);
    for (name, value) in signed_headers(headers) {
        request = request.header(name, value);
    }
    request.send().await.unwrap()
}

fn signed_headers(headers: &SignedHeaders) -> [(&'static str, &str); 3] {
    [
        ("content-digest", &headers.content_digest),
        ("signature-input", &headers.signature_input),
        ("signature", &headers.signature),
    ]
}

/// An open live channel.
pub(crate) struct Live {
    socket: WebSocketStream<TlsStream<TcpStream>>,
}

impl Live {
    /// The next frame; `None` when the server closed the channel.
    pub(crate) async fn next(&mut self) -> Option<ToAgent> {
        loop {
            let message = tokio::time::timeout(std::time::Duration::from_secs(15), self.socket.next())
                .await
                .expect("the server sent nothing");
            match message {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// The next frame, which must be an action.
    pub(crate) async fn action(
        &mut self,
    ) -> (
        Uuid,
        muster_shared::envelope::Envelope,
        muster_shared::envelope::merkle::Proof,
    ) {
        match self.next().await {
            Some(ToAgent::Action { envelope, proof }) => {
                let payload: Value = serde_json::from_slice(&envelope.payload_unverified().unwrap()).unwrap();
                (
                    payload["batch"].as_str().unwrap().parse().unwrap(),
                    envelope,
                    proof,
                )
            }
            other => panic!("no action but {other:?}"),
        }
    }

    pub(crate) async fn say(&mut self, frame: &FromAgent) {
        self.say_text(&serde_json::to_string(frame).unwrap()).await;
    }

    pub(crate) async fn say_text(&mut self, text: &str) {
        self.socket.send(Message::Text(text.into())).await.unwrap();
    }

    pub(crate) async fn close(mut self) {
        self.socket.close(None).await.ok();
    }
}
