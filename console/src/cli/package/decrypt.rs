//! `muster package decrypt`: what is in the encrypted package of a host.

use std::path::{Path, PathBuf};

use clap::Args;
use muster_shared::crypto::PrivateKey;

use crate::admin::encrypt;
use crate::cli::Shell;
use crate::cli::failure::Outcome;
use crate::cli::output::shown;
use crate::cli::secret::SecretSource;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster package decrypt 4C4C4544.wapt --decrypt-key host-decrypt.pem -o plain/4C4C4544.wapt
  muster package decrypt 4C4C4544.wapt --decrypt-key host.pem --password-file secret.txt -o
      plain.wapt

What comes out is not checked: `muster package verify` says who signed it.")]
pub(crate) struct Decrypt {
    /// An encrypted package file
    file: PathBuf,
    #[command(flatten)]
    key: DecryptKey,
    /// Where the package goes
    #[arg(long, short = 'o', value_name = "OUT")]
    out: PathBuf,
}

/// The key that opens encrypted packages, where a command needs one.
#[derive(Debug, Args)]
pub(super) struct DecryptKey {
    /// The host's decryption key (PEM)
    #[arg(long, value_name = "KEY")]
    decrypt_key: PathBuf,
    /// The file whose first line is the key's password [else asked]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

/// Opens a decryption key, asking for its password only when it has one.
pub(super) fn open_key(path: &Path, password_file: Option<&Path>) -> anyhow::Result<PrivateKey> {
    let pem = encrypt::read_key_file(path)?;
    let password = if PrivateKey::is_encrypted(&pem) {
        let source = match password_file {
            Some(file) => SecretSource::File(file.to_owned()),
            None => SecretSource::Terminal {
                instead: "--password-file",
            },
        };
        Some(source.read(&format!("password of {}", path.display()))?)
    } else {
        None
    };
    Ok(encrypt::key(path, &pem, password.as_ref())?)
}

pub(super) fn run(arguments: &Decrypt, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let key = open_key(&arguments.key.decrypt_key, arguments.key.password_file.as_deref())?;
    let size = encrypt::decrypt(&arguments.file, &key, &arguments.out)?;
    shell
        .output
        .json(&serde_json::json!({ "path": arguments.out, "size": size }))?;
    shell.output.line(format!(
        "{}: decrypted, {size} bytes; not verified",
        shown(&arguments.out)
    ))?;
    Ok(Outcome::Done)
}
