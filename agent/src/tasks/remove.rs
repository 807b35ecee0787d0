//! The task `remove`: packages and whatever depends on them, dependants first.

use std::collections::BTreeSet;

use muster_shared::hint::chain;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::task::TaskState;
use muster_shared::request::Request;
use serde_json::json;

use super::{Outcome, TaskContext};
use crate::agent::Agent;
use crate::failure::Failure;
use crate::install::InstallError;
use crate::install::remove::{removal_order, remove, still_needed_by};
use crate::update;

pub(super) async fn run(
    agent: &Agent,
    packages: &[String],
    context: &TaskContext,
) -> Result<Outcome, Failure> {
    let installed = agent.state.installed().await?;
    let mut names = Vec::new();
    for package in packages {
        let request = Request::parse(package)
            .map_err(|error| Failure::new(ErrorCode::RequestInvalid, error.to_string()))?;
        names.push(request.name);
    }
    let mut unknown: Vec<String> = names
        .iter()
        .filter(|name| !installed.iter().any(|row| row.package() == *name))
        .cloned()
        .collect();
    let order = removal_order(&installed, &names);
    let (mut removed, mut failed) = (Vec::new(), Vec::new());
    let mut stayed = BTreeSet::new();
    let mut cancelled = false;
    for (position, package) in order.iter().enumerate() {
        let share = |position: usize| (100 * position / order.len()) as u8;
        let part = context.part(share(position), share(position + 1));
        let needed = still_needed_by(&installed, package, &stayed).filter(|_| !context.options.force);
        let done = match needed {
            Some(dependant) => Err(InstallError::Needed {
                package: package.clone(),
                dependant: dependant.to_owned(),
            }),
            None => remove(agent, &part, package, context.options.force).await,
        };
        match done {
            Ok(()) => removed.push(package.clone()),
            Err(InstallError::Cancelled) => {
                cancelled = true;
                break;
            }
            Err(error) => {
                stayed.insert(package.clone());
                failed.push(format!("{package}: {}", chain(&error)));
            }
        }
    }
    cancelled |= context.cancel.is_cancelled();
    update::replan(agent).await?;
    unknown.sort();
    let mut parts = Vec::new();
    if !removed.is_empty() {
        parts.push(format!("removed {}", removed.join(", ")));
    }
    if !unknown.is_empty() {
        parts.push(format!("not installed: {}", unknown.join(", ")));
    }
    parts.extend(failed.iter().cloned());
    let value = json!({ "removed": removed, "failed": failed, "not_installed": unknown });
    let summary = if parts.is_empty() {
        "nothing to remove".to_owned()
    } else {
        parts.join("; ")
    };
    if cancelled {
        return Ok(Outcome {
            state: TaskState::Cancelled,
            ..Outcome::failed(summary, value)
        });
    }
    // A package that is not there is as the order wants it.
    Ok(if failed.is_empty() {
        Outcome::done(summary, value)
    } else {
        Outcome::failed(summary, value)
    })
}
