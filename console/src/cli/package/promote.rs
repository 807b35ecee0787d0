//! `muster package promote`: the same build under another maturity.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::choice::{ChoiceArguments, Wish};
use super::edit::upload;
use crate::admin::promote;
use crate::cli::Shell;
use crate::cli::connection;
use crate::cli::failure::Outcome;
use crate::cli::output::shown;
use crate::cli::signer::SignerArguments;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster package promote demo-hello --maturity PROD
      the newest on the server, and back to it
  muster package promote demo-hello_1.0-3_DEV.wapt --maturity PREPROD
      a file; the copy is beside it
  muster package promote demo-hello --from-maturity DEV --maturity PROD
  muster package promote 'demo-hello(=1.0-3)' --maturity PROD --out . --repo /srv/www/wapt

Version and files stay; only the maturity and the signature are new. The package that is there
stays too: machines take the one whose maturity they accept. Of several builds the newest is taken
that has not that maturity yet, and of those with one version the one that was signed last.")]
pub(crate) struct Promote {
    /// A package of your repository, or a package file
    #[arg(value_name = "NAME|FILE")]
    package: String,
    /// Maturity of the copy: DEV, PREPROD, PROD or a word of your own
    #[arg(long, short = 'm', value_name = "MATURITY")]
    maturity: String,
    /// Take the build of this maturity [default: the newest that has not the new one, of several the last signed]
    #[arg(long, value_name = "MATURITY")]
    from_maturity: Option<String>,
    /// Write the copy into this folder instead of uploading it [default for files: beside the file]
    #[arg(long, short = 'o', value_name = "DIR", conflicts_with = "upload")]
    out: Option<PathBuf>,
    /// Upload the copy of a file
    #[arg(long)]
    upload: bool,
    /// Keep and sign control attributes that the format does not know
    #[arg(long)]
    keep_unknown: bool,
    #[command(flatten)]
    choice: ChoiceArguments,
    #[command(flatten)]
    signer: SignerArguments,
}

#[derive(Serialize)]
struct Promoted<'a> {
    package: &'a str,
    version: &'a str,
    maturity: &'a str,
    /// Where the copy is; absent when it was uploaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a Path>,
    uploaded: bool,
}

pub(super) fn run(arguments: &Promote, shell: &mut Shell) -> anyhow::Result<Outcome> {
    promote::check_maturity(&arguments.maturity)?;
    let wish = Wish {
        maturity: arguments.from_maturity.as_deref(),
        not_maturity: Some(&arguments.maturity),
    };
    let chosen = arguments
        .choice
        .choose(&arguments.package, &wish, &arguments.signer, shell)?;
    let is_uploaded = arguments.upload || (arguments.out.is_none() && chosen.path.is_none());
    if is_uploaded {
        // Said before a password is asked for.
        connection::client(shell)?;
    }
    let temporary = tempfile::tempdir()?;
    let out = match (&arguments.out, &chosen.path) {
        _ if is_uploaded => temporary.path().to_owned(),
        (Some(out), _) => {
            fs_err::create_dir_all(out)?;
            out.clone()
        }
        (None, Some(file)) => file.parent().map(Path::to_owned).unwrap_or_default(),
        (None, None) => PathBuf::from("."),
    };
    let signer = arguments.signer.signer(shell)?;
    let (path, control) = promote::promote(
        chosen.package(),
        &arguments.maturity,
        arguments.keep_unknown,
        &out,
        signer.as_ref(),
        shell.now,
    )?;
    if is_uploaded {
        upload(&path, shell)?;
    }
    shell.output.json(&Promoted {
        package: control.package(),
        version: control.version(),
        maturity: control.maturity(),
        path: (!is_uploaded).then_some(path.as_path()),
        uploaded: is_uploaded,
    })?;
    let place = if is_uploaded {
        "published".to_owned()
    } else {
        shown(&path)
    };
    shell.output.line(format!(
        "{} {} as {}: {place}",
        control.package(),
        control.version(),
        control.maturity()
    ))?;
    Ok(Outcome::Done)
}
