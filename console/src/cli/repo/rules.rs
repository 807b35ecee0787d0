//! `muster repo rules sign|show`: which address serves a repository to which machines.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use muster_shared::rules::repository::{MAIN_REPOSITORY, RULES_FILE, Rule};
use serde_json::json;

use crate::admin::{repository_rules, verify};
use crate::cli::Shell;
use crate::cli::failure::Outcome;
use crate::cli::output::{Table, Tone, shown};
use crate::cli::signer::SignerArguments;

#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Sign rules that lead machines to mirrors
    Sign(RulesSign),
    /// Show a signed file of rules, and whether machines would take it
    Show(RulesShow),
}

#[derive(Debug, Args)]
#[command(after_help = "\
A file of rules (TOML, or JSON with a list \"rules\" of the same fields):

  [[rule]]
  sequence = 10                       rules are tried in ascending order
  name = \"Berlin\"
  condition = \"AGENT IP\"              or DOMAIN, HOSTNAME, PUBLIC IP, SITE
  value = \"10.1.0.0/16\"               networks, or patterns such as *.example.org, with commas
  repo_url = \"https://mirror.berlin.example.org/wapt\"
  # negation = true                   for the machines that do not fit
  # no_fallback = true                this address or none
  # server_pin = \"SHA-256\"            of the mirror's certificate or CA, unless machines trust it
  # repositories = [\"wapt\", \"extra\"]  as in agent.toml; the main repository when not given

Examples:
  muster repo rules sign rules.toml --certificate alice.crt --key alice.pem
  muster repo rules sign berlin.toml paris.toml --out /srv/www/wapt/rules.json --days 90
  muster repo rules sign none.toml      no rules at all: an empty file ends those in force

Put rules.json beside Packages, on the server into its folder repository/wapt. Machines with
use_repo_rules = true take it at their next update. Sign again before it ends: rules that expired
lead nowhere, and machines go to the address that they are configured with.")]
pub(crate) struct RulesSign {
    /// Files of rules
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where to write the signed file
    #[arg(long, short, value_name = "FILE", default_value = RULES_FILE)]
    out: PathBuf,
    /// The rules end after so many days
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..=400))]
    days: u16,
    /// Sign also with a certificate that is not made for code: only machines that pin it take these rules
    #[arg(long)]
    any_certificate: bool,
    #[command(flatten)]
    signer: SignerArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster repo rules show rules.json
  muster repo rules show /srv/www/wapt/rules.json --trust certs

Exit code 0 when the file can be read and, with --trust, machines with this trust folder take it
now; 1 when not.")]
pub(crate) struct RulesShow {
    /// The signed file
    #[arg(value_name = "FILE", default_value = RULES_FILE)]
    file: PathBuf,
    /// Folder of the certificates that machines trust (.crt, .pem) and of revocation lists (.crl)
    #[arg(long, value_name = "DIR")]
    trust: Option<PathBuf>,
}

pub(super) fn run(command: RulesCommand, shell: &mut Shell) -> anyhow::Result<Outcome> {
    match command {
        RulesCommand::Sign(arguments) => sign(&arguments, shell),
        RulesCommand::Show(arguments) => show(&arguments, shell),
    }
}

fn sign(arguments: &RulesSign, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let mut rules = Vec::new();
    for file in &arguments.files {
        rules.extend(repository_rules::read(file)?);
    }
    // Before anybody types a PIN.
    let document = repository_rules::document(rules, arguments.days, shell.now)?;
    let signer = arguments.signer.signer(shell)?;
    let bytes = repository_rules::sign(&document, signer.as_ref(), arguments.any_certificate)?;
    repository_rules::write(&arguments.out, &bytes)?;
    shell.output.json(&json!({
        "path": arguments.out,
        "rules": document.rules.len(),
        "issued_at": document.issued_at,
        "expires_at": document.expires_at,
        "signer": signer.certificate().common_name(),
    }))?;
    shell.output.line(format!(
        "{}: {} rules, signed by {}, until {}",
        shown(&arguments.out),
        document.rules.len(),
        signer.certificate().common_name(),
        document.expires_at.strftime("%Y-%m-%d")
    ))?;
    Ok(Outcome::Done)
}

fn show(arguments: &RulesShow, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let trust = arguments.trust.as_deref().map(verify::trust).transpose()?;
    let opened = repository_rules::open(&arguments.file, trust.as_ref(), shell.now)?;
    let refused = opened.verdict.clone().and_then(Result::err);
    let verdict = opened.verdict.as_ref().map(Result::is_ok);
    shell.output.json(&json!({
        "rules": opened.rules.rules,
        "issued_at": opened.rules.issued_at,
        "expires_at": opened.rules.expires_at,
        "signers": opened.signers,
        "accepted": verdict,
        "reason": refused,
    }))?;
    let mut facts = vec![
        ("signed by", opened.signers.join(", ")),
        ("issued", opened.rules.issued_at.to_string()),
        ("expires", opened.rules.expires_at.to_string()),
    ];
    match &opened.verdict {
        None => facts.push((
            "machines",
            "not checked; --trust DIR says whether they take it".to_owned(),
        )),
        Some(Ok(())) => facts.push(("machines", shell.output.tone(Tone::Good, "take it"))),
        Some(Err(reason)) => {
            let word = shell.output.tone(Tone::Bad, "refuse it");
            facts.push(("machines", format!("{word}: {reason}")));
        }
    }
    shell.output.facts(&facts)?;
    shell.output.line("")?;
    let mut table = Table::new(vec![
        "SEQUENCE",
        "NAME",
        "MACHINES",
        "ADDRESS",
        "REPOSITORIES",
        "ELSE",
    ]);
    for rule in &opened.rules.rules {
        table.row(cells(rule));
    }
    table.write(&mut shell.output)?;
    Ok(if refused.is_some() {
        Outcome::Refused
    } else {
        Outcome::Done
    })
}

fn cells(rule: &Rule) -> Vec<String> {
    let not = if rule.negation { "not " } else { "" };
    vec![
        rule.sequence.to_string(),
        rule.name.clone(),
        format!("{not}{} {}", rule.condition, rule.value),
        rule.repo_url.clone(),
        if rule.repositories.is_empty() {
            MAIN_REPOSITORY.to_owned()
        } else {
            rule.repositories.join(", ")
        },
        if rule.no_fallback { "nothing" } else { "next" }.to_owned(),
    ]
}
