//! `muster explain`: why a host is offered a package or not, and what becomes of it there.

use clap::Args;
use muster_shared::request::name_alone;
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

Exit code 0, or 1 when neither the repository nor the host has a package of that name.
Each sentence names the attribute, its value, what the host has, and the rule. See `muster resolve
--help` for the file of capabilities, and `muster host explain` for a host of your server.")]
pub(crate) struct Explain {
    /// The name of a package, without a condition
    #[arg(value_name = "PACKAGE", value_parser = name_alone)]
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
    let (question, _offered) = arguments.situation.question(shell)?;
    let explained = explain::explained(&question, &arguments.package);
    write(&arguments.package, &explained, shell)
}

/// Writes sentences about a package.
pub(super) fn write(
    package: &str,
    explained: &explain::Explained,
    shell: &mut Shell,
) -> anyhow::Result<Outcome> {
    let sentences = &explained.sentences;
    shell.output.json(&Explained { package, sentences })?;
    for sentence in sentences {
        shell.output.line(sentence)?;
    }
    Ok(if explained.is_nowhere {
        Outcome::Refused
    } else {
        Outcome::Done
    })
}
