//! `muster action list|show`: what was ordered, by whom, and what became of it.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use muster_shared::protocol::action::{ActionDetail, ActionRow, TargetRow, TargetState};
use uuid::Uuid;

use super::failure::Outcome;
use super::output::{Output, Table, Tone};
use super::{Shell, block_on, connection};
use crate::client::ListQuery;

#[derive(Debug, Subcommand)]
pub(crate) enum ActionCommand {
    /// List actions, newest first
    List(ActionList),
    /// Show one action and where it stands on each machine
    Show(ActionShow),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster action list
  muster action list --limit 200 --json")]
pub(crate) struct ActionList {
    /// How many at most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster action show 0190c2f0-7d5c-7000-8000-3f6a5b1c2d3e
  muster action show 0190c2f0-7d5c-7000-8000-3f6a5b1c2d3e --failed")]
pub(crate) struct ActionShow {
    /// The action's identifier, as `muster action list` shows it
    batch: Uuid,
    /// Only machines where it failed, was refused or expired
    #[arg(long)]
    failed: bool,
}

pub(crate) fn run(command: ActionCommand, shell: &mut Shell) -> anyhow::Result<Outcome> {
    match command {
        ActionCommand::List(arguments) => list(&arguments, shell),
        ActionCommand::Show(arguments) => show(&arguments, shell),
    }
}

fn list(arguments: &ActionList, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let client = connection::client(shell)?;
    let page = block_on(client.actions(&ListQuery::filtered("", arguments.limit)))??;
    shell.output.json(&page)?;
    let mut table = Table::new(vec!["ACTION", "WHAT", "SIGNED BY", "ISSUED", "MACHINES", "STATE"]);
    for row in &page.items {
        table.row(vec![
            row.batch.to_string(),
            what(row),
            row.signer.clone(),
            row.issued_at.to_string(),
            row.target_count.to_string(),
            states(&row.states),
        ]);
    }
    table.write(&mut shell.output)?;
    if page.total > page.items.len() as u64 {
        shell.output.note(format!(
            "{} of {} actions; --limit shows more",
            page.items.len(),
            page.total
        ));
    }
    Ok(Outcome::Done)
}

fn show(arguments: &ActionShow, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let client = connection::client(shell)?;
    let mut detail = block_on(client.action(arguments.batch))??;
    if arguments.failed {
        detail.targets.retain(|target| is_failure(target.state));
    }
    shell.output.json(&detail)?;
    write_detail(&detail, shell)?;
    Ok(Outcome::Done)
}

fn write_detail(detail: &ActionDetail, shell: &mut Shell) -> anyhow::Result<()> {
    let row = &detail.row;
    shell.output.facts(&[
        ("action", row.batch.to_string()),
        ("what", what(row)),
        (
            "signed by",
            format!("{} (sha256 {})", row.signer, row.signer_fingerprint),
        ),
        ("sent by", row.submitted_by.clone()),
        ("issued", row.issued_at.to_string()),
        ("expires", row.expires_at.to_string()),
        (
            "machines",
            format!("{}: {}", row.target_count, states(&row.states)),
        ),
    ])?;
    shell.output.line("")?;
    let mut table = Table::new(vec!["STATE", "MACHINE", "NAME", "SINCE", "TEXT"]);
    for target in &detail.targets {
        table.row(target_cells(target, &shell.output));
    }
    table.write(&mut shell.output)?;
    Ok(())
}

fn target_cells(target: &TargetRow, output: &Output) -> Vec<String> {
    vec![
        state_word(target.state, output),
        target.identifier.clone(),
        target.name.clone(),
        target.changed_at.to_string(),
        progress_text(target),
    ]
}

/// What a machine says about an action, with the share done when it is known.
pub(crate) fn progress_text(target: &TargetRow) -> String {
    match target.percent {
        Some(percent) if percent > 0 && !target.state.is_over() => format!("{percent} % {}", target.text),
        _ => target.text.clone(),
    }
}

/// The word of a state, in its colour on a terminal.
pub(crate) fn state_word(state: TargetState, output: &Output) -> String {
    let tone = match state {
        TargetState::Done => Tone::Good,
        TargetState::Failed | TargetState::Refused | TargetState::Expired => Tone::Bad,
        TargetState::Accepted | TargetState::Running => Tone::Busy,
        TargetState::Queued | TargetState::Sent => Tone::Waiting,
        TargetState::Cancelled => Tone::Faint,
    };
    output.tone(tone, state.as_str())
}

/// The action did not do on this machine what was ordered.
pub(crate) fn is_failure(state: TargetState) -> bool {
    matches!(
        state,
        TargetState::Failed | TargetState::Refused | TargetState::Expired | TargetState::Cancelled
    )
}

fn what(row: &ActionRow) -> String {
    if row.packages.is_empty() {
        row.action.to_string()
    } else {
        format!("{} {}", row.action, row.packages.join(", "))
    }
}

/// "3 done, 1 failed".
pub(crate) fn states(states: &BTreeMap<String, u64>) -> String {
    let counted: Vec<String> = states
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    counted.join(", ")
}
