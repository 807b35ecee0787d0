//! `muster import-source`: other repositories that packages are imported from, each with its own signers.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use muster_shared::crypto::Certificate;
use muster_shared::hint::chain;
use serde::Serialize;

use super::failure::{Outcome, Refusal};
use super::output::{Table, shown};
use super::repository_choice::TrustArguments;
use super::{Shell, block_on};
use crate::admin::certificate::CertificateFacts;
use crate::admin::verify;
use crate::settings::ImportSource;

#[derive(Debug, Subcommand)]
pub(crate) enum ImportSourceCommand {
    /// Keep a repository under a name, with its signers and how its connection is checked
    Add(Add),
    /// List the repositories kept
    List(List),
    /// Forget a repository
    Remove(Remove),
    /// Show the certificates that a repository's packages are signed with, and save them
    Signers(Signers),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster import-source add store https://wapt.example.org/wapt --trust certs/store
  muster import-source add sister 'muster://srv2#sha256=…' --trust certs/sister
  muster import-source add old /srv/old-wapt --trust certs/old

Then: muster package import --list --from store")]
pub(crate) struct Add {
    /// The name you give it
    name: String,
    /// Its address (the folder that holds Packages), or a folder
    address: String,
    /// Replace what is kept under that name
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    trust: TrustArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster import-source list --json")]
pub(crate) struct List {}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster import-source remove store")]
pub(crate) struct Remove {
    /// Its name
    name: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster import-source signers https://wapt.example.org/wapt
  muster import-source signers store --save certs/store

The repository itself says who signs: compare each fingerprint with the owner before you trust it.")]
pub(crate) struct Signers {
    /// A name kept, an address, a folder or a package file
    repository: String,
    /// Write each certificate into this folder
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
    #[command(flatten)]
    trust: TrustArguments,
}

pub(crate) fn run(command: ImportSourceCommand, shell: &mut Shell) -> anyhow::Result<Outcome> {
    match command {
        ImportSourceCommand::Add(arguments) => add(&arguments, shell),
        ImportSourceCommand::List(_) => list(shell),
        ImportSourceCommand::Remove(arguments) => remove(&arguments, shell),
        ImportSourceCommand::Signers(arguments) => signers(&arguments, shell),
    }
}

#[derive(Serialize)]
struct Kept<'a> {
    name: &'a str,
    #[serde(flatten)]
    source: &'a ImportSource,
}

fn add(arguments: &Add, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    if arguments.name.is_empty() || !arguments.name.chars().all(is_name) {
        return Err(
            Refusal::new(format!("{:?} cannot be the name of a repository", arguments.name))
                .hint("use letters, digits, dashes and underscores")
                .into(),
        );
    }
    // What cannot be used is said now, not at the first import.
    let source = arguments.trust.kept(&arguments.address)?;
    if let Some(folder) = &source.trust {
        verify::trust(folder)?;
    }
    arguments.trust.look(shell, &source.address)?;
    let folder = shell.folder()?;
    let mut settings = folder.load()?;
    if let Some(former) = settings.import_sources.get(&arguments.name)
        && !arguments.force
        && *former != source
    {
        return Err(Refusal::new(format!(
            "{} is kept already, with the address {}",
            arguments.name, former.address
        ))
        .hint("choose another name, or replace it with --force")
        .into());
    }
    let has_replaced = settings
        .import_sources
        .insert(arguments.name.clone(), source.clone())
        .is_some();
    folder.save(&settings)?;
    shell.output.json(&Kept {
        name: &arguments.name,
        source: &source,
    })?;
    let word = if has_replaced { "changed" } else { "kept" };
    shell
        .output
        .line(format!("{}: {word}, {}", arguments.name, source.address))?;
    if source.trust.is_none() {
        shell.output.note(
            "warning: without --trust DIR nobody vouches for its packages; each import must then say --unverified",
        );
    }
    Ok(Outcome::Done)
}

fn list(shell: &mut Shell) -> anyhow::Result<Outcome> {
    let sources = shell.settings()?.import_sources;
    let kept: Vec<Kept<'_>> = sources
        .iter()
        .map(|(name, source)| Kept { name, source })
        .collect();
    shell.output.json(&kept)?;
    if kept.is_empty() {
        shell
            .output
            .note("no repository is kept yet: muster import-source add NAME ADDRESS --trust DIR");
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(vec!["NAME", "ADDRESS", "SIGNERS"]);
    for (name, source) in &sources {
        let trust = source
            .trust
            .as_ref()
            .map_or_else(|| "anybody (--unverified)".to_owned(), |folder| shown(folder));
        table.row(vec![name.clone(), source.address.clone(), trust]);
    }
    table.write(&mut shell.output)?;
    Ok(Outcome::Done)
}

fn remove(arguments: &Remove, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let folder = shell.folder()?;
    let mut settings = folder.load()?;
    if settings.import_sources.remove(&arguments.name).is_none() {
        return Err(
            Refusal::new(format!("no repository is kept as {}", arguments.name))
                .hint("`muster import-source list` shows them")
                .into(),
        );
    }
    folder.save(&settings)?;
    shell.output.json(&arguments.name)?;
    shell.output.line(format!("{}: forgotten", arguments.name))?;
    Ok(Outcome::Done)
}

/// What a certificate signs itself; a CA also vouches for others, each for what their certificate says.
fn signs(certificate: &Certificate) -> &'static str {
    let code = certificate.may_sign_code();
    match (certificate.may_sign_data(), certificate.is_ca()) {
        (true, false) if code => "packages with code",
        (true, false) => "packages without code",
        (true, true) if code => "packages with code; CA: vouches for others",
        (true, true) => "packages without code; CA: vouches for others, for code too",
        (false, true) => "nothing itself; CA: vouches for others, for code too",
        (false, false) => "nothing",
    }
}

fn signers(arguments: &Signers, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let mut repository = arguments.trust.look(shell, &arguments.repository)?;
    let listing = block_on(repository.list(shell.now))??;
    let mut facts = Vec::new();
    let mut table = Table::new(vec!["NAME", "SIGNS", "UNTIL", "FINGERPRINT (SHA-256)"]);
    for certificate in &listing.certificates {
        facts.push(CertificateFacts::of(certificate, shell.now));
        table.row(vec![
            certificate.common_name(),
            signs(certificate).to_owned(),
            certificate.not_after().strftime("%Y-%m-%d").to_string(),
            certificate.fingerprint(),
        ]);
    }
    shell.output.json(&facts)?;
    if listing.certificates.is_empty() {
        return Err(
            Refusal::new(format!("{} brings no certificate along", arguments.repository))
                .hint("ask its owner for the certificate of its signers")
                .into(),
        );
    }
    table.write(&mut shell.output)?;
    if let Some(folder) = &arguments.save {
        fs_err::create_dir_all(folder)?;
        for certificate in &listing.certificates {
            let path = folder.join(format!("{}.crt", certificate.fingerprint()));
            fs_err::write(&path, certificate.to_pem())
                .map_err(|error| Refusal::new(format!("cannot save a certificate: {}", chain(&error))))?;
        }
        shell.output.note(format!(
            "{} certificates saved in {}; remove those that you do not trust",
            listing.certificates.len(),
            shown(folder)
        ));
    }
    Ok(Outcome::Done)
}
