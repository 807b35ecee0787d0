//! A small organisation: one server, one administrator with a key and a session, and room for agents.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::agent::Agent;
use crate::fault_proxy::FaultProxy;
use crate::process::{Daemon, Done, binary, run, run_in};
use crate::sources::Sources;

/// Everything lives in one temporary folder and ends with this value.
pub struct World {
    folder: tempfile::TempDir,
    port: u16,
    server: Option<Daemon>,
    address: String,
    password: String,
}

impl World {
    /// Initialises and starts a server, makes a key that it trusts, and signs the administrator in.
    ///
    /// # Panics
    /// When any of it fails.
    pub fn start() -> Self {
        let mut world = Self::initialised();
        world.open();
        world
    }

    /// Makes a key that the server trusts, starts the server and signs the administrator in.
    fn open(&mut self) {
        self.muster(&["key", "create", "alice", "--no-password"], "").ok();
        self.trust_certificate("alice.crt");
        self.start_server();
        self.sign_in();
    }

    /// The same, with a proxy before the server that breaks on demand. Everybody goes through it.
    ///
    /// # Panics
    /// When any of it fails.
    pub fn start_behind_proxy() -> (Self, FaultProxy) {
        let listen = free_port();
        let proxy = FaultProxy::start(listen);
        let mut world = Self::initialised_at(proxy.port(), listen);
        world.open();
        (world, proxy)
    }

    /// A server that was initialised and does not run yet.
    ///
    /// # Panics
    /// When initialising fails.
    pub fn initialised() -> Self {
        // A fixed port for the whole test: agents find a restarted server where it was.
        let port = free_port();
        Self::initialised_at(port, port)
    }

    /// A server that is known by one port and listens on another.
    fn initialised_at(port: u16, listen: u16) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("muster-test-")
            .tempdir()
            .expect("a temporary folder");
        let mut world = Self {
            folder,
            port,
            server: None,
            address: String::new(),
            password: String::new(),
        };
        let listen = format!("127.0.0.1:{listen}");
        let port = port.to_string();
        let init = [
            "init",
            "--json",
            "--name",
            "localhost",
            "--port",
            &port,
            "--listen",
            &listen,
        ];
        let printed: Value = serde_json::from_str(&world.server_command(&init).ok()).expect("JSON of init");
        let text = |name: &str| printed[name].as_str().unwrap_or_default().to_owned();
        (world.address, world.password) = (text("address"), text("password"));
        world
    }

    /// The temporary folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the server's root is.
    pub fn server_root(&self) -> PathBuf {
        self.folder().join("server")
    }

    /// The server's data folder.
    pub fn server_data(&self) -> PathBuf {
        self.server_root().join("var/lib/muster-server")
    }

    /// The `muster://…` line.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// `https://localhost:PORT`
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// The port that the server has for the whole test.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The administrator's password.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Runs a `muster-server` command.
    pub fn server_command(&self, args: &[&str]) -> Done {
        let root = self.server_root();
        let mut all = vec![OsStr::new("--root"), root.as_os_str()];
        all.extend(args.iter().map(OsStr::new));
        run(&binary("muster-server"), &all, "", &[])
    }

    /// Makes the server accept a certificate of the people's folder.
    ///
    /// # Panics
    /// When it refuses.
    pub fn trust_certificate(&self, file: &str) {
        let path = self.people().join(file);
        self.server_command(&["trust", "add", path.to_str().expect("a plain path")])
            .ok();
    }

    /// Starts the server and waits until it listens.
    ///
    /// # Panics
    /// When it does not.
    pub fn start_server(&mut self) {
        let root = self.server_root();
        let args = [OsStr::new("--root"), root.as_os_str(), OsStr::new("run")];
        let log = self.folder().join("server.log");
        let marker = format!("start {}\n", uuid::Uuid::new_v4());
        let before = fs_err::read_to_string(&log).unwrap_or_default() + &marker;
        fs_err::write(&log, &before).expect("writing the log");
        let server = Daemon::start(&binary("muster-server"), &args, &log, &[]);
        crate::eventually("the server listens", || {
            if server
                .log()
                .get(before.len()..)
                .is_some_and(|new| new.contains("listening on https://"))
            {
                Ok(())
            } else {
                Err(server.log())
            }
        });
        self.server = Some(server);
    }

    /// The running server.
    ///
    /// # Panics
    /// When it does not run.
    pub fn server(&self) -> &Daemon {
        self.server.as_ref().expect("the server runs")
    }

    /// Kills the server without a word.
    pub fn kill_server(&mut self) {
        if let Some(server) = self.server.take() {
            server.kill();
        }
    }

    /// Ends the server with a signal and returns how it ended.
    ///
    /// # Panics
    /// When it does not run or does not end.
    pub fn end_server(&mut self, signal: &str) -> std::process::ExitStatus {
        self.server.take().expect("the server runs").end(signal)
    }

    /// Where people keep their keys and packages: the working folder of `muster`.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn people(&self) -> PathBuf {
        let folder = self.folder().join("people");
        fs_err::create_dir_all(&folder).expect("a folder for people");
        folder
    }

    /// Runs a `muster` command as alice, in the people's folder, with this standard input.
    pub fn muster(&self, args: &[&str], input: &str) -> Done {
        let people = self.people();
        let settings = self.folder().join("settings");
        let (certificate, key) = (people.join("alice.crt"), people.join("alice.pem"));
        run_in(
            &people,
            &binary("muster"),
            args,
            input,
            &[
                ("MUSTER_CONFIG_DIR", settings.as_os_str()),
                ("MUSTER_CERTIFICATE", certificate.as_os_str()),
                ("MUSTER_KEY", key.as_os_str()),
                ("NO_COLOR", OsStr::new("1")),
            ],
        )
    }

    /// Runs a `muster` command with `--json` and reads what it prints.
    ///
    /// # Panics
    /// When it fails or prints something else.
    pub fn muster_json(&self, args: &[&str]) -> Value {
        let text = self.muster(&[args, &["--json"]].concat(), "").ok();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{args:?}: {error}: {text}"))
    }

    /// Signs the administrator in with the address line.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn sign_in(&self) {
        let input = format!("{}\n", self.password);
        self.muster(
            &["sign-in", &self.address, "--user", "admin", "--password-stdin"],
            &input,
        )
        .ok();
    }

    /// A new enrolment token.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn enrolment_token(&self) -> String {
        let created = self.muster_json(&["enrol-token", "create", "--uses", "10"]);
        created["token"].as_str().expect("a token").to_owned()
    }

    /// An agent that is registered and does not run yet. It trusts alice.
    ///
    /// # Panics
    /// When registering fails.
    pub fn enrol(&self, identifier: &str) -> Agent {
        let agent = self.unregistered(identifier);
        let token = self.enrolment_token();
        agent
            .run(&["register", "--server", &self.address, "--token", &token])
            .ok();
        agent
    }

    /// An agent that was installed with alice's certificate and is not registered.
    ///
    /// # Panics
    /// When its folder cannot be made.
    pub fn unregistered(&self, identifier: &str) -> Agent {
        let agent = Agent::new(self.folder(), identifier);
        agent.trust(&self.people().join("alice.crt"));
        agent
    }

    /// New package sources in the people's folder.
    pub fn sources(&self, package: &str, version: &str) -> Sources {
        Sources::new(&self.people().join("sources"), package, version)
    }

    /// Builds and signs sources as alice; the path of the package.
    ///
    /// # Panics
    /// When it fails.
    pub fn build(&self, sources: &Sources) -> PathBuf {
        self.build_folder(sources.folder())
    }

    /// Builds and signs a folder of sources as alice; the path of the package.
    ///
    /// # Panics
    /// When it fails.
    pub fn build_folder(&self, folder: &Path) -> PathBuf {
        let out = self.people().join("built");
        fs_err::create_dir_all(&out).expect("a folder for packages");
        let printed = self.muster_json(&[
            "package",
            "build",
            folder.to_str().expect("a plain path"),
            "--out",
            out.to_str().expect("a plain path"),
        ]);
        let built = printed
            .as_array()
            .and_then(|list| list.first())
            .unwrap_or(&printed);
        PathBuf::from(
            built["path"]
                .as_str()
                .unwrap_or_else(|| panic!("no path in {printed}")),
        )
    }

    /// Builds, signs and uploads sources.
    ///
    /// # Panics
    /// When any of it fails.
    pub fn publish(&self, sources: &Sources) -> PathBuf {
        self.publish_folder(sources.folder())
    }

    /// Builds, signs and uploads a folder of sources.
    ///
    /// # Panics
    /// When any of it fails.
    pub fn publish_folder(&self, folder: &Path) -> PathBuf {
        let path = self.build_folder(folder);
        self.muster(&["package", "upload", path.to_str().expect("a plain path")], "")
            .ok();
        path
    }

    /// The row of a host as `muster host list` shows it.
    ///
    /// # Panics
    /// When the command fails.
    pub fn host_row(&self, identifier: &str) -> Option<Value> {
        let list = self.muster_json(&["host", "list"]);
        let items = list
            .as_array()
            .or_else(|| list["items"].as_array())
            .cloned()
            .unwrap_or_default();
        items.into_iter().find(|row| row["identifier"] == identifier)
    }

    /// Waits until a host has a status.
    ///
    /// # Panics
    /// When it does not come.
    pub fn wait_for_status(&self, identifier: &str, status: &str) -> Value {
        crate::eventually(&format!("{identifier} is {status}"), || {
            let row = self.host_row(identifier);
            row.clone()
                .filter(|row| row["status"] == status)
                .ok_or_else(|| format!("{row:?}"))
        })
    }

    /// Everything that the server knows of a host.
    ///
    /// # Panics
    /// When the command fails.
    pub fn host(&self, identifier: &str) -> Value {
        self.muster_json(&["host", "show", identifier])
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port()
}
