//! A whole server on a free port with a data folder and a clock of its own.

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use actix_web::web;
use jiff::{SignedDuration, Timestamp};
use muster_server::application::Application;
use muster_server::auth::password::PasswordHasher;
use muster_server::authority::AuthorityFiles;
use muster_server::config::Config;
use muster_server::state::AppState;
use muster_server::store::{Store, users};
use muster_shared::clock::{Clock, now};
use muster_shared::crypto::issue::{Purpose, Subject, self_signed};
use muster_shared::crypto::tls::{ServerTrust, client_config};
use muster_shared::crypto::{FileSigner, PrivateKey, Signer as _};
use muster_shared::protocol::session::Role;

/// The password of every user of a test server.
pub(crate) const PASSWORD: &str = "a long test password";

/// The machine's clock, moved by whole seconds.
#[derive(Debug, Default)]
pub(crate) struct MovedClock(AtomicI64);

impl MovedClock {
    pub(crate) fn forward(&self, secs: i64) {
        self.0.fetch_add(secs, Ordering::SeqCst);
    }
}

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        now()
            .checked_add(SignedDuration::from_secs(self.0.load(Ordering::SeqCst)))
            .unwrap()
    }
}

/// A server that runs until it is dropped; users `administrator`, `deployer` and `viewer` can sign in.
pub(crate) struct TestServer {
    pub(crate) config: Config,
    pub(crate) clock: Arc<MovedClock>,
    pub(crate) port: u16,
    pub(crate) tls: Arc<rustls::ClientConfig>,
    pub(crate) client: reqwest::Client,
    /// Whose actions the server relays.
    pub(crate) signer: FileSigner,
    running: Option<Running>,
    _folder: tempfile::TempDir,
}

struct Running {
    state: web::Data<AppState>,
    thread: JoinHandle<()>,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_config| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::new("localhost");
        config.listen = "127.0.0.1:0".parse().unwrap();
        config.data = folder.path().join("data");
        change(&mut config);
        let data = config.data_folder();
        data.create().unwrap();
        let files = AuthorityFiles::new(data.authority());
        files.create(&["localhost".to_owned()], now()).unwrap();
        let signer = signer("Alice");
        let certificate = signer.certificate();
        fs_err::write(data.trust().join("alice.crt"), certificate.to_pem()).unwrap();
        add_users(&config).await;
        let pin = files.server_ca_certificate().unwrap().fingerprint();
        let tls = client_config(&ServerTrust::Pin(pin)).unwrap();
        let client = client(&tls);
        let clock = Arc::new(MovedClock::default());
        let mut server = Self {
            config,
            clock,
            port: 0,
            tls,
            client,
            signer,
            running: None,
            _folder: folder,
        };
        server.run();
        server
    }

    /// Another server over a copy of the files of this one, which still runs: what a SIGKILL would leave.
    pub(crate) async fn copy_as_killed(&self) -> Self {
        let mut copy = Self::start().await;
        copy.stop();
        let mut folders = vec![self.config.data.clone()];
        while let Some(folder) = folders.pop() {
            let there = copy
                .config
                .data
                .join(folder.strip_prefix(&self.config.data).unwrap());
            fs_err::create_dir_all(&there).unwrap();
            for entry in fs_err::read_dir(&folder).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else {
                    fs_err::copy(entry.path(), there.join(entry.file_name())).unwrap();
                }
            }
        }
        copy.tls = Arc::clone(&self.tls);
        copy.run();
        copy
    }

    /// Stops the server in order and starts it again over the same data, on the same port.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.run();
    }

    /// Stops the server, deletes its database and starts it again.
    pub(crate) async fn restart_without_database(&mut self) {
        self.stop();
        fs_err::remove_file(self.config.data_folder().database()).unwrap();
        self.run();
        add_users(&self.config).await;
    }

    pub(crate) fn state(&self) -> &AppState {
        &self.running.as_ref().unwrap().state
    }

    /// The public name that hosts sign for.
    pub(crate) fn authority(&self) -> String {
        format!("localhost:{}", self.port)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.config.data.join(name)
    }

    fn run(&mut self) {
        let (config, clock) = (self.config.clone(), Arc::clone(&self.clock));
        let (ready, started) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("server".to_owned())
            .spawn(move || {
                actix_web::rt::System::new().block_on(async move {
                    let application = Application::build_with_clock(config, clock).await.unwrap();
                    ready
                        .send((application.port(), application.state().clone()))
                        .unwrap();
                    application.run_until_stopped().await.unwrap();
                });
            })
            .unwrap();
        let (port, state) = started.recv().unwrap();
        self.port = port;
        // Connections to the server before it are of no use.
        self.client = client(&self.tls);
        // A second start listens where the first did, as a real server does.
        self.config.listen.set_port(port);
        self.running = Some(Running { state, thread });
    }

    fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.state.stop.cancel();
            drop(running.state);
            running.thread.join().unwrap();
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn client(tls: &rustls::ClientConfig) -> reqwest::Client {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls.clone())
        .build()
        .unwrap()
}

/// Somebody with a new key and a self-signed certificate for code signing.
pub(crate) fn signer(name: &str) -> FileSigner {
    let key = PrivateKey::generate_ec().unwrap();
    let subject = Subject {
        common_name: name.to_owned(),
        ..Subject::default()
    };
    let purpose = Purpose {
        code_signing: true,
        client_auth: true,
        authority: false,
    };
    let day = SignedDuration::from_hours(24);
    let (from, to) = (
        now().checked_sub(day).unwrap(),
        now().checked_add(day * 365).unwrap(),
    );
    let certificate = self_signed(&key, &subject, purpose, from, to).unwrap();
    FileSigner::new(key, vec![certificate]).unwrap()
}

async fn add_users(config: &Config) {
    let store = Store::open(&config.data_folder().database()).await.unwrap();
    let hash = PasswordHasher::new()
        .unwrap()
        .hash(PASSWORD.into())
        .await
        .unwrap();
    for role in Role::ALL {
        users::insert(&store, role.as_str(), role, &hash, now())
            .await
            .unwrap();
    }
    store.close().await;
}
