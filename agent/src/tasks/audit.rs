//! The task `audit`: the stored `audit()` of packages that are due, or of those that are named.

use jiff::Timestamp;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::task::TaskState;
use muster_shared::request::Request;
use serde_json::json;

use super::{Outcome, TaskContext, counted};
use crate::agent::Agent;
use crate::failure::Failure;
use crate::install::stage;
use crate::schedule;
use crate::script::{Hook, Subject, Verdict};
use crate::state::packages::Installed;

/// Audits what is named; without names what is due, or everything with `force`.
pub(super) async fn run(
    agent: &Agent,
    packages: &[String],
    context: &TaskContext,
) -> Result<Outcome, Failure> {
    let installed = agent.state.installed().await?;
    let now = agent.now();
    let mut chosen: Vec<&Installed> = Vec::new();
    if packages.is_empty() {
        chosen.extend(
            installed
                .iter()
                .filter(|row| context.options.force || is_due(row, now)),
        );
    }
    for package in packages {
        let request = Request::parse(package)
            .map_err(|error| Failure::new(ErrorCode::RequestInvalid, error.to_string()))?;
        let row = installed
            .iter()
            .find(|row| row.package() == request.name)
            .ok_or_else(|| {
                Failure::new(ErrorCode::NotFound, format!("{} is not installed", request.name))
                    .with_hint("`muster-agent list` shows what is")
            })?;
        chosen.push(row);
    }
    chosen.retain(|row| row.in_place && row.has_setup);
    let mut results = Vec::new();
    for (position, row) in chosen.iter().enumerate() {
        let share = |position: usize| (100 * position / chosen.len()) as u8;
        let part = context.part(share(position), share(position + 1));
        match audit(agent, row, &part).await? {
            Some(Audited { status, .. }) => results.push((row.package().to_owned(), status)),
            None if context.cancel.is_cancelled() => {
                return Ok(Outcome {
                    state: TaskState::Cancelled,
                    ..Outcome::failed("cancelled", json!({}))
                });
            }
            None => {}
        }
    }
    let bad: Vec<String> = results
        .iter()
        .filter(|(_package, status)| status != "OK")
        .map(|(package, status)| format!("{package}: {status}"))
        .collect();
    let mut summary = format!("{} audited", counted(results.len(), "package"));
    if !bad.is_empty() {
        summary = format!("{summary}; {}", bad.join(", "));
    }
    let value = json!({ "audits": results.iter().map(|(package, status)| json!({ "package": package, "status": status })).collect::<Vec<_>>() });
    // An audit that finds something did its work; ERROR is still an exit code that scripts can act on.
    let mut outcome = Outcome::done(summary, value);
    if results.iter().any(|(_package, status)| status == "ERROR") {
        outcome.exit = Some(crate::failure::Exit::Packages);
    }
    Ok(outcome)
}

fn is_due(row: &Installed, now: Timestamp) -> bool {
    row.next_audit_at.is_some_and(|next| next <= now)
}

struct Audited {
    status: String,
}

/// Audits one package and records the result; nothing when it has nothing to audit.
async fn audit(agent: &Agent, row: &Installed, context: &TaskContext) -> Result<Option<Audited>, Failure> {
    let package = row.package();
    let Some(script) = agent.state.stored_script(package).await? else {
        return Ok(None);
    };
    // A script without the word has no such hook; starting Python to find that out would cost every round.
    if script.uninstall_keys.is_empty() && !script.setup_py.contains(Hook::Audit.as_str()) {
        agent
            .state
            .record_audit(package, "", "", agent.now(), None)
            .await?;
        return Ok(None);
    }
    context.progress(None, &format!("auditing {package}"));
    let persistent = stage::persistent_folder(&agent.paths, &row.control);
    stage::open_persistent(&persistent)
        .map_err(|error| Failure::from(anyhow::Error::new(error).context("preparing the audit")))?;
    let subject = Subject {
        control: &row.control,
        setup_py: &script.setup_py,
        params: &script.params,
        package_dir: None,
        persistent_dir: &persistent,
        uninstall_keys: Some(&script.uninstall_keys),
        force: false,
        user: &context.ordered_by,
    };
    let run = match agent
        .scripts
        .run(Hook::Audit, &subject, &context.cancel, |percent, text| {
            context.progress(percent, &format!("{package}: {text}"));
        })
        .await
    {
        Ok(run) => run,
        Err(error) => return Err(Failure::from_hinted(ErrorCode::Internal, error)),
    };
    if context.cancel.is_cancelled() {
        return Ok(None);
    }
    let status = match &run.verdict {
        Verdict::Done { status } => match status.as_str() {
            "OK" | "WARNING" | "ERROR" => status.clone(),
            _ => "UNKNOWN".to_owned(),
        },
        // Keys are checked even without an audit(); with neither there is nothing to say.
        Verdict::Absent if script.uninstall_keys.is_empty() => {
            agent
                .state
                .record_audit(package, "", "", agent.now(), None)
                .await?;
            return Ok(None);
        }
        Verdict::Absent if run.missing_keys.is_empty() => "OK".to_owned(),
        Verdict::Absent | Verdict::Raised(_) | Verdict::Ended { .. } => "ERROR".to_owned(),
    };
    let now = agent.now();
    let next = schedule::next_audit(
        row.control.get("audit_schedule"),
        agent.config.schedule.audit_every,
        now,
    );
    agent
        .state
        .record_audit(package, &status, &run.log, now, next)
        .await?;
    if status != "OK" {
        tracing::warn!(package, %status, "audit");
    }
    Ok(Some(Audited { status }))
}
