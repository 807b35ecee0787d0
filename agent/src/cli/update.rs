//! `muster-agent update`.

use muster_shared::protocol::action::ActionKind;

use super::order::Order;
use super::{Common, Done};

/// Fetch the index and this host's package, and work out what is to be done.
///
/// Nothing is installed; `muster-agent list-upgrade` shows what an upgrade would do. An index that has not
/// changed costs one request. What cannot be fetched stays as it was.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

pub(super) async fn run(common: &Common, _arguments: &Arguments) -> Done {
    Order::of(ActionKind::Update).carry_out(common).await
}
