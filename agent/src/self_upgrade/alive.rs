//! The service's side: a new agent proves itself alive, and either agent takes note of how it ended.

use std::sync::Arc;
use std::time::Duration;

use muster_shared::hint::chain;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::local::LocalRequest;

use super::order::{Order, Phase, Place, Proof};
use super::stage::hash;
use super::watch::DID_NOT_LIVE;
use super::{UpgradeError, guard};
use crate::agent::{Agent, Facts};
use crate::failure::{Exit, Failure};
use crate::local_api::client::LocalClient;
use crate::paths::Paths;
use crate::platform;
use crate::state::facts;

/// Between two tries to reach the server.
const RETRY: Duration = Duration::from_secs(3);

/// A server that was not reached in so many tries counts as away: the agent's own health decides.
const TRIES: u32 = 4;

/// The step that a package failed in when the agent that it brought did not live.
const STEP: &str = "self-upgrade";

/// At the start of the service: takes note of what ended, and sees to it that what is under way is watched.
pub async fn at_start(agent: &Agent) {
    if let Err(error) = note(agent).await {
        tracing::error!(error = %chain(&error), "what became of the agent's own upgrade cannot be noted");
    }
    if let Err(error) = guard(&agent.paths) {
        tracing::error!(error = %chain(&error), "nobody watches the agent's own upgrade");
    }
}

async fn note(agent: &Agent) -> Result<(), UpgradeError> {
    let place = Place::of(&agent.paths);
    let is_new = |order: &Order| order.is_over() && !order.noted;
    if !place.order()?.is_some_and(|order| is_new(&order)) {
        return Ok(());
    }
    let _lock = place.locked().await?;
    // Read again: it may have been replaced meanwhile.
    match place.order()? {
        Some(order) if is_new(&order) => finish(agent, &place, order).await,
        _ => Ok(()),
    }
}

/// Tells in the log, in the status and at the package how it ended.
async fn finish(agent: &Agent, place: &Place, mut order: Order) -> Result<(), UpgradeError> {
    let sentence = order.sentence();
    if order.phase == Phase::WentBack {
        tracing::error!("{sentence}");
        agent.state.set_fact(facts::NOTICE, &sentence).await?;
        if let Some(package) = &order.package {
            agent
                .state
                .fail_package(package, STEP, &format!("{sentence}\n"), agent.now())
                .await?;
        }
    } else {
        tracing::info!("{sentence}");
        // Only what an earlier try left: other notices are not about the program.
        let notice = agent.state.fact(facts::NOTICE).await?;
        if notice.is_some_and(|notice| notice.contains(DID_NOT_LIVE)) {
            agent.state.clear_fact(facts::NOTICE).await?;
        }
    }
    order.noted = true;
    place.write_order(&order)?;
    place.clean();
    Ok(())
}

/// Proves this agent alive when an order waits for it: database, local API and the loop behind it answer, and the
/// server took a report or is away. Ends by itself when nothing waits.
pub async fn prove(agent: Arc<Agent>) {
    if let Err(failure) = proven(&agent).await {
        tracing::error!(error = %failure.in_one_line(), "this agent cannot prove itself alive");
    }
}

async fn proven(agent: &Agent) -> Result<(), Failure> {
    let place = Place::of(&agent.paths);
    let refused = |error| Failure::from_hinted(ErrorCode::Internal, error);
    let Some(order) = place.order().map_err(refused)? else {
        return Ok(());
    };
    if order.phase != Phase::Switched {
        return Ok(());
    }
    // After a reset in the middle of the switch this may still be the old one.
    let own = tokio::task::spawn_blocking(|| hash(&platform::upgrade::running_image()))
        .await
        .map_err(|error| {
            Failure::new(
                ErrorCode::Internal,
                format!("reading this program broke off: {error}"),
            )
        })?
        .map_err(refused)?;
    if own != order.new_sha256 {
        tracing::info!("this is not the agent that is to prove itself alive");
        return Ok(());
    }
    // The rows that a report carries were read by then; this asks what a report does not.
    agent.state.open_tasks().await?;
    let Some(client) = LocalClient::connect(&agent.paths.socket()).await? else {
        return Err(Failure::new(
            ErrorCode::Unavailable,
            "the local API does not listen",
        ));
    };
    client.ask(&LocalRequest::Status, |_, _| {}).await?;
    let server = contact(agent).await?;
    let proof = Proof {
        order: order.id,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        server: server.to_owned(),
        at: agent.now(),
    };
    place.write_proof(&proof).map_err(refused)?;
    tracing::info!(server, "this agent has proved itself alive");
    // The watchdog ends the order; then this agent notes it.
    for _glance in 0..60 {
        if place
            .order()
            .map_err(refused)?
            .is_some_and(|order| order.is_over())
        {
            note(agent).await.map_err(refused)?;
            // The server hears of the new version with everything else.
            return agent.report(Facts::Fresh, None).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// What came of asking the server.
async fn contact(agent: &Agent) -> Result<&'static str, Failure> {
    if agent.server.is_none() {
        return Ok("none");
    }
    let mut tries = 0;
    loop {
        match agent.report(Facts::Known, None).await {
            Ok(()) => return Ok("reached"),
            Err(failure) => {
                tries += 1;
                if tries >= TRIES {
                    // It answered and refused: this agent may be the reason.
                    return match failure.code() {
                        ErrorCode::Unavailable => Ok("away"),
                        _ => Err(failure),
                    };
                }
                tracing::warn!(error = %chain(&failure), "the server was not reached; trying again");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Keeps why a start failed, for the watchdog, when this is a new agent that has to prove itself.
pub fn note_failure(paths: &Paths, failure: &Failure) {
    // The old agent still ends, or a person works: that says nothing about this one.
    if failure.exit() == Exit::Busy {
        return;
    }
    let place = Place::of(paths);
    if !matches!(place.order(), Ok(Some(order)) if order.phase == Phase::Switched) {
        return;
    }
    let mut failed = place.failed_starts().unwrap_or_default();
    failed.count += 1;
    failed.reason = failure.in_one_line();
    place.write_failed_starts(&failed).ok();
}
