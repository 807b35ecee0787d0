//! `muster repo index`: a repository folder without a server.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Shell;
use super::failure::Outcome;
use super::output::shown;
use crate::admin::{repository, verify};

#[derive(Debug, Subcommand)]
pub(crate) enum RepoCommand {
    /// Write the index of a folder of packages, for agents of Muster and of WAPT 1.8
    Index(RepoIndex),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster repo index /srv/www/wapt                  writes Packages and icons/ beside the .wapt files
  muster repo index /srv/www/wapt --trust certs    takes only packages that these people signed
  muster repo index /srv/www/wapt --force          reads every file again, also unchanged ones

Files that are no whole, signed package are left out and named; the exit code is then 3.")]
pub(crate) struct RepoIndex {
    /// The folder that holds the .wapt files
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Take only packages signed by these certificates, or by those they issued
    #[arg(long, value_name = "DIR")]
    trust: Option<PathBuf>,
    /// Read every file again
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(command: RepoCommand, shell: &mut Shell) -> anyhow::Result<Outcome> {
    match command {
        RepoCommand::Index(arguments) => index(arguments, shell),
    }
}

fn index(arguments: RepoIndex, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let trust = arguments.trust.as_deref().map(verify::trust).transpose()?;
    let output = &mut shell.output;
    let indexed = repository::index(
        &arguments.folder,
        trust.as_ref(),
        arguments.force,
        shell.now,
        |done, all| {
            output.progress(&format!("reading packages: {done} of {all}"));
        },
    )?;
    output.clear_progress();
    output.json(&indexed)?;
    output.line(format!(
        "{}: {} packages ({} unchanged), {} new icons, {} bytes",
        shown(&arguments.folder.join("Packages")),
        indexed.packages,
        indexed.kept,
        indexed.icons,
        indexed.size
    ))?;
    for left_out in &indexed.left_out {
        output.note(format!("left out: {}: {}", left_out.filename, left_out.reason));
    }
    Ok(if indexed.left_out.is_empty() {
        Outcome::Done
    } else {
        Outcome::Partly
    })
}
