//! The tasks `reboot` and `shutdown`: the system is told to end after a while, so that the task itself is over, on
//! disk and reported before the machine goes down, and is not begun again when it comes back.
//!
//! Whether a signer may order this was judged before it became a task ([`crate::orders`]); ordinary users of the
//! machine may not, and its administrators have the system's own command for it.

use std::time::Duration;

use jiff::SignedDuration;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::local::MessageKind;
use serde_json::json;

use super::{Outcome, TaskContext, message};
use crate::agent::Agent;
use crate::failure::Failure;
use crate::platform::{self, Ending};

/// What people have unless the order says otherwise.
const USUAL_DELAY: Duration = Duration::from_mins(1);

pub(super) async fn run(agent: &Agent, ending: Ending, context: &TaskContext) -> Result<Outcome, Failure> {
    let verb = match ending {
        Ending::Restart => "restarts",
        Ending::PowerOff => "switches off",
    };
    let delay = context
        .options
        .delay_secs
        .map_or(USUAL_DELAY, |secs| Duration::from_secs(u64::from(secs)));
    let now = agent.now();
    let due_at = SignedDuration::try_from(delay)
        .ok()
        .and_then(|delay| now.checked_add(delay).ok())
        .unwrap_or(now);
    let text = context.options.text.trim();
    let mut announced = message::made(context, MessageKind::Shutdown, now, Some(due_at));
    if text.is_empty() {
        announced.text = format!("{} has ordered that this machine {verb}.", context.ordered_by);
    }
    let notice = announced.text.clone();
    message::deliver(agent, announced).await?;
    if let Err(error) = platform::schedule_ending(ending, delay, &notice).await {
        agent.state.withdraw_messages(MessageKind::Shutdown).await?;
        return Err(Failure::new(
            ErrorCode::Internal,
            format!("the system did not take the order: {error}"),
        ));
    }
    tracing::warn!(by = %context.ordered_by, delay_secs = delay.as_secs(), "this machine {verb} by order");
    Ok(Outcome::done(
        format!("the machine {verb} in {} s", delay.as_secs()),
        json!({ "due_at": due_at }),
    ))
}
