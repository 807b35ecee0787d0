//! `muster package show`: what a package file says of itself.

use std::path::PathBuf;

use clap::Args;

use crate::admin::verify::{self, PackageFacts};
use crate::cli::Shell;
use crate::cli::failure::Outcome;
use crate::cli::output::Table;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster package show demo-hello_1.0-0.wapt
  muster package show demo-hello_1.0-0.wapt --files          also the list of its files
  muster package show demo-hello_1.0-0.wapt --trust certs    checked first, refused if untrusted
  muster package show demo-hello_1.0-0.wapt --json

Without --trust nothing is checked: the file shows what it claims.")]
pub(crate) struct Show {
    /// A package file
    file: PathBuf,
    /// Check it against the certificates of this folder first
    #[arg(long, value_name = "DIR")]
    trust: Option<PathBuf>,
    /// List the files in the package
    #[arg(long)]
    files: bool,
}

pub(super) fn run(arguments: &Show, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let facts = match &arguments.trust {
        None => verify::look(&arguments.file, shell.now)?,
        Some(folder) => {
            let trust = verify::trust(folder)?;
            verify::verified_facts(&verify::verify(&arguments.file, &trust, shell.now)?, shell.now)
        }
    };
    shell.output.json(&facts)?;
    write_facts(&facts, shell)?;
    if arguments.files {
        shell.output.line("")?;
        let mut table = Table::new(vec!["FILE", "BYTES"]);
        for file in &facts.files {
            table.row(vec![file.name.clone(), file.size.to_string()]);
        }
        table.write(&mut shell.output)?;
    }
    Ok(Outcome::Done)
}

fn write_facts(facts: &PackageFacts, shell: &mut Shell) -> anyhow::Result<()> {
    // The signature itself says nothing to a person.
    let hidden = ["signature", "signed_attributes"];
    let attributes: Vec<(&str, String)> = facts
        .control
        .attributes()
        .filter(|(name, value)| !value.is_empty() && !hidden.contains(name))
        .map(|(name, value)| (name, value.to_owned()))
        .collect();
    shell.output.facts(&attributes)?;
    shell.output.line("")?;
    let signer = match &facts.signer {
        None => "nobody: the package is not signed".to_owned(),
        Some(signer) if facts.verified => format!("{} (checked)", signer.common_name),
        Some(signer) => format!("{} (as it claims; check with --trust)", signer.common_name),
    };
    let code = if facts
        .files
        .iter()
        .any(|file| file.name.eq_ignore_ascii_case("setup.py"))
    {
        "setup.py"
    } else {
        "none"
    };
    shell.output.facts(&[
        ("signed by", signer),
        ("code", code.to_owned()),
        ("files", facts.files.len().to_string()),
        ("size", format!("{} bytes", facts.size)),
        ("sha256", facts.sha256.clone()),
    ])?;
    Ok(())
}
