//! The tasks `wua-scan`, `wua-download` and `wua-install`: the updates of Windows.

use std::sync::{Arc, LazyLock};

use muster_shared::protocol::action::ActionKind;
use muster_shared::protocol::error::ErrorCode;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Outcome, TaskContext, counted};
use crate::agent::Agent;
use crate::failure::Failure;
use crate::platform;
use crate::windows_update::UpdateAgent;
use crate::windows_update::flow::{Flow, Progress};
use crate::windows_update::line::Line;
use crate::windows_update::report::rules_in_force;

/// A question that did not come back outlives the task that asked it.
static LINE: LazyLock<Line> = LazyLock::new(Line::default);

/// Below the cache.
const FOLDER: &str = "waptwua";

/// Does one of the three; `names` are the updates to install, all that are ready when there are none.
pub(super) async fn run(
    agent: &Agent,
    action: ActionKind,
    names: &[String],
    context: &TaskContext,
) -> Result<Outcome, Failure> {
    let Some(system) = platform::windows_update_agent() else {
        return Err(Failure::new(
            ErrorCode::Conflict,
            "this system has no Windows Update; its own package manager updates it",
        ));
    };
    let said = context.clone();
    let progress: Progress = Arc::new(move |percent, text| said.progress(percent, text));
    let flow = flow(agent, system, progress, context.cancel.clone());
    match action {
        ActionKind::WuaScan => scan(&flow, context.options.force).await,
        ActionKind::WuaDownload => download(&flow, context.options.force).await,
        _ => install(&flow, names).await,
    }
}

/// Gives the system its service back when nothing here asks any more to drive Windows Update.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn give_back_unwanted(agent: &Agent) -> Result<(), Failure> {
    let Some(system) = platform::windows_update_agent() else {
        return Ok(());
    };
    let (rules, _packages) = rules_in_force(&agent.state, &agent.config).await?;
    if rules.enabled == Some(true) {
        return Ok(());
    }
    let quiet: Progress = Arc::new(|_percent, _text| {});
    flow(agent, system, quiet, CancellationToken::new())
        .give_back()
        .await
}

fn flow(
    agent: &Agent,
    system: Arc<dyn UpdateAgent>,
    progress: Progress,
    cancel: CancellationToken,
) -> Flow<'_> {
    Flow {
        state: &agent.state,
        config: &agent.config,
        system,
        line: LINE.clone(),
        repositories: &agent.repositories,
        folder: agent.paths.cache_dir().join(FOLDER),
        clock: agent.clock.clone(),
        progress,
        cancel,
    }
}

async fn scan(flow: &Flow<'_>, force: bool) -> Result<Outcome, Failure> {
    let scanned = flow.scan(force).await?;
    let found = if scanned.skipped {
        "nothing changed since the last scan".to_owned()
    } else {
        format!("{} found", counted(scanned.rows, "update"))
    };
    Ok(Outcome::done(
        format!("{found}; {} to install", counted(scanned.pending, "update")),
        json!({ "skipped": scanned.skipped, "updates": scanned.rows, "pending": scanned.pending }),
    ))
}

/// A download begins with a scan, which is skipped when nothing changed: what is fetched is what is missing now.
async fn download(flow: &Flow<'_>, force: bool) -> Result<Outcome, Failure> {
    flow.scan(force).await?;
    let downloaded = flow.download().await?;
    let value = json!({ "downloaded": downloaded.done, "missing": pairs(&downloaded.missing) });
    let mut summary = format!("{} downloaded", counted(downloaded.done.len(), "update"));
    if downloaded.missing.is_empty() {
        return Ok(Outcome::done(summary, value));
    }
    summary = format!("{summary}; {}", reasons(&downloaded.missing, "cannot be had"));
    Ok(Outcome::failed(summary, value))
}

async fn install(flow: &Flow<'_>, names: &[String]) -> Result<Outcome, Failure> {
    let installed = flow.install(names).await?;
    let value = json!({
        "installed": installed.done,
        "failed": pairs(&installed.failed),
        "reboot_required": installed.reboot_required,
    });
    let mut summary = format!("{} installed", counted(installed.done.len(), "update"));
    if installed.reboot_required {
        summary.push_str("; the machine must be restarted to finish");
    }
    if installed.failed.is_empty() {
        return Ok(Outcome::done(summary, value));
    }
    summary = format!("{summary}; {}", reasons(&installed.failed, "failed"));
    Ok(Outcome::failed(summary, value))
}

fn pairs(list: &[(String, String)]) -> Vec<serde_json::Value> {
    list.iter()
        .map(|(id, reason)| json!({ "update_id": id, "reason": reason }))
        .collect()
}

fn reasons(list: &[(String, String)], verb: &str) -> String {
    /// More would fill the line.
    const MOST: usize = 5;
    let shown: Vec<String> = list
        .iter()
        .take(MOST)
        .map(|(id, reason)| format!("{id} {verb}: {reason}"))
        .collect();
    let rest = list.len().saturating_sub(MOST);
    if rest == 0 {
        shown.join("; ")
    } else {
        format!("{}; and {rest} more", shown.join("; "))
    }
}
