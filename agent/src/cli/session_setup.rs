//! `muster-agent session-setup`.

use muster_shared::protocol::action::ActionKind;

use super::order::Order;
use super::{Common, Done};

/// Prepare the current user's session for the installed packages.
///
/// Runs the session_setup() of each package once per user and build; meant for the start of a session.
/// The hooks run in this process's session and with its rights.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[arg(value_name = "PACKAGE")]
    packages: Vec<String>,
    /// Run again what has been run.
    #[arg(short, long)]
    force: bool,
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Done {
    let mut order = Order::of(ActionKind::SessionSetup).forced(arguments.force);
    order.packages.clone_from(&arguments.packages);
    order.carry_out(common).await
}
