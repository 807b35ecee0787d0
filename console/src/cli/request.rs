//! `muster request match`: whether a version is one that a request asks for.

use clap::{Args, Subcommand};
use muster_shared::request::{Request, RequestError};
use serde::Serialize;

use super::Shell;
use super::failure::Outcome;

#[derive(Debug, Subcommand)]
pub(crate) enum RequestCommand {
    /// Say whether a package is one that a request asks for
    Match(Match),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster request match 'tis-7zip(>=19)' --name tis-7zip --version 19.0-3     prints true
  muster request match 'tis-7zip(=1.2)' --name tis-7zip --version 1.2.7-3
      prints true: 1.2 stands for all of 1.2
  muster request match 'tis-7zip (=1.2)' --name tis-7zip --version 1.2
      prints false: the blank is a mistake

Answers as agents act on a request in a signed package. What they understand in another way than
meant is said in a note.")]
pub(crate) struct Match {
    /// The request, as it stands in depends or conflicts
    #[arg(value_name = "REQUEST")]
    request: String,
    /// The name of the package
    #[arg(long, value_name = "NAME")]
    name: String,
    /// The version of the package
    #[arg(long, value_name = "VERSION", allow_hyphen_values = true)]
    version: String,
}

#[derive(Serialize)]
struct Matched<'a> {
    request: &'a str,
    name: &'a str,
    version: &'a str,
    matches: bool,
}

pub(crate) fn run(command: RequestCommand, shell: &mut Shell) -> anyhow::Result<Outcome> {
    match command {
        RequestCommand::Match(arguments) => matches(&arguments, shell),
    }
}

fn matches(arguments: &Match, shell: &mut Shell) -> anyhow::Result<Outcome> {
    match Request::parse(&arguments.request) {
        Ok(_) | Err(RequestError::NoName { .. }) => {}
        Err(error) => shell.output.note(error.to_string()),
    }
    let request = Request::parse_as_wapt(&arguments.request);
    let is_match = request.matches(&arguments.name, &arguments.version);
    shell.output.json(&Matched {
        request: &arguments.request,
        name: &arguments.name,
        version: &arguments.version,
        matches: is_match,
    })?;
    shell.output.line(is_match.to_string())?;
    Ok(Outcome::Done)
}
