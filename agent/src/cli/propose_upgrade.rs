//! `muster-agent propose-upgrade`: asks the people of this machine to have the pending changes made.

use muster_shared::protocol::action::ActionKind;

use super::order::Order;
use super::{Common, Done};

/// Ask the people of this machine to have the pending changes made now.
///
/// Their windows show it, also to those who log in later today. Nothing is pending: nobody is asked.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What they read, instead of how many changes wait.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    text: String,
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Done {
    let mut order = Order::of(ActionKind::ProposeUpgrade);
    order.options.text.clone_from(&arguments.text);
    order.carry_out(common).await
}
