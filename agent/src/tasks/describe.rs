//! The task `describe`: this host's description, as consoles and the system itself show it.

use std::path::Path;

use serde_json::json;

use super::Outcome;
use crate::agent::Agent;
use crate::config::Config;
use crate::failure::Failure;
use crate::platform;
use crate::state::{State, StateError, facts};

/// Keeps another description; an empty one leaves it to the configuration again.
pub(super) async fn run(agent: &Agent, text: &str) -> Result<Outcome, Failure> {
    let text = text.trim();
    let before = agent.state.fact(facts::DESCRIPTION).await?;
    if text.is_empty() {
        agent.state.clear_fact(facts::DESCRIPTION).await?;
    } else {
        agent.state.set_fact(facts::DESCRIPTION, text).await?;
    }
    let root = agent.paths.root();
    // What this agent never wrote into the system is not taken out of it.
    let ours = text.is_empty() && before.is_some() && before == platform::description(root);
    if ours || !text.is_empty() {
        let shown = agent.config.description.as_deref().filter(|_| text.is_empty());
        if let Err(error) = platform::set_description(root, shown.unwrap_or(text)) {
            tracing::warn!(%error, "the system does not take the description; consoles show it all the same");
        }
    }
    let description = in_force(&agent.state, &agent.config, root).await?;
    let summary = if description.is_empty() {
        "this host has no description".to_owned()
    } else {
        format!("this host is described as {description:?}")
    };
    Ok(Outcome::done(summary, json!({ "description": description })))
}

/// The description in force: the one that was ordered, else the configuration's, else the system's, else nothing.
///
/// # Errors
/// When the database does not answer.
pub async fn in_force(state: &State, config: &Config, root: Option<&Path>) -> Result<String, StateError> {
    Ok(state
        .fact(facts::DESCRIPTION)
        .await?
        .or_else(|| config.description.clone())
        .or_else(|| platform::description(root))
        .unwrap_or_default())
}
