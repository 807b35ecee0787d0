//! `muster-agent forget`.

use muster_shared::protocol::action::ActionKind;

use super::order::Order;
use super::{Common, Done};

/// Drop packages from the list without uninstalling their software.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Names of packages as `muster-agent list` shows them.
    #[arg(required = true, value_name = "PACKAGE")]
    packages: Vec<String>,
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Done {
    let mut order = Order::of(ActionKind::Forget);
    order.packages.clone_from(&arguments.packages);
    order.carry_out(common).await
}
