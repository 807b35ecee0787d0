//! The task `audit`: the stored `audit()` of packages that are due, or of those that are named.

use jiff::Timestamp;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::task::TaskState;
use muster_shared::request::Request;
use serde_json::json;

use super::{Outcome, TaskContext, counted};
use crate::agent::{Agent, with_advice};
use crate::failure::Failure;
use crate::install::stage;
use crate::schedule;
use crate::script::{Hook, Subject, Verdict};
use crate::state::packages::{Installed, StoredScript};

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
            Some(audited) => results.push((row.package().to_owned(), audited)),
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
        .filter(|(_package, audited)| audited.status != "OK")
        .map(|(package, audited)| format!("{package}: {}", audited.said()))
        .collect();
    let mut summary = format!("{} audited", counted(results.len(), "package"));
    if !bad.is_empty() {
        summary = format!("{summary}; {}", bad.join(", "));
    }
    let value = json!({ "audits": results.iter().map(|(package, audited)| json!({ "package": package, "status": audited.status })).collect::<Vec<_>>() });
    // An audit that finds something did its work; ERROR is still an exit code that scripts can act on.
    let mut outcome = Outcome::done(summary, value);
    if results.iter().any(|(_package, audited)| audited.is_error()) {
        outcome.exit = Some(crate::failure::Exit::Packages);
    }
    Ok(outcome)
}

/// Its time has come, or it was last audited by a clock that was ahead.
fn is_due(row: &Installed, now: Timestamp) -> bool {
    row.next_audit_at
        .is_some_and(|next| next <= now || row.audited_at.is_some_and(|at| at > now))
}

struct Audited {
    status: String,
    /// Why it could not be run; the status says nothing about the package then.
    obstacle: Option<String>,
}

impl Audited {
    fn said(&self) -> String {
        match &self.obstacle {
            Some(obstacle) => format!("{} ({obstacle})", self.status),
            None => self.status.clone(),
        }
    }

    fn is_error(&self) -> bool {
        self.status == "ERROR" || self.obstacle.is_some()
    }
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
    let (status, output, obstacle) = match conduct(agent, row, &script, context).await {
        Ok(Some((status, output))) => (status, output, None),
        Ok(None) if context.cancel.is_cancelled() => return Ok(None),
        Ok(None) => {
            agent
                .state
                .record_audit(package, "", "", agent.now(), None)
                .await?;
            return Ok(None);
        }
        // The others are audited all the same, and this one when its time comes again.
        Err(reason) => {
            let obstacle = format!("the audit could not be run: {reason}");
            ("UNKNOWN".to_owned(), format!("{obstacle}\n"), Some(obstacle))
        }
    };
    let now = agent.now();
    let next = schedule::next_audit(
        row.control.get("audit_schedule"),
        agent.config.schedule.audit_every,
        now,
    );
    agent
        .state
        .record_audit(package, &status, &output, now, next)
        .await?;
    if status != "OK" {
        tracing::warn!(package, %status, "audit");
    }
    Ok(Some(Audited { status, obstacle }))
}

/// Runs the hook; its word and its log, or nothing when there is nothing to audit or the task was cancelled.
async fn conduct(
    agent: &Agent,
    row: &Installed,
    script: &StoredScript,
    context: &TaskContext,
) -> Result<Option<(String, String)>, String> {
    let package = row.package();
    let persistent = stage::persistent_folder(&agent.paths, &row.control);
    stage::open_persistent(&persistent).map_err(|error| error.to_string())?;
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
    let run = agent
        .scripts
        .run(Hook::Audit, &subject, &context.cancel, |percent, text| {
            context.progress(percent, &format!("{package}: {text}"));
        })
        .await
        .map_err(|error| with_advice(&error))?;
    if context.cancel.is_cancelled() {
        return Ok(None);
    }
    let status = match &run.verdict {
        Verdict::Done { status } => match status.as_str() {
            "OK" | "WARNING" | "ERROR" => status.clone(),
            _ => "UNKNOWN".to_owned(),
        },
        // Keys are checked even without an audit(); with neither there is nothing to say.
        Verdict::Absent if script.uninstall_keys.is_empty() => return Ok(None),
        Verdict::Absent if run.missing_keys.is_empty() => "OK".to_owned(),
        Verdict::Absent | Verdict::Raised(_) | Verdict::Ended { .. } => "ERROR".to_owned(),
    };
    Ok(Some((status, run.log)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use muster_shared::clock::SystemClock;
    use muster_shared::protocol::action::ActionOptions;
    use tokio_util::sync::CancellationToken;
    use uuid::Uuid;

    use super::*;
    use crate::config::Config;
    use crate::paths::Paths;
    use crate::state::packages::tests::row;

    #[tokio::test]
    async fn an_audit_that_cannot_be_run_neither_stops_the_others_nor_comes_again_at_once() {
        let root = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.python = Some("/no/such/python".into());
        let agent = Agent::open(Paths::new(Some(root.path())), config, Arc::new(SystemClock))
            .await
            .unwrap();
        for package in ["demo-a", "demo-b"] {
            let mut due = Installed {
                next_audit_at: Some(Timestamp::UNIX_EPOCH),
                ..row(package, "1")
            };
            due.control.set("audit_schedule", "1d");
            let script = StoredScript {
                setup_py: "def audit(): pass".to_owned(),
                params: serde_json::Map::new(),
                uninstall_keys: Vec::new(),
            };
            agent.state.store_package(&due, Some(&script)).await.unwrap();
        }
        let context = TaskContext::new(
            Uuid::now_v7(),
            "SCHEDULER",
            ActionOptions::default(),
            CancellationToken::new(),
            Arc::new(|_, _| {}),
        );
        let outcome = run(&agent, &[], &context).await.unwrap();
        assert!(
            outcome.summary.starts_with("2 packages audited; demo-a: UNKNOWN"),
            "{}",
            outcome.summary
        );
        let next = agent.state.next_audit(agent.now()).await.unwrap().unwrap();
        assert!(next > agent.now(), "{next}");
    }
}
