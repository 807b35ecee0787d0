//! `muster package update-sources`: sources fetch the next version of what they package.

use std::path::PathBuf;

use clap::Args;
use muster_shared::package::build::read_control;
use serde::Serialize;

use super::agent_argument::AgentArgument;
use crate::admin::agent_program::AgentProgram;
use crate::admin::build::BuildFailure;
use crate::admin::update_sources::{HookOutcome, update_sources};
use crate::cli::Shell;
use crate::cli::failure::{self, Outcome, Refusal};
use crate::cli::output::shown;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster package update-sources demo-firefox
  muster package update-sources demo-* && muster package build demo-firefox
  muster package update-sources demo-firefox --json

Runs update_package() of setup.py, or of update_package.py beside it, in the folder of the
sources. What it changes in `control` is written to WAPT/control. What the script writes goes to
standard error.

Exit code 1 when the only folder fails, 3 when one of several does.")]
pub(crate) struct UpdateSources {
    /// Folders of sources
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// End a script when it runs longer, such as 90s or 2h
    #[arg(long, value_name = "PERIOD")]
    timeout: Option<String>,
    #[command(flatten)]
    agent: AgentArgument,
}

#[derive(Serialize)]
struct Updated {
    folder: PathBuf,
    #[serde(flatten)]
    outcome: HookOutcome,
}

pub(super) fn run(arguments: &UpdateSources, shell: &mut Shell) -> anyhow::Result<Outcome> {
    let agent = arguments.agent.find()?;
    let mut updated = Vec::new();
    let mut has_failed = false;
    for folder in &arguments.folders {
        match update(&agent, folder, arguments, shell) {
            Ok(outcome) => updated.push(Updated {
                folder: folder.clone(),
                outcome,
            }),
            Err(error) if arguments.folders.len() == 1 => return Err(error),
            Err(error) => {
                has_failed = true;
                failure::report(&error, shell.output.is_json());
            }
        }
    }
    shell.output.json(&updated)?;
    Ok(if has_failed {
        Outcome::Partly
    } else {
        Outcome::Done
    })
}

fn update(
    agent: &AgentProgram,
    folder: &std::path::Path,
    arguments: &UpdateSources,
    shell: &mut Shell,
) -> anyhow::Result<HookOutcome> {
    read_control(folder).map_err(|_not_sources| BuildFailure::NotSources {
        path: folder.to_owned(),
    })?;
    shell
        .output
        .note(format!("{}: running update_package()…", shown(folder)));
    let outcome = update_sources(agent, folder, arguments.timeout.as_deref())?;
    if outcome.status == "ABSENT" {
        return Err(
            Refusal::new(format!("{} has no update_package()", folder.display()))
                .hint("define it in setup.py, or in update_package.py beside it")
                .into(),
        );
    }
    if !outcome.is_ok() {
        let reason = outcome.error.clone().unwrap_or_else(|| outcome.status.clone());
        return Err(Refusal::new(format!(
            "update_package() of {} failed: {reason}",
            folder.display()
        ))
        .into());
    }
    let text = if outcome.version != outcome.version_before {
        format!("{} becomes {}", outcome.version_before, outcome.version)
    } else if outcome.changed {
        format!("changed, the version stays {}", outcome.version)
    } else {
        format!("nothing new, {} stays", outcome.version)
    };
    shell.output.line(format!("{}: {text}", shown(folder)))?;
    Ok(outcome)
}
