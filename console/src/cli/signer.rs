//! Who signs: the options that every signing command shares, and opening the signer late.

use std::path::PathBuf;

use clap::Args;
use muster_shared::crypto::Signer;

use super::Shell;
use super::failure::Refusal;
use super::secret::SecretSource;
use crate::admin::signer::{self, SecretKind, SignerChoice};

/// Names the file that holds the key's password.
const PASSWORD_FILE_VARIABLE: &str = "MUSTER_KEY_PASSWORD_FILE";

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Who signs (else the signer kept in your settings)")]
pub(crate) struct SignerArguments {
    /// Your certificate (PEM, signer first)
    #[arg(long, value_name = "FILE", env = "MUSTER_CERTIFICATE", hide_env_values = true)]
    certificate: Option<PathBuf>,
    /// Your key (PEM) [default: the certificate's name with .pem]
    #[arg(long, value_name = "FILE", env = "MUSTER_KEY", hide_env_values = true)]
    key: Option<PathBuf>,
    /// Read the key's password from standard input [else the file in MUSTER_KEY_PASSWORD_FILE, else asked]
    #[arg(long)]
    password_stdin: bool,
    /// Sign with a token: its PKCS#11 library
    #[arg(
        long,
        value_name = "LIB",
        env = "MUSTER_PKCS11_MODULE",
        hide_env_values = true
    )]
    module: Option<PathBuf>,
    /// Sign with the token that has this label; `muster token list` shows them
    #[arg(long, value_name = "LABEL", conflicts_with = "key")]
    token: Option<String>,
    /// Which key of the token, when it holds several (hex)
    #[arg(long, value_name = "ID")]
    key_id: Option<String>,
    /// Read the token's PIN from standard input
    #[arg(long)]
    pin_stdin: bool,
}

impl SignerArguments {
    /// The signer meant; nothing is opened yet.
    pub(crate) fn choice(&self, shell: &Shell) -> anyhow::Result<SignerChoice> {
        if let Some(label) = &self.token {
            return Ok(SignerChoice::Token {
                module: self.module(shell)?,
                label: label.clone(),
                key_id: self.key_id.clone(),
            });
        }
        if let Some(certificate) = &self.certificate {
            let key = self
                .key
                .clone()
                .unwrap_or_else(|| certificate.with_extension("pem"));
            return Ok(SignerChoice::KeyFile {
                certificate: certificate.clone(),
                key,
            });
        }
        if let Some(key) = &self.key {
            return Ok(SignerChoice::KeyFile {
                certificate: key.with_extension("crt"),
                key: key.clone(),
            });
        }
        if let Some(kept) = shell.settings()?.signer {
            return Ok(kept);
        }
        if let Some(module) = &self.module {
            return Ok(signer::only_token(module)?);
        }
        Err(Refusal::new("no signer is named")
            .hint("sign with your key: --certificate alice.crt --key alice.pem (or MUSTER_CERTIFICATE, MUSTER_KEY)")
            .hint("or with a token: --module LIB --token LABEL")
            .hint("no key yet? muster key create alice")
            .into())
    }

    fn module(&self, shell: &Shell) -> anyhow::Result<PathBuf> {
        if let Some(module) = &self.module {
            return Ok(module.clone());
        }
        match shell.settings()?.modules.as_slice() {
            [module] => Ok(module.clone()),
            _ => Err(Refusal::new("the token's PKCS#11 library is not named")
                .hint("name it with --module, for example /usr/lib/x86_64-linux-gnu/opensc-pkcs11.so")
                .into()),
        }
    }

    /// Opens a signer, asking for its password or PIN only when it needs one.
    pub(crate) fn open(&self, choice: &SignerChoice) -> anyhow::Result<Box<dyn Signer>> {
        let secret = match signer::needs_secret(choice)? {
            SecretKind::None => None,
            SecretKind::Password => {
                let what = format!("password of {choice}");
                Some(self.password_source().read(&what)?)
            }
            SecretKind::Pin => {
                let source = if self.pin_stdin {
                    SecretSource::Stdin
                } else {
                    SecretSource::Terminal {
                        instead: "--pin-stdin",
                    }
                };
                Some(source.read(&format!("PIN of {choice}"))?)
            }
        };
        Ok(signer::open(choice, secret.as_ref())?)
    }

    /// The signer meant, open.
    pub(crate) fn signer(&self, shell: &Shell) -> anyhow::Result<Box<dyn Signer>> {
        self.open(&self.choice(shell)?)
    }

    fn password_source(&self) -> SecretSource {
        if self.password_stdin {
            return SecretSource::Stdin;
        }
        match std::env::var_os(PASSWORD_FILE_VARIABLE).filter(|value| !value.is_empty()) {
            Some(file) => SecretSource::File(PathBuf::from(file)),
            None => SecretSource::Terminal {
                instead: "--password-stdin or MUSTER_KEY_PASSWORD_FILE",
            },
        }
    }
}
