//! `muster-agent remove`.

use muster_shared::protocol::action::ActionKind;

use super::order::Order;
use super::{Common, Done};

/// Uninstall packages, after whatever depends on them.
///
/// Uses the uninstall commands and the script stored at installation; no file is needed. A package that
/// is still assigned to this host comes back at the next upgrade: take it off the host, or forbid it.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Names of packages as `muster-agent list` shows them.
    #[arg(required = true, value_name = "PACKAGE")]
    packages: Vec<String>,
    /// Drop the package from the list even when uninstalling fails.
    #[arg(short, long)]
    force: bool,
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Done {
    let mut order = Order::of(ActionKind::Remove).forced(arguments.force);
    order.packages.clone_from(&arguments.packages);
    order.carry_out(common).await
}
