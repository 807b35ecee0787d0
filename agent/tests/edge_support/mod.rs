//! A TLS server in this process that answers as a test wants it: rightly, slowly, endlessly, or cut.
#![expect(dead_code, reason = "each test file uses its own part of this")]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use muster_agent::config::Config;
use muster_agent::identity::Identity;
use muster_agent::paths::Paths;
use muster_shared::clock::now;
use muster_shared::crypto::issue::Authority;
use muster_shared::protocol::error::{ErrorBody, ErrorCode};
use muster_shared::protocol::http_signature::{self, ParsedSignature, RequestParts};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub(crate) type Stream = TlsStream<TcpStream>;

/// A listening TLS socket with a certificate of its own CA.
pub(crate) struct Endpoint {
    pub(crate) listener: TcpListener,
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) authority: String,
    /// SHA-256 of the CA.
    pub(crate) pin: String,
}

impl Endpoint {
    pub(crate) async fn bind() -> Self {
        let from = now() - jiff::SignedDuration::from_hours(1);
        let to = now() + jiff::SignedDuration::from_hours(24);
        let ca = Authority::create("test CA", from, to).unwrap();
        let (leaf, key) = ca.issue_server(&["localhost".to_owned()], from, to).unwrap();
        let chain = vec![
            CertificateDer::from(leaf.der().to_vec()),
            CertificateDer::from(ca.certificate().der().to_vec()),
        ];
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self {
            listener,
            acceptor: TlsAcceptor::from(Arc::new(config)),
            authority: format!("localhost:{port}"),
            pin: ca.certificate().fingerprint(),
        }
    }
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(own, _value)| own.eq_ignore_ascii_case(name))
            .map(|(_name, value)| value.as_str())
    }

    /// The signature of this request, checked with a public key.
    pub(crate) fn signature(&self, authority: &str, spki: &[u8]) -> ParsedSignature {
        let digest = http_signature::content_digest(&self.body);
        assert_eq!(self.header("content-digest"), Some(digest.as_str()));
        let parsed = http_signature::parse(
            self.header("signature-input").unwrap(),
            self.header("signature").unwrap(),
        )
        .unwrap();
        let parts = RequestParts {
            method: &self.method,
            authority,
            path: &self.path,
            query: "",
        };
        parsed.verify(&parts, &digest, spki).unwrap();
        parsed
    }

    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// How the body of an answer comes.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    Whole(Vec<u8>),
    /// Announces all of it, sends so many bytes and closes.
    Cut(Vec<u8>, usize),
    /// Sends so many bytes, then one byte every so often, for ever.
    Drip(Vec<u8>, usize, Duration),
    /// No length announced, and no end.
    Endless,
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Body,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Body::Whole(body.into()),
        }
    }

    pub(crate) fn json(value: &impl serde::Serialize) -> Self {
        Self::new(200, serde_json::to_vec(value).unwrap())
    }

    pub(crate) fn refusal(code: ErrorCode) -> Self {
        Self::error(&ErrorBody::new(code, code.meaning()))
    }

    pub(crate) fn error(body: &ErrorBody) -> Self {
        Self::new(body.code.http_status(), serde_json::to_vec(body).unwrap())
    }

    pub(crate) fn with_body(body: Body) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body,
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A running server; ends with the test.
pub(crate) struct TestServer {
    pub(crate) authority: String,
    pub(crate) pin: String,
    seen: Arc<Mutex<Vec<Request>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl TestServer {
    /// Answers each request with what `answer` says; `number` counts requests from 0.
    pub(crate) async fn start(answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        let Endpoint {
            listener,
            acceptor,
            authority,
            pin,
        } = Endpoint::bind().await;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(answer);
        let task = tokio::spawn({
            let seen = seen.clone();
            async move {
                while let Ok((tcp, _peer)) = listener.accept().await {
                    let (acceptor, seen, answer) = (acceptor.clone(), seen.clone(), answer.clone());
                    tokio::spawn(async move {
                        let Ok(mut stream) = acceptor.accept(tcp).await else {
                            return;
                        };
                        while let Some(request) = read_request(&mut stream).await {
                            let number = {
                                let mut seen = seen.lock().unwrap();
                                seen.push(request.clone());
                                seen.len() - 1
                            };
                            let reply = answer(&request, number);
                            if !write_reply(&mut stream, reply).await {
                                break;
                            }
                        }
                        stream.shutdown().await.ok();
                    });
                }
            }
        });
        Self {
            authority,
            pin,
            seen,
            task,
        }
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// A configuration that trusts this server, with more lines of TOML.
    pub(crate) fn config(&self, more: &str) -> Config {
        config_for(&self.authority, &self.pin, more)
    }
}

pub(crate) fn config_for(authority: &str, pin: &str, more: &str) -> Config {
    let text = format!("wapt_server = \"https://{authority}\"\nserver_pin = \"{pin}\"\n{more}\n");
    Config::parse(&text, Path::new("agent.toml")).unwrap()
}

/// An identity below a folder of its own, named `test-host`.
pub(crate) fn identity(root: &Path) -> Identity {
    let config = Config::parse("uuid = \"test-host\"", Path::new("agent.toml")).unwrap();
    Identity::load_or_create(&Paths::new(Some(root)), &config).unwrap()
}

pub(crate) async fn read_request(stream: &mut Stream) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let text = String::from_utf8(head).unwrap();
    let mut lines = text.lines();
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let mut request = Request {
        method,
        path,
        headers,
        body: Vec::new(),
    };
    let length = request
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    request.body = vec![0; length];
    stream.read_exact(&mut request.body).await.ok()?;
    Some(request)
}

/// `false`: the connection is of no further use.
async fn write_reply(stream: &mut Stream, reply: Reply) -> bool {
    let mut head = format!("HTTP/1.1 {} Some reason\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    match &reply.body {
        Body::Whole(bytes) | Body::Cut(bytes, _) | Body::Drip(bytes, ..) => {
            head.extend(["content-length: ", &bytes.len().to_string(), "\r\n"]);
        }
        Body::Endless => head.push_str("connection: close\r\n"),
    }
    head.push_str("\r\n");
    if stream.write_all(head.as_bytes()).await.is_err() {
        return false;
    }
    let done = match reply.body {
        Body::Whole(bytes) => return stream.write_all(&bytes).await.is_ok() && stream.flush().await.is_ok(),
        Body::Cut(bytes, end) => {
            stream.write_all(&bytes[..end]).await.ok();
            stream.flush().await
        }
        Body::Drip(bytes, start, pause) => {
            stream.write_all(&bytes[..start]).await.ok();
            stream.flush().await.ok();
            loop {
                // Simulates a slow sender; the client's patience ends it.
                tokio::time::sleep(pause).await;
                if stream.write_all(b"x").await.is_err() || stream.flush().await.is_err() {
                    return false;
                }
            }
        }
        Body::Endless => {
            let piece = vec![0x55_u8; 64 * 1024];
            while stream.write_all(&piece).await.is_ok() {}
            Ok(())
        }
    };
    done.ok();
    false
}
