//! `muster package sign`: files signed again by another key.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use muster_shared::control::Control;
use muster_shared::hint::chain;
use muster_shared::package::{Package, Unverified};
use serde::Serialize;

use crate::admin::sign::{self, Resign};
use crate::cli::Shell;
use crate::cli::failure::{Outcome, Refusal};
use crate::cli::output::shown;
use crate::cli::signer::SignerArguments;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster package sign demo-hello_1.0-0.wapt
  muster package sign *.wapt --certificate new.crt --key new.pem    after a change of keys
  muster package sign --scan /srv/www/wapt --if-needed --keep-signature-date
                                                          only those that this key has not
                                                              signed yet
  muster package sign demo-hello_1.0-0.wapt -i --maturity PREPROD   another version and maturity
  muster package sign demo-hello_1.0-0.wapt -r                      without its setup.py

A file that cannot be signed stays as it is. Check packages of others with `muster package verify`
first; what was changed after its former signature is named, and signed all the same. A file with
its usual name is renamed when version or maturity change.")]
pub(crate) struct Sign {
    /// Package files, signed in place
    #[arg(required_unless_present = "scan", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Sign the package files of this folder
    #[arg(long, short = 's', value_name = "DIR")]
    scan: Option<PathBuf>,
    /// Raise the packaging number by one
    #[arg(long, short = 'i')]
    increment: bool,
    /// Give the packages this maturity
    #[arg(long, short = 'm', value_name = "MATURITY")]
    maturity: Option<String>,
    /// Give the packages this target system: windows, linux, darwin, unix or all
    #[arg(long, value_name = "SYSTEM", value_parser = ["windows", "linux", "darwin", "macos", "unix", "all"])]
    target_os: Option<String>,
    /// Take setup.py and update_package.py out: then a certificate without code signing may sign
    #[arg(long, short = 'r')]
    remove_setup: bool,
    /// Keep the date of the former signature, and with it the order of files by date
    #[arg(long)]
    keep_signature_date: bool,
    /// Leave files alone that this certificate signed already, whole and valid
    #[arg(long)]
    if_needed: bool,
    /// Keep and sign control attributes that the format does not know
    #[arg(long)]
    keep_unknown: bool,
    #[command(flatten)]
    signer: SignerArguments,
}

#[derive(Serialize)]
struct Signed {
    path: PathBuf,
    control: Control,
    unchanged: bool,
}

pub(super) fn run(arguments: &Sign, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let mut files = arguments.files.clone();
    if let Some(folder) = &arguments.scan {
        files.extend(sign::scan(folder)?);
        if files.is_empty() {
            return Err(Refusal::new(format!("{} holds no package files", folder.display())).into());
        }
    }
    if let Some(maturity) = &arguments.maturity {
        crate::admin::promote::check_maturity(maturity)?;
    }
    for file in &files {
        Package::<Unverified>::open(file).with_context(|| format!("cannot sign {}", file.display()))?;
    }
    let how = Resign {
        keep_unknown: arguments.keep_unknown,
        increment: arguments.increment,
        maturity: arguments.maturity.clone(),
        target_os: arguments.target_os.clone(),
        remove_setup: arguments.remove_setup,
        keep_date: arguments.keep_signature_date,
        if_needed: arguments.if_needed,
    };
    let signer = arguments.signer.signer(shell)?;
    let mut signed: Vec<Signed> = Vec::new();
    for file in &files {
        let contradiction = sign::contradiction(file, shell.now);
        let done = sign::sign(file, signer.as_ref(), &how, shell.now);
        let done = match done {
            Ok(done) => done,
            Err(error) if signed.is_empty() => return Err(error.into()),
            Err(error) => {
                return Err(anyhow::Error::from(error)
                    .context(format!("{} files were signed before one failed", signed.len())));
            }
        };
        if let Some(error) = contradiction {
            shell.output.note(format!(
                "warning: {}: this is not what its former signer signed: {}; look at its files before anybody \
                 installs it",
                shown(&done.path),
                chain(&error)
            ));
        }
        let word = if done.unchanged {
            "needs nothing, signed by"
        } else {
            "signed by"
        };
        shell.output.line(format!(
            "{}: {} {} {word} {}",
            shown(&done.path),
            done.control.package(),
            done.control.version(),
            signer.certificate().common_name()
        ))?;
        signed.push(Signed {
            path: done.path,
            control: done.control,
            unchanged: done.unchanged,
        });
    }
    shell.output.json(&signed)?;
    Ok(Outcome::Done)
}
