//! `muster-server run`: serves until SIGTERM or Ctrl-C.

use std::net::SocketAddr;

use clap::Args;

use super::{Place, logs};
use crate::application::Application;
use crate::output;

/// Run the server until it is told to stop (SIGTERM or Ctrl-C)
///
/// Prints one line, "listening on https://…", when it is ready, and writes the address into DATA/run/address.
/// Logs go to standard error; MUSTER_LOG=debug shows every request, MUSTER_LOG_FORMAT=json writes JSON.
///
/// A missing database is made anew: the machines of the fleet come back by themselves with their
/// certificates, and the repository from its folder. Only users must be added again (`user add`).
#[derive(Debug, Args)]
pub(super) struct Run {
    /// Listen here instead of where the settings say; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
}

impl Run {
    pub(super) async fn execute(self, place: &Place) -> anyhow::Result<()> {
        logs::start();
        let mut config = place.read_config()?;
        if let Some(listen) = self.listen {
            config.listen = listen;
        }
        let application = Application::build(config).await?;
        let stop = application.stop_token();
        actix_web::rt::spawn(async move {
            stop_signal().await;
            tracing::info!("stopping");
            stop.cancel();
            // Whoever asks twice does not want to wait for requests under way.
            stop_signal().await;
            std::process::abort();
        });
        application.write_address()?;
        tracing::info!(listen = %application.listen(), "ready");
        output::line(format_args!("listening on {}", application.public_url()))?;
        application.run_until_stopped().await
    }
}

#[cfg(unix)]
async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be received; stop the server with SIGKILL");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

#[cfg(not(unix))]
async fn stop_signal() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
