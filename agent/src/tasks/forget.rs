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
        if agent.state.delete_package(&name).await? {
            stage::forget_all_builds(&agent.paths, &name);
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
