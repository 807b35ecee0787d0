//! `muster enrol-token create|list|delete`: how new machines prove that the organisation expects them.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::failure::Outcome;
use super::output::Table;
use super::{Shell, block_on, connection, lifetime};
use crate::admin::enrol;

#[derive(Debug, Subcommand)]
pub(crate) enum EnrolTokenCommand {
    /// Make a token for new machines
    Create(EnrolTokenCreate),
    /// List the tokens that were made
    List(EnrolTokenList),
    /// Take a token back
    Delete(EnrolTokenDelete),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster enrol-token create --uses 20 --lifetime 7d --note 'classroom 1'
  muster enrol-token create --identifier 4C4C4544-004E    only this machine, also when reinstalled

On the machine:
  muster-agent register --server 'muster://srv#sha256=…' --token TOKEN

The token is shown this once; the server keeps only its hash.")]
pub(crate) struct EnrolTokenCreate {
    /// How many machines may use it
    #[arg(long, default_value_t = 1)]
    uses: u32,
    /// How long it may be used: 90s, 15m, 2h, 7d, 2w
    #[arg(long, default_value = "1d", value_parser = lifetime::parse)]
    lifetime: Duration,
    /// What it is for, shown in the list
    #[arg(long, default_value = "", hide_default_value = true)]
    note: String,
    /// For the machine with this identifier only; replaces its key if it is known
    #[arg(long, value_name = "ID")]
    identifier: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster enrol-token list
  muster enrol-token list --json")]
pub(crate) struct EnrolTokenList {}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster enrol-token delete 5f3a91c2")]
pub(crate) struct EnrolTokenDelete {
    /// Identifiers of tokens, as `muster enrol-token list` shows them
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
}

pub(crate) fn run(command: EnrolTokenCommand, shell: &mut Shell) -> anyhow::Result<Outcome> {
    match command {
        EnrolTokenCommand::Create(arguments) => create(&arguments, shell),
        EnrolTokenCommand::List(EnrolTokenList {}) => list(shell),
        EnrolTokenCommand::Delete(arguments) => delete(&arguments, shell),
    }
}

fn create(arguments: &EnrolTokenCreate, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let client = connection::client(shell)?;
    let identifier = arguments.identifier.as_deref();
    let created = block_on(enrol::create(
        &client,
        arguments.uses,
        arguments.lifetime,
        &arguments.note,
        identifier,
    ))??;
    shell.output.json(&created)?;
    // The token alone on standard output, so that scripts can take it.
    shell.output.line(&created.token)?;
    shell.output.flush()?;
    shell.output.note(format!(
        "token {} for {} machine{}, until {}; it is not shown again",
        created.row.id,
        created.row.uses,
        if created.row.uses == 1 { "" } else { "s" },
        crate::state::time::exact(created.row.expires_at)
    ));
    Ok(Outcome::Done)
}

fn list(shell: &mut Shell) -> anyhow::Result<Outcome> {
    let client = connection::client(shell)?;
    let rows = block_on(enrol::list(&client))??;
    shell.output.json(&rows)?;
    let mut table = Table::new(vec!["ID", "USES LEFT", "UNTIL", "BY", "FOR", "NOTE"]);
    for row in &rows {
        table.row(vec![
            row.id.clone(),
            format!("{} of {}", row.uses_left, row.uses),
            row.expires_at.to_string(),
            row.created_by.clone(),
            row.identifier
                .clone()
                .unwrap_or_else(|| "any new machine".to_owned()),
            row.note.clone(),
        ]);
    }
    table.write(&mut shell.output)?;
    Ok(Outcome::Done)
}

fn delete(arguments: &EnrolTokenDelete, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let client = connection::client(shell)?;
    for id in &arguments.ids {
        block_on(enrol::delete(&client, id))??;
        shell.output.line(format!("token {id} taken back"))?;
    }
    shell
        .output
        .json(&serde_json::json!({ "deleted": arguments.ids }))?;
    Ok(Outcome::Done)
}
