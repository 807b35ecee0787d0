//! The command line of the server: one subcommand a file.

mod address;
mod check;
mod init;
mod logs;
mod run;
mod secrets;
mod trust;
mod user;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use muster_shared::hint::Hint as _;

use crate::authority::AuthorityError;
use crate::config::{Config, ConfigError, DEFAULT_CONFIG, below};
use crate::error::ApiError;
use crate::output;
use crate::store::StoreError;

/// The Muster server: repository, inventory and relay for a fleet of machines
///
/// First time:   muster-server init --name srv.example.org
/// Every time:   muster-server run        (or let systemd do it)
/// When in doubt: muster-server check
///
/// The server holds no person's private key. Packages and actions are signed by people and
/// verified on each machine; `trust add` tells the server whose signatures to accept.
#[derive(Debug, Parser)]
#[command(name = "muster-server", version, max_term_width = 100, verbatim_doc_comment)]
struct Cli {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

/// Where this server's settings and data are.
#[derive(Debug, Args)]
struct Place {
    /// Put every path below this folder: several servers on one machine, or a trial without root
    #[arg(long, global = true, value_name = "DIR", env = "MUSTER_SERVER_ROOT")]
    root: Option<PathBuf>,
    /// The settings [default: /etc/muster/server.toml]
    #[arg(long, global = true, value_name = "FILE", env = "MUSTER_SERVER_CONFIG")]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Init),
    Run(run::Run),
    Check(check::Check),
    Address(address::Address),
    /// Users of the console and of `muster`
    #[command(subcommand)]
    User(user::User),
    /// Whose signatures this server accepts for uploads and actions
    #[command(subcommand)]
    Trust(trust::Trust),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = actix_web::rt::System::new().block_on(dispatch(cli));
    match done {
        Ok(code) => code,
        Err(error) => {
            output::failure(error.as_ref(), &hints_of(&error));
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let place = &cli.place;
    match cli.command {
        Command::Init(init) => init.execute(place).await?,
        Command::Run(run) => run.execute(place).await?,
        Command::Check(check) => return check.execute(place).await,
        Command::Address(address) => address.execute(place)?,
        Command::User(user) => user.execute(place).await?,
        Command::Trust(trust) => trust.execute(place)?,
    }
    Ok(ExitCode::SUCCESS)
}

impl Place {
    /// The path of the settings.
    fn config_path(&self) -> PathBuf {
        match &self.config {
            Some(path) => path.clone(),
            None => below(self.root.as_deref(), DEFAULT_CONFIG.as_ref()),
        }
    }

    /// The settings in force.
    fn read_config(&self) -> Result<Config, ConfigError> {
        Config::read(&self.config_path(), self.root.as_deref())
    }
}

/// What to do about an error, from every cause that knows something.
fn hints_of(error: &anyhow::Error) -> Vec<String> {
    let mut hints = Vec::new();
    // Advice that was added as context is found through the error only, not through its chain.
    hints.extend(
        error
            .downcast_ref::<Advised>()
            .map(|advised| advised.hint.clone()),
    );
    for cause in error.chain() {
        if let Some(error) = cause.downcast_ref::<ConfigError>() {
            hints.extend(error.hints());
        } else if let Some(error) = cause.downcast_ref::<AuthorityError>() {
            hints.extend(error.hints());
        } else if let Some(error) = cause.downcast_ref::<ApiError>() {
            hints.extend(error.body().hints.iter().cloned());
        } else if let Some(error) = cause.downcast_ref::<StoreError>() {
            if error.is_storage_full() {
                hints.push("free space on that volume".to_owned());
            }
        } else if let Some(error) = cause.downcast_ref::<sqlx::Error>() {
            if crate::store::means_full(error) {
                hints.push("free space on that volume".to_owned());
            }
        } else if let Some(error) = cause.downcast_ref::<Advised>() {
            hints.push(error.hint.clone());
        } else if let Some(error) = cause.downcast_ref::<std::io::Error>() {
            hints.extend(io_hint(error).map(str::to_owned));
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    hints.retain(|hint| seen.insert(hint.clone()));
    hints
}

fn io_hint(error: &std::io::Error) -> Option<&'static str> {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => Some(
            "run it as the account of the server, or as root; ports below 1024 need the right to bind them",
        ),
        std::io::ErrorKind::AddrInUse => {
            Some("another program listens there; change `listen` in the settings or stop that program")
        }
        std::io::ErrorKind::StorageFull => Some("free space on that volume"),
        _ => None,
    }
}

/// An error of the command line with its advice.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Advised {
    message: String,
    hint: String,
}

impl Advised {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: hint.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent_and_every_command_is_explained() {
        let mut command = Cli::command();
        command.build();
        command.clone().debug_assert();
        for sub in command.get_subcommands() {
            assert!(sub.get_about().is_some(), "{} has no text", sub.get_name());
        }
    }
}
