//! `muster-agent list-upgrade`: the pending changes, with their reasons.

use muster_shared::protocol::package::{Change, PendingPackage};

use super::order::{Order, exit_of, open};
use super::{Common, Done};
use crate::failure::{Exit, Failure};
use crate::output::table;
use crate::state::State;
use crate::{daemon, update};

/// Say what an upgrade would do, and why; changes nothing.
///
/// Shows the plan of the last update. --update fetches what is new first. Exit code 4 when no index of a
/// repository was fetched yet: `muster-agent update` fetches it.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Update before answering.
    #[arg(short, long)]
    update: bool,
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Done {
    let mut exit = None;
    if arguments.update {
        let answer = Order::of(muster_shared::protocol::action::ActionKind::Update)
            .outcome(common)
            .await?;
        exit = exit_of(&answer);
    }
    let pending = pending(common).await?;
    if common
        .paths()
        .index_file()
        .try_exists()
        .is_ok_and(|exists| !exists)
    {
        // Nothing is known to be missing, which is not the same as nothing is missing.
        return Err(update::no_index());
    }
    common.output().answer(&pending, |pending| {
        if pending.is_empty() {
            return "everything is as it should be".to_owned();
        }
        let rows: Vec<[String; 4]> = pending
            .iter()
            .map(|one| {
                let version = match one.change {
                    Change::Remove => one.from.clone(),
                    _ if one.from.is_empty() || one.from == one.version => one.version.clone(),
                    _ => format!("{} → {}", one.from, one.version),
                };
                let why = one.error.clone().unwrap_or_else(|| one.reason.clone());
                [one.change.as_str().to_owned(), one.package.clone(), version, why]
            })
            .collect();
        table(["Change", "Package", "Version", "Why"], &rows)
    });
    let impossible = pending.iter().any(|one| one.error.is_some());
    Ok(exit.or_else(|| impossible.then_some(Exit::Packages)))
}

/// The plan as stored; planned anew when this process may own the state.
async fn pending(common: &Common) -> Result<Vec<PendingPackage>, Failure> {
    if common.standalone {
        let agent = open(common).await?;
        daemon::recover(&agent).await?;
        let plan = update::replan(&agent).await?;
        agent.close().await;
        return Ok(plan.pending());
    }
    let state = State::open_read_only(&common.paths().database()).await?;
    Ok(state.pending().await?)
}
