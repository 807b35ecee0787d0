//! Web servers and proxies as organisations run them: nginx before a folder of packages, tinyproxy in between.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use muster_shared::clock::now;
use muster_shared::crypto::IdentityKey;
use muster_shared::crypto::issue::Authority;

use crate::eventually::eventually;
use crate::process::Daemon;

/// An nginx that serves a folder over TLS, under `https://localhost:PORT/wapt`; it ends with this value.
pub struct Nginx {
    folder: PathBuf,
    port: u16,
    running: Option<Daemon>,
    authority: Authority,
}

impl Nginx {
    /// Serves a folder. Its certificate comes from a CA of its own.
    ///
    /// # Panics
    /// When nginx does not start.
    pub fn serve(parent: &Path, name: &str, root: &Path) -> Self {
        Self::with(parent, name, root, "")
    }

    /// The same for those only who show a certificate of [`Self::client_certificate`].
    ///
    /// # Panics
    /// When nginx does not start.
    pub fn serve_certified(parent: &Path, name: &str, root: &Path) -> Self {
        let ca = parent.join(name).join("ca.crt");
        let more = format!("ssl_client_certificate {}; ssl_verify_client on;", ca.display());
        Self::with(parent, name, root, &more)
    }

    fn with(parent: &Path, name: &str, root: &Path, more: &str) -> Self {
        let folder = parent.join(name);
        fs_err::create_dir_all(folder.join("temp")).expect("a folder for nginx");
        let hour = jiff::SignedDuration::from_hours(1);
        let (from, to) = (now() - hour, now() + hour * 24);
        let authority = Authority::create(&format!("CA of {name}"), from, to).expect("a CA");
        let (leaf, key) = authority
            .issue_server(&["localhost".to_owned()], from, to)
            .expect("a certificate");
        let write = |name: &str, text: &str| fs_err::write(folder.join(name), text).expect("writing a file");
        write("ca.crt", &authority.certificate().to_pem());
        write("server.crt", &(leaf.to_pem() + &authority.certificate().to_pem()));
        write("server.pem", &key);
        let port = free_port();
        let (at, root) = (folder.display(), root.display());
        write(
            "nginx.conf",
            &format!(
                "daemon off; pid {at}/nginx.pid; error_log stderr; worker_processes 1;\n\
                 events {{ worker_connections 64; }}\n\
                 http {{ access_log {at}/access.log; client_body_temp_path {at}/temp; proxy_temp_path {at}/temp; \
                 fastcgi_temp_path {at}/temp; uwsgi_temp_path {at}/temp; scgi_temp_path {at}/temp;\n\
                 default_type application/octet-stream;\n\
                 server {{ listen 127.0.0.1:{port} ssl; server_name localhost; ssl_certificate {at}/server.crt; \
                 ssl_certificate_key {at}/server.pem; {more}\n location /wapt/ {{ alias {root}/; }} }} }}\n"
            ),
        );
        let mut nginx = Self {
            folder,
            port,
            running: None,
            authority,
        };
        nginx.start();
        nginx
    }

    /// Starts it again after [`Self::stop`], at the same address.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(&mut self) {
        let config = self.folder.join("nginx.conf");
        let at = self.folder.join("temp");
        let args = ["-c".as_ref(), config.as_os_str(), "-p".as_ref(), at.as_os_str()];
        let log = self.folder.join("nginx.log");
        self.running = Some(Daemon::start(Path::new("/usr/sbin/nginx"), &args, &log, &[]));
        wait_for(self.port, &log);
    }

    /// Ends it.
    ///
    /// # Panics
    /// When it does not end.
    pub fn stop(&mut self) {
        self.running.take().expect("nginx runs").end("TERM");
    }

    /// The address of the repository.
    pub fn url(&self) -> String {
        format!("https://localhost:{}/wapt", self.port)
    }

    /// The file with the certificate of its CA.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// SHA-256 of its CA.
    pub fn pin(&self) -> String {
        self.authority.certificate().fingerprint()
    }

    /// A certificate of its CA for a client, and its key.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn client_certificate(&self, name: &str) -> (PathBuf, PathBuf) {
        let key = IdentityKey::generate().expect("a key");
        let hour = jiff::SignedDuration::from_hours(1);
        let certificate = self
            .authority
            .issue_host(&key.spki_der(), name, now() - hour, now() + hour * 20)
            .expect("a certificate");
        let file = |ending: &str| self.folder.join(format!("{name}.{ending}"));
        fs_err::write(file("crt"), certificate.to_pem()).expect("writing a certificate");
        fs_err::write(file("pem"), &*key.to_pem().expect("a key as PEM")).expect("writing a key");
        (file("crt"), file("pem"))
    }

    /// The lines of its access log: method, path, status.
    pub fn requests(&self) -> Vec<String> {
        let log = fs_err::read_to_string(self.folder.join("access.log")).unwrap_or_default();
        log.lines()
            .filter_map(|line| {
                let mut parts = line.split('"');
                let request = parts.nth(1)?;
                let status = parts.next()?.split_whitespace().next()?;
                let request = request.trim_end_matches(" HTTP/1.1");
                Some(format!("{request} {status}"))
            })
            .collect()
    }
}

/// A tinyproxy that lets every CONNECT through; it ends with this value.
pub struct Proxy {
    port: u16,
    log: PathBuf,
    _running: Daemon,
}

impl Proxy {
    /// Starts one.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(parent: &Path, name: &str) -> Self {
        let folder = parent.join(name);
        fs_err::create_dir_all(&folder).expect("a folder for the proxy");
        let (port, log) = (free_port(), folder.join("proxy.log"));
        let config = folder.join("tinyproxy.conf");
        fs_err::write(
            &config,
            format!(
                "Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\nLogLevel Connect\nLogFile \"{}\"\n",
                log.display()
            ),
        )
        .expect("writing the proxy's settings");
        let args = ["-d".as_ref(), "-c".as_ref(), config.as_os_str()];
        let output = folder.join("output.log");
        let running = Daemon::start(Path::new("/usr/bin/tinyproxy"), &args, &output, &[]);
        wait_for(port, &output);
        Self {
            port,
            log,
            _running: running,
        }
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How many connections to a server went through it.
    pub fn connects_to(&self, authority: &str) -> usize {
        let log = fs_err::read_to_string(&self.log).unwrap_or_default();
        log.matches(&format!("CONNECT {authority}")).count()
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

fn wait_for(port: u16, log: &Path) {
    eventually(&format!("port {port} is open"), || {
        TcpStream::connect(("127.0.0.1", port))
            .map(drop)
            .map_err(|error| format!("{error}\n{}", fs_err::read_to_string(log).unwrap_or_default()))
    });
}

/// Copies the files of a folder, not those of folders in it.
///
/// # Panics
/// When that fails.
pub fn copy_files(from: &Path, to: &Path) {
    fs_err::create_dir_all(to).expect("a folder");
    for entry in fs_err::read_dir(from).expect("a folder of files") {
        let entry = entry.expect("a file");
        if entry.path().is_file() {
            fs_err::copy(entry.path(), to.join(entry.file_name())).expect("copying a file");
        }
    }
}
