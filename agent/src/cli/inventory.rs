//! `muster-agent inventory`: what this agent knows of the machine.

use muster_shared::protocol::action::ActionKind;

use super::order::Order;
use super::{Common, Done};
use crate::config::Config;
use crate::inventory::{Context, Inventory};
use crate::revocation;

/// Show what this agent knows of the machine.
///
/// Prints the blocks host, hardware, software and agent as they are reported. --send reports everything
/// to the server at once.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Report to the server now.
    #[arg(long)]
    send: bool,
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Done {
    if arguments.send {
        return Order::of(ActionKind::Inventory).carry_out(common).await;
    }
    let paths = common.paths();
    let config = Config::load(&paths)?;
    let trust = revocation::trust_store(&paths).map_err(|error| revocation::unusable(&error))?;
    let context = Context {
        config: &config,
        trust: &trust,
        python: "",
        decryption_certificate: "",
        description: None,
    };
    let blocks = Inventory::new().collect(context).await;
    common.output().answer(&blocks, |blocks| {
        serde_json::to_string_pretty(blocks).unwrap_or_default()
    });
    Ok(None)
}
