//! A real LDAP directory: slapd with a schema and entries of its own, in a temporary folder, on ports of its own.

use std::ffi::OsStr;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use muster_shared::clock::now;
use muster_shared::crypto::issue::Authority;

use crate::process::{Daemon, run};

/// Where Debian keeps slapd, which is not on everybody's path.
const SLAPD: &str = "/usr/sbin/slapd";
const SLAPADD: &str = "/usr/sbin/slapadd";

/// Below it all entries are.
pub const BASE: &str = "DC=ad,DC=example,DC=org";

/// The name that may ask over TLS, and its password.
pub const READER: &str = "cn=reader,DC=ad,DC=example,DC=org";
pub const PASSWORD: &str = "open sesame";

/// The part of Active Directory's schema that entries of computers and groups need.
const SCHEMA: &str = "\
attributetype ( 1.3.6.1.4.1.4203.666.99.1 NAME 'sAMAccountName' EQUALITY caseIgnoreMatch \
SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.4203.666.99.2 NAME 'dNSHostName' EQUALITY caseIgnoreMatch \
SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
objectclass ( 1.3.6.1.4.1.4203.666.99.3 NAME 'computer' SUP top STRUCTURAL MUST cn \
MAY ( sAMAccountName $ dNSHostName $ description ) )
";

/// A directory; slapd ends with this value.
pub struct Directory {
    folder: tempfile::TempDir,
    plain_port: u16,
    tls_port: u16,
    slapd: Option<Daemon>,
    starts: u32,
}

impl Directory {
    /// A directory that holds these entries (LDIF below [`BASE`]) and answers.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(entries: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("muster-slapd-")
            .tempdir()
            .expect("a temporary folder");
        let mut directory = Self {
            folder,
            plain_port: free_port(),
            tls_port: free_port(),
            slapd: None,
            starts: 0,
        };
        directory.make_certificate();
        fs_err::write(directory.path("ad.schema"), SCHEMA).expect("writing the schema");
        directory.hold(entries);
        directory.open();
        directory
    }

    /// Replaces the entries of a directory that does not run.
    ///
    /// # Panics
    /// When slapd does not take them.
    pub fn hold(&self, entries: &str) {
        let data = self.path("data");
        if data.exists() {
            fs_err::remove_dir_all(&data).expect("removing the old entries");
        }
        fs_err::create_dir(&data).expect("a folder for entries");
        let shown = |name: &str| self.path(name).display().to_string();
        let configuration = format!(
            "include /etc/ldap/schema/core.schema\ninclude {}\npidfile {}\nmodulepath /usr/lib/ldap\n\
             moduleload back_mdb\nTLSCACertificateFile {}\nTLSCertificateFile {}\nTLSCertificateKeyFile {}\n\
             database mdb\nsuffix \"{BASE}\"\ndirectory {}\nmaxsize 10485760\n\
             access to attrs=userPassword by anonymous auth by * none\naccess to * by * read\n",
            shown("ad.schema"),
            shown("slapd.pid"),
            shown("ca.pem"),
            shown("tls.crt"),
            shown("tls.pem"),
            data.display(),
        );
        fs_err::write(self.path("slapd.conf"), configuration).expect("writing slapd.conf");
        let all = format!(
            "dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\ndc: ad\no: Example\n\n\
             dn: {READER}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: reader\n\
             userPassword: {PASSWORD}\n\n{entries}\n"
        );
        fs_err::write(self.path("entries.ldif"), all).expect("writing entries");
        let (conf, ldif) = (self.path("slapd.conf"), self.path("entries.ldif"));
        let args = [
            OsStr::new("-f"),
            conf.as_os_str(),
            OsStr::new("-l"),
            ldif.as_os_str(),
        ];
        run(Path::new(SLAPADD), &args, "", &[]).ok();
    }

    /// Starts slapd and waits until it takes connections.
    ///
    /// # Panics
    /// When it does not.
    pub fn open(&mut self) {
        self.starts += 1;
        let log = self.path(&format!("slapd-{}.log", self.starts));
        let (conf, urls) = (
            self.path("slapd.conf"),
            format!(
                "ldap://127.0.0.1:{} ldaps://127.0.0.1:{}",
                self.plain_port, self.tls_port
            ),
        );
        let args = ["-f", &conf.display().to_string(), "-h", &urls, "-d", "0"];
        let slapd = Daemon::start(Path::new(SLAPD), &args.map(OsStr::new), &log, &[]);
        crate::eventually("slapd takes connections", || {
            TcpStream::connect(("127.0.0.1", self.tls_port))
                .map(drop)
                .map_err(|error| format!("{error}: {}", slapd.log()))
        });
        self.slapd = Some(slapd);
    }

    /// Ends slapd without a word.
    pub fn close(&mut self) {
        if let Some(slapd) = self.slapd.take() {
            slapd.kill();
        }
    }

    /// `ldap://…`, without TLS unless it is begun there.
    pub fn plain_url(&self) -> String {
        format!("ldap://localhost:{}", self.plain_port)
    }

    /// `ldaps://…`
    pub fn tls_url(&self) -> String {
        format!("ldaps://localhost:{}", self.tls_port)
    }

    /// The certificate of the private authority.
    pub fn authority(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// A file with the password of [`READER`], or with another one.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn password_file(&self, password: &str) -> PathBuf {
        let path = self.path("password");
        fs_err::write(&path, format!("{password}\n")).expect("writing a password");
        path
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn make_certificate(&self) {
        let from = now() - jiff::SignedDuration::from_hours(1);
        let to = now() + jiff::SignedDuration::from_hours(24);
        let authority = Authority::create("directory CA", from, to).expect("an authority");
        let names = ["localhost".to_owned()];
        let (certificate, key) = authority.issue_server(&names, from, to).expect("a certificate");
        let write =
            |name: &str, text: &str| fs_err::write(self.path(name), text).expect("writing a certificate");
        write("ca.pem", &authority.certificate().to_pem());
        write("tls.crt", &certificate.to_pem());
        write("tls.pem", &key);
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port()
}
