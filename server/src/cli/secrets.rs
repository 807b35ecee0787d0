//! Asking for passwords: twice at a terminal, or one line from standard input.

use std::io::BufRead as _;

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};

use super::Advised;

/// A new password for a user.
pub(super) fn new_password(user: &str, from_stdin: bool) -> anyhow::Result<SecretString> {
    if from_stdin {
        let mut line = String::new();
        std::io::stdin()
            .lock()
            .read_line(&mut line)
            .context("reading the password from standard input")?;
        return Ok(line.trim_end_matches(['\n', '\r']).to_owned().into());
    }
    let ask = |prompt: String| -> anyhow::Result<SecretString> {
        Ok(rpassword::prompt_password(prompt)
            .context("asking for a password")
            .map_err(|error| {
                error.context(Advised::new(
                    "there is no terminal to ask at",
                    "use --password-stdin",
                ))
            })?
            .into())
    };
    let first = ask(format!("New password of {user}: "))?;
    crate::auth::password::check_rules(&first)?;
    let second = ask("Again: ".to_owned())?;
    if first.expose_secret() != second.expose_secret() {
        return Err(Advised::new("the two passwords differ", "try again; nothing was changed").into());
    }
    Ok(first)
}
