//! `muster key create`: a person's key and certificate.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use jiff::SignedDuration;
use muster_shared::crypto::PrivateKey;
use muster_shared::crypto::issue::{Purpose, Subject};
use serde::Serialize;

use super::Shell;
use super::failure::Outcome;
use super::secret::SecretSource;
use crate::admin::certificate::CertificateFacts;
use crate::admin::key::{self, Issuer, KeyRequest, KeyType};
use crate::admin::signer::SignerChoice;

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make your key and its certificate
    Create(KeyCreate),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Accepted everywhere, also by agents of WAPT 1.8
    Rsa,
    /// EC P-256: smaller and faster; agents of WAPT 1.8 refuse it
    Ec,
}

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
  muster key create ci --password-stdin < password.txt
      without a terminal

Keep the key and its password to yourself: whoever has both can install anything on machines that
trust you.")]
pub(crate) struct KeyCreate {
    /// Base name of the two files: NAME.pem and NAME.crt, never overwritten
    #[arg(value_name = "NAME")]
    name: PathBuf,
    /// Your name, shown as the signer of your packages [default: the base name]
    #[arg(long, value_name = "TEXT")]
    cn: Option<String>,
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true,
        help = "Organisation"
    )]
    organisation: String,
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true,
        help = "Service or department"
    )]
    unit: String,
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true,
        help = "City"
    )]
    locality: String,
    /// Two letters
    #[arg(long, value_name = "XX", default_value = "", hide_default_value = true)]
    country: String,
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "",
        hide_default_value = true,
        help = "E-mail address"
    )]
    email: String,
    /// Kind of key
    #[arg(long = "type", value_name = "KIND", value_enum, default_value_t = Kind::Rsa)]
    kind: Kind,
    /// Length of an RSA key, 2048 to 4096
    #[arg(long, default_value_t = 2048, value_parser = clap::value_parser!(u16).range(2048..=4096))]
    bits: u16,
    /// How long the certificate is valid, in days
    #[arg(long, value_name = "DAYS", default_value_t = 3650, value_parser = clap::value_parser!(u16).range(1..=10980))]
    days: u16,
    /// The certificate may not sign packages that carry code (setup.py)
    #[arg(long)]
    no_code_signing: bool,
    /// The certificate may issue certificates for others
    #[arg(long)]
    ca: bool,
    /// Have the certificate issued by this CA instead of signing it by itself (PEM)
    #[arg(long, value_name = "FILE", requires = "issuer_key")]
    issuer: Option<PathBuf>,
    /// Key of that CA (PEM); its password is asked for first
    #[arg(long, value_name = "FILE", requires = "issuer")]
    issuer_key: Option<PathBuf>,
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
    encrypted: bool,
    facts: CertificateFacts,
}

pub(crate) fn run(command: KeyCommand, shell: &mut Shell) -> anyhow::Result<Outcome> {
    match command {
        KeyCommand::Create(arguments) => create(arguments, shell),
    }
}

fn create(arguments: KeyCreate, shell: &mut Shell) -> anyhow::Result<Outcome> {
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
    let mut request = KeyRequest {
        key_type: match arguments.kind {
            Kind::Rsa => KeyType::Rsa {
                bits: usize::from(arguments.bits),
            },
            Kind::Ec => KeyType::Ec,
        },
        subject: Subject {
            common_name: arguments.cn.unwrap_or(base),
            organisation: arguments.organisation,
            unit: arguments.unit,
            locality: arguments.locality,
            country: arguments.country,
            email: arguments.email,
        },
        purpose: Purpose {
            code_signing: !arguments.no_code_signing,
            client_auth: true,
            authority: arguments.ca,
        },
        valid_for: SignedDuration::from_hours(24 * i64::from(arguments.days)),
        issuer: Issuer::SelfSigned,
        key_path: with(".pem"),
        certificate_path: with(".crt"),
        password: None,
    };
    // Nobody types a password twice to hear then that the name is taken.
    key::check(&request)?;
    let source = if arguments.password_stdin {
        SecretSource::Stdin
    } else {
        SecretSource::Terminal {
            instead: "--password-stdin, or leave it out with --no-password",
        }
    };
    if let (Some(certificate), Some(issuer_key)) = (&arguments.issuer, &arguments.issuer_key) {
        let encrypted = fs_err::read_to_string(issuer_key).is_ok_and(|pem| PrivateKey::is_encrypted(&pem));
        let password = if encrypted {
            Some(source.read(&format!("password of {}", issuer_key.display()))?)
        } else {
            None
        };
        request.issuer = key::open_issuer(certificate, issuer_key, password.as_ref())?;
    }
    if arguments.no_password {
        shell.output.note(
            "warning: the key is not encrypted; whoever can read its file can install anything on machines that \
             trust you",
        );
    } else {
        request.password = Some(source.read_new("password for the new key")?);
    }
    shell.output.progress("making the key…");
    let certificate = key::create(&request, shell.now)?;
    shell.output.clear_progress();

    let facts = CertificateFacts::of(&certificate, shell.now);
    shell.output.json(&Created {
        key: &request.key_path,
        certificate: &request.certificate_path,
        encrypted: request.password.is_some(),
        facts: facts.clone(),
    })?;
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
