//! `muster host explain`: why a host of the server is offered a package or not, and what becomes of it there.

use clap::Args;
use muster_shared::hint::chain;
use muster_shared::request::name_alone;

use crate::admin::{explain, targets};
use crate::cli::failure::{Outcome, Refusal};
use crate::cli::{Shell, block_on, connection};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster host explain pc-12 tis-firefox
  muster host explain pc-12 tis-firefox --json

Worked out from what the host last reported (system, agent settings, trusted certificates,
packages, its own package) and the index of the server's repository. When the server has another
package of the host than the host took last, that is said first. `muster-agent explain` says the
same on the machine itself. Exit code 1 when neither the repository nor the host has a package of
that name.")]
pub(crate) struct Explain {
    /// Identifier or name of a machine
    host: String,
    /// The name of a package, without a condition
    #[arg(value_name = "PACKAGE", value_parser = name_alone)]
    package: String,
}

pub(super) fn run(arguments: &Explain, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let client = connection::client(shell)?;
    let (detail, index, host_package) = block_on(async {
        let rows = targets::resolve(&client, std::slice::from_ref(&arguments.host), None).await?;
        let row = rows
            .into_iter()
            .next()
            .ok_or_else(|| Refusal::new("no such machine"))?;
        let detail = client.host(&row.identifier).await?;
        let index = client.repository_index().await?;
        let host_package = client.host_package(&row.identifier).await;
        anyhow::Ok((detail, index, host_package))
    })??;
    let newer = host_package
        .map_err(|error| chain(&error))
        .and_then(|file| file.map(|file| explain::claimed(&file.bytes)).transpose());
    let mut first = Vec::new();
    match newer {
        Ok(Some(newer)) => first = explain::not_there_yet(&detail, &newer, &arguments.package),
        Ok(None) => {}
        Err(error) => shell.output.note(format!(
            "the server's copy of the host's package cannot be read: {error}"
        )),
    }
    let mut explained = explain::of_host(&detail, index.as_deref(), &arguments.package, shell.now)?;
    explained.sentences.splice(0..0, first);
    crate::cli::explain::write(&arguments.package, &explained, shell)
}
