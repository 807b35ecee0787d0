//! `muster-agent session-setup`.

use std::time::Duration;

use muster_shared::protocol::action::ActionKind;

use super::order::Order;
use super::{Common, Done};
use crate::local_api::client::LocalClient;

/// How long a session that begins waits for the service.
const LOGON_PATIENCE: Duration = Duration::from_mins(2);

/// Between two looks for the service.
const LOGON_PAUSE: Duration = Duration::from_secs(2);

/// Prepare users' sessions for the installed packages.
///
/// Runs the session_setup() of each package once per user and build, as that user. Anybody may have their own
/// session prepared; administrators prepare those of everybody who is logged in, or of the users they name.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Packages to prepare sessions for; without any, or with ALL, every installed one.
    #[arg(value_name = "PACKAGE")]
    packages: Vec<String>,
    /// Run again what has been run.
    #[arg(short, long)]
    force: bool,
    /// Whose session; may be given several times.
    #[arg(short = 'U', long = "user", value_name = "NAME")]
    users: Vec<String>,
    /// For programs that start with a session: wait for the service, and say nothing unless something fails.
    #[arg(long)]
    logon: bool,
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Done {
    let mut order = Order::of(ActionKind::SessionSetup).forced(arguments.force);
    order.packages.clone_from(&arguments.packages);
    order.options.users.clone_from(&arguments.users);
    if !arguments.logon {
        return order.carry_out(common).await;
    }
    wait_for_service(common).await;
    let answer = order.outcome(common).await?;
    Ok(super::order::exit_of(&answer))
}

/// Sessions may begin before the service does.
async fn wait_for_service(common: &Common) {
    let look = async {
        while let Ok(None) = LocalClient::connect(&common.paths().socket()).await {
            tokio::time::sleep(LOGON_PAUSE).await;
        }
    };
    tokio::time::timeout(LOGON_PATIENCE, look).await.ok();
}
