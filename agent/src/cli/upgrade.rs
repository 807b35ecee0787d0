//! `muster-agent upgrade`.

use muster_shared::protocol::action::ActionKind;

use super::order::Order;
use super::{Common, Done};

/// Install, upgrade and remove until everything is as assigned.
///
/// Forbidden packages go, assigned ones come with their dependencies, newer versions replace older ones,
/// and what failed is tried again. Each package fails alone; `muster-agent log PACKAGE` shows why.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Leave alone packages whose program runs now.
    #[arg(long, alias = "only_if_not_process_running")]
    only_if_not_running: bool,
    /// Only packages of these priorities, with what they depend on: critical, high, optional, …
    #[arg(
        long,
        alias = "only_priorities",
        value_name = "PRIORITY",
        value_delimiter = ','
    )]
    only_priorities: Vec<String>,
    /// Update before, which every upgrade does; for scripts written for WAPT.
    #[arg(short, long, alias = "update-packages", hide = true)]
    update: bool,
    /// Try again what failed, which every upgrade does; for scripts written for WAPT.
    #[arg(short, long, hide = true)]
    force: bool,
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Done {
    let mut order = Order::of(ActionKind::Upgrade);
    order.options.only_if_not_running = arguments.only_if_not_running;
    order
        .options
        .only_priorities
        .clone_from(&arguments.only_priorities);
    order.carry_out(common).await
}
