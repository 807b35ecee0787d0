//! The tasks `upgrade` and `install`: plan, let wait what must, then carry the plan out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use muster_shared::protocol::error::ErrorCode;
use muster_shared::request::Request;
use serde_json::json;

use super::apply::{Applied, apply};
use super::waiting::{Waiting, look, postpone, record};
use super::{Outcome, TaskContext, counted};
use crate::agent::Agent;
use crate::failure::Failure;
use crate::install::run::{ToInstall, install as install_file};
use crate::install::stage::Expected;
use crate::plan::hold::{self, Hold};
use crate::plan::{Plan, Wish};
use crate::update;

/// Everything as it should be, or what is named: remove, download, install in dependency order.
pub(super) async fn upgrade(
    agent: &Agent,
    packages: &[String],
    context: &TaskContext,
) -> Result<Outcome, Failure> {
    // What is assigned may have changed a moment ago; without a server the last known state counts.
    let updated = update::update(agent, &context.part(0, 10)).await?;
    for problem in &updated.problems {
        tracing::warn!(problem = %problem.text, "upgrading with what was known before");
    }
    if !updated.has_index {
        // Nothing is known to be missing, which is not the same as nothing is missing.
        return Err(update::no_index());
    }
    let plan = if packages.is_empty() {
        updated.plan
    } else {
        let mut names = BTreeSet::new();
        for package in packages {
            let request = Request::parse(package)
                .map_err(|error| Failure::new(ErrorCode::RequestInvalid, error.to_string()))?;
            names.insert(request.name);
        }
        update::plan_for(agent, &Wish::Part(names)).await?
    };
    carry_out(agent, plan, &context.part(10, 100)).await
}

/// Packages that somebody names: from the repository, or files with signed packages.
pub(super) async fn install(
    agent: &Agent,
    packages: &[String],
    context: &TaskContext,
) -> Result<Outcome, Failure> {
    if packages.is_empty() {
        return Err(Failure::new(
            ErrorCode::RequestInvalid,
            "install names no package",
        ));
    }
    let mut requests = Vec::new();
    let mut files = Vec::new();
    for package in packages {
        if is_file_name(package) {
            files.push(PathBuf::from(package));
        } else {
            let request = Request::parse(package)
                .map_err(|error| Failure::new(ErrorCode::RequestInvalid, error.to_string()))?;
            requests.push(request);
        }
    }
    let mut applied = Applied::default();
    for file in &files {
        install_one_file(agent, file, context, &mut applied).await?;
        // A script that was ended is a failure of its package; what comes after it is not begun.
        applied.cancelled |= context.cancel.is_cancelled();
        if applied.cancelled {
            break;
        }
    }
    if !requests.is_empty() && !applied.cancelled {
        // They may have been published a moment ago; without the repository the last known index counts.
        let (_collected, problems) = update::fetch::fetch_indexes(agent).await?;
        for problem in problems {
            tracing::warn!(problem = %problem.text, "installing with the index that was known before");
        }
        let mut wish = Wish::Install {
            requests: requests.clone(),
            force: context.options.force,
        };
        let mut plan = update::plan_for(agent, &wish).await?;
        let waiting = look(agent, &plan, context).await?;
        if !waiting.0.is_empty() {
            postpone(agent, &plan, &waiting, context).await?;
            if let Wish::Install { requests, .. } = &mut wish {
                requests.retain(|request| !waiting.0.contains_key(&request.name));
            }
            let impossible = std::mem::take(&mut plan.impossible);
            plan = update::plan_for(agent, &wish).await?;
            plan.impossible = impossible;
            applied.left_alone.extend(waiting.said());
        }
        for request in &requests {
            agent
                .state
                .mark_explicit(&request.name, context.explicit_by())
                .await?;
        }
        applied.merge(apply_and_record(agent, &plan, context).await?);
    }
    finish(agent, applied, &Waiting::default()).await
}

/// Names that only a file can have: a request never contains a separator or ends so.
fn is_file_name(text: &str) -> bool {
    text.contains(['/', '\\'])
        || Path::new(text)
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("wapt"))
}

async fn install_one_file(
    agent: &Agent,
    file: &Path,
    context: &TaskContext,
    applied: &mut Applied,
) -> Result<(), Failure> {
    if !file.is_file() {
        return Err(Failure::new(
            ErrorCode::NotFound,
            format!("there is no file {}", file.display()),
        )
        .with_hint("name a package of the repository, or the path of a .wapt file"));
    }
    let item = ToInstall {
        file,
        expected: Expected::Trusted,
        explicit_by: context.explicit_by(),
        force: context.options.force,
        is_cached: false,
    };
    let name = file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    match install_file(agent, context, &item).await {
        Ok(_status) => applied.installed.push(name),
        Err(error) => applied.fail(&name, &error),
    }
    Ok(())
}

/// Carries out what need not wait. What is forced by now does not wait for a program that runs, so it comes first and
/// by itself then.
async fn carry_out(agent: &Agent, whole: Plan, context: &TaskContext) -> Result<Outcome, Failure> {
    let waiting = look(agent, &whole, context).await?;
    postpone(agent, &whole, &waiting, context).await?;
    let mut ready: BTreeSet<String> = whole
        .installs
        .iter()
        .map(|install| install.package().to_owned())
        .chain(whole.forbidden.iter().map(|removal| removal.package.clone()))
        .filter(|package| !waiting.0.contains_key(package))
        .collect();
    let mut applied = Applied::default();
    let mut urgent: BTreeSet<String> = BTreeSet::new();
    if context.options.only_if_not_running {
        urgent.extend(hold::urgent(&whole).into_iter().map(str::to_owned));
        urgent.retain(|package| ready.remove(package));
    }
    if !urgent.is_empty() {
        let mut regardless = context.part(0, 50);
        regardless.options.only_if_not_running = false;
        let mut part = update::plan_for(agent, &Wish::Part(urgent.clone())).await?;
        part.impossible.clear();
        applied.merge(apply_and_record(agent, &part, &regardless).await?);
    }
    let plan = if waiting.0.is_empty() && urgent.is_empty() {
        whole
    } else {
        Plan {
            impossible: whole.impossible,
            forgotten: whole.forgotten,
            ..update::plan_for(agent, &Wish::Part(ready)).await?
        }
    };
    if !applied.cancelled {
        let part = if urgent.is_empty() {
            context.clone()
        } else {
            context.part(50, 100)
        };
        applied.merge(apply_and_record(agent, &plan, &part).await?);
    }
    finish(agent, applied, &waiting).await
}

async fn apply_and_record(agent: &Agent, plan: &Plan, context: &TaskContext) -> Result<Applied, Failure> {
    let applied = apply(agent, plan, context).await?;
    record(agent, plan, &applied, context).await?;
    Ok(applied)
}

async fn finish(agent: &Agent, applied: Applied, waiting: &Waiting) -> Result<Outcome, Failure> {
    // What is left to do may have changed with what was done.
    update::replan(agent).await?;
    let mut summary = applied.summary();
    if !waiting.0.is_empty() {
        summary = format!("{summary}; waiting: {}", waiting.said().join(", "));
    }
    let waiting: BTreeMap<&String, String> = waiting
        .0
        .iter()
        .map(|(package, hold): (&String, &Hold)| (package, hold.text()))
        .collect();
    let value = json!({
        "installed": applied.installed,
        "removed": applied.removed,
        "failed": applied.failed,
        "impossible": applied.impossible,
        "left_alone": applied.left_alone,
        "waiting": waiting,
    });
    if applied.cancelled {
        return Ok(Outcome {
            state: muster_shared::protocol::task::TaskState::Cancelled,
            ..Outcome::failed(summary, value)
        });
    }
    Ok(if applied.is_success() {
        Outcome::done(summary, value)
    } else {
        Outcome::failed(summary, value)
    })
}

impl Applied {
    /// What was done, in words.
    pub(super) fn summary(&self) -> String {
        let mut parts = Vec::new();
        if !self.installed.is_empty() {
            parts.push(format!("{} installed", counted(self.installed.len(), "package")));
        }
        if !self.removed.is_empty() {
            parts.push(format!("{} removed", counted(self.removed.len(), "package")));
        }
        if !self.left_alone.is_empty() {
            parts.push(format!("left alone: {}", self.left_alone.join(", ")));
        }
        for failed in &self.failed {
            parts.push(format!("{}: {}", failed.package, failed.reason));
        }
        for impossible in &self.impossible {
            parts.push(impossible.clone());
        }
        if self.cancelled {
            parts.push("cancelled".to_owned());
        }
        if parts.is_empty() {
            "nothing to do".to_owned()
        } else {
            parts.join("; ")
        }
    }
}
