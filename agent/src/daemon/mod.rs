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
mod late;
mod notices;
mod open;
mod outside;
mod pre_shutdown;
mod recovery;
mod reports;
mod requests;
mod ring;
mod settings;
mod stop;
mod storage;
mod timers;
mod wake;
mod windows_update;

use muster_shared::protocol::error::ErrorCode;
use tokio_util::sync::CancellationToken;

use self::actor::Actor;
pub(crate) use self::actor::answer;
pub use self::command::{Command, FOLLOWED_LINES};
use self::open::open;
pub(crate) use self::recovery::recover;
pub use self::ring::{Noticed, WATCHED_EVENTS};
use self::stop::Ended;
use crate::config::Config;
use crate::failure::Failure;
use crate::paths::Paths;
use crate::platform::{Severity, write_event};
use crate::schedule::Pace;
use crate::{local_api, platform, self_upgrade};

/// What may end the service.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    /// The service ends.
    pub stop: CancellationToken,
    /// The machine goes down: what is to be done before that is done, then the service ends.
    pub going_down: CancellationToken,
}

/// Runs the service until a signal asks it to stop.
///
/// # Errors
/// When the agent cannot be opened or the local API cannot be served.
pub async fn run(paths: Paths, pace: Pace) -> Result<(), Failure> {
    let all = Signals::default();
    let asked = all.stop.clone();
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
    let served = Box::pin(serve(paths, &all, pace)).await;
    signals.abort();
    served
}

/// Runs the service until a signal ends it. The configuration is read again when it changes or somebody asks for it.
///
/// # Errors
/// As [`run`].
pub async fn serve(paths: Paths, signals: &Signals, pace: Pace) -> Result<(), Failure> {
    let clock = pace.clock();
    let mut in_force: Option<Config> = None;
    loop {
        let opened = tokio::select! {
            opened = open(&paths, &mut in_force, &clock) => opened?,
            () = signals.stop.cancelled() => return Ok(()),
        };
        let (agent, config_error) = opened;
        self_upgrade::at_start(&agent).await;
        let (commands, receiver) = command::channel();
        let local = local_api::server::serve(&paths.socket(), &agent, commands).map_err(|error| {
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
        let proving = tokio::spawn(self_upgrade::prove(agent.clone()));
        write_event(
            Severity::Information,
            &format!("the agent {} runs", env!("CARGO_PKG_VERSION")),
        );
        let ended = Actor::new(agent.clone(), receiver, pace, config_error, signals)
            .run(&signals.stop)
            .await;
        proving.abort();
        // It holds the agent, and with it the lock, until it is gone.
        proving.await.ok();
        local.stop().await;
        agent.close().await;
        match ended? {
            Ended::Stopped => {
                tracing::info!("agent stopped");
                write_event(Severity::Information, "the agent stopped");
                return Ok(());
            }
            Ended::Reload => tracing::info!("reading the configuration again"),
        }
    }
}

#[cfg(test)]
mod tests;
