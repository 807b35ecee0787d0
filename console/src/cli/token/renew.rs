//! `muster token renew`: a new certificate for a key on a token.

use std::path::PathBuf;

use clap::Args;
use jiff::SignedDuration;

use super::{TokenArguments, secrets, write_result};
use crate::admin::{renew, token};
use crate::cli::Shell;
use crate::cli::failure::Outcome;
use crate::cli::signer::Authority;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster token renew --module LIB --token 'Alice card'
      a self-signed certificate, signed by its key on the card again
  muster token renew --token 'pkcs11:token=Bob;id=%01' --ca ca.crt --ca-key ca.pem --out bob.crt

The new certificate takes the place of the old one on the token, which is taken off last.")]
pub(crate) struct TokenRenew {
    #[command(flatten)]
    token: TokenArguments,
    /// Which key, when the token holds several: its id in hex, label, or the certificate's fingerprint
    #[arg(long, value_name = "ID")]
    key_id: Option<String>,
    /// The CA that issued it (PEM, or a PKCS#11 URI)
    #[arg(long, value_name = "FILE|URI")]
    ca: Option<PathBuf>,
    /// Key of that CA (PEM, or a PKCS#11 URI) [default: the CA's name with .pem]
    #[arg(long, value_name = "FILE|URI", requires = "ca")]
    ca_key: Option<PathBuf>,
    /// How long the new certificate is valid, in days
    #[arg(long, value_name = "DAYS", default_value_t = 3650, value_parser = clap::value_parser!(u16).range(1..=10980))]
    days: u16,
    /// Also write the certificate to a file (PEM); when it exists, the time is put behind its name
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Read the secrets from standard input, one a line: first of the CA's key if it has one, then the token's PIN
    #[arg(long)]
    pin_stdin: bool,
}

pub(super) fn renew(arguments: &TokenRenew, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let source = secrets(arguments.pin_stdin);
    let issuer = match &arguments.ca {
        None => None,
        Some(certificate) => {
            let authority = Authority {
                certificate,
                key: arguments.ca_key.as_deref(),
                module: arguments.token.module.as_deref(),
            };
            Some(authority.open(&source, shell)?)
        }
    };
    let wanted = match (&arguments.key_id, arguments.token.uri()?) {
        (Some(id), _) => id.clone(),
        (None, Some(uri)) => uri.id.map(hex::encode).or(uri.object).unwrap_or_default(),
        (None, None) => String::new(),
    };
    let open = arguments.token.open(&source, shell)?;
    let valid_for = SignedDuration::from_hours(24 * i64::from(arguments.days));
    let done = token::renew(&open, &wanted, issuer.as_deref(), valid_for, shell.now)?;
    let file = match &arguments.out {
        Some(out) => Some(renew::write_beside(out, &done.chain, shell.now)?),
        None => None,
    };
    write_result(&done, file.as_deref(), shell)?;
    Ok(Outcome::Done)
}
