//! `muster key export-p12` and `muster key import-p12`: keys to and from browsers, Windows and other tools.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use muster_shared::crypto::{Certificate, PrivateKey};
use serde_json::json;

use crate::admin::certificate::{CertificateFacts, ordered_chain};
use crate::admin::pkcs12::{self, Identity};
use crate::admin::{key_file, password};
use crate::cli::Shell;
use crate::cli::failure::{Outcome, Refusal};
use crate::cli::secret::SecretSource;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster key export-p12 alice.crt                       alice.pem and alice.crt become alice.p12
  muster key export-p12 bob.crt --key keys/bob.pem --out bob.pfx
  muster key export-p12 alice.crt --password-stdin < passwords.txt")]
pub(crate) struct KeyExport {
    /// The certificate (PEM, signer first)
    #[arg(value_name = "CERTIFICATE")]
    certificate: PathBuf,
    /// Its key (PEM) [default: the certificate's name with .pem]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The file to write, never overwritten [default: the certificate's name with .p12]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Read the passwords from standard input, one a line: first the key's if it has one, then the new file's
    #[arg(long)]
    password_stdin: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster key import-p12 alice.p12                       writes alice.pem and alice.crt
  muster key import-p12 old.pfx alice --password-stdin < passwords.txt

Reads files of openssl, browsers and Windows, also in the older encryptions (3DES, RC2).")]
pub(crate) struct KeyImport {
    /// The PKCS#12 file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Base name of the two files: NAME.pem and NAME.crt, never overwritten [default: the file's]
    #[arg(value_name = "NAME")]
    name: Option<PathBuf>,
    /// Read the passwords from standard input, one a line: first the file's, then the new key's
    #[arg(long)]
    password_stdin: bool,
    /// Leave the key unencrypted: whoever reads the file can sign as you
    #[arg(long)]
    no_password: bool,
}

fn source(stdin: bool) -> SecretSource {
    SecretSource::stdin_or_terminal(stdin, "--password-stdin")
}

pub(super) fn export(arguments: &KeyExport, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let path = &arguments.certificate;
    let key_path = arguments
        .key
        .clone()
        .unwrap_or_else(|| path.with_extension("pem"));
    let out = arguments
        .out
        .clone()
        .unwrap_or_else(|| path.with_extension("p12"));
    if out.symlink_metadata().is_ok() {
        return Err(pkcs12::Pkcs12Error::Exists { path: out }.into());
    }
    let chain =
        Certificate::chain_from_file(path).with_context(|| format!("cannot read {}", path.display()))?;
    let source = source(arguments.password_stdin);
    let text = key_file::read(&key_path)?;
    let old = if PrivateKey::is_encrypted(&text) {
        Some(source.read(&format!("password of {}", key_path.display()))?)
    } else {
        None
    };
    let key = key_file::open(&key_path, old.as_ref())?;
    let first = chain.first().context("the file holds no certificate")?;
    let identity = Identity {
        chain: ordered_chain(first, &chain),
        key,
    };
    let new = source.read_new(&format!("password for {}", out.display()))?;
    password::check(&new)?;
    pkcs12::export(&identity, &new, &out)?;
    shell
        .output
        .json(&json!({ "pkcs12": out, "certificates": identity.chain.len() }))?;
    shell.output.line(out.display().to_string())?;
    Ok(Outcome::Done)
}

pub(super) fn import(arguments: &KeyImport, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let base = arguments
        .name
        .clone()
        .unwrap_or_else(|| arguments.file.with_extension(""));
    let with = |extension: &str| {
        let mut path = base.clone().into_os_string();
        path.push(extension);
        PathBuf::from(path)
    };
    let (key_path, certificate_path) = (with(".pem"), with(".crt"));
    for path in [&key_path, &certificate_path] {
        refuse_taken(path)?;
    }
    if !arguments.file.is_file() {
        return Err(Refusal::new(format!("there is no file {}", arguments.file.display())).into());
    }
    let source = source(arguments.password_stdin);
    let old = source.read(&format!("password of {}", arguments.file.display()))?;
    let identity = pkcs12::import(&arguments.file, &old)?;
    let new = if arguments.no_password {
        shell.output.note(
            "warning: the key is not encrypted; whoever can read its file can install anything on machines that \
             trust you",
        );
        None
    } else {
        let new = source.read_new("password for the new key")?;
        password::check(&new)?;
        Some(new)
    };
    pkcs12::write_pem(&identity, new.as_ref(), &key_path, &certificate_path)?;
    let leaf = identity.chain.first().context("the file holds no certificate")?;
    let facts = CertificateFacts::of(leaf, shell.now);
    shell
        .output
        .json(&json!({ "key": key_path, "certificate": certificate_path, "facts": facts }))?;
    shell.output.facts(&[
        ("key", key_path.display().to_string()),
        ("certificate", certificate_path.display().to_string()),
        ("name", facts.common_name),
        ("kind", facts.key),
        ("valid until", facts.not_after.to_string()),
        ("sha256", facts.fingerprint),
    ])?;
    Ok(Outcome::Done)
}

fn refuse_taken(path: &Path) -> anyhow::Result<()> {
    if path.symlink_metadata().is_ok() {
        return Err(pkcs12::Pkcs12Error::Exists {
            path: path.to_owned(),
        }
        .into());
    }
    Ok(())
}
