//! The tasks `message` and `propose-upgrade`: something for the people of this machine to read.
//!
//! It goes into a mailbox that the local API delivers to their windows, now and to those who log in later, and on
//! Linux to terminals.

use jiff::{SignedDuration, Timestamp};
use muster_shared::protocol::local::{Message, MessageKind};
use serde_json::json;

use super::{Outcome, TaskContext, counted};
use crate::agent::Agent;
use crate::failure::Failure;
use crate::platform;

/// A message that nobody saw is worth nothing after this long.
const COUNTS_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The same for a proposal to upgrade: the plan has changed by then.
const PROPOSED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// Keeps a message for the people of this machine.
pub(super) async fn message(agent: &Agent, context: &TaskContext) -> Result<Outcome, Failure> {
    let message = made(context, MessageKind::Message, agent.now(), None);
    deliver(agent, message).await?;
    Ok(Outcome::done("the message is delivered", json!({})))
}

/// Asks the people of this machine to have the pending changes made.
pub(super) async fn propose_upgrade(agent: &Agent, context: &TaskContext) -> Result<Outcome, Failure> {
    let pending = agent.state.pending().await?.len();
    if pending == 0 {
        agent.state.withdraw_messages(MessageKind::ProposeUpgrade).await?;
        return Ok(Outcome::done(
            "nothing is pending, so nobody was asked",
            json!({ "pending": 0 }),
        ));
    }
    let mut message = made(context, MessageKind::ProposeUpgrade, agent.now(), None);
    if message.text.trim().is_empty() {
        message.text = format!(
            "{} of software are waiting for this machine. `muster-agent upgrade` makes them.",
            counted(pending, "change")
        );
    }
    deliver(agent, message).await?;
    Ok(Outcome::done(
        format!(
            "the upgrade is proposed to the people of this machine: {} pending",
            counted(pending, "change")
        ),
        json!({ "pending": pending }),
    ))
}

/// A message of the one who ordered the task.
pub(super) fn made(
    context: &TaskContext,
    kind: MessageKind,
    now: Timestamp,
    due_at: Option<Timestamp>,
) -> Message {
    let counts_for = match kind {
        MessageKind::Message => COUNTS_FOR,
        MessageKind::ProposeUpgrade | MessageKind::Shutdown => PROPOSED_FOR,
    };
    Message {
        // A task that is begun again after a crash says nothing twice.
        id: context.id,
        kind,
        title: context.options.title.trim().to_owned(),
        text: context.options.text.trim().to_owned(),
        sent_by: context.ordered_by.clone(),
        sent_at: now,
        due_at,
        expires_at: due_at.unwrap_or_else(|| now.checked_add(counts_for).unwrap_or(Timestamp::MAX)),
    }
}

/// Puts it into the mailbox; terminals are told when the agent is the machine's own.
pub(super) async fn deliver(agent: &Agent, message: Message) -> Result<(), Failure> {
    agent.state.keep_message(&message, agent.now()).await?;
    if agent.paths.root().is_none() && message.kind != MessageKind::Shutdown {
        let text = format!("{}: {} {}", message.sent_by, message.title, message.text);
        platform::notify_terminals(&text).await;
    }
    Ok(())
}
