//! One connection of the live channel: TCP (through a proxy where one is set), TLS, signed upgrade.

use muster_shared::protocol::error::ErrorBody;
use muster_shared::protocol::live::MAX_FRAME_BYTES;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::Error as SocketError;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::server_client::connection::{CONNECT_WITHIN, without_password};
use crate::server_client::{ServerClient, bounded};

/// The route of the live channel.
const PATH: &str = "/api/v1/host/live";

/// A proxy's answer to CONNECT is at most this long, in bytes.
const MAX_PROXY_ANSWER: usize = 8 * 1024;

pub(super) type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// Why a connection did not come about.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("{address} cannot be reached")]
    Tcp {
        address: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{address} is not the server that this host trusts, or TLS failed")]
    Tls {
        address: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{address} did not answer in time")]
    TooSlow { address: String },
    #[error("the proxy {proxy} refused: {answer}")]
    Proxy { proxy: String, answer: String },
    #[error("the server refused the live channel: {}", .0.message)]
    Refused(ErrorBody),
    #[error("the server answered the live channel with status {0}")]
    Status(u16),
    #[error("the live channel cannot be opened")]
    Socket(#[source] Box<SocketError>),
    #[error("the request cannot be signed")]
    Sign(#[source] crate::server_client::ServerError),
}

/// Connects once.
pub(super) async fn connect(client: &ServerClient) -> Result<Socket, ConnectError> {
    let address = client.connection().address.authority();
    match timeout(CONNECT_WITHIN * 2, connect_unhurried(client, &address)).await {
        Ok(result) => result,
        Err(_elapsed) => Err(ConnectError::TooSlow { address }),
    }
}

async fn connect_unhurried(client: &ServerClient, address: &str) -> Result<Socket, ConnectError> {
    let connection = client.connection();
    let tcp = match &connection.proxy {
        Some(proxy) => through_proxy(proxy, &connection.address.host, connection.address.port).await?,
        None => TcpStream::connect((connection.address.host.as_str(), connection.address.port))
            .await
            .map_err(|source| ConnectError::Tcp {
                address: address.to_owned(),
                source,
            })?,
    };
    tcp.set_nodelay(true).ok();
    let name = ServerName::try_from(connection.address.host.clone()).map_err(|error| ConnectError::Tls {
        address: address.to_owned(),
        source: std::io::Error::other(error),
    })?;
    let tls = TlsConnector::from(connection.tls.clone())
        .connect(name, tcp)
        .await
        .map_err(|source| ConnectError::Tls {
            address: address.to_owned(),
            source,
        })?;

    let signed = client.sign("GET", PATH, "", b"").map_err(ConnectError::Sign)?;
    let mut request = format!("wss://{address}{PATH}")
        .into_client_request()
        .map_err(|error| ConnectError::Socket(Box::new(error)))?;
    for (name, value) in [
        ("content-digest", &signed.content_digest),
        ("signature-input", &signed.signature_input),
        ("signature", &signed.signature),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            request.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    let limits = WebSocketConfig::default()
        .max_message_size(Some(MAX_FRAME_BYTES))
        .max_frame_size(Some(MAX_FRAME_BYTES))
        // Frames are small and rare; the defaults would hold 256 KiB for every idle agent.
        .read_buffer_size(8 * 1024)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * MAX_FRAME_BYTES);
    match tokio_tungstenite::client_async_with_config(request, tls, Some(limits)).await {
        Ok((socket, _response)) => Ok(socket),
        Err(SocketError::Http(response)) => {
            let status = response.status().as_u16();
            let body = response.into_body().unwrap_or_default();
            Err(match serde_json::from_slice::<ErrorBody>(&body) {
                Ok(body) => ConnectError::Refused(bounded(body)),
                Err(_not_ours) => ConnectError::Status(status),
            })
        }
        Err(error) => Err(ConnectError::Socket(Box::new(error))),
    }
}

/// A tunnel through an HTTP proxy (RFC 9110 §9.3.6). The proxy sees the server's name and nothing else.
async fn through_proxy(proxy: &str, host: &str, port: u16) -> Result<TcpStream, ConnectError> {
    let shown = without_password(proxy);
    let refused = |answer: &str| ConnectError::Proxy {
        proxy: shown.clone(),
        answer: answer.to_owned(),
    };
    let url: reqwest::Url = proxy.parse().map_err(|_error| refused("not an address"))?;
    if url.scheme() != "http" {
        return Err(refused("the live channel goes through http:// proxies only"));
    }
    let proxy_host = url
        .host_str()
        .ok_or_else(|| refused("no host name"))?
        .trim_matches(['[', ']']);
    let proxy_port = url.port_or_known_default().unwrap_or(80);
    let unreachable = |source| ConnectError::Tcp {
        address: shown.clone(),
        source,
    };
    let mut tcp = TcpStream::connect((proxy_host, proxy_port))
        .await
        .map_err(unreachable)?;
    let target = if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    let authorization = basic_authorization(&url);
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{authorization}\r\n");
    tcp.write_all(request.as_bytes()).await.map_err(unreachable)?;

    // Byte by byte, so that nothing of what follows the answer is swallowed; it is one short answer.
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= MAX_PROXY_ANSWER {
            return Err(refused("its answer has no end"));
        }
        answer.push(tcp.read_u8().await.map_err(unreachable)?);
    }
    let text = String::from_utf8_lossy(&answer);
    let first = text.lines().next().unwrap_or_default();
    let status = first.split_whitespace().nth(1).unwrap_or_default();
    if first.starts_with("HTTP/1.") && status.len() == 3 && status.starts_with('2') {
        return Ok(tcp);
    }
    let said = first.chars().filter(|letter| !letter.is_control()).take(200);
    Err(refused(&said.collect::<String>()))
}

fn basic_authorization(proxy: &reqwest::Url) -> String {
    use base64::Engine as _;
    if proxy.username().is_empty() {
        return String::new();
    }
    let plain = |text: &str| percent_decoded(text);
    let credentials = format!(
        "{}:{}",
        plain(proxy.username()),
        plain(proxy.password().unwrap_or_default())
    );
    let encoded = base64::engine::general_purpose::STANDARD.encode(credentials);
    format!("Proxy-Authorization: Basic {encoded}\r\n")
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let escaped = tail
            .get(..2)
            .filter(|_digits| byte == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(escaped.unwrap_or(byte));
        rest = if escaped.is_some() {
            tail.get(2..).unwrap_or_default()
        } else {
            tail
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxys_user_and_password_are_sent_as_they_were_meant() {
        let url: reqwest::Url = "http://ann:se%20cret@proxy:3128".parse().unwrap();
        let header = basic_authorization(&url);
        assert_eq!(header, "Proxy-Authorization: Basic YW5uOnNlIGNyZXQ=\r\n");
        assert_eq!(basic_authorization(&"http://proxy:3128".parse().unwrap()), "");
        assert_eq!(percent_decoded("a%2"), "a%2");
    }

    #[tokio::test]
    async fn a_proxy_that_says_no_is_quoted() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let proxy = tokio::spawn(async move {
            let (mut stream, _peer) = listener.accept().await.unwrap();
            let mut asked = vec![0_u8; 1024];
            let count = stream.read(&mut asked).await.unwrap();
            stream
                .write_all(b"HTTP/1.1 407 Who are you\r\n\r\n")
                .await
                .unwrap();
            String::from_utf8_lossy(&asked[..count]).into_owned()
        });
        let error = through_proxy(&format!("http://{address}"), "srv.example.org", 8443)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("407 Who are you"), "{error}");
        assert!(
            proxy
                .await
                .unwrap()
                .starts_with("CONNECT srv.example.org:8443 HTTP/1.1\r\n")
        );
    }
}
