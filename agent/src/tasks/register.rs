//! The task `register`: registers again with the host's own key, and reports everything.

use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::host::RegisterOutcome;
use serde_json::json;

use super::{Outcome, TaskContext};
use crate::agent::{Agent, Facts};
use crate::failure::{Exit, Failure};
use crate::server_client::Proof;

pub(super) async fn run(agent: &Agent, context: &TaskContext) -> Result<Outcome, Failure> {
    let Some(server) = &agent.server else {
        return Err(Failure::new(ErrorCode::Conflict, "no server is configured")
            .with_hint("register with: muster-agent register --server 'muster://…' --token TOKEN"));
    };
    context.progress(Some(10), "registering");
    let answer = server.register(&Proof::default()).await.map_err(|error| {
        let exit = if error.is_unreachable() {
            Exit::Unreachable
        } else {
            Exit::Failed
        };
        Failure::from_hinted(error.code(), error).with_exit(exit)
    })?;
    let value = json!({ "outcome": answer.outcome });
    if answer.outcome == RegisterOutcome::Pending {
        return Ok(Outcome::done(
            "the server knows this host with another key; an administrator decides in the console",
            value,
        ));
    }
    context.progress(Some(50), "reading the inventory");
    agent.report(Facts::Fresh, None).await?;
    Ok(Outcome::done("registered, and everything is reported", value))
}
