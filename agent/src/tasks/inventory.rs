//! The task `inventory`: look at the machine again and report all of it.

use serde_json::json;

use super::Outcome;
use crate::agent::{Agent, Facts};
use crate::failure::Failure;

pub(super) async fn run(agent: &Agent) -> Result<Outcome, Failure> {
    if agent.server.is_none() {
        agent.machine_facts().await?;
        return Ok(Outcome::done(
            "inventory read; no server is configured to report it to",
            json!({}),
        ));
    }
    agent.report(Facts::Anew, None).await?;
    Ok(Outcome::done("inventory reported", json!({})))
}
