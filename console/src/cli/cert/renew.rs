//! `muster cert renew`: a new certificate for the same key.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use jiff::SignedDuration;
use muster_shared::crypto::Certificate;
use muster_shared::crypto::issue::SignerKey;
use serde_json::json;

use crate::admin::certificate::CertificateFacts;
use crate::admin::renew;
use crate::admin::signer::SignerChoice;
use crate::cli::Shell;
use crate::cli::failure::Outcome;
use crate::cli::secret::SecretSource;
use crate::cli::signer::{Authority, ModuleArgument};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster cert renew alice.crt
      signed by alice.pem again, into alice-20260301-100000.crt
  muster cert renew alice.crt --out new.crt --days 730 --use
  muster cert renew bob.crt --ca ca.crt --ca-key ca.pem
  muster cert renew bob.crt --ca ca.crt --ca-key 'pkcs11:token=CA'

Machines that trust the CA take the new certificate at once, and when the old one is the one you
sign with, the new one takes its place in your settings. A self-signed one has to be given to the
machines and the server first, before the old one ends: they trust that very certificate. Until
then you go on signing with the old one; --use switches now. To renew one on a token: muster token
renew.")]
pub(crate) struct CertRenew {
    /// The certificate (PEM)
    #[arg(value_name = "CERTIFICATE")]
    certificate: PathBuf,
    /// The key of a self-signed certificate (PEM) [default: the certificate's name with .pem]
    #[arg(long, value_name = "FILE", conflicts_with = "ca")]
    key: Option<PathBuf>,
    /// The CA that issued it (PEM, or a PKCS#11 URI)
    #[arg(long, value_name = "FILE|URI")]
    ca: Option<PathBuf>,
    /// Key of that CA (PEM, or a PKCS#11 URI) [default: the CA's name with .pem]
    #[arg(long, value_name = "FILE|URI", requires = "ca")]
    ca_key: Option<PathBuf>,
    #[command(flatten)]
    module: ModuleArgument,
    /// How long the new certificate is valid, in days
    #[arg(long, value_name = "DAYS", default_value_t = 3650, value_parser = clap::value_parser!(u16).range(1..=10980))]
    days: u16,
    /// The file to write; when it exists, the time is put behind its name [default: the certificate's]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Sign with the new one from now on, though it is self-signed and machines do not know it yet
    #[arg(long = "use")]
    use_now: bool,
    /// Read the password or PIN of the signing key from standard input
    #[arg(long, visible_alias = "pin-stdin")]
    password_stdin: bool,
}

pub(super) fn renew(arguments: &CertRenew, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let path = &arguments.certificate;
    let chain =
        Certificate::chain_from_file(path).with_context(|| format!("cannot read {}", path.display()))?;
    let old = chain.first().context("the file holds no certificate")?;
    let valid_for = SignedDuration::from_hours(24 * i64::from(arguments.days));
    if arguments.ca.is_none() && !old.is_self_issued() {
        return Err(renew::RenewError::NeedsIssuer {
            name: old.common_name(),
            issuer: old.issuer(),
        }
        .into());
    }
    let source = SecretSource::stdin_or_terminal(arguments.password_stdin, "--password-stdin");
    let authority = Authority {
        certificate: arguments.ca.as_deref().unwrap_or(path),
        key: arguments.ca_key.as_deref().or(arguments.key.as_deref()),
        module: arguments.module.module.as_deref(),
    };
    let signer = authority.open(&source, shell)?;
    let issuer = if arguments.ca.is_some() {
        signer.chain()
    } else {
        &[]
    };
    let new = renew::renew(old, issuer, &SignerKey(signer.as_ref()), valid_for, shell.now)?;
    let out = renew::write_beside(arguments.out.as_deref().unwrap_or(path), &new, shell.now)?;
    let leaf = new.first().context("no certificate was made")?;
    let facts = CertificateFacts::of(leaf, shell.now);
    shell
        .output
        .json(&json!({ "certificate": out, "facts": facts }))?;
    shell.output.facts(&[
        ("certificate", out.display().to_string()),
        ("name", facts.common_name),
        ("valid until", facts.not_after.to_string()),
        ("sha256", facts.fingerprint),
    ])?;
    let at_once = arguments.use_now || !old.is_self_issued();
    keep_as_signer(path, &out, at_once, shell);
    Ok(Outcome::Done)
}

/// Who signed with the old certificate signs with the new one: from now on, or once machines know it.
fn keep_as_signer(old: &Path, new: &Path, at_once: bool, shell: &mut Shell) {
    let absolute = |path: &Path| fs_err::canonicalize(path).unwrap_or_else(|_gone| path.to_owned());
    let Ok(folder) = shell.folder() else { return };
    let Ok(mut settings) = folder.load() else { return };
    let Some(SignerChoice::KeyFile { certificate, key }) = &mut settings.signer else {
        return;
    };
    if absolute(certificate) != absolute(old) || absolute(old) == absolute(new) {
        return;
    }
    if !at_once {
        shell.output.note(format!(
            "you still sign with {}: machines trust that very certificate and do not know the new one yet",
            old.display()
        ));
        shell.output.note(format!(
            "give {0} to the machines and the server (muster-server trust add); then sign with it: --certificate {0} \
             --key {1}, or name it as the signer's certificate in {2}",
            new.display(),
            key.display(),
            folder.path().join("console.toml").display()
        ));
        return;
    }
    *certificate = absolute(new);
    match folder.save(&settings) {
        Ok(()) => shell
            .output
            .note("kept in your settings: you sign with the new certificate"),
        Err(error) => shell.output.note(format!(
            "warning: the new certificate could not be kept as the one you sign with: {}",
            muster_shared::hint::chain(&error)
        )),
    }
}
