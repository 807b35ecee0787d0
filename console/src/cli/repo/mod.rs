//! `muster repo …`: a repository folder without a server.

mod index;
mod rules;
mod verify;

use clap::Subcommand;

use super::Shell;
use super::failure::Outcome;

#[derive(Debug, Subcommand)]
pub(crate) enum RepoCommand {
    /// Write the index of a folder of packages, for agents of Muster and of WAPT 1.8
    Index(index::RepoIndex),
    /// Check the index of a folder and every file against it
    Verify(verify::RepoVerify),
    /// Rules about which address serves a repository to which machines
    #[command(subcommand)]
    Rules(rules::RulesCommand),
}

pub(crate) fn run(command: RepoCommand, shell: &mut Shell) -> anyhow::Result<Outcome> {
    match command {
        RepoCommand::Index(arguments) => index::run(&arguments, shell),
        RepoCommand::Verify(arguments) => verify::run(&arguments, shell),
        RepoCommand::Rules(command) => rules::run(command, shell),
    }
}
