//! Update: what the repository offers, what this host is assigned, and the plan that follows.
//!
//! Order: the directory, the indexes (one conditional request each), the host's own package (verified before it replaces the
//! one in force), the unit and profile packages, the plan. Each part fails alone: what was fetched earlier stays in
//! force, the reason is kept and reported, and a failure to fetch is never taken for "no longer assigned".

pub mod fetch;
mod host_package;
mod implicit;
pub mod offers;
mod over;
pub mod pool;
mod rows;
mod signers;

use std::collections::{BTreeMap, BTreeSet};

use muster_shared::catalogue::{Capabilities, Catalogue};
use muster_shared::hint::chain;
use muster_shared::protocol::error::ErrorCode;

use self::fetch::fetch_indexes;
use self::offers::Offers;
use self::pool::{Collected, Pool};
use crate::agent::{Agent, Facts};
use crate::directory;
use crate::failure::{Exit, Failure};
use crate::identity::renewal;
use crate::plan::implicit::{Found, Highest, Names, Settled, in_force, is_implicit, settle};
use crate::plan::{Inputs, Plan, Wish, plan, turns};
use crate::revocation;
use crate::state::facts;
use crate::tasks::TaskContext;

/// What an update found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Updated {
    pub plan: Plan,
    /// Parts that could not be fetched or verified; empty when all went well.
    pub problems: Vec<Problem>,
    /// What changed among the unit and profile packages, and a directory that did not answer: sentences.
    pub notes: Vec<String>,
    /// An index is known: without one, an empty plan says nothing.
    pub has_index: bool,
}

/// One part of an update that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub text: String,
    /// Nobody answered: everything in force stays.
    pub is_unreachable: bool,
}

impl Updated {
    /// What was found, in words.
    pub fn summary(&self) -> String {
        let mut parts: Vec<String> = self.problems.iter().map(|problem| problem.text.clone()).collect();
        parts.extend(self.notes.iter().cloned());
        parts.push(match (self.has_index, self.problems.is_empty()) {
            (false, _) => {
                "no index of a repository is known, so nothing can be said of what is to be done".to_owned()
            }
            (true, true) => self.plan.summary(),
            (true, false) => format!("from what is known here: {}", self.plan.summary()),
        });
        parts.join("; ")
    }
}

/// Fetches what is new and plans anew; see the module's text.
///
/// # Errors
/// When the local database or trust folder cannot be used, or the task is cancelled.
pub async fn update(agent: &Agent, context: &TaskContext) -> Result<Updated, Failure> {
    let mut problems = Vec::new();
    let mut notes = Vec::new();
    context.progress(Some(1), "asking the directory for this computer's place");
    // A note and no failure of the update: away from its network, a laptop has no directory.
    tokio::select! {
        asked = directory::ask(agent, &context.ordered_by) => notes.extend(asked?),
        () = context.cancel.cancelled() => return Err(cancelled()),
    }
    context.progress(Some(5), "asking the repository for its index");
    revocation::ask_again_for_damaged(agent).await?;
    revocation::renew_distrust(agent).await?;
    let (collected, failed) = fetch_indexes(agent).await?;
    problems.extend(failed);
    // Also when the index did not change: what the lists in it are judged with may have.
    revocation::take_again(agent).await?;
    revocation::fetch(agent).await?;
    context.check().map_err(|_cancelled| cancelled())?;
    context.progress(Some(40), "asking the server for this host's package");
    renewal::renew(agent).await?;
    if let Err(problem) = host_package::fetch(agent).await? {
        problems.push(problem);
    }
    context.check().map_err(|_cancelled| cancelled())?;
    context.progress(Some(70), "working out what is to be done");
    let planned = plan_with(agent, &Wish::Upgrade, collected).await?;
    keep(agent, &planned).await?;
    notes.extend(implicit::said(&planned.settled));
    let error: Vec<&str> = problems.iter().map(|problem| problem.text.as_str()).collect();
    agent
        .state
        .set_fact(facts::UPDATE_ERROR, &error.join("; "))
        .await?;
    agent
        .state
        .set_fact(facts::UPDATED_AT, &agent.now().to_string())
        .await?;
    Ok(Updated {
        plan: planned.plan,
        problems,
        notes,
        has_index: planned.has_index,
    })
}

/// Plans an upgrade from what is known locally and stores it as the pending changes.
///
/// # Errors
/// When the database, the index file or the trust folder cannot be read.
pub async fn replan(agent: &Agent) -> Result<Plan, Failure> {
    let planned = plan_with(agent, &Wish::Upgrade, Collected::default()).await?;
    keep(agent, &planned).await?;
    Ok(planned.plan)
}

/// Stores what an upgrade would do, and what follows from that.
async fn keep(agent: &Agent, planned: &Planned) -> Result<(), Failure> {
    agent
        .state
        .set_json_fact(facts::PENDING, &planned.plan.pending())
        .await?;
    if !planned.has_index {
        return Ok(());
    }
    let next = planned.next_turn.map(|at| at.to_string());
    if agent.state.fact(facts::NEXT_TURN).await? != next {
        match next {
            Some(next) => agent.state.set_fact(facts::NEXT_TURN, &next).await?,
            None => agent.state.clear_fact(facts::NEXT_TURN).await?,
        }
    }
    let installed = agent.state.installed().await?;
    over::forget(agent, &planned.plan, &installed).await
}

/// Plans a wish from what is known locally.
///
/// # Errors
/// When the database, the index file or the trust folder cannot be read.
pub async fn plan_for(agent: &Agent, wish: &Wish) -> Result<Plan, Failure> {
    let planned = plan_with(agent, wish, Collected::default()).await?;
    match wish {
        Wish::Install { .. } if !planned.has_index => Err(no_index()),
        _ => Ok(planned.plan),
    }
}

/// A plan, and what was found on the way to it.
#[derive(Debug, Default)]
struct Planned {
    plan: Plan,
    settled: Settled,
    has_index: bool,
    /// When it must be worked out again, whatever else happens.
    next_turn: Option<jiff::Timestamp>,
}

async fn plan_with(agent: &Agent, wish: &Wish, collected: Collected) -> Result<Planned, Failure> {
    let mut installed = agent.state.installed().await?;
    let names = Names::of(&agent.config, &directory::standing(agent).await?);
    let pool = Pool::of(&agent.paths, &agent.config)?;
    let at = agent.own_time().await?;
    let capabilities = offers::capabilities(&agent.config, at);
    if !pool.has_index() {
        // Without any index nothing is known to be missing.
        let settled = settle(&names, None, &installed, &BTreeMap::new());
        implicit::put_in_force(agent, &settled, &installed).await?;
        return Ok(Planned {
            settled,
            ..Planned::default()
        });
    }
    let mut roots = offers::names_of(&installed, None, wish);
    roots.extend(names.in_index());
    let broke_off = |error| Failure::new(ErrorCode::Internal, format!("planning broke off: {error}"));
    // What an upgrade needs is asked for again and again; what somebody asks for by name, once.
    let keeps = *wish == Wish::Upgrade;
    let rows = installed.clone();
    let host = capabilities.clone();
    let highest = agent.state.highest_implicit().await?;
    let (offers, settled) = tokio::task::spawn_blocking(move || -> Result<_, Failure> {
        let offers = pool.offered(roots, at, collected, keeps)?;
        let settled = settled(&offers, &names, &rows, &host, &highest);
        Ok((offers, settled))
    })
    .await
    .map_err(broke_off)??;
    if settled != Settled::default() {
        implicit::put_in_force(agent, &settled, &installed).await?;
        installed = agent.state.installed().await?;
    }
    for row in &offers.refused {
        tracing::warn!(package = %row.package, version = %row.version, reason = %row.reason, "a row of the index is refused");
    }
    agent
        .state
        .set_json_fact(facts::REFUSED_ROWS, &offers.refused)
        .await?;
    let next_turn = turns::next_turn(
        offers.entries.iter().map(|entry| &entry.control),
        capabilities.utc_offset_secs,
        at,
    );
    let attempts = agent.state.attempts().await?;
    let wish = wish.clone();
    let uses_implicit = agent.config.use_hostpackages;
    let plan = tokio::task::spawn_blocking(move || {
        plan(Inputs {
            installed: &installed,
            implicit: in_force(&installed, uses_implicit),
            entries: offers.entries,
            refused: offers.refused.iter().map(Into::into).collect(),
            capabilities: &capabilities,
            wish: &wish,
            attempts: &attempts,
        })
    })
    .await
    .map_err(broke_off)?;
    Ok(Planned {
        plan,
        settled,
        has_index: true,
        next_turn,
    })
}

/// Which unit and profile packages the index has for this host.
fn settled(
    offers: &Offers,
    names: &Names,
    installed: &[crate::state::packages::Installed],
    host: &Capabilities,
    highest: &BTreeMap<String, Highest>,
) -> Settled {
    let looked_for: BTreeSet<String> = names.in_index().collect();
    let entries = offers
        .entries
        .iter()
        .filter(|entry| is_implicit(&entry.control) && looked_for.contains(entry.control.package()));
    let catalogue = Catalogue::new(entries.cloned().collect(), host)
        .with_unverified(offers.refused.iter().map(Into::into));
    let found = Found {
        catalogue: &catalogue,
        is_whole: offers.is_whole,
    };
    settle(names, Some(found), installed, highest)
}

/// A report with fresh facts, whose failure only is a line in the log: the next one brings everything.
pub async fn report_quietly(agent: &Agent, facts: Facts, running: Option<&str>) {
    if let Err(failure) = agent.report(facts, running).await {
        tracing::warn!(error = %chain(&failure), "the report was not taken; it goes with the next one");
    }
}

/// There is nothing to install from.
pub(crate) fn no_index() -> Failure {
    Failure::new(ErrorCode::NotFound, "no index of a repository was fetched yet")
        .with_hint("run `muster-agent update`; `muster-agent status` shows why the last one failed")
        .with_exit(Exit::Unreachable)
}

/// The task was cancelled.
pub fn cancelled() -> Failure {
    Failure::new(ErrorCode::Conflict, "cancelled")
}
