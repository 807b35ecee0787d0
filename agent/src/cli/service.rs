//! `muster-agent service install|uninstall|status|reload`.

use muster_shared::protocol::action::{ActionKind, ActionOptions};
use muster_shared::protocol::local::LocalRequest;
use serde_json::json;

use super::{Common, Done, reach};
use crate::failure::{Exit, Failure};
use crate::local_api::client::LocalClient;
use crate::platform::{service, windows_update_agent};
use crate::windows_update::step::give_back_for_good;

/// Install the service into the system, remove it, or see whether it runs.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Write the service's unit with absolute paths, enable it and start it.
    Install {
        /// Print the unit instead of installing it.
        #[arg(long)]
        print: bool,
    },
    /// Stop the service and remove its unit.
    Uninstall,
    /// Say whether the service runs.
    Status,
    /// Have the running service read its configuration again; what it does goes on.
    Reload,
}

pub(super) async fn run(common: &Common, arguments: Arguments) -> Done {
    let paths = common.paths();
    let output = common.output();
    let failed = |action: &'static str| {
        move |error: std::io::Error| {
            Failure::from(anyhow::Error::new(error).context(action))
                .with_hint("run the command as root (administrator)")
        }
    };
    match arguments.command {
        Command::Install { print } => {
            let program = std::env::current_exe()
                .and_then(fs_err::canonicalize)
                .map_err(failed("finding this program"))?;
            if print {
                let unit = service::unit(&program, paths.root());
                output.answer(&json!({ "unit": unit }), |_value| unit.clone());
                return Ok(None);
            }
            let installed = service::install(&program, paths.root())
                .await
                .map_err(failed("installing the service"))?;
            let value = json!({ "unit": installed.unit, "started": installed.started });
            output.answer(&value, |_value| {
                let what = if installed.started {
                    "enabled and started"
                } else {
                    "not started: no service manager runs here"
                };
                format!("wrote {}; {what}", installed.unit.display())
            });
            Ok(None)
        }
        Command::Uninstall => {
            service::uninstall(paths.root())
                .await
                .map_err(failed("removing the service"))?;
            if let Some(system) = windows_update_agent() {
                give_back_for_good(&paths.database(), system).await?;
            }
            output.answer(&json!({ "state": "removed" }), |_value| {
                "the service is removed; its data stays".to_owned()
            });
            Ok(None)
        }
        Command::Reload => {
            let request = LocalRequest::Run {
                action: ActionKind::ServiceRestart,
                packages: Vec::new(),
                options: ActionOptions::default(),
            };
            let value = reach::ask(common, &request).await?;
            output.answer(&value, super::order::summary_of);
            Ok(None)
        }
        Command::Status => {
            let Some(client) = LocalClient::connect(&paths.socket()).await? else {
                output.answer(&json!({ "service": "stopped" }), |_value| {
                    "not running".to_owned()
                });
                return Ok(Some(Exit::Failed));
            };
            let value = client.ask(&LocalRequest::Status, |_, _| {}).await?;
            output.answer(&value, |value| {
                format!(
                    "running, version {}",
                    value["version"].as_str().unwrap_or("unknown")
                )
            });
            Ok(None)
        }
    }
}
