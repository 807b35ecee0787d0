//! `muster repo index`: brings the index and the icons of a folder in line with its packages.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::admin::{repository, verify};
use crate::cli::Shell;
use crate::cli::failure::Outcome;
use crate::cli::output::shown;

/// How long another run on the same folder is waited for.
const WAIT: Duration = Duration::from_mins(1);

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster repo index /srv/www/wapt
      writes Packages and icons/ beside the .wapt files
  muster repo index /srv/www/wapt --trust certs    takes only packages that these people signed
  muster repo index /srv/www/wapt --full           reads every file again, also unchanged ones
  muster repo index /srv/www/wapt --crl ca.crl     publishes a revocation list with the index

A file that is older than the index and as large as its row says is not read again. Revocation
lists named *.crl in the folder or in its folder crl/ go into the index too; those of the last
index stay, unless --full. Files that are no whole, signed package are left out and named; the
exit code is then 3.")]
pub(crate) struct RepoIndex {
    /// The folder that holds the .wapt files
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Take only packages signed by these certificates, or by those they issued
    #[arg(long, value_name = "DIR")]
    trust: Option<PathBuf>,
    /// Read every file again
    #[arg(long, visible_short_alias = 'f', alias = "force")]
    full: bool,
    /// Give every package file its canonical name
    #[arg(long, short)]
    rename: bool,
    /// Publish this revocation list (DER or PEM) too
    #[arg(long, value_name = "FILE")]
    crl: Vec<PathBuf>,
}

pub(super) fn run(arguments: &RepoIndex, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let trust = arguments.trust.as_deref().map(verify::trust).transpose()?;
    let output = &mut shell.output;
    let options = repository::Options {
        trust: trust.as_ref(),
        full: arguments.full,
        rename: arguments.rename,
        crls: &arguments.crl,
        wait: WAIT,
    };
    let indexed = repository::index(&arguments.folder, &options, shell.now, |done, all| {
        output.progress(&format!("reading packages: {done} of {all}"));
    })?;
    output.clear_progress();
    output.json(&indexed)?;
    let mut line = format!(
        "{}: {} packages ({} unchanged), {} new icons, {} bytes",
        shown(&arguments.folder.join("Packages")),
        indexed.packages,
        indexed.kept,
        indexed.icons,
        indexed.size
    );
    if indexed.unchanged {
        line.push_str(", as it was");
    }
    output.line(line)?;
    for (former, name) in &indexed.renamed {
        output.line(format!("renamed: {former} is now {name}"))?;
    }
    for left_out in &indexed.left_out {
        output.note(format!("left out: {}: {}", left_out.filename, left_out.reason));
    }
    Ok(if indexed.left_out.is_empty() {
        Outcome::Done
    } else {
        Outcome::Partly
    })
}
