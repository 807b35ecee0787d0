//! `muster package verify`: would a machine with this trust folder accept the package?

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::decrypt::open_key;
use crate::admin::verify::{self, Verdict};
use crate::cli::Shell;
use crate::cli::failure::{Outcome, Refusal};
use crate::cli::output::Tone;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster package verify demo-hello_1.0-0.wapt --trust certs
  muster package verify *.wapt --trust /etc/muster/trust --json
  muster package verify 4C4C4544.wapt --trust certs --decrypt-key host-decrypt.pem

Exit code 0 when every file is accepted, 1 when any is refused (all are when the trust folder is
empty), 2 when the command is not understood, or the trust folder or the key file does not exist.
With --json: {\"files\": [{\"file\", \"verdict\": \"accepted\"|\"refused\", \"accepted\", \"reason\",
\"code\", \"signer\", …}]}.")]
pub(crate) struct Verify {
    /// Package files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Folder of the certificates that you trust (.crt, .pem)
    #[arg(long, value_name = "DIR", required = true)]
    trust: PathBuf,
    /// The key that opens encrypted packages (PEM)
    #[arg(long, value_name = "KEY")]
    decrypt_key: Option<PathBuf>,
    /// The file whose first line is the password of the decryption key [else asked]
    #[arg(long, value_name = "FILE", requires = "decrypt_key")]
    password_file: Option<PathBuf>,
}

#[derive(Serialize)]
struct Verdicts {
    files: Vec<Verdict>,
}

pub(super) fn run(arguments: &Verify, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let trust = verify::any_trust(&arguments.trust)?;
    if trust.is_empty() {
        shell.output.note(format!(
            "warning: the trust folder {} holds no certificate (.crt, .pem)",
            arguments.trust.display()
        ));
    }
    if let Some(path) = arguments.decrypt_key.as_deref().filter(|path| !path.exists()) {
        return Err(
            Refusal::new(format!("the key file {} does not exist", path.display()))
                .usage()
                .into(),
        );
    }
    let key = match &arguments.decrypt_key {
        Some(path) => Some(open_key(path, arguments.password_file.as_deref())?),
        None => None,
    };
    let mut files = Vec::new();
    for file in &arguments.files {
        let verdict = verify::judge(file, &trust, key.as_ref(), shell.now);
        write_verdict(&verdict, shell)?;
        files.push(verdict);
    }
    let has_refused = files.iter().any(|verdict| !verdict.accepted);
    shell.output.json(&Verdicts { files })?;
    Ok(if has_refused {
        Outcome::Refused
    } else {
        Outcome::Done
    })
}

fn write_verdict(verdict: &Verdict, shell: &mut Shell) -> anyhow::Result<()> {
    let file = verdict.file.display();
    if let Some(reason) = &verdict.reason {
        let word = shell.output.tone(Tone::Bad, "refused");
        shell.output.line(format!("{word}   {file}: {reason}"))?;
        for hint in &verdict.hints {
            shell.output.line(format!("          hint: {hint}"))?;
        }
        return Ok(());
    }
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let word = shell.output.tone(Tone::Good, "accepted");
    shell.output.line(format!(
        "{word}  {file}: {} {} signed by {}",
        text(&verdict.package),
        text(&verdict.version),
        text(&verdict.signer)
    ))?;
    for warning in &verdict.warnings {
        shell.output.line(format!("          warning: {warning}"))?;
    }
    Ok(())
}
