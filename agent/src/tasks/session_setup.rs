//! The task `session-setup`: the stored `session_setup()` of packages, once per user and build.

use muster_shared::hint::chain;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::task::TaskState;
use muster_shared::request::Request;
use serde_json::json;

use super::{Outcome, TaskContext, counted};
use crate::agent::Agent;
use crate::failure::Failure;
use crate::install::stage;
use crate::script::{Hook, Subject, Verdict};
use crate::state::packages::Installed;
use crate::state::sessions::SessionSetup;

/// Prepares the session of the user who ordered it, for the named packages or for all.
pub(super) async fn run(
    agent: &Agent,
    packages: &[String],
    context: &TaskContext,
) -> Result<Outcome, Failure> {
    let user = &context.ordered_by;
    let mut names = Vec::new();
    for package in packages {
        let request = Request::parse(package)
            .map_err(|error| Failure::new(ErrorCode::RequestInvalid, error.to_string()))?;
        names.push(request.name);
    }
    let installed = agent.state.installed().await?;
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for row in installed.iter().filter(|row| row.in_place && row.has_setup) {
        let package = row.package();
        let named = names.iter().any(|name| name == package);
        let uuid = row.control.get("package_uuid");
        let is_done = agent.state.session_is_set_up(user, package, uuid).await?;
        if !(named || names.is_empty()) || (is_done && !context.options.force) {
            continue;
        }
        match set_up(agent, row, user, context).await? {
            Some(true) => done.push(package.to_owned()),
            Some(false) => failed.push(package.to_owned()),
            None => {}
        }
    }
    if context.cancel.is_cancelled() {
        return Ok(Outcome {
            state: TaskState::Cancelled,
            ..Outcome::failed("cancelled", json!({ "user": user, "done": done }))
        });
    }
    let mut summary = format!(
        "session of {user} prepared for {}",
        counted(done.len(), "package")
    );
    if !failed.is_empty() {
        summary = format!("{summary}; failed: {}", failed.join(", "));
    }
    let value = json!({ "user": user, "done": done, "failed": failed });
    Ok(if failed.is_empty() {
        Outcome::done(summary, value)
    } else {
        Outcome::failed(summary, value)
    })
}

/// Runs one hook; nothing when the package has none.
async fn set_up(
    agent: &Agent,
    row: &Installed,
    user: &str,
    context: &TaskContext,
) -> Result<Option<bool>, Failure> {
    let package = row.package();
    let Some(script) = agent.state.stored_script(package).await? else {
        return Ok(None);
    };
    let persistent = stage::persistent_folder(&agent.paths, &row.control);
    if !persistent.is_dir() {
        crate::platform::lock_down_dir(&persistent).map_err(|error| {
            Failure::from(anyhow::Error::new(error).context("preparing the session set-up"))
        })?;
    }
    let subject = Subject {
        control: &row.control,
        setup_py: &script.setup_py,
        params: &script.params,
        package_dir: None,
        persistent_dir: &persistent,
        uninstall_keys: Some(&script.uninstall_keys),
        force: context.options.force,
        user,
    };
    context.progress(None, &format!("preparing the session for {package}"));
    let run = agent
        .scripts
        .run(Hook::SessionSetup, &subject, &context.cancel, |_, _| {})
        .await
        .map_err(|error| Failure::new(ErrorCode::Internal, chain(&error)))?;
    if context.cancel.is_cancelled() {
        return Ok(None);
    }
    let status = match &run.verdict {
        Verdict::Absent => return Ok(None),
        Verdict::Done { status } => status.as_str(),
        Verdict::Raised(_) | Verdict::Ended { .. } => "ERROR",
    };
    let session = SessionSetup {
        user,
        package,
        package_uuid: row.control.get("package_uuid"),
        version: row.control.version(),
        status,
        output: &run.log,
    };
    agent.state.record_session(&session, agent.now()).await?;
    Ok(Some(status != "ERROR"))
}
