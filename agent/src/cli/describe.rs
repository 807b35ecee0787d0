//! `muster-agent describe`: this host's description, as consoles show it.

use muster_shared::protocol::action::ActionKind;

use super::order::Order;
use super::{Common, Done};

/// Give this machine a description, which consoles show beside its name.
///
/// It is reported at once, and stands above `description` in agent.toml. An empty text takes it back.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  muster-agent describe 'Reception, ground floor'
  muster-agent describe ''")]
pub(super) struct Arguments {
    #[arg(value_name = "TEXT")]
    text: String,
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Done {
    let mut order = Order::of(ActionKind::Describe);
    order.options.text.clone_from(&arguments.text);
    order.carry_out(common).await
}
