//! The tasks `upgrade` and `install`: plan, then carry the plan out.

use std::path::{Path, PathBuf};

use muster_shared::protocol::error::ErrorCode;
use muster_shared::request::Request;
use serde_json::json;

use super::apply::{Applied, apply};
use super::{Outcome, TaskContext, counted};
use crate::agent::Agent;
use crate::failure::Failure;
use crate::install::run::{ToInstall, install as install_file};
use crate::install::stage::Expected;
use crate::plan::{Plan, Wish};
use crate::update;

/// Everything as it should be: remove, download, install in dependency order.
pub(super) async fn upgrade(agent: &Agent, context: &TaskContext) -> Result<Outcome, Failure> {
    // What is assigned may have changed a moment ago; without a server the last known state counts.
    let updated = update::update(agent, &context.part(0, 10)).await?;
    for problem in &updated.problems {
        tracing::warn!(problem = %problem.text, "upgrading with what was known before");
    }
    carry_out(agent, &updated.plan, &context.part(10, 100)).await
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
    }
    if !requests.is_empty() {
        // They may have been published a moment ago; without the repository the last known index counts.
        if let Err(problem) = update::fetch_index(agent).await? {
            tracing::warn!(problem = %problem.text, "installing with the index that was known before");
        }
        let wish = Wish::Install {
            requests: requests.clone(),
            force: context.options.force,
        };
        let plan = update::plan_for(agent, &wish).await?;
        for request in &requests {
            agent
                .state
                .mark_explicit(&request.name, context.explicit_by())
                .await?;
        }
        applied.merge(apply(agent, &plan, context).await?);
    }
    finish(agent, applied).await
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

async fn carry_out(agent: &Agent, plan: &Plan, context: &TaskContext) -> Result<Outcome, Failure> {
    let applied = apply(agent, plan, context).await?;
    finish(agent, applied).await
}

async fn finish(agent: &Agent, applied: Applied) -> Result<Outcome, Failure> {
    // What is left to do may have changed with what was done.
    update::replan(agent).await?;
    let summary = applied.summary();
    let value = json!({
        "installed": applied.installed,
        "removed": applied.removed,
        "failed": applied.failed,
        "impossible": applied.impossible,
        "left_alone": applied.left_alone,
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
