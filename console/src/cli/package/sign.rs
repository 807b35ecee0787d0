//! `muster package sign`: files signed again by another key.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use muster_shared::control::Control;
use muster_shared::package::{Package, Unverified};
use serde::Serialize;

use crate::admin::sign;
use crate::cli::Shell;
use crate::cli::failure::Outcome;
use crate::cli::signer::SignerArguments;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster package sign demo-hello_1.0-0.wapt
  muster package sign *.wapt --certificate new.crt --key new.pem    after a change of keys

A file that cannot be signed stays as it is. The files of a package are not looked at: check
packages of others with `muster package verify` first.")]
pub(crate) struct Sign {
    /// Package files, signed in place
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Keep and sign control attributes that the format does not know
    #[arg(long)]
    keep_unknown: bool,
    #[command(flatten)]
    signer: SignerArguments,
}

#[derive(Serialize)]
struct Signed<'a> {
    path: &'a std::path::Path,
    control: Control,
}

pub(super) fn run(arguments: &Sign, shell: &mut Shell) -> anyhow::Result<Outcome> {
    for file in &arguments.files {
        Package::<Unverified>::open(file).with_context(|| format!("cannot sign {}", file.display()))?;
    }
    let signer = arguments.signer.signer(shell)?;
    let mut signed = Vec::new();
    for file in &arguments.files {
        let control =
            sign::sign(file, signer.as_ref(), arguments.keep_unknown, shell.now).with_context(|| {
                format!(
                    "cannot sign {} ({} files were signed before it)",
                    file.display(),
                    signed.len()
                )
            })?;
        shell.output.line(format!(
            "{}: {} {} signed by {}",
            file.display(),
            control.package(),
            control.version(),
            signer.certificate().common_name()
        ))?;
        signed.push(Signed { path: file, control });
    }
    shell.output.json(&signed)?;
    Ok(Outcome::Done)
}
