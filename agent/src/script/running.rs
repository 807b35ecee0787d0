//! Scripts on record: written before each is started, so that one which outlives a killed agent is found and ended.

use muster_shared::clock::{Clock as _, SystemClock};
use muster_shared::hint::chain;
use uuid::Uuid;

use super::host::{Hook, Subject};
use crate::platform;
use crate::state::scripts::RunningScript;
use crate::state::{State, StateError};

/// A script while it runs. A record that cannot be written is only told: the script must run all the same.
pub(super) struct Record<'a> {
    state: Option<&'a State>,
    script: RunningScript,
}

impl<'a> Record<'a> {
    /// Writes that a script is about to start.
    pub(super) async fn begin(state: Option<&'a State>, hook: Hook, subject: &Subject<'_>) -> Self {
        let record = Self {
            state,
            script: RunningScript {
                mark: Uuid::new_v4().simple().to_string(),
                package: subject.control.package().to_owned(),
                hook: hook.as_str().to_owned(),
                pid: 0,
                birth: String::new(),
            },
        };
        record.write(&record.script).await;
        record
    }

    /// What the script's processes carry.
    pub(super) fn mark(&self) -> &str {
        &self.script.mark
    }

    /// Adds which process it is.
    pub(super) async fn started(&self, pid: Option<u32>) {
        let named = pid.and_then(|pid| Some((pid, platform::birth_of(pid)?)));
        if let Some((pid, birth)) = named {
            let script = RunningScript {
                pid,
                birth,
                ..self.script.clone()
            };
            self.write(&script).await;
        }
    }

    /// It is over.
    pub(super) async fn over(&self) {
        if let Some(state) = self.state {
            told(state.forget_script(&self.script.mark).await);
        }
    }

    async fn write(&self, script: &RunningScript) {
        if let Some(state) = self.state {
            told(state.record_script(script, SystemClock.now()).await);
        }
    }
}

fn told(written: Result<(), StateError>) {
    if let Err(error) = written {
        tracing::warn!(error = %chain(&error), "the record of a script is not kept");
    }
}

/// Ends what the last run of the agent left running; gives how many processes that were.
///
/// # Errors
/// When the database does not answer.
pub async fn end_leftovers(state: &State) -> Result<usize, StateError> {
    let mut count = 0;
    for script in state.recorded_scripts().await? {
        let RunningScript {
            mark,
            package,
            hook,
            pid,
            birth,
        } = script;
        let work = {
            let mark = mark.clone();
            move || platform::end_leftover(pid, &birth, &mark)
        };
        let ended = tokio::task::spawn_blocking(work).await.unwrap_or_default();
        if ended > 0 {
            tracing::warn!(
                package,
                hook,
                ended,
                "processes of an interrupted script were ended"
            );
        }
        count += ended;
        state.forget_script(&mark).await?;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::{now, open};

    #[tokio::test]
    async fn a_process_that_got_the_number_of_a_script_is_left_alone() {
        let (_place, state) = open().await;
        let script = RunningScript {
            mark: Uuid::new_v4().simple().to_string(),
            package: "demo-a".to_owned(),
            hook: "install".to_owned(),
            pid: std::process::id(),
            birth: "an earlier boot/12".to_owned(),
        };
        state.record_script(&script, now()).await.unwrap();
        assert_eq!(end_leftovers(&state).await.unwrap(), 0);
        assert_eq!(state.recorded_scripts().await.unwrap(), []);
    }
}
