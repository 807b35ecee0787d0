//! A repository over HTTPS for one agent: the index with its entity tag, and 304 when the agent has it already.
//!
//! It answers as `muster-server` does; being part of this program, it costs the agent's process nothing and needs
//! no second build.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use jiff::ToSpan as _;
use muster_shared::crypto::issue::Authority;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Where the server listens, and whom agents trust for it.
pub(crate) struct RepositoryServer {
    pub url: String,
    /// The CA of its TLS name, as a file.
    pub bundle: PathBuf,
}

impl RepositoryServer {
    /// Serves a folder until the process ends.
    pub(crate) fn start(folder: &Path, scratch: &Path) -> anyhow::Result<Self> {
        let now = muster_shared::clock::now();
        let (from, to) = (now - 1.hour(), now + 24.hours());
        let authority = Authority::create("bench", from, to)?;
        let (certificate, key) = authority.issue_server(&["127.0.0.1".to_owned()], from, to)?;
        let bundle = scratch.join("tls.crt");
        fs_err::write(&bundle, authority.certificate().to_pem())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from(certificate.der().to_vec())],
                PrivateKeyDer::from_pem_slice(key.as_bytes())?,
            )?;
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("https://{}/wapt", listener.local_addr()?);
        let index = folder.join("Packages");
        std::thread::Builder::new()
            .name("repository".into())
            .spawn(move || {
                for stream in listener.incoming().flatten() {
                    // A connection that breaks is the agent's to report.
                    serve(stream, &config, &index).ok();
                }
            })?;
        Ok(Self { url, bundle })
    }
}

fn serve(stream: std::net::TcpStream, config: &Arc<ServerConfig>, index: &Path) -> anyhow::Result<()> {
    let connection = ServerConnection::new(Arc::clone(config))?;
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    loop {
        let mut request = String::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line.trim().is_empty() {
                break;
            }
            request.push_str(&line);
        }
        let path = request.split(' ').nth(1).context("a path")?;
        let answer = if path == "/wapt/Packages" {
            let bytes = fs_err::read(index)?;
            let modified = fs_err::metadata(index)?.modified()?;
            let since = modified.duration_since(std::time::UNIX_EPOCH)?;
            let tag = format!("\"{:x}-{:x}\"", since.as_nanos(), bytes.len());
            let known = request
                .lines()
                .filter_map(|line| line.split_once(':'))
                .any(|(name, value)| name.eq_ignore_ascii_case("if-none-match") && value.trim() == tag);
            if known {
                format!("HTTP/1.1 304 Not Modified\r\nETag: {tag}\r\n\r\n").into_bytes()
            } else {
                let mut answer = format!(
                    "HTTP/1.1 200 OK\r\nETag: {tag}\r\nContent-Length: {}\r\n\r\n",
                    bytes.len()
                )
                .into_bytes();
                answer.extend_from_slice(&bytes);
                answer
            }
        } else {
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec()
        };
        let out = stream.get_mut();
        out.write_all(&answer)?;
        out.flush()?;
    }
}
