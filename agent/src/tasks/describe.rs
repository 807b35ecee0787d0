//! The task `describe`: this host's description, as consoles show it.

use serde_json::json;

use super::Outcome;
use crate::agent::Agent;
use crate::config::Config;
use crate::failure::Failure;
use crate::state::{State, StateError, facts};

/// Keeps another description; an empty one leaves it to the configuration again.
pub(super) async fn run(agent: &Agent, text: &str) -> Result<Outcome, Failure> {
    let text = text.trim();
    if text.is_empty() {
        agent.state.clear_fact(facts::DESCRIPTION).await?;
    } else {
        agent.state.set_fact(facts::DESCRIPTION, text).await?;
    }
    let description = in_force(&agent.state, &agent.config).await?;
    let summary = if description.is_empty() {
        "this host has no description".to_owned()
    } else {
        format!("this host is described as {description:?}")
    };
    Ok(Outcome::done(summary, json!({ "description": description })))
}

/// The description in force: the one that was ordered, else the configuration's, else nothing.
///
/// # Errors
/// When the database does not answer.
pub async fn in_force(state: &State, config: &Config) -> Result<String, StateError> {
    Ok(state
        .fact(facts::DESCRIPTION)
        .await?
        .or_else(|| config.description.clone())
        .unwrap_or_default())
}
