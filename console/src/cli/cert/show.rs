//! `muster cert show`: what a certificate or a revocation list says, in words.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use muster_shared::crypto::{Certificate, RevocationList, TrustStore};
use serde::Serialize;
use serde_json::json;

use crate::admin::certificate::CertificateFacts;
use crate::admin::verify;
use crate::cli::Shell;
use crate::cli::failure::Outcome;
use crate::cli::output::{Table, Tone};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster cert show alice.crt
  muster cert show alice.crt --trust certs    would machines with this trust folder accept it?
  muster cert show chain.pem --json
  muster cert show ca.crl                     whom the CA took back, when and why

Exit code 1 with --trust when the first certificate is not trusted, 2 when there is no such
folder.")]
pub(crate) struct CertShow {
    /// A PEM or DER file with certificates, or a revocation list
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

pub(super) fn show(arguments: CertShow, shell: &mut Shell) -> anyhow::Result<Outcome> {
    if let Some(lists) = lists_of(&arguments.file) {
        return show_lists(&lists, shell);
    }
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
            Ok(Outcome::Refused)
        }
    }
}

/// The revocation lists of a file that holds such and no certificates.
fn lists_of(path: &std::path::Path) -> Option<Vec<RevocationList>> {
    RevocationList::all_from_file(path).ok()
}

#[derive(Serialize)]
struct ShownList {
    issuer: String,
    authority_key_id: Option<String>,
    number: Option<String>,
    this_update: jiff::Timestamp,
    next_update: Option<jiff::Timestamp>,
    fingerprint: String,
    revoked: Vec<ShownEntry>,
}

#[derive(Serialize)]
struct ShownEntry {
    serial: String,
    at: jiff::Timestamp,
    reason: Option<&'static str>,
}

impl ShownList {
    fn of(list: &RevocationList) -> Self {
        let entry = |(serial, revoked): (String, muster_shared::crypto::revocation::Revoked)| ShownEntry {
            serial,
            at: revoked.at,
            reason: revoked
                .reason
                .map(muster_shared::crypto::revocation::Reason::as_str),
        };
        let mut revoked: Vec<ShownEntry> = list.entries().map(entry).collect();
        revoked.sort_by(|one, other| (one.at, &one.serial).cmp(&(other.at, &other.serial)));
        Self {
            issuer: list.issuer(),
            authority_key_id: list.authority_key_id(),
            number: list.number().map(hex::encode),
            this_update: list.this_update(),
            next_update: list.next_update(),
            fingerprint: list.fingerprint(),
            revoked,
        }
    }
}

fn show_lists(lists: &[RevocationList], shell: &mut Shell) -> anyhow::Result<Outcome> {
    let shown: Vec<ShownList> = lists.iter().map(ShownList::of).collect();
    shell.output.json(&json!({ "revocation_lists": shown }))?;
    for list in &shown {
        let until = list
            .next_update
            .map_or_else(|| "not said".to_owned(), |next| next.to_string());
        shell.output.facts(&[
            ("issuer", list.issuer.clone()),
            ("number", list.number.clone().unwrap_or_default()),
            ("made", list.this_update.to_string()),
            ("ends", until),
            ("sha256", list.fingerprint.clone()),
        ])?;
        if list.revoked.is_empty() {
            shell.output.line("takes nothing back")?;
            continue;
        }
        let mut table = Table::new(vec!["TAKEN BACK", "ON", "REASON"]);
        for entry in &list.revoked {
            let reason = entry.reason.unwrap_or_default().to_owned();
            table.row(vec![entry.serial.clone(), entry.at.to_string(), reason]);
        }
        table.write(&mut shell.output)?;
    }
    Ok(Outcome::Done)
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
