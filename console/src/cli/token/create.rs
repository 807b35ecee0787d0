//! `muster token create`: a key that is made on a token and never leaves it.

use std::path::PathBuf;

use clap::Args;
use muster_shared::crypto::token::NewKey;

use super::{TokenArguments, secrets, write_result};
use crate::admin::key::Profile;
use crate::admin::{renew, token};
use crate::cli::Shell;
use crate::cli::failure::{Outcome, Refusal};
use crate::cli::key::{KindArguments, ProfileArguments};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster token create alice --module LIB --token 'Alice card' --cn 'Alice Martin'
      makes an RSA key on the card, its certificate beside it, and alice.crt here
  muster token create bob --token 'pkcs11:serial=1234' --type ec --issuer ca.crt --issuer-key
      ca.pem
  muster token create ca --ca --no-code-signing --bits 4096

Then: muster package build demo-hello --key 'pkcs11:token=Alice%20card;object=alice'")]
pub(crate) struct TokenCreate {
    /// The key's label on the token, and base name of the certificate's file
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    token: TokenArguments,
    #[command(flatten)]
    kind: KindArguments,
    #[command(flatten)]
    profile: ProfileArguments,
    /// The key's id on the token, in hex [default: the lowest free number]
    #[arg(long, value_name = "HEX")]
    id: Option<String>,
    /// Where the certificate is written as well (PEM), never overwritten [default: NAME.crt]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Read the secrets from standard input, one a line: first of the CA's key if it has one, then the token's PIN
    #[arg(long)]
    pin_stdin: bool,
}

pub(super) fn create(arguments: &TokenCreate, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let out = arguments
        .out
        .clone()
        .unwrap_or_else(|| PathBuf::from(format!("{}.crt", arguments.name)));
    if out.symlink_metadata().is_ok() {
        return Err(Refusal::new(format!("{} exists already", out.display()))
            .hint("choose another name with --out; nothing is overwritten")
            .into());
    }
    let source = secrets(arguments.pin_stdin);
    let issuer = arguments.profile.issuer(&source, shell)?;
    let open = arguments.token.open(&source, shell)?;
    let subject = arguments.profile.subject(&arguments.name);
    let profile = Profile {
        subject: &subject,
        purpose: arguments.profile.purpose(),
        valid_for: arguments.profile.valid_for(),
        issuer: &issuer,
    };
    let kind = match arguments.kind.kind {
        crate::cli::key::Kind::Rsa => NewKey::Rsa {
            bits: arguments.kind.bits,
        },
        crate::cli::key::Kind::Ec => NewKey::Ec,
    };
    shell.output.progress("making the key on the token…");
    let done = token::create(
        &open,
        kind,
        &arguments.name,
        arguments.id.as_deref(),
        &profile,
        shell.now,
    )?;
    shell.output.clear_progress();
    let file = renew::write_beside(&out, &done.chain, shell.now)?;
    write_result(&done, Some(&file), shell)?;
    Ok(Outcome::Done)
}
