//! `muster-agent migrate`: take over this machine from its WAPT agent.

use std::path::PathBuf;

use muster_shared::clock;
use muster_shared::migrate::{Fate, Item};
use muster_shared::protocol::error::ErrorCode;

use super::{Common, Done};
use crate::agent::LockError;
use crate::failure::{Exit, Failure};
use crate::migrate::{self, Migration, MigrationError, Options};

/// Take over this machine from its WAPT agent; nothing is installed again.
///
/// Taken are: the settings of wapt-get.ini that have a counterpart, the identifier of this host, the certificates
/// whose signatures counted, the host key (to open what is encrypted to this host), the installed packages with
/// their scripts, parameters, uninstall keys and audits, and the files that packages keep. What is here already stays
/// as it is, and nothing of the WAPT agent is changed: it may go on beside this one until --disable-wapt stops it.
/// The service must not run meanwhile.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Folder of the WAPT agent; by default where WAPT installs itself.
    #[arg(long, value_name = "FOLDER")]
    from: Option<PathBuf>,
    /// Report only; write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Stop the WAPT service and do not start it with the machine any more.
    #[arg(long)]
    disable_wapt: bool,
}

pub(super) async fn run(common: &Common, arguments: Arguments) -> Done {
    let options = Options {
        from: arguments.from,
        dry_run: arguments.dry_run,
        disable_wapt: arguments.disable_wapt,
    };
    let migration = migrate::run(&common.paths(), &options, clock::now())
        .await
        .map_err(|error| {
            let exit = match &error {
                MigrationError::Lock(LockError::Held { .. }) => Exit::Busy,
                _ => Exit::Failed,
            };
            Failure::from_hinted(ErrorCode::Internal, error).with_exit(exit)
        })?;
    common.output().answer(&migration, text);
    Ok(None)
}

fn text(migration: &Migration) -> String {
    let mut lines: Vec<String> = migration.report.items.iter().map(line).collect();
    let count = |fate| migration.report.count(fate);
    lines.push(format!(
        "{} {}: {} taken, {} changed, {} not needed, {} not taken",
        if migration.dry_run {
            "would take from"
        } else {
            "from"
        },
        migration.from.display(),
        count(Fate::Taken),
        count(Fate::Changed),
        count(Fate::NotNeeded),
        count(Fate::NotTaken),
    ));
    lines.join("\n")
}

fn line(item: &Item) -> String {
    let mut line = format!("{:<10}  {}", item.fate.as_str(), item.object);
    if let Some(became) = &item.became {
        line.push_str(" → ");
        line.push_str(became);
    }
    if let Some(reason) = &item.reason {
        line.push_str(": ");
        line.push_str(reason);
    }
    for warning in &item.warnings {
        line.push_str("\n            look at: ");
        line.push_str(warning);
    }
    line
}
