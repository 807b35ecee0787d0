//! When this host reports: after each task at once, after each change of what runs a little later, one at a time.
//!
//! The end of a task is announced over the live channel after the report that carries its results, so that
//! whoever waits for the end finds them on the server.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use muster_shared::hint::chain;
use muster_shared::protocol::error::ErrorCode;
use tokio::time::{Instant, timeout};

use super::actor::Actor;
use super::event::Event;
use crate::agent::Facts;
use crate::failure::Failure;
use crate::schedule::Pace;

/// Changes that follow each other closely go in one report.
const DEBOUNCE: Duration = Duration::from_millis(700);

/// The first retry of a report that was not taken, doubled up to [`LONGEST_RETRY`].
const FIRST_RETRY: Duration = Duration::from_secs(30);
const LONGEST_RETRY: Duration = Duration::from_mins(30);

/// Reading a slow machine and sending over a slow line together take no longer.
const LONGEST: Duration = Duration::from_mins(30);

/// Reports that are due, under way, or were not taken.
#[derive(Debug)]
pub(super) struct Reports {
    pace: Pace,
    due: Option<(Instant, Facts)>,
    is_under_way: bool,
    failures: u32,
}

impl Reports {
    /// Nothing is due.
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            pace,
            due: None,
            is_under_way: false,
            failures: 0,
        }
    }

    /// When the next report goes, if one is due and none is under way.
    pub(super) fn next(&self) -> Option<Instant> {
        self.due.map(|(at, _facts)| at).filter(|_at| !self.is_under_way)
    }

    fn ask(&mut self, after: Duration, facts: Facts) {
        let at = Instant::now() + after;
        self.due = Some(match self.due {
            None => (at, facts),
            Some((earlier, known)) => {
                let facts = if facts == Facts::Fresh {
                    Facts::Fresh
                } else {
                    known
                };
                (earlier.min(at), facts)
            }
        });
    }
}

fn broke_off(why: &str) -> Failure {
    Failure::new(ErrorCode::Internal, format!("the report broke off: {why}"))
}

impl Actor {
    /// Something changed that the server should know.
    pub(super) fn report_soon(&mut self, facts: Facts) {
        if self.agent.server.is_some() {
            self.reports.ask(DEBOUNCE, facts);
        }
    }

    /// The server asks for it; a little later when it asks too often.
    pub(super) fn report_after(&mut self, wait: Duration) {
        if self.agent.server.is_some() {
            self.reports.ask(DEBOUNCE.max(wait), Facts::Known);
        }
    }

    /// A task ended: the report goes now, and the announcement of the end follows it.
    pub(super) fn report_now(&mut self, facts: Facts) {
        if self.agent.server.is_some() {
            self.reports.ask(Duration::ZERO, facts);
        }
    }

    /// Sends the report that is due.
    pub(super) fn send_report(&mut self) {
        let Some((_at, facts)) = self.reports.due.take() else {
            return;
        };
        self.reports.is_under_way = true;
        let agent = self.agent.clone();
        let events = self.events_sender.clone();
        let running = self.running_text();
        while self.beside.try_join_next().is_some() {}
        self.beside.spawn(async move {
            // Whatever goes wrong in it, this one is over one day and the next one can go.
            let report = AssertUnwindSafe(agent.report(facts, running.as_deref())).catch_unwind();
            let result = match timeout(LONGEST, report).await {
                Ok(Ok(result)) => result,
                Ok(Err(_panic)) => Err(broke_off("a mistake in it")),
                Err(_elapsed) => Err(broke_off("it took too long")),
            };
            events.send(Event::Reported { result }).await.ok();
        });
    }

    /// A report was taken, or not.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn reported(&mut self, result: Result<(), Failure>) -> Result<(), Failure> {
        self.reports.is_under_way = false;
        // A report that became due meanwhile carries the ends; one that failed must not hold them back.
        if self.reports.due.is_none() || result.is_err() {
            self.announce_late().await?;
        }
        match result {
            Ok(()) => self.reports.failures = 0,
            Err(failure) => {
                let factor = 1_u32 << self.reports.failures.min(6);
                self.reports.failures += 1;
                let after = (FIRST_RETRY * factor).min(LONGEST_RETRY);
                tracing::warn!(error = %chain(&failure), retry_secs = after.as_secs(), "the report was not taken");
                self.reports.ask(self.reports.pace.real(after), Facts::Known);
            }
        }
        Ok(())
    }
}
