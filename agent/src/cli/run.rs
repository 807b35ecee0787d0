//! `muster-agent run`: the service, in the foreground.

use super::{Common, Done, block_on};
use crate::daemon;
use crate::failure::Failure;
use crate::platform;

/// Run the service in the foreground until Ctrl-C or SIGTERM.
///
/// It updates at start and then every two hours (waptupdate_task_period in agent.toml), keeps a live channel to the
/// server, and carries out what people signed for this host. Without a server it works from what it has.
/// The log goes to standard error; MUSTER_LOG=debug says more.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

pub(super) fn run(common: &Common, _arguments: &Arguments) -> Done {
    let paths = common.paths();
    if paths.root().is_none() {
        let under_manager = platform::service::run_under_manager(work).map_err(|error| {
            Failure::from(anyhow::Error::new(error).context("running under the service manager"))
        })?;
        if under_manager {
            return Ok(None);
        }
    }
    block_on(daemon::run(paths))?;
    Ok(None)
}

/// The service as the system's service manager runs it.
fn work(mut stopping: platform::service::StopSignal) -> i32 {
    let served = block_on(async move {
        let stop = tokio_util::sync::CancellationToken::new();
        let asked = stop.clone();
        tokio::spawn(async move {
            if stopping.wait_for(|stop| *stop).await.is_ok() {
                asked.cancel();
            }
        });
        daemon::serve(crate::paths::Paths::new(None), &stop).await
    });
    match served {
        Ok(()) => 0,
        Err(failure) => {
            tracing::error!(error = %failure.in_one_line(), "the service failed");
            1
        }
    }
}
