//! `muster package show`: what a package file says of itself.

use std::path::PathBuf;

use clap::Args;
use muster_shared::package::content::Rules;

use crate::admin::verify::{self, PackageFacts};
use crate::cli::Shell;
use crate::cli::failure::{Outcome, Refusal};
use crate::cli::output::Table;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster package show demo-hello_1.0-0.wapt
  muster package show demo-hello_1.0-0.wapt --files          also the list of its files
  muster package show demo-hello_1.0-0.wapt --trust certs    checked first, refused if untrusted
  muster package show demo-hello_1.0-0.wapt --json
  muster package show demo-hello_1.0-0.wapt --signed-bytes | sha256sum

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
    /// Print exactly the bytes behind the signature of the control file, and nothing else
    #[arg(long, conflicts_with = "files")]
    signed_bytes: bool,
}

pub(super) fn run(arguments: &Show, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let facts = match &arguments.trust {
        None => verify::look(&arguments.file, shell.now)?,
        Some(folder) => {
            let trust = verify::trust(folder)?;
            verify::verified_facts(&verify::verify(&arguments.file, &trust, shell.now)?, shell.now)?
        }
    };
    if arguments.signed_bytes {
        return write_signed_bytes(&facts, arguments, shell);
    }
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

fn write_signed_bytes(facts: &PackageFacts, arguments: &Show, shell: &mut Shell) -> anyhow::Result<Outcome> {
    if facts.control.signed_attributes().is_empty() {
        return Err(Refusal::new(format!(
            "{} is not signed: its control file lists no signed attributes",
            arguments.file.display()
        ))
        .hint("sign it with `muster package sign`")
        .into());
    }
    let bytes = facts.control.signed_bytes();
    shell.output.bytes(&bytes)?;
    // The bytes are ASCII whatever the attributes hold.
    shell
        .output
        .json(&serde_json::json!({ "signed_bytes": String::from_utf8_lossy(&bytes) }))?;
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
    if let Some(rules) = &facts.rules {
        shell.output.line("")?;
        write_rules(rules, shell)?;
    }
    if let Some(problem) = &facts.problem {
        shell.output.note(format!("warning: {problem}"));
    }
    Ok(())
}

fn write_rules(rules: &Rules, shell: &mut Shell) -> std::io::Result<()> {
    match rules {
        Rules::SelfService(rules) => {
            let mut table = Table::new(vec!["GROUP OR USER", "MAY INSTALL"]);
            for (group, packages) in rules.groups() {
                let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
                table.row(vec![group.to_owned(), packages.join(", ")]);
            }
            table.write(&mut shell.output)
        }
        Rules::WindowsUpdate(rules) => {
            shell.output.line("rules for Windows Update")?;
            shell.output.line(rules.to_json())
        }
    }
}
