//! The service: one actor that owns the agent's state and everything that happens to it.
//!
//! Commands come from the local API, frames from the live channel, events from the one task that runs, and
//! time passes; the actor takes them one after the other from bounded channels. It never waits for work:
//! tasks and reports run beside it and tell it when they end. `stop` ends everything in order.

mod actor;
mod announce;
mod command;
mod event;
mod frames;
mod recovery;
mod reports;
mod requests;
mod stop;
mod timers;

use std::sync::Arc;

use muster_shared::clock::SystemClock;
use muster_shared::protocol::error::ErrorCode;
use tokio_util::sync::CancellationToken;

use self::actor::Actor;
pub(crate) use self::actor::answer;
pub use self::command::{Command, FOLLOWED_LINES};
pub(crate) use self::recovery::recover;
use self::stop::Ended;
use crate::agent::Agent;
use crate::config::Config;
use crate::failure::Failure;
use crate::paths::Paths;
use crate::{local_api, platform};

/// Runs the service until a signal asks it to stop.
///
/// # Errors
/// When the agent cannot be opened or the local API cannot be served.
pub async fn run(paths: Paths) -> Result<(), Failure> {
    let stop = CancellationToken::new();
    let asked = stop.clone();
    let signals = tokio::spawn(async move {
        match platform::shutdown_signal().await {
            Ok(signal) => tracing::info!(signal, "asked to stop"),
            Err(error) => {
                tracing::error!(%error, "signals cannot be received; the agent can only be killed");
                return;
            }
        }
        asked.cancel();
    });
    let served = serve(paths, &stop).await;
    signals.abort();
    served
}

/// Runs the service until `stop` is cancelled. The configuration is read again when somebody asks for it.
///
/// # Errors
/// As [`run`].
pub async fn serve(paths: Paths, stop: &CancellationToken) -> Result<(), Failure> {
    loop {
        let config = Config::load(&paths)?;
        let agent = Arc::new(Agent::open(paths.clone(), config, Arc::new(SystemClock)).await?);
        recover(&agent).await?;
        let (commands, receiver) = command::channel();
        let local = local_api::server::serve(&paths.socket(), commands).map_err(|error| {
            Failure::new(
                ErrorCode::Internal,
                format!(
                    "the local API cannot listen at {}: {error}",
                    paths.socket().display()
                ),
            )
        })?;
        tracing::info!(
            identifier = agent.identity.identifier(),
            server = agent.config.server.as_deref().unwrap_or("none"),
            version = env!("CARGO_PKG_VERSION"),
            "agent running"
        );
        if agent.config.server.is_none() {
            tracing::warn!(
                "this agent has no server; register it with `muster-agent register --server 'muster://…' --token TOKEN`"
            );
        }
        let ended = Actor::new(agent.clone(), receiver).run(stop).await;
        local.stop().await;
        agent.close().await;
        match ended? {
            Ended::Stopped => {
                tracing::info!("agent stopped");
                return Ok(());
            }
            Ended::Reload => tracing::info!("reading the configuration again"),
        }
    }
}
