//! What others may ask of the actor.

use muster_shared::protocol::action::{ActionKind, ActionOptions};
use muster_shared::protocol::local::LocalEvent;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::ring::Noticed;

/// Requests that wait for the actor.
const WAITING: usize = 32;

/// Lines that wait for one local client; progress beyond that is dropped for it.
pub const FOLLOWED_LINES: usize = 256;

/// One request to the actor. Answers go to `reply`, the last one is an answer or an error.
#[derive(Debug)]
pub enum Command {
    /// Queue a task and follow it to its end.
    Run {
        action: ActionKind,
        packages: Vec<String>,
        options: ActionOptions,
        /// The local user, as the operating system names the peer.
        user: String,
        reply: mpsc::Sender<LocalEvent>,
    },
    /// Version, connection, last update.
    Status { reply: mpsc::Sender<LocalEvent> },
    /// What runs, waits and ran.
    Tasks { reply: mpsc::Sender<LocalEvent> },
    /// End a task, or with none named all that wait or run.
    Cancel {
        task: Option<Uuid>,
        /// Only tasks that this user ordered are meant.
        only_of: Option<String>,
        user: String,
        reply: mpsc::Sender<LocalEvent>,
    },
    /// Tell what happens, beginning after an event's number; see [`Noticed`].
    Follow {
        from: Option<u64>,
        reply: mpsc::Sender<Noticed>,
    },
}

/// The way of commands to the actor.
pub(super) fn channel() -> (mpsc::Sender<Command>, mpsc::Receiver<Command>) {
    mpsc::channel(WAITING)
}
