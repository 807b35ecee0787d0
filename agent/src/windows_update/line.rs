//! Questions to the system's update agent: one at a time, and none is waited for without end.
//!
//! The system's calls cannot be broken off. One that does not come back keeps its thread, and as long as it does no
//! other is begun beside it: two searches at once would only make both slower.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use muster_shared::protocol::error::ErrorCode;
use tokio_util::sync::CancellationToken;

use super::UpdateError;
use crate::failure::Failure;

/// Who asks; clones are one.
#[derive(Debug, Clone, Default)]
pub struct Line {
    /// Questions that were begun and did not come back yet.
    open: Arc<AtomicUsize>,
}

/// How long an answer is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience<'a> {
    pub limit: Duration,
    /// Waiting ends when this is cancelled. What changes the machine is waited for instead: it ends by itself.
    pub cancel: Option<&'a CancellationToken>,
}

impl Patience<'_> {
    /// Services and versions answer within seconds.
    pub(super) const SHORT: Self = Self {
        limit: Duration::from_mins(10),
        cancel: None,
    };
}

/// A question is open as long as this lives.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Line {
    /// Asks on a thread where waiting is allowed.
    ///
    /// # Errors
    /// When an earlier question is still open, this one does not end in time or is cancelled, or the system refuses.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        patience: Patience<'_>,
        call: impl FnOnce() -> Result<T, UpdateError> + Send + 'static,
    ) -> Result<T, Failure> {
        if self.open.load(Ordering::Acquire) > 0 {
            return Err(Failure::new(
                ErrorCode::Conflict,
                "Windows Update still works on an earlier question",
            )
            .with_hint("if that does not end, restart its service (wuauserv) or the machine"));
        }
        self.open.fetch_add(1, Ordering::AcqRel);
        let open = Open(self.open.clone());
        let work = tokio::task::spawn_blocking(move || {
            let _open = open;
            call()
        });
        let cancelled = async {
            match patience.cancel {
                Some(cancel) => cancel.cancelled().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            done = work => match done {
                Ok(result) => result.map_err(|error| Failure::from(anyhow::Error::new(error))),
                Err(broken) => Err(Failure::new(
                    ErrorCode::Internal,
                    format!("asking Windows Update broke down: {broken}"),
                )),
            },
            () = cancelled => Err(Failure::new(ErrorCode::Conflict, "cancelled")),
            () = tokio::time::sleep(patience.limit) => Err(Failure::new(
                ErrorCode::Unavailable,
                format!("Windows Update did not answer within {} minutes", patience.limit.as_secs() / 60),
            )
            .with_hint("restart its service (wuauserv) or the machine")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[tokio::test]
    async fn a_question_that_does_not_come_back_is_given_up_and_no_other_begun_beside_it() {
        let line = Line::default();
        let short = Patience {
            limit: Duration::from_millis(1),
            cancel: None,
        };
        let (finish, finished) = sync_channel::<()>(1);
        let hangs = move || {
            finished.recv().ok();
            Ok(())
        };
        let gave_up = line.ask(short, hangs).await.unwrap_err();
        assert_eq!(gave_up.body().code, ErrorCode::Unavailable);
        let refused = line.ask(Patience::SHORT, || Ok(())).await.unwrap_err();
        assert!(
            refused.in_one_line().contains("an earlier question"),
            "{refused:?}"
        );
        finish.send(()).unwrap();
        while line.open.load(Ordering::Acquire) > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(line.ask(Patience::SHORT, || Ok(7)).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_cancelled_question_is_not_waited_for() {
        let line = Line::default();
        let cancel = CancellationToken::new();
        cancel.cancel();
        let patience = Patience {
            limit: Duration::from_hours(1),
            cancel: Some(&cancel),
        };
        let (finish, finished) = sync_channel::<()>(1);
        let hangs = move || {
            finished.recv().ok();
            Ok(())
        };
        let failure = line.ask(patience, hangs).await.unwrap_err();
        assert_eq!(failure.in_one_line(), "cancelled");
        finish.send(()).unwrap();
    }
}
