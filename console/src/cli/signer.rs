//! Who signs: the options that every signing command shares, and opening the signer late.

use std::path::{Path, PathBuf};

use clap::Args;
use muster_shared::crypto::Signer;
use muster_shared::crypto::pkcs11_uri::Pkcs11Uri;

use super::Shell;
use super::failure::Refusal;
use super::secret::SecretSource;
use crate::admin::signer::{self, SecretKind, SignerChoice};

/// Names the PKCS#11 library.
const MODULE_VARIABLE: &str = "MUSTER_PKCS11_MODULE";

/// Names the file that holds the key's password.
const PASSWORD_FILE_VARIABLE: &str = "MUSTER_KEY_PASSWORD_FILE";

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Who signs (else the signer kept in your settings)")]
pub(crate) struct SignerArguments {
    /// Your certificate (PEM, signer first; or a PKCS#11 URI) [default with a token: the one on it]
    #[arg(
        long,
        visible_alias = "cert",
        value_name = "FILE",
        env = "MUSTER_CERTIFICATE",
        hide_env_values = true
    )]
    certificate: Option<PathBuf>,
    /// Your key (PEM, or a PKCS#11 URI such as 'pkcs11:token=Alice;object=signing') [default: the certificate's name with .pem]
    #[arg(long, value_name = "FILE", env = "MUSTER_KEY", hide_env_values = true)]
    key: Option<PathBuf>,
    /// Read the key's password from the first line of this file
    #[arg(long, value_name = "FILE", conflicts_with = "password_stdin")]
    password_file: Option<PathBuf>,
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

/// The text of a path that is a PKCS#11 URI.
pub(crate) fn uri_of(path: Option<&Path>) -> Option<&str> {
    path.and_then(Path::to_str).filter(|text| Pkcs11Uri::is_uri(text))
}

/// The library of the token that a PKCS#11 URI names.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ModuleArgument {
    /// A token's PKCS#11 library, when a URI names none
    #[arg(
        long,
        value_name = "LIB",
        env = "MUSTER_PKCS11_MODULE",
        hide_env_values = true
    )]
    pub(crate) module: Option<PathBuf>,
}

/// A CA that signs something: its certificate and key, each a file or a PKCS#11 URI.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Authority<'a> {
    pub(crate) certificate: &'a Path,
    /// The certificate's name with `.pem`, or its URI, when absent.
    pub(crate) key: Option<&'a Path>,
    pub(crate) module: Option<&'a Path>,
}

impl Authority<'_> {
    /// Opens it; its password or PIN comes from `source`.
    pub(crate) fn open(&self, source: &SecretSource, shell: &Shell) -> anyhow::Result<Box<dyn Signer>> {
        let choice = match uri_of(self.key).or_else(|| uri_of(Some(self.certificate))) {
            Some(uri) => {
                // A command may have an option for the library of another token, or none at all.
                let usual = || std::env::var_os(MODULE_VARIABLE).filter(|value| !value.is_empty());
                let module = self
                    .module
                    .map(Path::to_owned)
                    .or_else(|| usual().map(PathBuf::from));
                let choice = SignerChoice::from_uri(uri, module, &shell.settings()?.modules)?;
                if uri_of(Some(self.certificate)).is_none() {
                    choice.with_certificate(self.certificate.to_owned())
                } else if self.key.is_none_or(|key| uri_of(Some(key)).is_some()) {
                    choice
                } else {
                    return Err(key_file_beside_uri().into());
                }
            }
            None => SignerChoice::KeyFile {
                certificate: self.certificate.to_owned(),
                key: self
                    .key
                    .map_or_else(|| self.certificate.with_extension("pem"), Path::to_owned),
            },
        };
        open_with(&choice, source)
    }
}

/// A key in a file is never passed over silently.
fn key_file_beside_uri() -> Refusal {
    Refusal::new("the certificate is a PKCS#11 URI, and the key is a file")
        .hint("name the key on the token, or the file of the certificate that belongs to the key")
}

/// Opens a signer; its password or PIN comes from `source`, and only when it needs one.
pub(crate) fn open_with(choice: &SignerChoice, source: &SecretSource) -> anyhow::Result<Box<dyn Signer>> {
    let secret = match signer::needs_secret(choice)? {
        SecretKind::None => None,
        SecretKind::Password => {
            let file = match choice {
                SignerChoice::KeyFile { key, .. } => key.display().to_string(),
                other => other.to_string(),
            };
            Some(source.read(&format!("password of {file}"))?)
        }
        SecretKind::Pin => Some(source.read(&format!("PIN of {choice}"))?),
    };
    Ok(signer::open(choice, secret.as_ref())?)
}

impl SignerArguments {
    /// The signer meant; nothing is opened yet.
    pub(crate) fn choice(&self, shell: &Shell) -> anyhow::Result<SignerChoice> {
        if let Some(label) = &self.token {
            let choice = SignerChoice::Token {
                module: self.module(shell)?,
                label: label.clone(),
                key_id: self.key_id.clone(),
                certificate: None,
            };
            return Ok(self.with_certificate_file(choice));
        }
        if let Some(uri) = [&self.key, &self.certificate]
            .into_iter()
            .find_map(|path| uri_of(path.as_deref()))
        {
            if self.key.is_some() && uri_of(self.key.as_deref()).is_none() {
                return Err(key_file_beside_uri().into());
            }
            let known = shell.settings()?.modules;
            let choice = SignerChoice::from_uri(uri, self.module.clone(), &known)?;
            return Ok(self.with_certificate_file(choice));
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
            .hint("or with a token: --module LIB --token LABEL, or --key 'pkcs11:token=LABEL'")
            .hint("no key yet? muster key create alice")
            .into())
    }

    /// The key of a token, with the certificate of the file that was named, if any.
    fn with_certificate_file(&self, choice: SignerChoice) -> SignerChoice {
        match &self.certificate {
            Some(file) if uri_of(Some(file)).is_none() => choice.with_certificate(file.clone()),
            _ => choice,
        }
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
                let source = SecretSource::stdin_or_terminal(self.pin_stdin, "--pin-stdin");
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
        if let Some(file) = &self.password_file {
            return SecretSource::File(file.clone());
        }
        if self.password_stdin {
            return SecretSource::Stdin;
        }
        match std::env::var_os(PASSWORD_FILE_VARIABLE).filter(|value| !value.is_empty()) {
            Some(file) => SecretSource::File(PathBuf::from(file)),
            None => SecretSource::Terminal {
                instead: "--password-file, --password-stdin or MUSTER_KEY_PASSWORD_FILE",
            },
        }
    }
}
