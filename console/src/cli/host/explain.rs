//! `muster host explain`: why a host of the server is offered a package or not, and what becomes of it there.

use clap::Args;

use crate::admin::{explain, targets};
use crate::cli::failure::{Outcome, Refusal};
use crate::cli::{Shell, block_on, connection};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster host explain pc-12 tis-firefox
  muster host explain pc-12 tis-firefox --json

Worked out from what the host last reported (system, agent settings, trusted certificates,
packages, its own package) and the index of the server's repository. `muster-agent explain` says
the same on the machine itself.")]
pub(crate) struct Explain {
    /// Identifier or name of a machine
    host: String,
    /// The name of a package
    #[arg(value_name = "PACKAGE")]
    package: String,
}

pub(super) fn run(arguments: &Explain, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let client = connection::client(shell)?;
    let (detail, index) = block_on(async {
        let rows = targets::resolve(&client, std::slice::from_ref(&arguments.host), None).await?;
        let row = rows
            .into_iter()
            .next()
            .ok_or_else(|| Refusal::new("no such machine"))?;
        let detail = client.host(&row.identifier).await?;
        let index = client.repository_index().await?;
        anyhow::Ok((detail, index))
    })??;
    let sentences = explain::of_host(&detail, index.as_deref(), &arguments.package, shell.now)?;
    crate::cli::explain::write(&arguments.package, &sentences, shell)
}
