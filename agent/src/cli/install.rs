//! `muster-agent install`.

use muster_shared::catalogue::explain::similar_sentence;
use muster_shared::protocol::action::ActionKind;
use muster_shared::request::Request;
use serde_json::Value;

use super::order::Order;
use super::{Common, Done};
use crate::config::Config;
use crate::output::Output;
use crate::update::pool::Pool;

/// Install packages, with what they depend on.
///
/// A package is named as in the repository, with a condition if wanted, or by the path of a file that
/// someone trusted here signed.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Names of packages, with conditions if wanted, and paths of package files.
    #[arg(required = true, value_name = "PACKAGE|FILE")]
    packages: Vec<String>,
    /// Install again what is already there.
    #[arg(short, long)]
    force: bool,
    /// Parameters for the scripts of these packages, such as '{"company": "Example"}'; kept, and given again
    /// when the packages are upgraded.
    #[arg(short, long, value_name = "JSON", value_parser = params)]
    params: Option<Params>,
    /// Update before, which every installation does; for scripts written for WAPT.
    #[arg(short, long, alias = "update-packages", hide = true)]
    update: bool,
}

/// What a script finds in `params`.
type Params = serde_json::Map<String, serde_json::Value>;

fn params(text: &str) -> Result<Params, String> {
    serde_json::from_str(text).map_err(|error| {
        format!("an object of names and values is needed, such as '{{\"name\": 1}}': {error}")
    })
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Done {
    let output = common.output();
    let order = Order::of(ActionKind::Install)
        .on(&arguments.packages)
        .forced(arguments.force)
        .with_params(arguments.params.clone().unwrap_or_default());
    let answer = order.outcome(common).await?;
    output.answer(&answer, |answer| {
        if is_nothing(answer) {
            "nothing to do: installed already; --force installs it again".to_owned()
        } else {
            super::order::summary_of(answer)
        }
    });
    if !output.is_json()
        && answer["value"]["impossible"]
            .as_array()
            .is_some_and(|all| !all.is_empty())
    {
        for sentence in near(common, &arguments.packages) {
            Output::hint(&sentence);
        }
    }
    Ok(super::order::exit_of(&answer))
}

/// Nothing was done, and nothing failed.
fn is_nothing(answer: &Value) -> bool {
    [
        "installed",
        "removed",
        "failed",
        "impossible",
        "left_alone",
        "waiting",
    ]
    .iter()
    .all(|part| match &answer["value"][*part] {
        Value::Array(items) => items.is_empty(),
        Value::Object(items) => items.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    })
}

/// For names that no repository has, those that are nearly spelt so; nothing for who may not look.
fn near(common: &Common, packages: &[String]) -> Vec<String> {
    let paths = common.paths();
    let pool = Config::load(&paths)
        .ok()
        .and_then(|config| Pool::of(&paths, &config).ok());
    let Some(pool) = pool else { return Vec::new() };
    let known = pool.all_names();
    let requests = packages.iter().filter_map(|package| Request::parse(package).ok());
    requests
        .filter(|request| !known.contains(&request.name))
        .filter_map(|request| similar_sentence(&request.name, known.iter().map(String::as_str)))
        .collect()
}
