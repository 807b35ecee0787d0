//! Opening the agent for the service: another process that has it, and a full disk, are waited for.

use std::sync::Arc;
use std::time::Duration;

use muster_shared::clock::Clock;
use muster_shared::protocol::error::ErrorCode;
use tokio::time::{Instant, sleep};

use super::recovery::recover;
use super::settings;
use crate::agent::Agent;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::paths::Paths;

/// How long another process may keep the agent's state: a command of an administrator, or a service that still ends.
const LOCK_PATIENCE: Duration = Duration::from_secs(30);

/// How often it is asked for meanwhile.
const LOCK_PAUSE: Duration = Duration::from_millis(500);

/// On a full disk nothing can be begun; so long after each try it is tried again.
const ROOM_PAUSE: Duration = Duration::from_mins(1);

/// Opens the agent with the configuration as it is now, and brings to an end what the last run left. A configuration
/// that cannot be read or used leaves the one before in force; the reason is given beside.
///
/// # Errors
/// When the agent cannot be opened, or another process does not let go of it.
pub(super) async fn open(
    paths: &Paths,
    in_force: &mut Option<Config>,
    clock: &Arc<dyn Clock>,
) -> Result<(Arc<Agent>, Option<String>), Failure> {
    open_within(paths, in_force, clock, LOCK_PATIENCE).await
}

async fn open_within(
    paths: &Paths,
    in_force: &mut Option<Config>,
    clock: &Arc<dyn Clock>,
    patience: Duration,
) -> Result<(Arc<Agent>, Option<String>), Failure> {
    let deadline = Instant::now() + patience;
    let mut is_said = false;
    loop {
        let failure = match open_now(paths, in_force, clock).await {
            Ok(opened) => return Ok(opened),
            Err(failure) => failure,
        };
        let pause = match (failure.exit(), failure.code()) {
            (Exit::Busy, _) if Instant::now() < deadline => LOCK_PAUSE,
            (_, ErrorCode::StorageFull) => ROOM_PAUSE,
            _ => return Err(failure),
        };
        if !std::mem::replace(&mut is_said, true) {
            tracing::warn!(reason = %failure.in_one_line(), "the agent cannot begin yet");
        }
        sleep(pause).await;
    }
}

async fn open_now(
    paths: &Paths,
    in_force: &mut Option<Config>,
    clock: &Arc<dyn Clock>,
) -> Result<(Arc<Agent>, Option<String>), Failure> {
    let (config, mut error) = settings::load(paths, in_force.as_ref())?;
    let opened = Agent::open(paths.clone(), config.clone(), clock.clone()).await;
    let (agent, config) = match (opened, in_force.as_ref()) {
        (Ok(agent), _) => (agent, config),
        (Err(failure), Some(before)) if failure.exit() != Exit::Busy && *before != config => {
            let reason = failure.in_one_line();
            tracing::error!(%reason, "the configuration cannot be used; the one before stays in force");
            error = Some(reason);
            let agent = Agent::open(paths.clone(), before.clone(), clock.clone()).await?;
            (agent, before.clone())
        }
        (Err(failure), _) => return Err(failure),
    };
    let agent = Arc::new(agent);
    if let Err(failure) = recover(&agent).await {
        agent.close().await;
        return Err(failure);
    }
    *in_force = Some(config);
    Ok((agent, error))
}

#[cfg(test)]
mod tests {
    use muster_shared::clock::SystemClock;

    use super::*;
    use crate::agent::Lock;

    #[tokio::test]
    async fn a_service_waits_for_a_command_and_says_who_keeps_it_waiting() {
        let place = tempfile::tempdir().unwrap();
        let paths = Paths::new(Some(place.path()));
        fs_err::create_dir_all(paths.state_dir()).unwrap();
        let command = Lock::take(&paths.lock_file()).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let refused = open_within(&paths, &mut None, &clock, Duration::ZERO)
            .await
            .unwrap_err();
        assert_eq!(refused.exit(), Exit::Busy);
        #[cfg(unix)]
        assert!(
            refused
                .to_string()
                .contains(&format!("process {}", std::process::id()))
        );
        let mut none = None;
        // The first try comes before the command ends.
        let (opened, ()) = tokio::join!(open(&paths, &mut none, &clock), async { drop(command) });
        opened.unwrap().0.close().await;
    }
}
