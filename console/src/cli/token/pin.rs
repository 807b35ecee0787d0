//! `muster token pin`: another PIN for a token.

use clap::Args;
use muster_shared::crypto::token::change_pin;
use serde_json::json;

use super::{TokenArguments, secrets};
use crate::cli::Shell;
use crate::cli::failure::Outcome;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster token pin --module LIB --token 'Alice card'
      asks for the old PIN, then twice for the new one
  muster token pin --token 'pkcs11:serial=1234' --pin-stdin < two-lines.txt

A wrong PIN is never tried again: after a few, tokens lock.")]
pub(crate) struct TokenPin {
    #[command(flatten)]
    token: TokenArguments,
    /// Read the PINs from standard input, one a line: the old one, then the new one
    #[arg(long)]
    pin_stdin: bool,
}

pub(super) fn pin(arguments: &TokenPin, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let library = arguments.token.library(shell)?;
    let name = arguments.token.name()?;
    let info = name.find(&library)?;
    let source = secrets(arguments.pin_stdin);
    let old = source.read(&format!("PIN of {}", info.label))?;
    let new = source.read_new(&format!("new PIN for {}", info.label))?;
    change_pin(&library, &name, &old, &new)?;
    shell
        .output
        .json(&json!({ "token": info.label, "serial": info.serial }))?;
    shell
        .output
        .line(format!("the token {} has its new PIN", info.label))?;
    Ok(Outcome::Done)
}
