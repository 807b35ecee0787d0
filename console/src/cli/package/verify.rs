//! `muster package verify`: would a machine with this trust folder accept the package?

use std::path::PathBuf;

use clap::Args;
use muster_shared::hint::{Hint as _, chain};
use serde::Serialize;

use crate::admin::verify::{self, PackageFacts};
use crate::cli::Shell;
use crate::cli::failure::Outcome;
use crate::cli::output::Tone;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster package verify demo-hello_1.0-0.wapt --trust certs
  muster package verify *.wapt --trust /etc/muster/trust --json

Exit code 0 when every file is accepted, 1 when the only one, 3 when one of several is refused.")]
pub(crate) struct Verify {
    /// Package files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Folder of the certificates that you trust (.crt, .pem)
    #[arg(long, value_name = "DIR", required = true)]
    trust: PathBuf,
}

#[derive(Serialize)]
struct Verdict<'a> {
    path: &'a std::path::Path,
    accepted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    facts: Option<PackageFacts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused_because: Option<String>,
}

pub(super) fn run(arguments: &Verify, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let trust = verify::trust(&arguments.trust)?;
    let mut verdicts = Vec::new();
    for file in &arguments.files {
        let verdict = match verify::verify(file, &trust, shell.now) {
            Ok(package) => {
                let facts = verify::verified_facts(&package, shell.now);
                let word = shell.output.tone(Tone::Good, "accepted");
                shell.output.line(format!(
                    "{word}  {}: {} {} signed by {}",
                    file.display(),
                    facts.control.package(),
                    facts.control.version(),
                    package.signer().common_name()
                ))?;
                Verdict {
                    path: file,
                    accepted: true,
                    facts: Some(facts),
                    refused_because: None,
                }
            }
            // One file is answered as every other failure is.
            Err(error) if arguments.files.len() == 1 => return Err(error.into()),
            Err(error) => {
                let word = shell.output.tone(Tone::Bad, "refused");
                shell.output.line(format!("{word}   {}", chain(&error)))?;
                for hint in error.hints() {
                    shell.output.line(format!("          hint: {hint}"))?;
                }
                Verdict {
                    path: file,
                    accepted: false,
                    facts: None,
                    refused_because: Some(chain(&error)),
                }
            }
        };
        verdicts.push(verdict);
    }
    shell.output.json(&verdicts)?;
    let all = verdicts.iter().all(|verdict| verdict.accepted);
    Ok(if all { Outcome::Done } else { Outcome::Partly })
}
