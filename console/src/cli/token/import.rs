//! `muster token import`: an existing key and certificate onto a token.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use muster_shared::crypto::{Certificate, PrivateKey};

use super::{TokenArguments, secrets, write_result};
use crate::admin::certificate::ordered_chain;
use crate::admin::{key_file, token};
use crate::cli::Shell;
use crate::cli::failure::Outcome;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster token import alice.crt --module LIB --token 'Alice card'
      alice.pem and alice.crt go onto the card
  muster token import bob.crt --key keys/bob.pem --token 'pkcs11:serial=1234' --label signing

The files stay. Once the token signs, keep the key file somewhere safe, or delete it.")]
pub(crate) struct TokenImport {
    /// The certificate (PEM, signer first)
    #[arg(value_name = "CERTIFICATE")]
    certificate: PathBuf,
    /// Its key (PEM) [default: the certificate's name with .pem]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    token: TokenArguments,
    /// The key's label on the token [default: the certificate's file name]
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
    /// The key's id on the token, in hex [default: the lowest free number]
    #[arg(long, value_name = "HEX")]
    id: Option<String>,
    /// Read the secrets from standard input, one a line: first the key's password if it has one, then the token's PIN
    #[arg(long)]
    pin_stdin: bool,
}

pub(super) fn import(arguments: &TokenImport, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let path = &arguments.certificate;
    let chain =
        Certificate::chain_from_file(path).with_context(|| format!("cannot read {}", path.display()))?;
    let first = chain.first().context("the file holds no certificate")?;
    let chain = ordered_chain(first, &chain);
    let key_path = arguments
        .key
        .clone()
        .unwrap_or_else(|| path.with_extension("pem"));
    let source = secrets(arguments.pin_stdin);
    let encrypted = PrivateKey::is_encrypted(&key_file::read(&key_path)?);
    let password = if encrypted {
        Some(source.read(&format!("password of {}", key_path.display()))?)
    } else {
        None
    };
    let key = key_file::open(&key_path, password.as_ref())?;
    let stem = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let label = arguments.label.clone().unwrap_or(stem);
    let open = arguments.token.open(&source, shell)?;
    let done = token::import(&open, &key, &chain, &label, arguments.id.as_deref())?;
    write_result(&done, Some(path), shell)?;
    Ok(Outcome::Done)
}
