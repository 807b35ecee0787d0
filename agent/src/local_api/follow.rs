//! Following what happens: messages that still count first, then events as the actor tells them.

use std::sync::Arc;

use muster_shared::protocol::error::{ErrorBody, ErrorCode};
use muster_shared::protocol::local::LocalEvent;
use muster_shared::protocol::task::TaskState;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::desk::{Desk, broken};
use super::person::Person;
use super::places::Place;
use super::visible;
use crate::daemon::{Command, Noticed, WATCHED_EVENTS};

/// Begins to follow; what happens goes to `reply` until the client or the agent goes, which frees the place.
pub(super) async fn follow(
    desk: Arc<Desk>,
    person: Person,
    from: Option<u64>,
    task: Option<Uuid>,
    place: Place,
    reply: mpsc::Sender<LocalEvent>,
) -> Result<(), ErrorBody> {
    let mut told = 0;
    let (sender, events) = mpsc::channel(WATCHED_EVENTS);
    // Before the messages are read: none may fall between.
    desk.send(Command::Follow { from, reply: sender }).await?;
    if task.is_none() {
        told = tell_messages(&desk, told, &reply).await?;
    }
    tokio::spawn(async move {
        pass_on(desk, person, task, told, events, reply).await;
        drop(place);
    });
    Ok(())
}

async fn pass_on(
    desk: Arc<Desk>,
    person: Person,
    only: Option<Uuid>,
    mut told: i64,
    mut events: mpsc::Receiver<Noticed>,
    reply: mpsc::Sender<LocalEvent>,
) {
    let mut heard = false;
    loop {
        let noticed = tokio::select! {
            noticed = events.recv() => noticed,
            () = reply.closed() => return,
        };
        let Some(noticed) = noticed else {
            // The agent ends or begins anew, or too many look on: said, so that nobody waits in vain.
            let error = if heard {
                ErrorBody::new(ErrorCode::Unavailable, "the agent is stopping")
            } else {
                ErrorBody::new(
                    ErrorCode::TooManyRequests,
                    "the agent is stopping, or too many look on already",
                )
            };
            reply.send(LocalEvent::Error { error }).await.ok();
            return;
        };
        heard = true;
        if only.is_some() && noticed.task != only {
            continue;
        }
        let may_bring_messages =
            matches!(&noticed.event, LocalEvent::Task { task } if task.state != TaskState::Pending);
        let event = if person.is_administrator() {
            noticed.event
        } else {
            visible::event(noticed.event, noticed.ordered_by.as_deref(), &[], &person)
        };
        let line = LocalEvent::Noticed {
            number: noticed.number,
            event: Box::new(event),
        };
        if reply.send(line).await.is_err() {
            return;
        }
        if may_bring_messages && only.is_none() {
            match tell_messages(&desk, told, &reply).await {
                Ok(last) => told = last,
                Err(_logged) => return,
            }
        }
    }
}

/// Tells the messages after a number that still count; gives the number of the last one.
async fn tell_messages(desk: &Desk, after: i64, reply: &mpsc::Sender<LocalEvent>) -> Result<i64, ErrorBody> {
    let mut last = after;
    let messages = desk
        .state
        .messages(after, desk.clock().now())
        .await
        .map_err(broken)?;
    for (sequence, message) in messages {
        last = last.max(sequence);
        reply.send(LocalEvent::Message { message }).await.ok();
    }
    Ok(last)
}
