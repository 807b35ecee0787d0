//! `muster resolve`: what a host would do, and why, from a repository folder.

use std::path::PathBuf;

use clap::Args;
use muster_shared::request::{Operator, Request, parse_list};

use super::Shell;
use super::failure::Outcome;
use super::output::{Table, Tone};
use crate::admin::resolve::{self, Answer, Offered, Question};
use crate::admin::verify;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster resolve --repo /srv/www/wapt --trust certs --capabilities pc.json --want tis-firefox
  muster resolve --repo . --trust certs --capabilities pc.json --want 'a,b(=1)' --installed
      'lib(=1.2-3)' --json
  muster resolve --repo . --trust certs --capabilities pc.json --upgrade
      what the next upgrade would do

The file of capabilities is JSON with the names under which agents report them, for example
  {\"os\":\"windows\",\"os_version\":\"10.0.19045\",\"architecture\":\"x64\",\"packages_maturities\":[\"PROD\"],
   \"packages_locales\":[\"fr\"],\"packages_blacklist\":[],\"on_date\":\"2026-01-31T12:00:00\",
   \"installed\":[{\"package\":\"lib\",\"version\":\"1.2-3\",\"status\":\"OK\"}]}
What it does not give is the same on every machine: without os or architecture packages for any
are taken; os_version unknown (packages with a bound on it are not taken), packages_maturities
PROD, packages_locales any, wapt_version 1.8.2, on_date now. Dates without a zone are UTC.
Exit code 0 when everything can be had, 1 when some package is in error.")]
pub(crate) struct Resolve {
    #[command(flatten)]
    situation: Situation,
}

/// A host and a repository, as files say.
#[derive(Debug, Args)]
pub(super) struct Situation {
    /// The folder of the repository: its index, or else its .wapt files
    #[arg(long, value_name = "DIR", required = true)]
    repo: PathBuf,
    /// Folder of the certificates that the host trusts (.crt, .pem)
    #[arg(long, value_name = "DIR", required = true)]
    trust: PathBuf,
    /// What the host is, as JSON
    #[arg(long, value_name = "FILE", required = true)]
    capabilities: PathBuf,
    /// What the host has, besides what the file says: name(=version), with commas between
    #[arg(long, value_name = "LIST", value_parser = installed)]
    installed: Option<Requests>,
    /// What the host must have, with commas between
    #[arg(long, value_name = "LIST", value_parser = requests)]
    want: Option<Requests>,
    /// Also take the newest of everything that the host has
    #[arg(long)]
    upgrade: bool,
}

/// A comma list of requests, read strictly.
#[derive(Debug, Clone)]
struct Requests(Vec<Request>);

fn requests(list: &str) -> Result<Requests, String> {
    parse_list(list).map(Requests).map_err(|error| error.to_string())
}

/// The same of packages that are there: each has one version.
fn installed(list: &str) -> Result<Requests, String> {
    let requests = requests(list)?;
    for request in &requests.0 {
        if let Some(condition) = &request.condition
            && condition.operator != Operator::Equal
        {
            return Err(format!(
                "{request} is no installed version; write {}(={})",
                request.name, condition.version
            ));
        }
    }
    Ok(requests)
}

impl Situation {
    /// The question, and the packages that do not count.
    pub(super) fn question(&self, shell: &mut Shell) -> anyhow::Result<(Question, Offered)> {
        let trust = verify::trust(&self.trust)?;
        let host = resolve::host_file(&self.capabilities, shell.now)?;
        for name in &host.unknown {
            shell.output.note(format!(
                "{name:?} in {} means nothing here; it is ignored",
                self.capabilities.display()
            ));
        }
        let list = |list: &Option<Requests>| list.clone().map(|list| list.0).unwrap_or_default();
        let offered = resolve::offered(&self.repo, &trust, host.capabilities.now)?;
        let question = Question::new(
            offered.entries.clone(),
            &offered.refused,
            &host,
            &list(&self.installed),
            &list(&self.want),
            self.upgrade,
        );
        Ok((question, offered))
    }
}

pub(crate) fn run(arguments: &Resolve, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let (question, offered) = arguments.situation.question(shell)?;
    let answer = resolve::answer(question.resolution(), offered.refused);
    shell.output.json(&answer)?;
    if !shell.output.is_json() {
        write(&answer, shell)?;
    }
    Ok(if answer.errors.is_empty() {
        Outcome::Done
    } else {
        Outcome::Refused
    })
}

fn write(answer: &Answer, shell: &mut Shell) -> anyhow::Result<()> {
    let output = &mut shell.output;
    if answer.actions.is_empty() {
        output.line("nothing is to be done")?;
    } else {
        let mut table = Table::new(vec!["ACTION", "PACKAGE", "VERSION", "FROM", "WHY"]);
        for action in &answer.actions {
            table.row(vec![
                action.action.to_owned(),
                action.package.clone(),
                action.version.clone(),
                action.from.clone().unwrap_or_default(),
                action.reason.clone(),
            ]);
        }
        table.write(output)?;
    }
    for kept in &answer.kept {
        let word = output.tone(Tone::Good, "kept");
        output.line(format!(
            "{word}  {} {}: {}",
            kept.package, kept.version, kept.reason
        ))?;
    }
    for error in &answer.errors {
        let word = output.tone(Tone::Bad, "ERROR");
        output.line(format!("{word} {}: {}", error.package, error.reason))?;
    }
    for refused in &answer.refused {
        let word = output.tone(Tone::Waiting, "refused");
        let name = format!("{} {}", refused.package, refused.version);
        let name = if refused.package.is_empty() {
            &refused.filename
        } else {
            name.trim_end()
        };
        output.line(format!("{word} {name}: {}", refused.reason))?;
    }
    Ok(())
}
