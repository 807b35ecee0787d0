//! A real domain of Active Directory's kind: a domain controller of Samba of which only the directory runs. Its ports
//! are fixed, so it belongs into a network of its own ([`crate::in_own_network`]).

use std::ffi::OsStr;
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use muster_shared::clock::now;
use muster_shared::crypto::issue::Authority;

use crate::process::{Daemon, run};

/// Where Debian keeps Samba, which is not on everybody's path.
const SAMBA: &str = "/usr/sbin/samba";

/// Below it all entries are.
pub const DOMAIN: &str = "DC=ad,DC=example,DC=org";

/// Who asks, and the password.
const ASKER: &str = "CN=Administrator,CN=Users,DC=ad,DC=example,DC=org";
const PASSWORD: &str = "Open.Sesame1";

/// The domain; its controller ends with this value.
pub struct Domain {
    folder: PathBuf,
    _samba: Daemon,
}

impl Domain {
    /// A new domain with these entries (LDIF) beside its usual ones, which answers at `localhost`.
    ///
    /// # Panics
    /// When Samba does not make or run it.
    pub fn start(parent: &Path, entries: &str) -> Self {
        let folder = parent.join("domain");
        fs_err::create_dir(&folder).expect("a folder for the domain");
        let target = format!("--targetdir={}", folder.display());
        let password = format!("--adminpass={PASSWORD}");
        let provision = [
            "domain",
            "provision",
            &target,
            "--realm=AD.EXAMPLE.ORG",
            "--domain=AD",
            "--server-role=dc",
            "--dns-backend=NONE",
            &password,
            "--option=interfaces=lo",
            "--option=bind interfaces only=yes",
            "--host-name=dc1",
            "--host-ip=127.0.0.1",
        ];
        run(Path::new("samba-tool"), &provision, "", &[]).ok();
        make_certificate(&folder);
        let shown = |name: &str| folder.join(name).display().to_string();
        let options = [
            format!("--configfile={}", shown("etc/smb.conf")),
            "--interactive".to_owned(),
            "--model=single".to_owned(),
            "--option=server services=ldap".to_owned(),
            format!("--option=log file={}", shown("log")),
            format!("--option=tls certfile={}", shown("tls.crt")),
            format!("--option=tls keyfile={}", shown("tls.pem")),
            format!("--option=tls cafile={}", shown("ca.pem")),
        ];
        let words: Vec<&OsStr> = options.iter().map(OsStr::new).collect();
        let samba = Daemon::start(Path::new(SAMBA), &words, &folder.join("samba.log"), &[]);
        crate::eventually("the domain controller takes connections", || {
            TcpStream::connect(("127.0.0.1", 636))
                .map(drop)
                .map_err(|error| format!("{error}: {}", samba.log()))
        });
        let domain = Self {
            folder,
            _samba: samba,
        };
        domain.add(entries);
        domain
    }

    /// Adds entries, or changes them where the LDIF says so.
    ///
    /// # Panics
    /// When the directory does not take them.
    #[expect(clippy::unused_self, reason = "there must be a domain that they are added to")]
    pub fn add(&self, entries: &str) {
        let arguments = ["-x", "-H", "ldaps://127.0.0.1", "-D", ASKER, "-w", PASSWORD, "-a"];
        // OpenLDAP takes `localhost` for the machine's own name; the agent is the one who has to check.
        let environment = [("LDAPTLS_REQCERT", OsStr::new("never"))];
        run(Path::new("ldapmodify"), &arguments, entries, &environment).ok();
    }

    /// The lines of `agent.toml` with which an agent asks this domain.
    ///
    /// # Panics
    /// When the file of the password cannot be written.
    pub fn configuration(&self) -> String {
        let password = self.folder.join("password");
        fs_err::write(&password, format!("{PASSWORD}\n")).expect("writing a password");
        format!(
            "ldap_url = \"ldaps://localhost\"\nldap_bind_dn = \"{ASKER}\"\nldap_password_file = \"{}\"\n\
             verify_cert_ldap = \"{}\"",
            password.display(),
            self.authority().display()
        )
    }

    fn authority(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }
}

fn make_certificate(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let from = now() - jiff::SignedDuration::from_hours(1);
    let to = now() + jiff::SignedDuration::from_hours(24);
    let authority = Authority::create("domain CA", from, to).expect("an authority");
    let names = ["localhost".to_owned()];
    let (certificate, key) = authority.issue_server(&names, from, to).expect("a certificate");
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs_err::write(&path, text).expect("writing a certificate");
        // Samba takes no key that others may read.
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("closing a file");
    };
    write("ca.pem", &authority.certificate().to_pem());
    write("tls.crt", &certificate.to_pem());
    write("tls.pem", &key);
}
