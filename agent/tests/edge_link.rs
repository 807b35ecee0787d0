//! The live channel against a real WebSocket server over TLS.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(
    clippy::result_large_err,
    reason = "the upgrade callback's types are the library's"
)]

mod edge_support;

use std::time::Duration;

use edge_support::{Endpoint, Stream, config_for, identity, read_request};
use futures_util::{SinkExt as _, StreamExt as _};
use muster_agent::identity::Identity;
use muster_agent::link::policy::Timing;
use muster_agent::link::{Link, spawn_with};
use muster_agent::server_client::ServerClient;
use muster_shared::clock::now;
use muster_shared::protocol::error::{ErrorBody, ErrorCode};
use muster_shared::protocol::http_signature::{self, RequestParts};
use muster_shared::protocol::live::{FromAgent, MAX_FRAME_BYTES, Refresh, ToAgent};
use tokio::io::AsyncWriteExt as _;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use uuid::Uuid;

/// Tries follow each other within milliseconds.
const QUICK: Timing = Timing {
    first: Duration::from_millis(20),
    short: Duration::from_millis(40),
    patience: Duration::from_mins(10),
    long: Duration::from_millis(40),
    undecided: Duration::from_millis(40),
};

const LIMIT: Duration = Duration::from_secs(20);

/// The server's side, one accepted connection at a time.
struct Server {
    endpoint: Endpoint,
    spki: Vec<u8>,
}

impl Server {
    async fn tls(&self) -> Stream {
        let (tcp, _peer) = self.endpoint.listener.accept().await.unwrap();
        self.endpoint.acceptor.accept(tcp).await.unwrap()
    }

    /// Accepts the upgrade when its signature holds.
    async fn socket(&self) -> WebSocketStream<Stream> {
        let stream = soon(self.tls()).await;
        let (authority, spki) = (self.endpoint.authority.clone(), self.spki.clone());
        let check = move |request: &Request, response: Response| {
            let header = |name: &str| request.headers().get(name).unwrap().to_str().unwrap();
            let digest = http_signature::content_digest(b"");
            assert_eq!(header("content-digest"), digest);
            let parsed = http_signature::parse(header("signature-input"), header("signature")).unwrap();
            let parts = RequestParts {
                method: "GET",
                authority: &authority,
                path: "/api/v1/host/live",
                query: "",
            };
            parsed.verify(&parts, &digest, &spki).unwrap();
            assert_eq!(request.headers()["host"], authority.as_str());
            Ok(response)
        };
        soon(tokio_tungstenite::accept_hdr_async(stream, check))
            .await
            .unwrap()
    }
}

async fn start() -> (Server, Link, Identity, tempfile::TempDir) {
    let place = tempfile::tempdir().unwrap();
    let identity = identity(place.path());
    let endpoint = Endpoint::bind().await;
    let config = config_for(&endpoint.authority, &endpoint.pin, "");
    let link = spawn_with(ServerClient::new(&config, &identity).unwrap(), QUICK);
    let server = Server {
        endpoint,
        spki: identity.key().spki_der(),
    };
    (server, link, identity, place)
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, Box::pin(future))
        .await
        .expect("it takes too long")
}

fn ack(reason: &str) -> FromAgent {
    FromAgent::Ack {
        batch: Uuid::nil(),
        accepted: true,
        reason: reason.to_owned(),
    }
}

async fn next_frame(socket: &mut WebSocketStream<Stream>) -> FromAgent {
    loop {
        if let Message::Text(text) = soon(socket.next()).await.unwrap().unwrap() {
            return serde_json::from_str(text.as_str()).unwrap();
        }
    }
}

async fn send(socket: &mut WebSocketStream<Stream>, frame: &ToAgent) {
    socket
        .send(Message::text(serde_json::to_string(frame).unwrap()))
        .await
        .unwrap();
}

#[tokio::test]
async fn frames_go_both_ways_over_a_signed_upgrade() {
    let (server, mut link, _identity, _place) = start().await;
    let mut socket = server.socket().await;
    soon(link.connected().wait_for(|connected| *connected))
        .await
        .unwrap();
    send(
        &mut socket,
        &ToAgent::Refresh {
            what: Refresh::HostPackage,
        },
    )
    .await;
    assert_eq!(
        soon(link.incoming.recv()).await.unwrap(),
        ToAgent::Refresh {
            what: Refresh::HostPackage
        }
    );
    link.outgoing.send(ack("done")).await.unwrap();
    assert_eq!(next_frame(&mut socket).await, ack("done"));
    soon(link.stop()).await;
    let closed = soon(socket.next()).await;
    assert!(matches!(closed, Some(Ok(Message::Close(_)))), "{closed:?}");
}

#[tokio::test]
async fn frames_of_a_newer_server_are_passed_over() {
    let (server, mut link, _identity, _place) = start().await;
    let mut socket = server.socket().await;
    socket.send(Message::text("{\"type\":\"dance\"}")).await.unwrap();
    socket.send(Message::text("no json")).await.unwrap();
    socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    send(&mut socket, &ToAgent::Tasks).await;
    assert_eq!(soon(link.incoming.recv()).await.unwrap(), ToAgent::Tasks);
}

#[tokio::test]
async fn a_lost_connection_comes_back_and_results_said_meanwhile_arrive() {
    let (server, link, _identity, _place) = start().await;
    let socket = server.socket().await;
    let mut connected = link.connected();
    soon(connected.wait_for(|connected| *connected)).await.unwrap();
    drop(socket);
    soon(connected.wait_for(|connected| !*connected)).await.unwrap();
    link.outgoing
        .send(FromAgent::Progress {
            task: Uuid::nil(),
            batch: None,
            percent: Some(5),
            text: "stale".into(),
        })
        .await
        .unwrap();
    link.outgoing.send(ack("while away")).await.unwrap();
    // Taken up by the waiting side, or still in the queue when the connection is back: either arrives.
    let mut socket = server.socket().await;
    loop {
        match next_frame(&mut socket).await {
            FromAgent::Progress { .. } => {}
            frame => {
                assert_eq!(frame, ack("while away"));
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_frame_over_the_limit_ends_the_connection() {
    let (server, mut link, _identity, _place) = start().await;
    let mut socket = server.socket().await;
    let mut connected = link.connected();
    soon(connected.wait_for(|connected| *connected)).await.unwrap();
    socket
        .send(Message::text("x".repeat(MAX_FRAME_BYTES + 1)))
        .await
        .ok();
    soon(connected.wait_for(|connected| !*connected)).await.unwrap();
    let mut socket = server.socket().await;
    send(&mut socket, &ToAgent::Tasks).await;
    assert_eq!(soon(link.incoming.recv()).await.unwrap(), ToAgent::Tasks);
}

#[tokio::test]
async fn a_frame_of_our_own_over_the_limit_is_left_out() {
    let (server, link, _identity, _place) = start().await;
    let mut socket = server.socket().await;
    link.outgoing
        .send(ack(&"x".repeat(MAX_FRAME_BYTES)))
        .await
        .unwrap();
    link.outgoing.send(ack("small")).await.unwrap();
    assert_eq!(next_frame(&mut socket).await, ack("small"));
}

#[tokio::test]
async fn a_refused_clock_is_made_up_for_at_once() {
    let (server, link, identity, _place) = start().await;
    let server_time = now() + jiff::SignedDuration::from_hours(48);
    let mut stream = soon(server.tls()).await;
    let request = soon(read_request(&mut stream)).await.unwrap();
    assert!(
        !request
            .signature(&server.endpoint.authority, &identity.key().spki_der())
            .is_timely(server_time.as_second())
    );
    let mut body = ErrorBody::new(ErrorCode::HostClockWrong, "wrong clock");
    body.server_time = Some(server_time);
    refuse(stream, &body).await;

    let mut stream = soon(server.tls()).await;
    let request = soon(read_request(&mut stream)).await.unwrap();
    let signature = request.signature(&server.endpoint.authority, &identity.key().spki_der());
    assert!(signature.is_timely(server_time.as_second()));
    drop(link);
}

async fn refuse(mut stream: Stream, body: &ErrorBody) {
    let text = serde_json::to_string(body).unwrap();
    let head = format!(
        "HTTP/1.1 {} No\r\ncontent-length: {}\r\n\r\n",
        body.code.http_status(),
        text.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    stream.shutdown().await.ok();
}

#[tokio::test]
async fn a_server_that_hangs_up_or_talks_nonsense_is_tried_again() {
    let (server, link, _identity, _place) = start().await;
    drop(soon(server.endpoint.listener.accept()).await.unwrap());
    let mut stream = soon(server.tls()).await;
    stream.write_all(b"HELLO\r\n\r\n").await.unwrap();
    drop(stream);
    let _socket = server.socket().await;
    soon(link.connected().wait_for(|connected| *connected))
        .await
        .unwrap();
}

#[tokio::test]
async fn stopping_ends_at_once_even_without_a_server() {
    let place = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::bind().await;
    let config = config_for(&endpoint.authority, &endpoint.pin, "");
    drop(endpoint);
    let client = ServerClient::new(&config, &identity(place.path())).unwrap();
    let link = spawn_with(client, Timing::default());
    tokio::time::timeout(Duration::from_secs(10), link.stop())
        .await
        .unwrap();
}
