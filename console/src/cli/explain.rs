//! `muster explain`: why a host is offered a package or not, and what becomes of it there.

use clap::Args;
use serde::Serialize;

use super::Shell;
use super::failure::Outcome;
use super::resolve::Situation;
use crate::admin::explain;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster explain tis-firefox --repo /srv/www/wapt --trust certs --capabilities pc.json
  muster explain lib --repo . --trust certs --capabilities pc.json --want app --installed
      'lib(=1.2-3)'

Each sentence names the attribute, its value, what the host has, and the rule. See `muster resolve
--help` for the file of capabilities, and `muster host explain` for a host of your server.")]
pub(crate) struct Explain {
    /// The name of a package
    #[arg(value_name = "PACKAGE")]
    package: String,
    #[command(flatten)]
    situation: Situation,
}

#[derive(Serialize)]
struct Explained<'a> {
    package: &'a str,
    sentences: &'a [String],
}

pub(crate) fn run(arguments: &Explain, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let (question, offered) = arguments.situation.question(shell)?;
    let sentences = explain::sentences(&question, &offered.refused, &arguments.package);
    write(&arguments.package, &sentences, shell)
}

/// Writes sentences about a package.
pub(super) fn write(package: &str, sentences: &[String], shell: &mut Shell) -> anyhow::Result<Outcome> {
    shell.output.json(&Explained { package, sentences })?;
    for sentence in sentences {
        shell.output.line(sentence)?;
    }
    Ok(Outcome::Done)
}
