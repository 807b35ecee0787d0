//! `muster token list`: smartcards and other PKCS#11 tokens, and the certificates on them.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::admin::certificate::CertificateFacts;
use crate::admin::signer;
use crate::cli::Shell;
use crate::cli::failure::{Outcome, Refusal};
use crate::cli::output::{Table, Tone};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster token list --module /usr/lib/x86_64-linux-gnu/opensc-pkcs11.so
  muster package build demo-hello --module LIB --token LABEL    sign with the token so labelled
  muster package build demo-hello --module LIB --key 'pkcs11:token=LABEL;id=%01'

The lines below the table are PKCS#11 URIs (RFC 7512): they name a token or a key wherever --key,
--issuer or --ca-key take one.

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
    model: String,
    uri: String,
    pin: &'static str,
    certificates: Vec<OnToken>,
}

#[derive(Serialize)]
struct OnToken {
    id: String,
    label: String,
    uri: String,
    facts: CertificateFacts,
}

pub(super) fn list(arguments: TokenList, shell: &mut Shell) -> anyhow::Result<Outcome> {
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
            uri: token.uri(None).to_string(),
            certificates: token
                .certificates
                .iter()
                .map(|held| OnToken {
                    id: held.id.clone(),
                    label: held.label.clone(),
                    uri: token.uri(Some(held)).to_string(),
                    facts: CertificateFacts::of(&held.certificate, now),
                })
                .collect(),
            module: token.module,
            slot: token.slot,
            label: token.label,
            serial: token.serial,
            manufacturer: token.manufacturer,
            model: token.model,
            pin: token.pin.text(),
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
    shell.output.line("")?;
    for token in &tokens {
        // What is copied into --key: the token alone, then each key on it.
        shell.output.line(&token.uri)?;
        for held in &token.certificates {
            shell.output.line(format!("  {}", held.uri))?;
        }
    }
    Ok(Outcome::Done)
}
