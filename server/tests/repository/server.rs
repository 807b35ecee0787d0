//! A whole server over TLS on a free port, and those who talk to it: people of each role and hosts.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use muster_server::application::Application;
use muster_server::auth::password::PasswordHasher;
use muster_server::authority::AuthorityFiles;
use muster_server::config::Config;
use muster_server::store::{Store, users};
use muster_shared::clock::now;
use muster_shared::crypto::IdentityKey;
use muster_shared::crypto::tls::{ServerTrust, client_config};
use muster_shared::protocol::error::{ErrorBody, ErrorCode};
use muster_shared::protocol::http_signature::{RequestParts, content_digest, sign};
use muster_shared::protocol::session::{Role, Session, SignIn};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::fixture::golden;

const PASSWORD: &str = "a long test password";

/// A server that runs until it is dropped.
pub(crate) struct TestServer {
    pub(crate) folder: PathBuf,
    pub(crate) client: reqwest::Client,
    pub(crate) base: String,
    authority: String,
    tls: Arc<rustls::ClientConfig>,
    running: Option<Running>,
}

enum Running {
    Thread {
        stop: CancellationToken,
        thread: JoinHandle<()>,
    },
    Process(Child),
}

impl TestServer {
    /// Starts a server over a new data folder.
    pub(crate) async fn start(folder: &tempfile::TempDir) -> Self {
        Self::prepare(folder).await;
        Self::again(folder)
    }

    /// Starts a server over the data folder of one that stopped.
    pub(crate) fn again(folder: &tempfile::TempDir) -> Self {
        let config = config(folder.path());
        let (ready, started) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("server".to_owned())
            .spawn(move || {
                actix_web::rt::System::new().block_on(async move {
                    let application = Application::build(config).await.unwrap();
                    ready
                        .send((application.port(), application.stop_token()))
                        .unwrap();
                    application.run_until_stopped().await.unwrap();
                });
            })
            .unwrap();
        let (port, stop) = started.recv().unwrap();
        Self::reach(folder, port, Running::Thread { stop, thread })
    }

    /// Starts the program itself over a data folder that [`Self::prepare`] filled.
    pub(crate) fn process(folder: &tempfile::TempDir) -> Self {
        let file = folder.path().join("server.toml");
        fs_err::write(&file, config(folder.path()).to_toml()).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_muster-server"))
            .arg("--config")
            .arg(file)
            .arg("run")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let port = line.trim().rsplit(':').next().unwrap().parse().unwrap();
        Self::reach(folder, port, Running::Process(child))
    }

    /// Makes the keys and the users of a new server.
    pub(crate) async fn prepare(folder: &tempfile::TempDir) {
        let config = config(folder.path());
        config.data_folder().create().unwrap();
        AuthorityFiles::new(config.data_folder().authority())
            .create(&["localhost".to_owned()], now())
            .unwrap();
        let store = Store::open(&config.data_folder().database()).await.unwrap();
        let hasher = PasswordHasher::new().unwrap();
        for role in Role::ALL {
            let hash = hasher.hash(PASSWORD.into()).await.unwrap();
            users::insert(&store, role.as_str(), role, &hash, now())
                .await
                .unwrap();
        }
        store.close().await;
    }

    fn reach(folder: &tempfile::TempDir, port: u16, running: Running) -> Self {
        let authority = AuthorityFiles::new(config(folder.path()).data_folder().authority());
        let pin = authority.server_ca_certificate().unwrap().fingerprint();
        let tls = client_config(&ServerTrust::Pin(pin)).unwrap();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(rustls::ClientConfig::clone(&tls))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            folder: folder.path().to_owned(),
            client,
            base: format!("https://localhost:{port}"),
            authority: format!("localhost:{port}"),
            tls,
            running: Some(running),
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    /// One GET whose path goes out byte for byte as it stands.
    pub(crate) async fn raw_get(&self, path: &str) -> String {
        let tls = Arc::clone(&self.tls);
        let address = self.authority.replace("localhost", "127.0.0.1");
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let exchange = move || {
            let connection = rustls::ClientConnection::new(tls, "localhost".try_into().unwrap()).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, TcpStream::connect(address).unwrap());
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = Vec::new();
            // The end of the connection may come without a farewell.
            stream.read_to_end(&mut answer).ok();
            String::from_utf8_lossy(&answer).into_owned()
        };
        tokio::task::spawn_blocking(exchange).await.unwrap()
    }

    /// Signs in as the user of this role.
    pub(crate) async fn sign_in(&self, role: Role) -> Person<'_> {
        let body = SignIn {
            user: role.as_str().to_owned(),
            password: PASSWORD.to_owned(),
        };
        let answer = self
            .request(Method::POST, "/api/v1/session")
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let session: Session = answer.json().await.unwrap();
        Person {
            server: self,
            token: session.token,
        }
    }

    /// Registers a host with a key of its own.
    pub(crate) async fn register(&self, identifier: &str) -> Host<'_> {
        let key = IdentityKey::generate().unwrap();
        let body = json!({
            "identifier": identifier,
            "public_key": STANDARD.encode(key.spki_der()),
            "hostname": format!("{identifier}.example.org"),
        });
        let host = Host { server: self, key };
        let answer = host
            .send(Method::POST, "/api/v1/register", body.to_string().into_bytes())
            .await;
        assert_eq!(
            answer.status(),
            StatusCode::OK,
            "{}",
            answer.text().await.unwrap()
        );
        host
    }

    /// Names in a folder of the repository, sorted.
    pub(crate) fn listed(&self, below: &str) -> Vec<String> {
        let entries = fs_err::read_dir(self.folder.join("repository").join(below)).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// SIGKILL, for a server that is a process.
    pub(crate) fn kill(&self) {
        let Some(Running::Process(child)) = &self.running else {
            panic!("not a process")
        };
        let killed = Command::new("kill")
            .args(["-9", &child.id().to_string()])
            .status()
            .unwrap();
        assert!(killed.success());
    }

    /// Ends the server: in order when it is a thread, by SIGKILL when it is a process.
    pub(crate) fn stop(&mut self) {
        match self.running.take() {
            Some(Running::Thread { stop, thread }) => {
                stop.cancel();
                thread.join().unwrap();
            }
            Some(Running::Process(mut child)) => {
                child.kill().unwrap();
                child.wait().unwrap();
            }
            None => {}
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Somebody who signed in.
pub(crate) struct Person<'a> {
    server: &'a TestServer,
    token: String,
}

impl Person<'_> {
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.server.request(method, path).bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub(crate) async fn upload(&self, bytes: Vec<u8>) -> Response {
        self.try_upload(bytes).await.unwrap()
    }

    pub(crate) async fn try_upload(&self, bytes: Vec<u8>) -> reqwest::Result<Response> {
        let digest = content_digest(&bytes);
        self.request(Method::POST, "/api/v1/packages")
            .header("Content-Digest", digest)
            .body(bytes)
            .send()
            .await
    }

    pub(crate) async fn put_host_package(
        &self,
        identifier: &str,
        bytes: Vec<u8>,
        condition: (&str, &str),
    ) -> Response {
        self.request(Method::PUT, &format!("/api/v1/host-packages/{identifier}"))
            .header(condition.0, condition.1)
            .body(bytes)
            .send()
            .await
            .unwrap()
    }
}

/// A registered host.
pub(crate) struct Host<'a> {
    server: &'a TestServer,
    key: IdentityKey,
}

impl Host<'_> {
    pub(crate) async fn get(&self, path: &str) -> Response {
        self.send(Method::GET, path, Vec::new()).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Vec<u8>) -> Response {
        let digest = content_digest(&body);
        let parts = RequestParts {
            method: method.as_str(),
            authority: &self.server.authority,
            path,
            query: "",
        };
        let nonce = Uuid::new_v4().simple().to_string();
        let signed = sign(&parts, &digest, now().as_second(), &nonce, &self.key).unwrap();
        self.server
            .request(method, path)
            .header("Content-Digest", signed.content_digest)
            .header("Signature-Input", signed.signature_input)
            .header("Signature", signed.signature)
            .body(body)
            .send()
            .await
            .unwrap()
    }
}

/// The code of an error answer, after a look at its form.
pub(crate) async fn code(answer: Response) -> ErrorCode {
    let status = answer.status();
    let body: ErrorBody = answer.json().await.unwrap();
    assert_eq!(status.as_u16(), body.code.http_status(), "{body:?}");
    assert!(
        !body.message.is_empty() && !body.request_id.is_empty(),
        "{body:?}"
    );
    body.code
}

pub(crate) fn header(answer: &Response, name: &str) -> String {
    answer
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap().to_owned())
        .unwrap_or_default()
}

fn config(folder: &Path) -> Config {
    let mut config = Config::new("localhost");
    config.listen = "127.0.0.1:0".parse().unwrap();
    folder.clone_into(&mut config.data);
    config.open_registration = true;
    config.upload_limit_mib = 8;
    config.trusted_signers = Some(golden("certs"));
    config
}
