//! `muster`: everything a developer, deployer or administrator does, in a terminal or a script.
//!
//! One subcommand a file, each thin over `admin`. Results go to standard output, everything else to standard
//! error; with `--json` results are JSON with the field names of the protocol.

mod action;
mod cert;
mod connection;
mod enrol_token;
mod explain;
mod failure;
mod host;
mod import_source;
mod key;
mod lifetime;
mod migrate;
mod output;
mod package;
mod repo;
mod repository_choice;
mod request;
mod resolve;
mod secret;
mod sign_in;
mod signer;
mod token;
mod version;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use jiff::Timestamp;
use tracing_subscriber::EnvFilter;

use self::failure::Outcome;
use self::output::Output;
use crate::settings::{Settings, SettingsFolder};

#[derive(Debug, Parser)]
#[command(
    name = "muster",
    version,
    about = "Build, sign and publish packages; assign them to machines; order actions and follow them",
    after_help = AFTER_HELP,
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
The way of a package, from nothing:
  muster key create alice                     your key (asks for a password) and certificate
  muster package new demo-hello               sources that work as they are
  muster package build demo-hello             build and sign
  muster sign-in muster://srv#sha256=…        the line that `muster-server init` printed
  muster package upload demo-hello_1.0-0.wapt
  muster host edit pc-12 --require demo-hello
  muster host act upgrade pc-12 --wait

Your settings are one file, console.toml in the folder of your settings (~/.config/muster on
Linux, %APPDATA%\\Muster on Windows), shared with the window: server, prefix, maintainer, modules,
signer.

Exit codes:
  0  done
  1  refused or failed; nothing was changed unless the message says so
  2  wrong usage of the command line
  3  carried out, but failed in part (some hosts or files)";

#[derive(Debug, Args)]
struct Global {
    /// Print JSON instead of text; the field names are stable
    #[arg(long, global = true)]
    json: bool,
    /// The folder of your settings and sessions [default: the system's usual place]
    #[arg(long, global = true, value_name = "DIR", env = crate::settings::CONFIG_DIR_VARIABLE, hide_env_values = true)]
    config_dir: Option<PathBuf>,
    /// The server to talk to, when you are signed in to several: its name or its address
    #[arg(
        long,
        global = true,
        value_name = "SERVER",
        env = "MUSTER_SERVER",
        hide_env_values = true
    )]
    server: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make keys and certificates, change passwords, exchange keys with other tools
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Look at certificates, renew them, take them back
    #[command(subcommand)]
    Cert(cert::CertCommand),
    /// Make, build, sign, check and upload packages
    #[command(subcommand)]
    Package(package::PackageCommand),
    /// Work on a repository folder without a server
    #[command(subcommand)]
    Repo(repo::RepoCommand),
    /// Take repositories, keys and settings over from WAPT
    #[command(subcommand)]
    Migrate(migrate::MigrateCommand),
    /// Keep other repositories that packages are imported from
    #[command(subcommand)]
    ImportSource(import_source::ImportSourceCommand),
    /// Work out what a host would do, from a repository folder
    Resolve(resolve::Resolve),
    /// Say why a host is offered a package or not, and what becomes of it there
    Explain(explain::Explain),
    /// The order of versions
    #[command(subcommand)]
    Version(version::VersionCommand),
    /// Requests such as name(>=1.2)
    #[command(subcommand)]
    Request(request::RequestCommand),
    /// Sign in to a server
    SignIn(sign_in::SignIn),
    /// End the session with a server
    SignOut(sign_in::SignOut),
    /// See machines, assign packages to them, order actions
    #[command(subcommand)]
    Host(host::HostCommand),
    /// See what was ordered and what became of it
    #[command(subcommand)]
    Action(action::ActionCommand),
    /// Tokens that let new machines enrol
    #[command(subcommand)]
    EnrolToken(enrol_token::EnrolTokenCommand),
    /// Smartcards and other PKCS#11 tokens: list them, put keys onto them
    #[command(subcommand)]
    Token(token::TokenCommand),
}

/// What every subcommand works with.
struct Shell {
    output: Output,
    server: Option<String>,
    config_dir: Option<PathBuf>,
    /// One instant for the whole command.
    now: Timestamp,
}

impl Shell {
    fn folder(&self) -> anyhow::Result<SettingsFolder> {
        Ok(SettingsFolder::find(self.config_dir.as_deref())?)
    }

    /// The settings; none when this user has no folder for them.
    fn settings(&self) -> anyhow::Result<Settings> {
        match SettingsFolder::find(self.config_dir.as_deref()) {
            Ok(folder) => Ok(folder.load()?),
            Err(_none) => Ok(Settings::default()),
        }
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let error = without_environment(error);
            error.print().ok();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    // `cryptoki` logs every mechanism of a token that it has no name for as an error.
    let usual = || EnvFilter::new("error,cryptoki=off");
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_env("MUSTER_LOG").unwrap_or_else(|_unset| usual()))
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(std::io::stderr)
        .init();
    let json = arguments.global.json;
    let mut shell = Shell {
        output: Output::new(json),
        server: arguments.global.server,
        config_dir: arguments.global.config_dir,
        now: muster_shared::clock::now(),
    };
    let result = run(arguments.command, &mut shell);
    shell.output.clear_progress();
    let result = result.and_then(|outcome| {
        shell.output.flush().context("cannot write to standard output")?;
        Ok(outcome)
    });
    match result {
        Ok(outcome) => outcome.exit_code(),
        Err(error) if failure::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            failure::report(&error, json);
            failure::exit_code(&error)
        }
    }
}

/// The same refusal of a command line, with a usage that does not show what the environment fills in as if it had
/// to be written.
fn without_environment(error: clap::Error) -> clap::Error {
    fn strip(command: clap::Command) -> clap::Command {
        command
            .mut_args(|argument| argument.env(None::<&'static str>))
            .mut_subcommands(strip)
    }
    if !error.use_stderr() {
        return error;
    }
    match strip(Arguments::command()).try_get_matches() {
        Err(plain) if plain.kind() == error.kind() => plain,
        _ => error,
    }
}

fn run(command: Command, shell: &mut Shell) -> anyhow::Result<Outcome> {
    match command {
        Command::Key(command) => key::run(command, shell),
        Command::Cert(command) => cert::run(command, shell),
        Command::Package(command) => package::run(command, shell),
        Command::Repo(command) => repo::run(command, shell),
        Command::Migrate(command) => migrate::run(command, shell),
        Command::ImportSource(command) => import_source::run(command, shell),
        Command::Resolve(arguments) => resolve::run(&arguments, shell),
        Command::Explain(arguments) => explain::run(&arguments, shell),
        Command::Version(command) => version::run(command, shell),
        Command::Request(command) => request::run(command, shell),
        Command::SignIn(arguments) => sign_in::sign_in(arguments, shell),
        Command::SignOut(arguments) => sign_in::sign_out(arguments, shell),
        Command::Host(command) => host::run(command, shell),
        Command::Action(command) => action::run(command, shell),
        Command::EnrolToken(command) => enrol_token::run(command, shell),
        Command::Token(command) => token::run(command, shell),
    }
}

/// Runs a conversation with a server to its end.
fn block_on<F: Future>(work: F) -> anyhow::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    let result = runtime.block_on(work);
    // A look at a certificate may still wait for its time limit; the command does not.
    runtime.shutdown_background();
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_every_command_explains_itself() {
        let command = Arguments::command();
        command.clone().debug_assert();
        let mut pending = vec![command];
        while let Some(command) = pending.pop() {
            assert!(
                command.get_about().is_some(),
                "{} has no text",
                command.get_name()
            );
            if command.get_subcommands().next().is_none() {
                let after = command
                    .get_after_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                assert!(
                    after.contains("muster "),
                    "{} shows no example",
                    command.get_name()
                );
                // Help is shown 100 columns wide; longer lines would be broken anywhere.
                let long = after.lines().find(|line| line.chars().count() > 98);
                assert_eq!(long, None, "{}", command.get_name());
            }
            pending.extend(command.get_subcommands().cloned());
        }
    }
}
