//! `muster key password`: another password for a key file.

use std::path::PathBuf;

use clap::Args;
use muster_shared::crypto::PrivateKey;
use serde_json::json;

use crate::admin::{key_file, password as rule};
use crate::cli::Shell;
use crate::cli::failure::{Outcome, Refusal};
use crate::cli::secret::SecretSource;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster key password alice.pem
      asks for the old password, then twice for the new one
  muster key password alice.pem --password-stdin < two-lines.txt
  muster key password ci.pem --remove
      whoever can read the file can then sign as you

Reads the keys of WAPT too and writes them in the strong form (PKCS#8). The file is replaced at
once, and only after the new one was read back; until then the old one stays.")]
pub(crate) struct KeyPassword {
    /// The key (PEM)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Take the password off
    #[arg(long)]
    remove: bool,
    /// Read the passwords from standard input, one a line: first the old one if the key has one, then the new one
    #[arg(long)]
    password_stdin: bool,
}

pub(super) fn password(arguments: &KeyPassword, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let path = &arguments.file;
    let source = SecretSource::stdin_or_terminal(arguments.password_stdin, "--password-stdin");
    let text = key_file::read(path)?;
    let encrypted = PrivateKey::is_encrypted(&text);
    if arguments.remove && !encrypted {
        return Err(Refusal::new(format!("{} has no password", path.display())).into());
    }
    let old = if encrypted {
        let old = source.read(&format!("password of {}", path.display()))?;
        // Nobody thinks of a new password to hear then that the old one was wrong.
        key_file::open(path, Some(&old))?;
        Some(old)
    } else {
        None
    };
    let new = if arguments.remove {
        None
    } else {
        let new = source.read_new("new password")?;
        rule::check(&new)?;
        Some(new)
    };
    key_file::change_password(path, old.as_ref(), new.as_ref())?;
    shell
        .output
        .json(&json!({ "key": path, "encrypted": new.is_some() }))?;
    if new.is_none() {
        shell.output.note(
            "warning: the key is not encrypted any more; whoever can read its file can install anything on machines \
             that trust you",
        );
    }
    let what = if new.is_some() {
        "has its new password"
    } else {
        "has no password"
    };
    shell.output.line(format!("{} {what}", path.display()))?;
    Ok(Outcome::Done)
}
