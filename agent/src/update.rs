//! Update: what the repository offers, what this host is assigned, and the plan that follows.
//!
//! Order: the index (one conditional request), the host's own package (verified before it replaces the one
//! in force), the plan. Each part fails alone: what was fetched earlier stays in force, the reason is kept
//! and reported, and a failure to fetch is never taken for "no longer assigned".

mod host_package;
pub mod offers;
mod rows;
mod signers;

use muster_shared::hint::chain;
use muster_shared::protocol::error::ErrorCode;

use self::offers::{Files, Gathered};
use crate::agent::{Agent, Facts, with_advice};
use crate::failure::{Exit, Failure};
use crate::plan::{Inputs, Plan, Wish, plan};
use crate::repo::client::IndexFetch;
use crate::revocation;
use crate::state::facts;
use crate::tasks::TaskContext;

/// What an update found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Updated {
    pub plan: Plan,
    /// Parts that could not be fetched or verified; empty when all went well.
    pub problems: Vec<Problem>,
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
        if self.problems.is_empty() {
            return self.plan.summary();
        }
        let problems: Vec<&str> = self
            .problems
            .iter()
            .map(|problem| problem.text.as_str())
            .collect();
        format!(
            "{}; from what is known here: {}",
            problems.join("; "),
            self.plan.summary()
        )
    }
}

/// Fetches what is new and plans anew; see the module's text.
///
/// # Errors
/// When the local database or trust folder cannot be used, or the task is cancelled.
pub async fn update(agent: &Agent, context: &TaskContext) -> Result<Updated, Failure> {
    let mut problems = Vec::new();
    context.progress(Some(5), "asking the repository for its index");
    revocation::ask_again_for_damaged(agent).await?;
    let gathered = fetch_index(agent).await?.unwrap_or_else(|problem| {
        problems.push(problem);
        Gathered::default()
    });
    // Also when the index did not change: what the lists in it are judged with may have.
    revocation::take_again(agent).await?;
    revocation::fetch(agent).await?;
    context.check().map_err(|_cancelled| cancelled())?;
    context.progress(Some(40), "asking the server for this host's package");
    if let Err(problem) = host_package::fetch(agent).await? {
        problems.push(problem);
    }
    context.check().map_err(|_cancelled| cancelled())?;
    context.progress(Some(70), "working out what is to be done");
    let plan = plan_with(agent, &Wish::Upgrade, gathered).await?;
    agent.state.set_json_fact(facts::PENDING, &plan.pending()).await?;
    let error: Vec<&str> = problems.iter().map(|problem| problem.text.as_str()).collect();
    agent
        .state
        .set_fact(facts::UPDATE_ERROR, &error.join("; "))
        .await?;
    agent
        .state
        .set_fact(facts::UPDATED_AT, &agent.now().to_string())
        .await?;
    Ok(Updated { plan, problems })
}

/// Plans an upgrade from what is known locally and stores it as the pending changes.
///
/// # Errors
/// When the database, the index file or the trust folder cannot be read.
pub async fn replan(agent: &Agent) -> Result<Plan, Failure> {
    let plan = plan_for(agent, &Wish::Upgrade).await?;
    agent.state.set_json_fact(facts::PENDING, &plan.pending()).await?;
    Ok(plan)
}

/// Plans a wish from what is known locally.
///
/// # Errors
/// When the database, the index file or the trust folder cannot be read.
pub async fn plan_for(agent: &Agent, wish: &Wish) -> Result<Plan, Failure> {
    plan_with(agent, wish, Gathered::default()).await
}

async fn plan_with(agent: &Agent, wish: &Wish, gathered: Gathered) -> Result<Plan, Failure> {
    let installed = agent.state.installed().await?;
    let host = if agent.config.use_hostpackages {
        agent.state.host_package().await?
    } else {
        None
    };
    let trust = agent.trust()?;
    let at = agent.own_time().await?;
    let capabilities = offers::capabilities(&agent.config, at);
    let files = Files::of(&agent.paths);
    if !agent.paths.index_file().exists() {
        // Without any index nothing is known to be missing.
        return match wish {
            Wish::Upgrade => Ok(Plan::default()),
            Wish::Install { .. } => Err(no_index()),
        };
    }
    let wish = wish.clone();
    let (plan, refused) = tokio::task::spawn_blocking(move || -> Result<_, Failure> {
        let host = host.as_ref().map(|row| &row.control);
        let names = offers::names_of(&installed, host, &wish);
        // What an upgrade needs is asked for again and again; what somebody asks for by name, once.
        let keep = wish == Wish::Upgrade;
        let offers = offers::offered(&files, names, &trust, at, gathered, keep)?;
        let plan = plan(Inputs {
            installed: &installed,
            host,
            entries: offers.entries,
            refused: offers.refused.iter().map(Into::into).collect(),
            capabilities: &capabilities,
            wish: &wish,
        });
        Ok((plan, offers.refused))
    })
    .await
    .map_err(|error| Failure::new(ErrorCode::Internal, format!("planning broke off: {error}")))??;
    for row in &refused {
        tracing::warn!(package = %row.package, version = %row.version, reason = %row.reason, "a row of the index is refused");
    }
    agent.state.set_json_fact(facts::REFUSED_ROWS, &refused).await?;
    Ok(plan)
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

/// Fetches the repository's index when it changed: one conditional request. The inner error is a part that
/// failed, and the index in force stays; the outer one ends the update.
///
/// # Errors
/// When the local database cannot be used.
pub async fn fetch_index(agent: &Agent) -> Result<Result<Gathered, Problem>, Failure> {
    let Some(repository) = &agent.repository else {
        return Ok(Err(Problem {
            text: "no repository is configured: register with `muster-agent register --server 'muster://…' --token \
                   TOKEN`, or set repo_url in agent.toml"
                .to_owned(),
            is_unreachable: false,
        }));
    };
    let file = agent.paths.index_file();
    // Without the file the validators would bring a 304 for something that is not here.
    let previous = if file.exists() {
        agent.state.json_fact(facts::INDEX_VALIDATORS).await?
    } else {
        None
    };
    let (bytes, validators) = match repository.fetch_index(previous.as_ref()).await {
        Ok(IndexFetch::Unchanged) => return Ok(Ok(Gathered::default())),
        Ok(IndexFetch::New { bytes, validators }) => (bytes, validators),
        Err(error) => {
            return Ok(Err(Problem {
                is_unreachable: error.is_unreachable(),
                text: with_advice(&error),
            }));
        }
    };
    // First: a list may take the place of a damaged one, without which no row is judged. And before the validators:
    // an index whose lists could not be kept is fetched again.
    if let Some(brought) = revocation::Brought::of_bytes(&bytes) {
        revocation::take(agent, brought).await?;
    }
    let (trust, at) = (agent.trust()?, agent.own_time().await?);
    let files = Files::of(&agent.paths);
    let taken = tokio::task::spawn_blocking(move || offers::take_index(&files, &bytes, &trust, at))
        .await
        .unwrap_or_else(|error| Err(error.to_string()));
    let gathered = match taken {
        Ok(gathered) => gathered,
        Err(reason) => {
            return Ok(Err(Problem {
                text: format!("the index of {} is not taken: {reason}", repository.url()),
                is_unreachable: false,
            }));
        }
    };
    agent
        .state
        .set_json_fact(facts::INDEX_VALIDATORS, &validators)
        .await?;
    Ok(Ok(gathered))
}
