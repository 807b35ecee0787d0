//! A repository in the wrong hands: serves any bytes under the real server's name, with its real TLS key.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// Serves paths to bytes until it is dropped.
pub struct Takeover {
    port: u16,
    _runtime: Runtime,
}

/// What is said to whom.
struct Answers {
    /// Request path → content.
    files: BTreeMap<String, Vec<u8>>,
    /// Status and content for everything else.
    otherwise: (&'static str, Vec<u8>),
}

impl Takeover {
    /// Serves files (request path → content) on the port where the real server was, or on a free one for 0, with the
    /// key and chain of its `tls.pem`.
    ///
    /// # Panics
    /// When the file cannot be used.
    pub fn serve(port: u16, tls_pem: &Path, files: BTreeMap<String, Vec<u8>>) -> Self {
        Self::with(port, tls_pem, files, ("404 Not Found", Vec::new()))
    }

    /// Answers every question with the same status and the same bytes.
    ///
    /// # Panics
    /// When the file cannot be used.
    pub fn always(port: u16, tls_pem: &Path, status: &'static str, body: &[u8]) -> Self {
        Self::with(port, tls_pem, BTreeMap::new(), (status, body.to_vec()))
    }

    fn with(
        port: u16,
        tls_pem: &Path,
        files: BTreeMap<String, Vec<u8>>,
        otherwise: (&'static str, Vec<u8>),
    ) -> Self {
        let pem = fs_err::read(tls_pem).expect("the server's TLS key");
        let key = PrivateKeyDer::from_pem_slice(&pem).expect("a key");
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem)
            .map(|one| one.expect("a certificate"))
            .collect();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .expect("a TLS configuration");
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime
            .block_on(TcpListener::bind(("127.0.0.1", port)))
            .expect("the server's port");
        let port = listener.local_addr().expect("an address").port();
        let answers = Arc::new(Answers { files, otherwise });
        runtime.spawn(async move {
            while let Ok((stream, _peer)) = listener.accept().await {
                let (acceptor, answers) = (acceptor.clone(), answers.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        answer(stream, &answers).await.ok();
                    }
                });
            }
        });
        Self {
            port,
            _runtime: runtime,
        }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }
}

async fn answer<S>(mut stream: S, answers: &Answers) -> std::io::Result<()>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut request = Vec::new();
    while !request.windows(4).any(|four| four == b"\r\n\r\n") && request.len() < 64 * 1024 {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let text = String::from_utf8_lossy(&request);
    let path = text.split(' ').nth(1).unwrap_or_default();
    let (status, body) = match answers.files.get(path) {
        Some(body) => ("200 OK", body.as_slice()),
        None => (answers.otherwise.0, answers.otherwise.1.as_slice()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: \"x{}\"\r\nConnection: close\r\n\r\n",
        body.len(),
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    stream.shutdown().await
}
