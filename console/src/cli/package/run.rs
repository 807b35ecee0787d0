//! `muster package run`: one hook of sources, on this machine, now.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use muster_shared::package::build::read_control;

use super::agent_argument::AgentArgument;
use crate::admin::build::BuildFailure;
use crate::cli::Shell;
use crate::cli::failure::{Outcome, Refusal};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  muster package run demo-hello install
  muster package run demo-hello audit
  muster package run demo-hello install --force --params '{\"site\": \"north\"}'
  sudo muster package run demo-hello uninstall
      as the machine's agent would: with all rights

The hook runs in the folder of the sources with the Python, the helpers and the limits that
packages meet on machines, as the user who calls. Nothing is built, signed, registered or
recorded.")]
pub(crate) struct RunHook {
    /// Folder of the sources
    #[arg(value_name = "DIR")]
    sources: PathBuf,
    /// Which hook
    #[arg(value_enum)]
    hook: HookName,
    /// The script's `force`
    #[arg(long, short = 'f')]
    force: bool,
    /// The script's `params`: a JSON object
    #[arg(long, value_name = "JSON")]
    params: Option<String>,
    /// End the hook when it runs longer, such as 90s or 2h
    #[arg(long, value_name = "PERIOD")]
    timeout: Option<String>,
    #[command(flatten)]
    agent: AgentArgument,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum HookName {
    Install,
    Uninstall,
    SessionSetup,
    Audit,
    UpdatePackage,
}

impl HookName {
    fn as_str(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Uninstall => "uninstall",
            Self::SessionSetup => "session-setup",
            Self::Audit => "audit",
            Self::UpdatePackage => "update-package",
        }
    }
}

pub(super) fn run(arguments: &RunHook, shell: &mut Shell) -> anyhow::Result<Outcome> {
    read_control(&arguments.sources).map_err(|_not_sources| BuildFailure::NotSources {
        path: arguments.sources.clone(),
    })?;
    let agent = arguments.agent.find()?;
    let mut words: Vec<&OsStr> = vec![
        "run-hook".as_ref(),
        arguments.sources.as_os_str(),
        arguments.hook.as_str().as_ref(),
    ];
    if arguments.force {
        words.push("--force".as_ref());
    }
    for (option, value) in [("--params", &arguments.params), ("--timeout", &arguments.timeout)] {
        if let Some(value) = value {
            words.extend::<[&OsStr; 2]>([option.as_ref(), value.as_ref()]);
        }
    }
    if shell.output.is_json() {
        words.push("--json".as_ref());
    }
    let status = agent.run(&words)?;
    match status.code() {
        Some(0) => Ok(Outcome::Done),
        _ => Err(Refusal::new(format!(
            "{} of {} failed",
            arguments.hook.as_str(),
            arguments.sources.display()
        ))
        .into()),
    }
}
