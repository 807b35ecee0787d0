//! `muster-agent run`: the service, in the foreground.

use std::time::Duration;

use super::{Common, Done, block_on};
use crate::daemon;
use crate::failure::Failure;
use crate::paths::Paths;
use crate::platform::{Asked, Severity, write_event};
use crate::schedule::Pace;
use crate::{platform, self_upgrade};

/// Run the service in the foreground until Ctrl-C or SIGTERM.
///
/// It updates at start and then every two hours (waptupdate_task_period in agent.toml), keeps a live channel to the
/// server, and carries out what people signed for this host. Without a server it works from what it has.
/// The log goes to standard error; MUSTER_LOG=debug says more.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Let the scheduler's time run so many times faster: for tests that compress days.
    #[arg(long, hide = true, default_value_t = 1, value_name = "TIMES", value_parser = clap::value_parser!(u32).range(1..=3600))]
    clock_speed: u32,
}

/// While the service ends, its manager is told this often that it still works.
const HEARTBEAT: Duration = Duration::from_secs(5);

pub(super) fn run(common: &Common, arguments: &Arguments) -> Done {
    let paths = common.paths();
    if paths.root().is_none() {
        let under_manager = platform::service::run_under_manager(work).map_err(|error| {
            Failure::from(anyhow::Error::new(error).context("running under the service manager"))
        })?;
        if under_manager {
            return Ok(None);
        }
    }
    let pace = Pace::new(arguments.clock_speed);
    block_on(daemon::run(paths.clone(), pace))
        .inspect_err(|failure| self_upgrade::note_failure(&paths, failure))?;
    Ok(None)
}

/// The service as the system's service manager runs it.
fn work(asked: platform::service::StopSignal) -> i32 {
    let served = block_on(async move {
        let signals = daemon::Signals::default();
        tokio::spawn(obey(asked, signals.clone()));
        Box::pin(daemon::serve(Paths::new(None), &signals, Pace::default())).await
    });
    match served {
        Ok(()) => 0,
        Err(failure) => {
            tracing::error!(error = %failure.in_one_line(), "the service failed");
            write_event(
                Severity::Error,
                &format!("the service failed: {}", failure.in_one_line()),
            );
            self_upgrade::note_failure(&Paths::new(None), &failure);
            1
        }
    }
}

/// Passes on what the service manager asks, and tells it that the service still works while it ends.
async fn obey(mut asked: platform::service::StopSignal, signals: daemon::Signals) {
    let mut is_ending = false;
    loop {
        tokio::select! {
            changed = asked.changed() => {
                if changed.is_err() {
                    return;
                }
                match *asked.borrow_and_update() {
                    Some(Asked::GoingDown) => signals.going_down.cancel(),
                    Some(Asked::Stop) => signals.stop.cancel(),
                    None => continue,
                }
                is_ending = true;
            }
            () = tokio::time::sleep(HEARTBEAT), if is_ending => platform::service::still_working(),
        }
    }
}
