//! `muster package build`: sources become a signed package.

use std::path::PathBuf;

use clap::Args;
use muster_shared::control::Control;
use muster_shared::crypto::KeyKind;
use muster_shared::package::build::BuildOptions;
use serde::Serialize;

use super::lint;
use crate::admin::build;
use crate::admin::lint::Finding;
use crate::cli::Shell;
use crate::cli::failure::Outcome;
use crate::cli::output::shown;
use crate::cli::signer::SignerArguments;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster package build demo-hello                    demo-hello_1.0-0.wapt beside the folder
  muster package build demo-hello -i                 one more packaging: 1.0-0 becomes 1.0-1
  muster package build demo-hello -i --upload        and send it to the server
  muster package build demo-hello -x '*.bak' -x tmp  leave these out
  muster package build demo-hello --out packages --cert alice.crt --key alice.pem
      --password-file pw.txt
  muster package build demo-hello --module LIB --token LABEL --pin-stdin < pin.txt

The sources are linted first (`muster package lint`): mistakes in scripts stop the build, warnings
are shown. .git, .svn and compiled Python at the root of the sources are always left out. When
anything fails, neither the sources nor an earlier package are changed.")]
pub(crate) struct Build {
    /// Folder of the sources: it holds WAPT/control
    #[arg(value_name = "DIR")]
    sources: PathBuf,
    /// Where the package goes [default: beside the sources]
    #[arg(long, short = 'o', value_name = "DIR")]
    out: Option<PathBuf>,
    /// Raise the packaging number by one, in the package and in the sources
    #[arg(long, short = 'i')]
    increment: bool,
    /// Leave out files and folders with such names (* and ?)
    #[arg(long = "exclude", short = 'x', value_name = "PATTERN")]
    excludes: Vec<String>,
    /// Keep and sign control attributes that the format does not know
    #[arg(long)]
    keep_unknown: bool,
    /// Send the package to the server's repository, too; with --json its answer is a second document
    #[arg(long)]
    upload: bool,
    /// Build although lint finds mistakes in the scripts
    #[arg(long)]
    no_lint: bool,
    #[command(flatten)]
    signer: SignerArguments,
}

#[derive(Serialize)]
struct Done<'a> {
    path: &'a std::path::Path,
    size: u64,
    sha256: &'a str,
    control: &'a Control,
    advice: Vec<String>,
    /// What lint warns of.
    warnings: Vec<Finding>,
}

pub(super) fn run(arguments: &Build, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let options = BuildOptions {
        excludes: arguments.excludes.clone(),
        keep_unknown: arguments.keep_unknown,
        increment: arguments.increment,
    };
    let out = arguments
        .out
        .clone()
        .unwrap_or_else(|| build::usual_out(&arguments.sources));
    // What is wrong with the sources is said before a password is asked for.
    build::check(&arguments.sources)?;
    let warnings = if arguments.no_lint {
        Vec::new()
    } else {
        build::lint(&arguments.sources)?
    };
    let signer = arguments.signer.signer(shell)?;
    shell.output.progress("building…");
    let built = build::build(&arguments.sources, &out, signer.as_ref(), &options, shell.now)?;
    shell.output.clear_progress();
    let advice: Vec<String> = build::advice(&built).iter().map(ToString::to_string).collect();
    if arguments.no_lint {
        for text in &advice {
            shell.output.note(format!("warning: {text}"));
        }
    } else if !shell.output.is_json() {
        for finding in &warnings {
            for line in lint::lines(finding, &shell.output) {
                shell.output.note(line);
            }
        }
    }
    if signer.certificate().key_kind() == KeyKind::EcP256 {
        shell
            .output
            .note("note: signed with an EC key; agents of WAPT 1.8 accept RSA only");
    }
    shell.output.json(&Done {
        path: &built.path,
        size: built.size,
        sha256: &built.sha256,
        control: &built.control,
        advice,
        warnings,
    })?;
    shell.output.facts(&[
        ("built", shown(&built.path)),
        (
            "package",
            format!("{} {}", built.control.package(), built.control.version()),
        ),
        ("signed by", signer.certificate().common_name()),
        ("size", format!("{} bytes", built.size)),
        ("sha256", built.sha256.clone()),
    ])?;
    if arguments.upload {
        return super::upload::publish(&[built.path], shell);
    }
    Ok(Outcome::Done)
}
