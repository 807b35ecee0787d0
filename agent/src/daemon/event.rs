//! What the work beside the actor tells it.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::failure::Failure;
use crate::tasks::Outcome;

/// Events that wait for the actor; progress beyond that is dropped.
const WAITING: usize = 256;

/// Something happened beside the actor.
#[derive(Debug)]
pub(super) enum Event {
    /// The running task said what it is doing.
    Progressed {
        task: Uuid,
        percent: Option<u8>,
        text: String,
    },
    /// The running task is over.
    Finished {
        task: Uuid,
        result: Result<Outcome, Failure>,
    },
    /// A report came to its end.
    Reported { result: Result<(), Failure> },
    /// The machine has other addresses or routes.
    NetworkChanged,
    /// Somebody may have written the configuration.
    ConfigTouched,
    /// The machine goes down as soon as `release` is used or dropped, after `limit` at the latest where the system
    /// sets one.
    GoingDown {
        limit: Option<Duration>,
        release: oneshot::Sender<()>,
    },
}

pub(super) fn channel() -> (mpsc::Sender<Event>, mpsc::Receiver<Event>) {
    mpsc::channel(WAITING)
}
