//! `muster cert show`: what a certificate says and allows, in words.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use muster_shared::crypto::Certificate;
use muster_shared::crypto::TrustStore;
use serde::Serialize;

use super::Shell;
use super::failure::Outcome;
use super::output::Tone;
use crate::admin::certificate::CertificateFacts;
use crate::admin::verify;

#[derive(Debug, Subcommand)]
pub(crate) enum CertCommand {
    /// Show the certificates in a file and what their holders may do
    Show(CertShow),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster cert show alice.crt
  muster cert show alice.crt --trust certs    would machines with this trust folder accept it?
  muster cert show chain.pem --json")]
pub(crate) struct CertShow {
    /// A PEM or DER file
    file: PathBuf,
    /// Also say whether these trusted certificates vouch for the first one
    #[arg(long, value_name = "DIR")]
    trust: Option<PathBuf>,
}

#[derive(Serialize)]
struct Shown {
    certificates: Vec<CertificateFacts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trusted: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    untrusted_because: Option<String>,
}

pub(crate) fn run(command: CertCommand, shell: &mut Shell) -> anyhow::Result<Outcome> {
    match command {
        CertCommand::Show(arguments) => show(arguments, shell),
    }
}

fn show(arguments: CertShow, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let chain = read(&arguments.file).with_context(|| format!("cannot show {}", arguments.file.display()))?;
    let verdict = match &arguments.trust {
        None => None,
        Some(folder) => Some(check(&verify::trust(folder)?, &chain, shell)),
    };
    let mut shown = Shown {
        certificates: chain
            .iter()
            .map(|certificate| CertificateFacts::of(certificate, shell.now))
            .collect(),
        trusted: verdict.as_ref().map(Result::is_ok),
        untrusted_because: None,
    };
    if let Some(Err(reason)) = &verdict {
        shown.untrusted_because = Some(reason.clone());
    }
    shell.output.json(&shown)?;
    for (place, facts) in shown.certificates.iter().enumerate() {
        if place > 0 {
            shell.output.line("")?;
        }
        write_facts(facts, shell)?;
    }
    match verdict {
        None => Ok(Outcome::Done),
        Some(Ok(())) => {
            shell.output.line("")?;
            shell.output.line("trusted: the trust folder vouches for it")?;
            Ok(Outcome::Done)
        }
        Some(Err(reason)) => {
            shell.output.line("")?;
            shell.output.line(format!("not trusted: {reason}"))?;
            Ok(Outcome::Partly)
        }
    }
}

fn check(trust: &TrustStore, chain: &[Certificate], shell: &Shell) -> Result<(), String> {
    let leaf = chain
        .first()
        .ok_or_else(|| "the file holds no certificate".to_owned())?;
    trust
        .check(leaf, chain, shell.now)
        .map(drop)
        .map_err(|error| error.to_string())
}

/// The facts of one certificate, as text.
pub(crate) fn write_facts(facts: &CertificateFacts, shell: &mut Shell) -> anyhow::Result<()> {
    let name = shell.output.tone(Tone::Strong, &facts.common_name);
    shell.output.facts(&[
        ("name", name),
        ("subject", facts.subject.clone()),
        (
            "issued by",
            if facts.self_signed {
                "itself".to_owned()
            } else {
                facts.issuer.clone()
            },
        ),
        ("serial", facts.serial.clone()),
        ("key", facts.key.clone()),
        ("valid from", facts.not_before.to_string()),
        ("valid until", facts.not_after.to_string()),
        ("also named", facts.alternative_names.join(", ")),
        ("sha256", facts.fingerprint.clone()),
    ])?;
    for sentence in &facts.may {
        shell.output.line(format!("may {sentence}"))?;
    }
    for warning in &facts.warnings {
        let word = shell.output.tone(Tone::Waiting, "warning:");
        shell.output.line(format!("{word} {warning}"))?;
    }
    Ok(())
}

/// The certificates of a PEM file, or the one of a DER file.
fn read(path: &std::path::Path) -> anyhow::Result<Vec<Certificate>> {
    let bytes = {
        use std::io::Read as _;
        let mut bytes = Vec::new();
        fs_err::File::open(path)?
            .take(16 * 1024 * 1024)
            .read_to_end(&mut bytes)?;
        bytes
    };
    match std::str::from_utf8(&bytes) {
        Ok(text) if text.contains("-----BEGIN") => Ok(Certificate::chain_from_pem(text)?),
        _ => Ok(vec![Certificate::from_der(&bytes)?]),
    }
}
