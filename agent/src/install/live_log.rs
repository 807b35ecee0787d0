//! The log of a script while it runs: kept in the database every few seconds, so that `muster-agent log` shows it
//! and a power cut does not take it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use muster_shared::hint::chain;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::script::Tail;
use crate::state::State;

/// Lines that come closer than this are written together.
const WRITE_EVERY: Duration = Duration::from_secs(2);

/// Writes lines behind the script; ends with this value.
pub(super) struct LiveLog {
    shared: Arc<Shared>,
    writer: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    tail: Mutex<Tail>,
    changed: Notify,
}

impl LiveLog {
    /// Begins an empty log.
    pub(super) fn start(state: &State, package: &str) -> Self {
        let shared = Arc::new(Shared::default());
        let (state, package, source) = (state.clone(), package.to_owned(), shared.clone());
        let writer = tokio::spawn(async move {
            loop {
                source.changed.notified().await;
                tokio::time::sleep(WRITE_EVERY).await;
                let text = source.text();
                if let Err(error) = state.write_log(&package, &text).await {
                    tracing::warn!(package, error = %chain(&error), "the log of a running script is not kept");
                }
            }
        });
        Self { shared, writer }
    }

    /// Adds a line; never waits.
    pub(super) fn push(&self, line: &str) {
        self.shared
            .tail
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line);
        self.shared.changed.notify_one();
    }

    /// Ends it: after this nothing is written over what the caller writes.
    pub(super) async fn stop(mut self) {
        self.writer.abort();
        (&mut self.writer).await.ok();
    }
}

impl Shared {
    fn text(&self) -> String {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).text()
    }
}

impl Drop for LiveLog {
    fn drop(&mut self) {
        self.writer.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::packages::tests::row;
    use crate::state::tests::open;

    #[tokio::test]
    async fn lines_are_in_the_database_while_the_script_still_runs() {
        let (_place, state) = open().await;
        state.store_package(&row("demo-a", "1"), None).await.unwrap();
        let log = LiveLog::start(&state, "demo-a");
        log.push("one");
        log.push("two");
        while state.package("demo-a").await.unwrap().unwrap().log != "one\ntwo\n" {
            tokio::task::yield_now().await;
        }
        log.push("three");
        log.stop().await;
        assert_eq!(state.package("demo-a").await.unwrap().unwrap().log, "one\ntwo\n");
    }
}
