//! `muster token`: smartcards and other PKCS#11 tokens: what is on them, putting keys there, their PIN.

mod create;
mod import;
mod list;
mod pin;
mod renew;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use muster_shared::crypto::pkcs11_uri::Pkcs11Uri;
use muster_shared::crypto::token::{OpenToken, PinState, TokenName};
use serde_json::json;

use super::Shell;
use super::failure::{Outcome, Refusal};
use super::secret::SecretSource;
use crate::admin::certificate::CertificateFacts;
use crate::admin::signer;
use crate::admin::token::{self, OnToken};

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// List tokens and the certificates that show without a PIN
    List(list::TokenList),
    /// Make a key on a token, which never leaves it, and its certificate
    Create(create::TokenCreate),
    /// Bring an existing key and its certificate onto a token
    Import(import::TokenImport),
    /// Make a new certificate for a key on a token
    Renew(renew::TokenRenew),
    /// Change a token's PIN
    Pin(pin::TokenPin),
}

pub(crate) fn run(command: TokenCommand, shell: &mut Shell) -> anyhow::Result<Outcome> {
    match command {
        TokenCommand::List(arguments) => list::list(arguments, shell),
        TokenCommand::Create(arguments) => create::create(&arguments, shell),
        TokenCommand::Import(arguments) => import::import(&arguments, shell),
        TokenCommand::Renew(arguments) => renew::renew(&arguments, shell),
        TokenCommand::Pin(arguments) => pin::pin(&arguments, shell),
    }
}

/// Which token.
#[derive(Debug, Args)]
struct TokenArguments {
    /// The token's PKCS#11 library [default: the one in your settings]
    #[arg(
        long,
        value_name = "LIB",
        env = "MUSTER_PKCS11_MODULE",
        hide_env_values = true
    )]
    module: Option<PathBuf>,
    /// The token: its label, its serial number, or a PKCS#11 URI [default: the only one]
    #[arg(long, value_name = "TOKEN", default_value = "", hide_default_value = true)]
    token: String,
}

impl TokenArguments {
    fn name(&self) -> anyhow::Result<TokenName> {
        Ok(token::name_of(&self.token)?)
    }

    fn uri(&self) -> anyhow::Result<Option<Pkcs11Uri>> {
        Ok(match self.name()? {
            TokenName::Uri(uri) => Some(*uri),
            TokenName::Text(_) => None,
        })
    }

    fn library(&self, shell: &Shell) -> anyhow::Result<PathBuf> {
        let known = shell.settings()?.modules;
        if let Some(module) = self.uri()?.and_then(|uri| token::module_of(&uri, &known)) {
            return Ok(module);
        }
        match (&self.module, known.as_slice()) {
            (Some(module), _) | (None, [module]) => Ok(module.clone()),
            _ => Err(Refusal::new("the token's PKCS#11 library is not named")
                .hint("name it with --module, for example /usr/lib/x86_64-linux-gnu/opensc-pkcs11.so")
                .into()),
        }
    }

    /// Unlocks the token; its PIN comes from `source`, and is tried once.
    fn open(&self, source: &SecretSource, shell: &Shell) -> anyhow::Result<OpenToken> {
        let library = self.library(shell)?;
        let name = self.name()?;
        let info = name.find(&library)?;
        let needed = matches!(
            info.pin,
            PinState::Ready | PinState::WrongBefore | PinState::LastTry
        );
        let from_file = match self.uri()? {
            Some(uri) => signer::pin_of(&uri)?,
            None => None,
        };
        let pin = match from_file {
            Some(pin) => Some(pin),
            None if needed => Some(source.read(&format!("PIN of {}", info.label))?),
            None => None,
        };
        Ok(OpenToken::open(&library, &name, pin.as_ref())?)
    }
}

fn secrets(stdin: bool) -> SecretSource {
    SecretSource::stdin_or_terminal(stdin, "--pin-stdin")
}

/// What is on the token now.
fn write_result(done: &OnToken, file: Option<&std::path::Path>, shell: &mut Shell) -> anyhow::Result<()> {
    let Some(leaf) = done.chain.first() else {
        return Ok(());
    };
    let facts = CertificateFacts::of(leaf, shell.now);
    let uri = done.uri.to_string();
    shell
        .output
        .json(&json!({ "id": done.id, "uri": uri, "certificate": file, "facts": facts }))?;
    shell.output.facts(&[
        ("key", uri),
        ("key id", done.id.clone()),
        (
            "certificate",
            file.map(|file| file.display().to_string()).unwrap_or_default(),
        ),
        ("name", facts.common_name),
        ("kind", facts.key),
        ("valid until", facts.not_after.to_string()),
        ("sha256", facts.fingerprint),
    ])?;
    for sentence in &facts.may {
        shell.output.line(format!("may {sentence}"))?;
    }
    Ok(())
}
