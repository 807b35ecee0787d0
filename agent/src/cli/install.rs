//! `muster-agent install`.

use muster_shared::protocol::action::ActionKind;

use super::order::Order;
use super::{Common, Done};

/// Install packages, with what they depend on.
///
/// A package is named as in the repository, with a condition if wanted, or by the path of a file that
/// someone trusted here signed:
///
///   muster-agent install demo-hello
///   muster-agent install 'demo-hello(=1.0-3)'
///   muster-agent install ./demo-hello_1.0-3.wapt
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[arg(required = true, value_name = "PACKAGE|FILE")]
    packages: Vec<String>,
    /// Install again what is already there.
    #[arg(short, long)]
    force: bool,
    /// Parameters for the scripts of these packages, such as '{"company": "Example"}'; kept, and given again
    /// when the packages are upgraded.
    #[arg(short, long, value_name = "JSON", value_parser = params)]
    params: Option<Params>,
}

/// What a script finds in `params`.
type Params = serde_json::Map<String, serde_json::Value>;

fn params(text: &str) -> Result<Params, String> {
    serde_json::from_str(text).map_err(|error| {
        format!("an object of names and values is needed, such as '{{\"name\": 1}}': {error}")
    })
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Done {
    Order::of(ActionKind::Install)
        .on(&arguments.packages)
        .forced(arguments.force)
        .with_params(arguments.params.clone().unwrap_or_default())
        .carry_out(common)
        .await
}
