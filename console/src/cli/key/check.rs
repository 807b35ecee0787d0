//! `muster key check`: which key belongs to which certificate.

use std::path::PathBuf;

use clap::Args;

use crate::admin::key_file::{self, KeyState};
use crate::cli::Shell;
use crate::cli::failure::Outcome;
use crate::cli::output::Table;
use crate::cli::secret::SecretSource;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster key check keys                                 every key and certificate of the folder
  muster key check alice.pem alice.crt
  muster key check keys --password-stdin < password.txt   tries the password on each encrypted key

Exit code 3 when a key has no certificate here, or cannot be told without its password.")]
pub(crate) struct KeyCheck {
    /// Folders and files with keys and certificates (PEM)
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Ask for a password and try it on each encrypted key
    #[arg(long)]
    try_password: bool,
    /// Read the password to try from standard input
    #[arg(long)]
    password_stdin: bool,
}

pub(super) fn check(arguments: &KeyCheck, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let source = if arguments.password_stdin {
        Some(SecretSource::Stdin)
    } else if arguments.try_password {
        Some(SecretSource::Terminal {
            instead: "--password-stdin",
        })
    } else {
        None
    };
    let password = source.map(|source| source.read("password to try")).transpose()?;
    let pairs = key_file::pairs(&arguments.paths, password.as_ref())?;
    shell.output.json(&pairs)?;
    let mut table = Table::new(vec!["KEY", "BELONGS TO", "NAME", "UNTIL"]);
    for key in &pairs.keys {
        let file = key.file.display().to_string();
        let nothing = match key.state {
            KeyState::Matched => None,
            KeyState::Alone => Some("no certificate here"),
            KeyState::Locked => Some("not known without its password"),
            KeyState::Unusable => Some("cannot be used"),
        };
        if let Some(nothing) = nothing {
            let reason = key.reason.clone().unwrap_or_default();
            table.row(vec![file.clone(), nothing.to_owned(), reason, String::new()]);
        }
        for found in &key.certificates {
            table.row(vec![
                file.clone(),
                found.file.display().to_string(),
                found.common_name.clone(),
                found.not_after.to_string(),
            ]);
        }
    }
    if pairs.keys.is_empty() {
        shell.output.note("there is no key here");
    } else {
        table.write(&mut shell.output)?;
    }
    let possible: Vec<String> = pairs
        .possible_keys
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    for found in &pairs.certificates_without_key {
        let (file, name) = (found.file.display(), &found.common_name);
        shell.output.note(if possible.is_empty() {
            format!("no key here belongs to {file} ({name})")
        } else {
            format!(
                "{} could be the key of {file} ({name}): tell with its password, --try-password",
                possible.join(" or ")
            )
        });
    }
    let all_told = pairs.keys.iter().all(|key| key.state == KeyState::Matched);
    Ok(if all_told && !pairs.keys.is_empty() {
        Outcome::Done
    } else {
        Outcome::Partly
    })
}
