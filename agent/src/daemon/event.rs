//! What the work beside the actor tells it.

use tokio::sync::mpsc;
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
}

pub(super) fn channel() -> (mpsc::Sender<Event>, mpsc::Receiver<Event>) {
    mpsc::channel(WAITING)
}
