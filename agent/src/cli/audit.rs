//! `muster-agent audit`.

use muster_shared::protocol::action::ActionKind;

use super::order::Order;
use super::{Common, Done};

/// Run the audits of packages: those that are due, or those named.
///
/// An audit runs the audit() of the script stored at installation, and checks that the uninstall keys are
/// still there. audit_schedule in the package's control says how often it is due by itself.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only these, due or not.
    #[arg(value_name = "PACKAGE")]
    packages: Vec<String>,
    /// Audit every package, due or not.
    #[arg(short, long)]
    force: bool,
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Done {
    let mut order = Order::of(ActionKind::Audit).forced(arguments.force);
    order.packages.clone_from(&arguments.packages);
    order.carry_out(common).await
}
