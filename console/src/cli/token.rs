//! `muster token list`: smartcards and other PKCS#11 tokens, and the certificates on them.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::Shell;
use super::failure::{Outcome, Refusal};
use super::output::{Table, Tone};
use crate::admin::certificate::CertificateFacts;
use crate::admin::signer;

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// List tokens and the certificates that show without a PIN
    List(TokenList),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster token list --module /usr/lib/x86_64-linux-gnu/opensc-pkcs11.so
  muster package build demo-hello --module LIB --token LABEL    sign with the token so labelled

Common libraries: opensc-pkcs11.so (most smartcards), libykcs11.so (YubiKey), libsofthsm2.so (for
trying).")]
pub(crate) struct TokenList {
    /// PKCS#11 libraries to look through [default: those in your settings]
    #[arg(
        long = "module",
        value_name = "LIB",
        env = "MUSTER_PKCS11_MODULE",
        hide_env_values = true
    )]
    modules: Vec<PathBuf>,
}

#[derive(Serialize)]
struct TokenRow {
    module: PathBuf,
    slot: u64,
    label: String,
    serial: String,
    manufacturer: String,
    pin: &'static str,
    certificates: Vec<OnToken>,
}

#[derive(Serialize)]
struct OnToken {
    id: String,
    label: String,
    facts: CertificateFacts,
}

pub(crate) fn run(command: TokenCommand, shell: &mut Shell) -> anyhow::Result<Outcome> {
    match command {
        TokenCommand::List(arguments) => list(arguments, shell),
    }
}

fn list(arguments: TokenList, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let modules = if arguments.modules.is_empty() {
        shell.settings()?.modules
    } else {
        arguments.modules
    };
    if modules.is_empty() {
        return Err(Refusal::new("no PKCS#11 library is named")
            .hint("name it with --module, for example /usr/lib/x86_64-linux-gnu/opensc-pkcs11.so")
            .into());
    }
    let now = shell.now;
    let tokens: Vec<TokenRow> = signer::list_tokens(&modules)?
        .into_iter()
        .map(|token| TokenRow {
            module: token.module,
            slot: token.slot,
            label: token.label,
            serial: token.serial,
            manufacturer: token.manufacturer,
            pin: token.pin.text(),
            certificates: token
                .certificates
                .into_iter()
                .map(|held| OnToken {
                    id: held.id,
                    label: held.label,
                    facts: CertificateFacts::of(&held.certificate, now),
                })
                .collect(),
        })
        .collect();
    shell.output.json(&tokens)?;
    if tokens.is_empty() {
        shell.output.note("no token is plugged in");
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(vec![
        "TOKEN",
        "SERIAL",
        "PIN",
        "KEY ID",
        "CERTIFICATE",
        "KEY",
        "UNTIL",
        "CODE",
    ]);
    for token in &tokens {
        if token.certificates.is_empty() {
            let none = shell.output.tone(Tone::Faint, "none shows");
            table.row(vec![
                token.label.clone(),
                token.serial.clone(),
                token.pin.to_owned(),
                String::new(),
                none,
            ]);
        }
        for held in &token.certificates {
            table.row(vec![
                token.label.clone(),
                token.serial.clone(),
                token.pin.to_owned(),
                held.id.clone(),
                held.facts.common_name.clone(),
                held.facts.key.clone(),
                held.facts.not_after.to_string(),
                if held.facts.may_sign_code {
                    "may sign code".to_owned()
                } else {
                    "no code".to_owned()
                },
            ]);
        }
    }
    table.write(&mut shell.output)?;
    Ok(Outcome::Done)
}
