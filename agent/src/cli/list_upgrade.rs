//! `muster-agent list-upgrade`: the pending changes, with their reasons.

use muster_shared::protocol::package::{Change, PendingPackage};
use muster_shared::rules::repository::MAIN_REPOSITORY;

use super::order::{Order, exit_of, open};
use super::{Common, Done};
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::table;
use crate::update::pool::Pool;
use crate::{daemon, update};

/// Say what an upgrade would do, and why; changes nothing.
///
/// Shows the plan of the last update. --update fetches what is new first. Exit code 4 when no index of a
/// repository was fetched yet: `muster-agent update` fetches it.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Update before answering.
    #[arg(short, long, alias = "update-packages")]
    update: bool,
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Done {
    let mut exit = None;
    if arguments.update {
        let order = Order::of(muster_shared::protocol::action::ActionKind::Update);
        let answer = Box::pin(order.outcome(common)).await?;
        exit = exit_of(&answer);
    }
    let mut has_several = false;
    let pending = if super::reach::may_read(common) {
        let pending = pending(common).await?;
        let paths = common.paths();
        let config = Config::load(&paths)?;
        has_several = !config.repositories.others.is_empty();
        if !Pool::of(&paths, &config)?.has_index() {
            // Nothing is known to be missing, which is not the same as nothing is missing.
            return Err(update::no_index());
        }
        pending
    } else {
        let seen = super::people::pending(common).await?;
        if seen.updated_at.is_none() {
            return Err(update::no_index());
        }
        seen.changes
    };
    common.output().answer(&pending, |pending| {
        if pending.is_empty() {
            return "everything is as it should be".to_owned();
        }
        // Ordinary users may not read how many are configured, but see where something comes from.
        let is_other = |one: &PendingPackage| !matches!(one.repository.as_str(), "" | MAIN_REPOSITORY);
        let has_several = has_several || pending.iter().any(is_other);
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
        if !has_several {
            return table(["Change", "Package", "Version", "Why"], &rows);
        }
        let rows: Vec<[String; 5]> = rows
            .into_iter()
            .zip(pending)
            .map(|([change, package, version, why], one)| {
                [change, package, version, one.repository.clone(), why]
            })
            .collect();
        table(["Change", "Package", "Version", "Repository", "Why"], &rows)
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
    // Without a database there is no index either, which is said then.
    match super::reach::state(common).await? {
        Some(state) => Ok(state.pending().await?),
        None => Ok(Vec::new()),
    }
}
