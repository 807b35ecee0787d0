//! `muster repo verify`: would machines with this trust folder take everything that a repository offers?

use std::path::PathBuf;

use clap::Args;

use crate::admin::{repository, verify};
use crate::cli::Shell;
use crate::cli::failure::Outcome;
use crate::cli::output::{Tone, shown};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster repo verify /srv/www/wapt --trust certs
  muster repo verify /srv/www/wapt --trust certs --json

Checks every row of the index (signature, signer, revocation), its file (size, hashes, all checks
of a package, the same control), its icon, and what lies in the folder without a row. Changes
nothing.
Exit code 0 when everything is right, also with warnings, 1 when something is not, 2 for a wrong
command line. Two files that are one package in one version get a warning: an index lists both.")]
pub(crate) struct RepoVerify {
    /// The folder that holds the index and the .wapt files
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Folder of the certificates that you trust (.crt, .pem) and of revocation lists (.crl)
    #[arg(long, value_name = "DIR", required = true)]
    trust: PathBuf,
}

pub(super) fn run(arguments: &RepoVerify, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let trust = verify::trust(&arguments.trust)?;
    let output = &mut shell.output;
    let checked = repository::check(&arguments.folder, &trust, shell.now, |done, all| {
        output.progress(&format!("checking packages: {done} of {all}"));
    })?;
    output.clear_progress();
    output.json(&checked)?;
    if checked.problems.iter().any(|problem| {
        problem.kind == muster_shared::index::check::ProblemKind::Index
            && !arguments.folder.join("Packages").exists()
    }) {
        output.note(format!(
            "hint: write the index first: muster repo index {}",
            shown(&arguments.folder)
        ));
    }
    for problem in &checked.problems {
        let word = output.tone(Tone::Bad, "refused");
        output.line(format!("{word}  {}: {}", problem.filename, problem.reason))?;
    }
    for warning in &checked.warnings {
        output.note(format!("warning: {}: {}", warning.filename, warning.reason));
    }
    output.line(format!(
        "{}: {} of {} packages accepted, {} problems",
        shown(&arguments.folder.join("Packages")),
        checked.accepted,
        checked.rows,
        checked.problems.len()
    ))?;
    Ok(if checked.problems.is_empty() {
        Outcome::Done
    } else {
        Outcome::Refused
    })
}
