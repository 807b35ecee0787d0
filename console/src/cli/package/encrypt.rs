//! `muster package encrypt`: a package that only one host can read.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::admin::encrypt;
use crate::cli::Shell;
use crate::cli::failure::Outcome;
use crate::cli::output::shown;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster package encrypt 4C4C4544.wapt --for host.crt -o out/4C4C4544.wapt

The certificate is the one for decryption that the host reports in its inventory (block agent),
with an RSA key. Encryption hides what is in the package; who signed it is checked after
decryption as always.")]
pub(crate) struct Encrypt {
    /// A package file
    file: PathBuf,
    /// The host's certificate (PEM)
    #[arg(long = "for", value_name = "CERT")]
    certificate: PathBuf,
    /// Where the encrypted file goes
    #[arg(long, short = 'o', value_name = "OUT")]
    out: PathBuf,
}

#[derive(Serialize)]
struct Encrypted<'a> {
    path: &'a std::path::Path,
    #[serde(rename = "for")]
    host: String,
    fingerprint: String,
}

pub(super) fn run(arguments: &Encrypt, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let host = encrypt::encrypt(&arguments.file, &arguments.certificate, &arguments.out, shell.now)?;
    shell.output.json(&Encrypted {
        path: &arguments.out,
        host: host.common_name(),
        fingerprint: host.fingerprint(),
    })?;
    shell.output.line(format!(
        "{}: encrypted for {}",
        shown(&arguments.out),
        host.common_name()
    ))?;
    Ok(Outcome::Done)
}
