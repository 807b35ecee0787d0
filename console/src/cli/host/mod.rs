//! `muster host …`: see machines, assign packages to them, order actions.

mod act;
mod columns;
mod edit;
mod explain;
mod list;
mod show;
mod watch;

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use clap::{Args, Subcommand};
use muster_shared::protocol::host::HostRow;

use super::Shell;
use super::failure::{Outcome, Refusal};
use crate::admin::targets;
use crate::client::Client;

#[derive(Debug, Subcommand)]
pub(crate) enum HostCommand {
    /// List machines, or watch them live
    List(list::List),
    /// Show one machine: facts, packages, and why something failed
    Show(show::Show),
    /// Say why a machine is offered a package or not, and what becomes of it there
    Explain(explain::Explain),
    /// Change what machines must have and must not have
    Edit(edit::EditHosts),
    /// Order an action, and follow it
    Act(act::Act),
}

pub(crate) fn run(command: HostCommand, shell: &mut Shell) -> anyhow::Result<Outcome> {
    match command {
        HostCommand::List(arguments) => list::run(&arguments, shell),
        HostCommand::Show(arguments) => show::run(&arguments, shell),
        HostCommand::Explain(arguments) => explain::run(&arguments, shell),
        HostCommand::Edit(arguments) => edit::run(&arguments, shell),
        HostCommand::Act(arguments) => act::run(&arguments, shell),
    }
}

/// Which machines are meant.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Which machines")]
struct Targets {
    /// Identifiers or names of machines
    #[arg(value_name = "HOST")]
    hosts: Vec<String>,
    /// All machines that match this filter; see `muster host list --help`
    #[arg(long, value_name = "FILTER")]
    filter: Option<String>,
    /// All machines
    #[arg(long, conflicts_with = "filter")]
    all: bool,
    /// Do not ask when a filter chose the machines
    #[arg(long, short = 'y')]
    yes: bool,
}

impl Targets {
    async fn resolve(&self, client: &Client) -> anyhow::Result<Vec<HostRow>> {
        let filter = if self.all {
            Some("")
        } else {
            self.filter.as_deref()
        };
        if self.hosts.is_empty() && filter.is_none() {
            return Err(Refusal::new("no machine is named")
                .hint("name machines, or choose them: --filter 'status:error', --all")
                .into());
        }
        Ok(targets::resolve(client, &self.hosts, filter).await?)
    }

    /// Machines that a person did not name one by one are confirmed.
    fn confirm(&self, question: &str) -> anyhow::Result<()> {
        let chosen_by_filter = self.all || self.filter.is_some();
        if self.yes || !chosen_by_filter {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() {
            return Err(
                Refusal::new("machines were chosen by a filter and nobody can be asked")
                    .hint("look at them with `muster host list FILTER`, then add --yes")
                    .into(),
            );
        }
        let mut stderr = std::io::stderr();
        write!(stderr, "{question} [y/N] ").ok();
        stderr.flush().ok();
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
            Ok(())
        } else {
            Err(Refusal::new("not confirmed; nothing was done").into())
        }
    }
}

/// A machine as people tell it from others: its name, and its identifier when that says more.
fn called(name: &str, identifier: &str) -> String {
    if name.is_empty() || name.eq_ignore_ascii_case(identifier) {
        identifier.to_owned()
    } else {
        format!("{name} ({identifier})")
    }
}

/// "1 machine", "3 machines".
fn machines(count: usize) -> String {
    if count == 1 {
        "1 machine".to_owned()
    } else {
        format!("{count} machines")
    }
}
