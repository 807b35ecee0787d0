//! Passwords and PINs: asked on the terminal without echo, or read from standard input or a file.

use std::io::{BufRead as _, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};

use super::failure::Refusal;

/// No password is longer than this, in bytes.
const LONGEST: u64 = 4096;

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SecretSource {
    /// Asked on the terminal.
    Terminal {
        /// What to name in the advice when there is no terminal.
        instead: &'static str,
    },
    /// The next line of standard input.
    Stdin,
    /// The first line of a file.
    File(PathBuf),
}

impl SecretSource {
    /// Standard input when an option says so, else the terminal; `instead` is that option, for the advice.
    pub(crate) fn stdin_or_terminal(stdin: bool, instead: &'static str) -> Self {
        if stdin {
            Self::Stdin
        } else {
            Self::Terminal { instead }
        }
    }

    /// The secret; `what` names it in the question and in errors ("password of alice.pem").
    pub(crate) fn read(&self, what: &str) -> anyhow::Result<SecretString> {
        match self {
            Self::Terminal { instead } => ask(what, instead),
            Self::Stdin => next_line(what),
            Self::File(path) => from_file(path, what),
        }
    }

    /// A new secret: asked twice on the terminal, once elsewhere; never empty.
    pub(crate) fn read_new(&self, what: &str) -> anyhow::Result<SecretString> {
        let secret = self.read(what)?;
        if secret.expose_secret().is_empty() {
            return Err(Refusal::new(format!("the {what} is empty"))
                .hint("give one of several words")
                .into());
        }
        if let Self::Terminal { instead } = self {
            let again = ask(&format!("{what} again"), instead)?;
            if again.expose_secret() != secret.expose_secret() {
                return Err(Refusal::new("the two passwords differ")
                    .hint("start again")
                    .into());
            }
        }
        Ok(secret)
    }
}

fn ask(what: &str, instead: &str) -> anyhow::Result<SecretString> {
    let mut question = what.to_owned();
    if let Some(first) = question.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    match rpassword::prompt_password(format!("{question}: ")) {
        Ok(secret) => Ok(SecretString::from(secret)),
        Err(_no_terminal) => Err(
            Refusal::new(format!("cannot ask for the {what}: there is no terminal"))
                .hint(format!("give it with {instead}"))
                .into(),
        ),
    }
}

fn next_line(what: &str) -> anyhow::Result<SecretString> {
    let mut line = String::new();
    let read = std::io::stdin()
        .lock()
        .take(LONGEST)
        .read_line(&mut line)
        .with_context(|| format!("cannot read the {what} from standard input"))?;
    if read == 0 {
        return Err(Refusal::new(format!("standard input ended before the {what}"))
            .hint("give one secret a line, in the order in which they are asked")
            .into());
    }
    Ok(trimmed(&line))
}

fn from_file(path: &Path, what: &str) -> anyhow::Result<SecretString> {
    let mut text = String::new();
    fs_err::File::open(path)
        .and_then(|file| file.take(LONGEST).read_to_string(&mut text))
        .with_context(|| format!("cannot read the {what}"))?;
    Ok(trimmed(text.lines().next().unwrap_or_default()))
}

fn trimmed(line: &str) -> SecretString {
    SecretString::from(line.trim_end_matches(['\n', '\r']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_file_gives_its_first_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        fs_err::write(&path, "two words\r\nmore\n").unwrap();
        let secret = SecretSource::File(path).read("password").unwrap();
        assert_eq!(secret.expose_secret(), "two words");
    }

    #[test]
    fn an_empty_new_secret_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        fs_err::write(&path, "\n").unwrap();
        assert!(SecretSource::File(path).read_new("password").is_err());
    }
}
