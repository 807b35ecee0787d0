//! The command line: one subcommand a file. Work goes to the running service, or is done here under the lock.

mod audit;
mod check;
mod clean;
mod completions;
mod config;
mod describe;
mod download;
mod events;
mod examples;
mod explain;
mod forget;
mod habits;
mod install;
mod inventory;
mod list;
mod list_registry;
mod list_upgrade;
mod log;
mod migrate;
mod name_lookup;
mod order;
mod people;
mod presentation;
mod propose_upgrade;
mod reach;
mod register;
mod remove;
mod replaced;
mod run;
mod run_hook;
mod search;
mod search_path;
mod self_upgrade;
mod service;
mod session_setup;
mod show;
mod shutdown_upgrade;
mod status;
mod tasks;
mod trust;
mod uninstall;
mod unregister;
mod update;
mod update_status;
mod upgrade;
mod uuid;
mod when;
mod windows_update;

use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use self::reach::reload;
use crate::failure::{Exit, Failure};
use crate::output::{Format, Output};
use crate::paths::Paths;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  refused or failed; nothing was changed unless the message says so
  2  the command line cannot be understood
  3  done, but at least one package is in ERROR, impossible, or failed its audit
  4  the server or the repository cannot be reached, or no index was fetched yet
  5  another muster-agent works on this agent's state

Where things are (below --root when it is given):
  /etc/muster/agent.toml   configuration            muster-agent config show
  /etc/muster/trust/*.crt  whose signatures count   muster-agent trust list
  /var/lib/muster          state, cache, keys

A first hour:
  muster-agent register --server 'muster://NAME#sha256=…' --token TOKEN
  muster-agent service install      # or: muster-agent run
  muster-agent check                # names whatever is not right, and the remedy
  muster-agent list-upgrade         # what an upgrade would do, and why
  muster-agent upgrade";

/// The Muster agent: installs on this machine what your organisation's people signed.
#[derive(Debug, Parser)]
#[command(name = "muster-agent", version, after_help = EXIT_CODES, propagate_version = true, arg_required_else_help = true, max_term_width = 98)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, clap::Args)]
pub struct Common {
    /// Folder that prefixes every path: an agent of its own beside the machine's.
    #[arg(long, global = true, value_name = "DIR", env = "MUSTER_AGENT_ROOT")]
    root: Option<PathBuf>,
    /// Answer with one JSON document on standard output.
    #[arg(long, short, global = true)]
    json: bool,
    /// Do the work in this process instead of asking the running service.
    #[arg(long, short = 'D', visible_alias = "direct", global = true)]
    standalone: bool,
    /// Have the running service do the work, and fail when it does not run.
    #[arg(
        long = "service",
        short = 'S',
        id = "only_service",
        conflicts_with = "standalone",
        global = true
    )]
    only_service: bool,
    /// Say nothing of what is happening, only what came of it.
    #[arg(long, short, global = true)]
    quiet: bool,
}

impl Common {
    fn paths(&self) -> Paths {
        Paths::new(self.root.as_deref())
    }

    fn output(&self) -> Output {
        Output::new(if self.json { Format::Json } else { Format::Text }).quiet(self.quiet)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    // What each says of itself stands at its arguments: here it would hide the longer text of `--help`.
    Run(run::Arguments),
    Service(service::Arguments),
    Register(register::Arguments),
    Update(update::Arguments),
    #[command(visible_alias = "check-upgrades")]
    ListUpgrade(list_upgrade::Arguments),
    Upgrade(upgrade::Arguments),
    DownloadUpgrade(download::UpgradeArguments),
    Install(install::Arguments),
    Remove(remove::Arguments),
    Uninstall(uninstall::Arguments),
    Forget(forget::Arguments),
    Download(download::Arguments),
    #[command(visible_alias = "cleanup")]
    Clean(clean::Arguments),
    List(list::Arguments),
    Search(search::Arguments),
    ListRegistry(list_registry::Arguments),
    Show(show::Arguments),
    Explain(explain::Arguments),
    Status(status::Arguments),
    Tasks(tasks::Arguments),
    Cancel(tasks::CancelArguments),
    CancelAll(tasks::CancelAllArguments),
    Events(events::Arguments),
    Inventory(inventory::Arguments),
    UpdateStatus(update_status::Arguments),
    #[command(visible_alias = "show-log", aliases = ["showlog", "logs"])]
    Log(log::Arguments),
    ShowParams(show::ParamsArguments),
    Audit(audit::Arguments),
    SessionSetup(session_setup::Arguments),
    #[command(visible_alias = "wuascan")]
    WaptwuaScan(windows_update::Scan),
    #[command(visible_alias = "wuadownload")]
    WaptwuaDownload(windows_update::Download),
    #[command(visible_alias = "wuainstall")]
    WaptwuaInstall(windows_update::Install),
    #[command(visible_alias = "wuastatus")]
    WaptwuaStatus(windows_update::Status),
    ProposeUpgrade(propose_upgrade::Arguments),
    AddUpgradeShutdown(shutdown_upgrade::AddArguments),
    RemoveUpgradeShutdown(shutdown_upgrade::RemoveArguments),
    Describe(describe::Arguments),
    GenerateUuid(uuid::GenerateArguments),
    ResetUuid(uuid::ResetArguments),
    Unregister(unregister::Arguments),
    Config(config::Arguments),
    Check(check::Arguments),
    #[command(name = "dnsdebug")]
    NameLookup(name_lookup::Arguments),
    Trust(trust::Arguments),
    Migrate(migrate::Arguments),
    #[command(hide = true)]
    SearchPath(search_path::Arguments),
    #[command(hide = true)]
    Presentation(presentation::Arguments),
    SelfUpgrade(self_upgrade::Arguments),
    SelfTest(self_upgrade::TestArguments),
    RunHook(run_hook::Arguments),
    Completions(completions::CompletionArguments),
    Man(completions::ManArguments),
    #[command(flatten)]
    Replaced(replaced::Replaced),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    // The examples cost as much as a tenth of an update without news: they are there once somebody is shown help.
    let cli = match Cli::try_parse().or_else(|_error| {
        let matches = command().try_get_matches()?;
        Cli::from_arg_matches(&matches)
    }) {
        Ok(cli) => cli,
        Err(error) => {
            error.print().ok();
            if let Some(advice) = habits::advice(&error) {
                Output::hint(advice);
            }
            return if error.use_stderr() {
                exit_code(Exit::Usage)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    start_log(&cli.command);
    let output = cli.common.output();
    match dispatch(cli) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(exit)) => exit_code(exit),
        Err(failure) => {
            output.failure(&failure);
            exit_code(failure.exit())
        }
    }
}

/// The whole command line, with the examples below the help of each command.
fn command() -> clap::Command {
    examples::added(Cli::command())
}

/// What a command came to: nothing special, or an exit code beside its answer.
type Done = Result<Option<Exit>, Failure>;

fn dispatch(cli: Cli) -> Done {
    let common = &cli.common;
    match cli.command {
        Command::Run(arguments) => run::run(common, &arguments),
        Command::Service(arguments) => block_on(service::run(common, arguments)),
        Command::Register(arguments) => block_on(register::run(common, arguments)),
        Command::Update(arguments) => block_on(update::run(common, &arguments)),
        Command::ListUpgrade(arguments) => block_on(list_upgrade::run(common, &arguments)),
        Command::Upgrade(arguments) => block_on(upgrade::run(common, &arguments)),
        Command::Install(arguments) => block_on(install::run(common, &arguments)),
        Command::Remove(arguments) => block_on(remove::run(common, &arguments)),
        Command::Forget(arguments) => block_on(forget::run(common, &arguments)),
        Command::List(arguments) => block_on(list::run(common, &arguments)),
        Command::Show(arguments) => block_on(show::run(common, &arguments)),
        Command::Explain(arguments) => block_on(explain::run(common, &arguments)),
        Command::Status(arguments) => block_on(status::run(common, &arguments)),
        Command::Inventory(arguments) => block_on(inventory::run(common, &arguments)),
        Command::Log(arguments) => block_on(log::run(common, &arguments)),
        Command::Audit(arguments) => block_on(audit::run(common, &arguments)),
        Command::SessionSetup(arguments) => block_on(session_setup::run(common, &arguments)),
        Command::WaptwuaScan(arguments) => block_on(windows_update::scan(common, &arguments)),
        Command::WaptwuaDownload(arguments) => block_on(windows_update::download(common, &arguments)),
        Command::WaptwuaInstall(arguments) => block_on(windows_update::install(common, &arguments)),
        Command::WaptwuaStatus(arguments) => block_on(windows_update::status(common, &arguments)),
        Command::Config(arguments) => block_on(config::run(common, &arguments)),
        Command::Check(arguments) => block_on(check::run(common, &arguments)),
        Command::NameLookup(arguments) => block_on(name_lookup::run(common, &arguments)),
        Command::Trust(arguments) => block_on(trust::run(common, &arguments)),
        Command::Migrate(arguments) => block_on(migrate::run(common, arguments)),
        Command::SearchPath(arguments) => search_path::run(common, &arguments),
        Command::Presentation(arguments) => block_on(presentation::run(common, &arguments)),
        Command::SelfUpgrade(arguments) => block_on(self_upgrade::run(common, arguments)),
        Command::SelfTest(arguments) => block_on(self_upgrade::test(common, &arguments)),
        Command::RunHook(arguments) => block_on(run_hook::run(common, &arguments)),
        Command::DownloadUpgrade(arguments) => block_on(download::run_upgrade(common, &arguments)),
        Command::Download(arguments) => block_on(download::run(common, &arguments)),
        Command::Uninstall(arguments) => block_on(uninstall::run(common, &arguments)),
        Command::Clean(arguments) => block_on(clean::run(common, &arguments)),
        Command::Search(arguments) => block_on(search::run(common, &arguments)),
        Command::ListRegistry(arguments) => list_registry::run(common, &arguments),
        Command::Tasks(arguments) => block_on(tasks::run(common, &arguments)),
        Command::Cancel(arguments) => block_on(tasks::cancel(common, &arguments)),
        Command::CancelAll(arguments) => block_on(tasks::cancel_all(common, &arguments)),
        Command::Events(arguments) => block_on(events::run(common, &arguments)),
        Command::UpdateStatus(arguments) => block_on(update_status::run(common, &arguments)),
        Command::ShowParams(arguments) => block_on(show::params(common, &arguments)),
        Command::ProposeUpgrade(arguments) => block_on(propose_upgrade::run(common, &arguments)),
        Command::AddUpgradeShutdown(arguments) => block_on(shutdown_upgrade::add(common, &arguments)),
        Command::RemoveUpgradeShutdown(arguments) => block_on(shutdown_upgrade::remove(common, &arguments)),
        Command::Describe(arguments) => block_on(describe::run(common, &arguments)),
        Command::GenerateUuid(arguments) => block_on(uuid::generate(common, &arguments)),
        Command::ResetUuid(arguments) => block_on(uuid::reset(common, &arguments)),
        Command::Unregister(arguments) => block_on(unregister::run(common, &arguments)),
        Command::Completions(arguments) => {
            completions::completions(&arguments);
            Ok(None)
        }
        Command::Man(arguments) => completions::man(common, &arguments),
        Command::Replaced(command) => replaced::run(common, command),
    }
}

/// One thread for everything: an agent waits nearly all the time.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    /// A call of the system that does not come back must not keep the process: whoever ended it waits.
    const LAST_WAIT: Duration = Duration::from_secs(5);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::from(anyhow::Error::new(error).context("starting")))?;
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(LAST_WAIT);
    done
}

fn exit_code(exit: Exit) -> ExitCode {
    ExitCode::from(exit as u8)
}

/// The service logs what an operator wants to know, commands only what went wrong.
fn start_log(command: &Command) {
    let default = if matches!(command, Command::Run(_)) {
        "info,sqlx=warn"
    } else {
        "warn,sqlx=error"
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("MUSTER_LOG")
        .unwrap_or_else(|_error| tracing_subscriber::EnvFilter::new(default));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false);
    // Who waits for a command knows what time it is.
    let started = if matches!(command, Command::Run(_)) {
        log.try_init()
    } else {
        log.without_time().try_init()
    };
    started.ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_every_command_says_what_it_does() {
        let mut command = command();
        command.build();
        command.clone().debug_assert();
        for sub in command.get_subcommands() {
            assert!(sub.get_about().is_some(), "{} has no description", sub.get_name());
        }
        let help = command.render_long_help().to_string();
        for code in 0..=5 {
            assert!(
                help.contains(&format!("\n  {code}  ")),
                "exit code {code} is not in the help"
            );
        }
    }

    #[test]
    fn common_options_may_stand_before_and_after_the_command() {
        for line in [
            ["muster-agent", "--root", "/x", "--json", "list"],
            ["muster-agent", "list", "--json", "--root", "/x"],
        ] {
            let cli = Cli::try_parse_from(line).unwrap();
            assert!(cli.common.json);
            assert_eq!(cli.common.root, Some(PathBuf::from("/x")));
        }
    }
}
