//! The task `forget`: drop packages from the list without touching their software.

use muster_shared::protocol::error::ErrorCode;
use muster_shared::request::Request;
use serde_json::json;

use super::Outcome;
use crate::agent::Agent;
use crate::failure::Failure;
use crate::install::stage;
use crate::update;

pub(super) async fn run(agent: &Agent, packages: &[String]) -> Result<Outcome, Failure> {
    let (mut forgotten, mut unknown) = (Vec::new(), Vec::new());
    for package in packages {
        let name = Request::parse(package)
            .map_err(|error| Failure::new(ErrorCode::RequestInvalid, error.to_string()))?
            .name;
        let row = agent.state.package(&name).await?;
        if agent.state.delete_package(&name).await? {
            if let Some(row) = row
                && let Err(error) = stage::remove_tree(&stage::persistent_folder(&agent.paths, &row.control))
            {
                tracing::warn!(%error, "files kept by a forgotten package cannot be removed");
            }
            forgotten.push(name);
        } else {
            unknown.push(name);
        }
    }
    update::replan(agent).await?;
    let mut summary = if forgotten.is_empty() {
        "nothing to forget".to_owned()
    } else {
        format!(
            "forgot {}; the software itself was left as it is",
            forgotten.join(", ")
        )
    };
    if !unknown.is_empty() {
        summary = format!("{summary}; not known: {}", unknown.join(", "));
    }
    Ok(Outcome::done(
        summary,
        json!({ "forgotten": forgotten, "not_installed": unknown }),
    ))
}
