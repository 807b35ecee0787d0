//! `muster-agent update-status`: tells the server how this machine stands.

use muster_shared::protocol::action::ActionKind;

use super::order::Order;
use super::{Common, Done};

/// Report to the server now: inventory, packages, tasks.
///
/// The agent does so by itself whenever something changed. Only what the server does not have yet travels.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

pub(super) async fn run(common: &Common, _arguments: &Arguments) -> Done {
    Order::of(ActionKind::Inventory).carry_out(common).await
}
