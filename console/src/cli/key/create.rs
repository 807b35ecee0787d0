//! `muster key create`: a person's key and certificate.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::profile::{Kind, KindArguments, ProfileArguments};
use crate::admin::certificate::CertificateFacts;
use crate::admin::key::{self, Issuer, KeyCreateError, KeyRequest, KeyType};
use crate::admin::password;
use crate::admin::signer::SignerChoice;
use crate::cli::Shell;
use crate::cli::failure::Outcome;
use crate::cli::secret::SecretSource;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster key create alice --cn 'Alice Martin' --organisation 'Example' --country FR
      alice.pem (your key, encrypted with the password you are asked for twice)
      alice.crt (your certificate: give it to every machine and server that is to trust you)
  muster key create deployer --no-code-signing
      may assign packages and order actions, but sign no package with setup.py
  muster key create ca --ca --no-code-signing, then
  muster key create bob --issuer ca.crt --issuer-key ca.pem
      machines that trust ca.crt trust everyone it issued a certificate for
  muster key create bob --issuer 'pkcs11:token=CA;object=ca' --p12
      issued by a CA whose key is on a token; bob.p12 beside bob.pem and bob.crt
  muster key create ci --password-stdin < password.txt
      without a terminal

A password has at least 10 characters. Keep the key and its password to yourself: whoever has both
can install anything on machines that trust you.")]
pub(crate) struct KeyCreate {
    /// Base name of the two files: NAME.pem and NAME.crt, never overwritten
    #[arg(value_name = "NAME")]
    name: PathBuf,
    #[command(flatten)]
    kind: KindArguments,
    #[command(flatten)]
    profile: ProfileArguments,
    /// Also write NAME.p12 (PKCS#12), with the same password: for browsers, Windows and other tools
    #[arg(long, conflicts_with = "no_password")]
    p12: bool,
    /// Read the passwords from standard input, one a line: first of the CA's key if it has one, then the new one
    #[arg(long, conflicts_with = "no_password")]
    password_stdin: bool,
    /// Leave the key unencrypted: whoever reads the file can sign as you
    #[arg(long)]
    no_password: bool,
}

#[derive(Serialize)]
struct Created<'a> {
    key: &'a std::path::Path,
    certificate: &'a std::path::Path,
    #[serde(skip_serializing_if = "Option::is_none")]
    pkcs12: Option<&'a std::path::Path>,
    encrypted: bool,
    facts: CertificateFacts,
}

pub(super) fn create(arguments: KeyCreate, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let with = |extension: &str| {
        let mut path = arguments.name.clone().into_os_string();
        path.push(extension);
        PathBuf::from(path)
    };
    let base = arguments
        .name
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let profile = &arguments.profile;
    let mut request = KeyRequest {
        key_type: match arguments.kind.kind {
            Kind::Rsa => KeyType::Rsa {
                bits: usize::from(arguments.kind.bits),
            },
            Kind::Ec => KeyType::Ec,
        },
        subject: profile.subject(&base),
        purpose: profile.purpose(),
        valid_for: profile.valid_for(),
        issuer: Issuer::SelfSigned,
        key_path: with(".pem"),
        certificate_path: with(".crt"),
        password: None,
        pkcs12: None,
    };
    // Nobody types a password twice to hear then that the name is taken.
    key::check(&request)?;
    if arguments.p12 && with(".p12").symlink_metadata().is_ok() {
        return Err(KeyCreateError::Exists { path: with(".p12") }.into());
    }
    let source = SecretSource::stdin_or_terminal(
        arguments.password_stdin,
        "--password-stdin, or leave it out with --no-password",
    );
    request.issuer = profile.issuer(&source, shell)?;
    if arguments.no_password {
        shell.output.note(
            "warning: the key is not encrypted; whoever can read its file can install anything on machines that \
             trust you",
        );
    } else {
        let password = source.read_new("password for the new key")?;
        password::check(&password)?;
        if arguments.p12 {
            request.pkcs12 = Some((with(".p12"), password.clone()));
        }
        request.password = Some(password);
    }
    shell.output.progress("making the key…");
    let certificate = key::create(&request, shell.now)?;
    shell.output.clear_progress();

    let facts = CertificateFacts::of(&certificate, shell.now);
    shell.output.json(&Created {
        key: &request.key_path,
        certificate: &request.certificate_path,
        pkcs12: request.pkcs12.as_ref().map(|(path, _password)| path.as_path()),
        encrypted: request.password.is_some(),
        facts: facts.clone(),
    })?;
    if let Some((path, _password)) = &request.pkcs12 {
        shell.output.note(format!("also written: {}", path.display()));
    }
    shell.output.facts(&[
        ("key", request.key_path.display().to_string()),
        ("certificate", request.certificate_path.display().to_string()),
        ("name", facts.common_name),
        ("kind", facts.key),
        ("valid until", facts.not_after.to_string()),
        ("sha256", facts.fingerprint),
    ])?;
    for sentence in &facts.may {
        shell.output.line(format!("may {sentence}"))?;
    }
    keep_as_signer(&request, shell);
    Ok(Outcome::Done)
}

/// The first key that a person makes becomes the one they sign with; later ones have to be named.
fn keep_as_signer(request: &KeyRequest, shell: &mut Shell) {
    let absolute = |path: &PathBuf| fs_err::canonicalize(path).unwrap_or_else(|_gone| path.clone());
    let Ok(folder) = shell.folder() else { return };
    let Ok(mut settings) = folder.load() else { return };
    if settings.signer.is_some() || request.purpose.authority {
        return;
    }
    settings.signer = Some(SignerChoice::KeyFile {
        certificate: absolute(&request.certificate_path),
        key: absolute(&request.key_path),
    });
    match folder.save(&settings) {
        Ok(()) => shell
            .output
            .note("kept in your settings: you sign with this key unless you name another"),
        Err(error) => shell.output.note(format!(
            "warning: this key could not be kept as the one you sign with: {}",
            muster_shared::hint::chain(&error)
        )),
    }
}
