//! A SoftHSM token with a person's key and certificate on it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::process::run;

/// A token in a folder of its own. Programs find it through `SOFTHSM2_CONF`.
pub struct Token {
    conf: PathBuf,
    module: PathBuf,
}

impl Token {
    /// The PIN of every token made here.
    pub const PIN: &'static str = "482913";
    /// The label of every token made here.
    pub const LABEL: &'static str = "Alice";

    /// Makes a token that holds this key and certificate (PEM, not encrypted).
    ///
    /// # Panics
    /// When SoftHSM or its tools are missing: `make setup` installs them.
    pub fn holding(folder: &Path, key: &Path, certificate: &Path) -> Self {
        let module = [
            "/usr/lib/softhsm/libsofthsm2.so",
            "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
        ]
        .iter()
        .map(PathBuf::from)
        .find(|path| path.exists())
        .expect("SoftHSM is installed: make setup");
        let home = folder.join("softhsm");
        fs_err::create_dir_all(home.join("tokens")).expect("a folder for tokens");
        let conf = home.join("softhsm2.conf");
        fs_err::write(
            &conf,
            format!("directories.tokendir = {}\n", home.join("tokens").display()),
        )
        .expect("conf");
        let token = Self { conf, module };
        token.tool(
            "softhsm2-util",
            &[
                "--init-token",
                "--free",
                "--label",
                Self::LABEL,
                "--pin",
                Self::PIN,
                "--so-pin",
                "87654321",
            ],
        );
        for (source, kind, convert) in [
            (key, "privkey", vec!["pkcs8", "-topk8", "-nocrypt"]),
            (certificate, "cert", vec!["x509"]),
        ] {
            let der = home.join(kind);
            let (source, der) = (
                source.to_str().expect("a plain path"),
                der.to_str().expect("a plain path"),
            );
            token.tool(
                "openssl",
                &[convert, vec!["-in", source, "-outform", "DER", "-out", der]].concat(),
            );
            let module = token.module.to_str().expect("a plain path").to_owned();
            token.tool(
                "pkcs11-tool",
                &[
                    "--module",
                    &module,
                    "--login",
                    "--pin",
                    Self::PIN,
                    "--token-label",
                    Self::LABEL,
                    "--write-object",
                    der,
                    "--type",
                    kind,
                    "--id",
                    "01",
                    "--label",
                    "signature",
                ],
            );
            fs_err::remove_file(der).ok();
        }
        token
    }

    /// `SOFTHSM2_CONF` for programs that should see this token.
    pub fn conf(&self) -> &Path {
        &self.conf
    }

    /// The PKCS#11 library.
    pub fn module(&self) -> &Path {
        &self.module
    }

    fn tool(&self, program: &str, args: &[&str]) {
        run(
            Path::new(program),
            args,
            "",
            &[
                ("SOFTHSM2_CONF", self.conf.as_os_str()),
                ("LANG", OsStr::new("C")),
            ],
        )
        .ok();
    }
}
