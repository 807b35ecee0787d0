//! What package scripts kept with `WAPT.write_param`, out of the table that WAPT's agent also uses for itself.

use muster_shared::migrate::{Fate, Item, MigrationReport};
use serde_json::Value;

use super::MigrationError;
use super::database::{Contents, WaptParameter};
use crate::script::SCRIPT_PARAMS;
use crate::state::State;

/// How the names of the agent's own values begin.
const OF_THE_AGENT: [&str; 14] = [
    "uuid",
    "db_version",
    "last_",
    "last-",
    "next_",
    "status_",
    "runstatus",
    "waptwua",
    "wua",
    "rules",
    "repo",
    "host_",
    "token_",
    "current_",
];

/// Takes the values over that our scripts do not have yet.
pub(super) async fn take(
    state: Option<&State>,
    contents: &Contents,
    is_dry: bool,
    report: &mut MigrationReport,
) -> Result<(), MigrationError> {
    let theirs: Vec<&WaptParameter> = contents
        .parameters
        .iter()
        .filter(|parameter| {
            let name = parameter.name.to_lowercase();
            !OF_THE_AGENT.iter().any(|beginning| name.starts_with(beginning))
        })
        .collect();
    if theirs.is_empty() {
        return Ok(());
    }
    let mut kept: serde_json::Map<String, Value> = match state {
        Some(state) => state.json_fact(SCRIPT_PARAMS).await?.unwrap_or_default(),
        None => serde_json::Map::new(),
    };
    for parameter in theirs {
        let object = format!("parameter {}", parameter.name);
        if kept.contains_key(&parameter.name) {
            report.push(Item::new(object, Fate::NotNeeded).because("it is here already"));
            continue;
        }
        kept.insert(parameter.name.clone(), value(parameter));
        // Values may be secrets of packages: they are not repeated.
        report.push(Item::new(object, Fate::Taken));
    }
    if let (Some(state), false) = (state, is_dry) {
        state.set_json_fact(SCRIPT_PARAMS, &kept).await?;
    }
    Ok(())
}

/// The value by the type that WAPT noted beside it.
fn value(parameter: &WaptParameter) -> Value {
    let text = &parameter.value;
    let parsed = match parameter.kind.as_str() {
        "int" => text.parse::<i64>().ok().map(Value::from),
        "float" => text.parse::<f64>().ok().map(Value::from),
        "bool" => match text.to_lowercase().as_str() {
            "1" | "true" => Some(Value::from(true)),
            "0" | "false" => Some(Value::from(false)),
            _ => None,
        },
        "json" | "dict" | "list" => serde_json::from_str(text).ok(),
        _ => None,
    };
    parsed.unwrap_or_else(|| Value::from(text.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_type() {
        let of = |value: &str, kind: &str| {
            self::value(&WaptParameter {
                name: "x".to_owned(),
                value: value.to_owned(),
                kind: kind.to_owned(),
            })
        };
        assert_eq!(of("7", "int"), Value::from(7));
        assert_eq!(of("True", "bool"), Value::from(true));
        assert_eq!(of("[1]", "json"), serde_json::json!([1]));
        assert_eq!(of("seven", "int"), Value::from("seven"));
        assert_eq!(of("7", "str"), Value::from("7"));
    }
}
