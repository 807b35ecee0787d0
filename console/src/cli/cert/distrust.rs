//! `muster cert distrust`: takes trust from a key whose holder cannot take it back.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use muster_shared::crypto::Certificate;
use muster_shared::rules::distrust::DISTRUST_FILE;
use serde_json::json;

use crate::admin::distrust;
use crate::cli::Shell;
use crate::cli::failure::Outcome;
use crate::cli::output::shown;
use crate::cli::signer::SignerArguments;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster cert distrust alice.crt --certificate bob.crt --reason 'the laptop was stolen'
      bob says that alice's key is trusted no more: adds that to distrust.json
  muster cert distrust alice.crt --out /srv/muster/repository/wapt/distrust.json
      into the server's folder of packages: every machine takes it at its next update

For a self-signed signer whose key is lost or stolen. A CA revokes what it issued itself, and so
does a signer who still has the key (muster cert revoke). Whoever signs this must have a
certificate that machines trust by itself, not by a CA's word.

Machines never forget it: everything that this key signed is refused from then on, also by
renewed certificates of the same key. Only an administrator of a machine undoes it there, by
removing private/distrust.json. Take the certificate out of the trust folders all the same, and
out of the server's (muster-server trust remove).")]
pub(crate) struct CertDistrust {
    /// Certificates of the keys (PEM; the first one of each file)
    #[arg(required = true, value_name = "CERTIFICATE")]
    certificates: Vec<PathBuf>,
    /// The file to add the document to
    #[arg(long, short, value_name = "FILE", default_value = DISTRUST_FILE)]
    out: PathBuf,
    /// Why, for those who read it
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    #[command(flatten)]
    signer: SignerArguments,
}

pub(super) fn distrust(arguments: &CertDistrust, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let mut certificates = Vec::new();
    for path in &arguments.certificates {
        let read =
            Certificate::chain_from_file(path).with_context(|| format!("cannot read {}", path.display()))?;
        certificates.push(read.into_iter().next().context("the file holds no certificate")?);
    }
    // Before anybody types a PIN.
    let mut documents = distrust::documents(&arguments.out)?;
    let signer = arguments.signer.signer(shell)?;
    documents.push(distrust::sign(
        &certificates,
        &arguments.reason,
        signer.as_ref(),
        shell.now,
    )?);
    let count = documents.len();
    distrust::write(&arguments.out, documents)?;
    let by = signer.certificate().common_name();
    let names: Vec<String> = certificates.iter().map(Certificate::common_name).collect();
    shell.output.json(&json!({
        "path": arguments.out,
        "documents": count,
        "distrusted": certificates
            .iter()
            .map(|certificate| json!({ "name": certificate.common_name(), "key": certificate.spki_sha256() }))
            .collect::<Vec<_>>(),
        "signer": by,
    }))?;
    shell.output.line(format!(
        "{}: {by} takes the trust from {}",
        shown(&arguments.out),
        names.join(", ")
    ))?;
    Ok(Outcome::Done)
}
