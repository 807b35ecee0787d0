//! `muster-agent config show|set|unset`: the configuration in force, and one key of it changed.

use muster_shared::catalogue::explain::similar;
use muster_shared::protocol::error::ErrorCode;
use serde_json::{Value, json};

use super::{Common, Done, reach};
use crate::config::{Config, ConfigError, ShownValue, write_key};
use crate::failure::{Exit, Failure};
use crate::output::table;
use crate::paths::Paths;

/// Show the configuration in force, or change one key of it.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print each value with where it comes from; or only those of the keys named.
    Show {
        /// Keys of agent.toml; all without any.
        #[arg(value_name = "KEY")]
        keys: Vec<String>,
    },
    /// Write one key into agent.toml, everything else kept; a running service takes it over at once.
    ///
    /// A value that breaks a rule is refused, and nothing is written. Lists are written with commas. Tables, such as
    /// [waptwua] and [[maintenance]], are edited in the file.
    #[command(after_help = "\
Examples:
  muster-agent config set waptupdate_task_period 30m
  muster-agent config set maturities PREPROD,PROD
  muster-agent config set use_hostpackages false")]
    Set {
        /// A key as `muster-agent config show` lists it.
        #[arg(value_name = "KEY")]
        key: String,
        /// true or false, a number, a text, or a list with commas.
        #[arg(value_name = "VALUE", allow_hyphen_values = true)]
        value: String,
    },
    /// Take one key out of agent.toml, so that its default holds again.
    Unset {
        /// A key as `muster-agent config show` lists it.
        #[arg(value_name = "KEY")]
        key: String,
    },
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Done {
    let paths = common.paths();
    match &arguments.command {
        Command::Show { keys } => {
            let mut shown = Config::load(&paths)?.shown(&paths);
            for key in keys {
                known(&shown, key)?;
            }
            shown.retain(|value| keys.is_empty() || keys.iter().any(|key| key == value.key));
            common.output().answer(&shown, |shown| text(shown));
            Ok(None)
        }
        Command::Set { key, value } => {
            let before = changeable(common, &paths, key)?;
            let config = set(&paths, key, value)?;
            changed(common, &paths, key, &before, &config).await
        }
        Command::Unset { key } => {
            let before = changeable(common, &paths, key)?;
            let config = write_key(&paths, key, None)?;
            changed(common, &paths, key, &before, &config).await
        }
    }
}

fn text(shown: &[ShownValue]) -> String {
    let mut rows: Vec<[String; 3]> = Vec::new();
    for one in shown {
        match &one.value {
            // A table, key by key, as its keys stand in the file.
            Value::Object(table) if !table.is_empty() => rows.extend(
                table
                    .iter()
                    .map(|(key, value)| [format!("[{}] {key}", one.key), one.origin.clone(), said(value)]),
            ),
            value => rows.push([one.key.to_owned(), one.origin.clone(), said(value)]),
        }
    }
    table(["Key", "From", "Value"], &rows)
}

/// A value as it is written in the file; a period in the unit that fits it.
fn said(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Object(table) if table.is_empty() => "-".to_owned(),
        Value::Array(items) if items.iter().all(|item| !item.is_object()) => {
            let items: Vec<String> = items.iter().map(said).collect();
            format!("[{}]", items.join(", "))
        }
        Value::String(text) => match text.strip_suffix('s').map(str::parse::<u64>) {
            Some(Ok(seconds)) => format!("\"{}\"", period(seconds)),
            _ => value.to_string(),
        },
        other => other.to_string(),
    }
}

fn period(seconds: u64) -> String {
    match seconds {
        0 => "0s".to_owned(),
        days if days.is_multiple_of(86_400) => format!("{}d", days / 86_400),
        hours if hours.is_multiple_of(3600) => format!("{}h", hours / 3600),
        minutes if minutes.is_multiple_of(60) => format!("{}m", minutes / 60),
        other => format!("{other}s"),
    }
}

/// The value of a key, which must be one.
fn known<'a>(shown: &'a [ShownValue], key: &str) -> Result<&'a ShownValue, Failure> {
    shown.iter().find(|value| value.key == key).ok_or_else(|| {
        let failure =
            Failure::new(ErrorCode::RequestInvalid, format!("there is no key {key}")).with_exit(Exit::Usage);
        let near = similar(key, shown.iter().map(|value| value.key));
        if near.is_empty() {
            failure.with_hint("`muster-agent config show` lists the keys")
        } else {
            failure.with_hint(format!("there is: {}", near.join(", ")))
        }
    })
}

/// The value of a key that this command may change, before it does.
fn changeable(common: &Common, paths: &Paths, key: &str) -> Result<Value, Failure> {
    if !reach::may_read(common) {
        return Err(reach::only_administrators("change its configuration"));
    }
    let shown = Config::load(paths)?.shown(paths);
    let value = known(&shown, key)?.value.clone();
    if matches!(key, "maintenance" | "repository") || value.is_object() {
        return Err(Failure::new(
            ErrorCode::RequestInvalid,
            format!("{key} is a table, which this command does not change"),
        )
        .with_exit(Exit::Usage)
        .with_hint(format!(
            "write it into {}, then: muster-agent service reload",
            paths.config_file().display()
        )));
    }
    Ok(value)
}

/// Writes the first reading of the text that is a value of this key.
fn set(paths: &Paths, key: &str, text: &str) -> Result<Config, Failure> {
    let mut refused: Option<ConfigError> = None;
    for value in readings(text) {
        match write_key(paths, key, Some(&value)) {
            Ok(config) => return Ok(config),
            // The rule that a value of the right type breaks says more than that another type is wanted.
            Err(error @ ConfigError::Syntax { .. }) => refused = refused.or(Some(error)),
            Err(error @ ConfigError::Value { .. }) => match refused {
                Some(ConfigError::Value { .. }) => {}
                _ => refused = Some(error),
            },
            Err(error) => return Err(error.into()),
        }
    }
    let failure = match refused {
        Some(ConfigError::Value { key, value, rule, .. }) => {
            Failure::new(ErrorCode::RequestInvalid, format!("{key} = {value:?} {rule}"))
        }
        _ => Failure::new(
            ErrorCode::RequestInvalid,
            format!("{text:?} is no value for {key}: it is of another type"),
        )
        .with_hint(format!(
            "`muster-agent config show {key}` prints what it looks like"
        )),
    };
    Err(failure.with_hint("nothing was written").with_exit(Exit::Usage))
}

/// What a text on the command line may mean: true, 12 or what is in quotes; a text; a list of texts.
fn readings(text: &str) -> Vec<toml::Value> {
    let literal = toml::from_str::<toml::Table>(&format!("value = {text}\n"));
    let literal = literal.ok().and_then(|mut table| table.remove("value"));
    let list = text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(|item| toml::Value::String(item.to_owned()))
        .collect();
    literal
        .into_iter()
        .chain([toml::Value::String(text.to_owned()), toml::Value::Array(list)])
        .collect()
}

async fn changed(common: &Common, paths: &Paths, key: &str, before: &Value, config: &Config) -> Done {
    let shown = config.shown(paths);
    let after = known(&shown, key)?;
    super::reload(common).await;
    let value = json!({ "key": key, "value": after.value, "from": after.origin, "before": before });
    common.output().answer(&value, |_value| {
        if *before == after.value {
            format!("{key} = {}, as before", said(before))
        } else {
            format!("{key} = {}, before {}", said(&after.value), said(before))
        }
    });
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, Paths) {
        let place = tempfile::tempdir().unwrap();
        let paths = Paths::new(Some(place.path()));
        (place, paths)
    }

    #[test]
    fn a_value_is_read_as_the_key_wants_it() {
        let (_place, paths) = place();
        for (key, text, wanted) in [
            ("use_hostpackages", "false", json!(false)),
            ("waptupdate_task_period", "30", json!("1800s")),
            ("waptupdate_task_period", "90s", json!("90s")),
            ("maturities", "PREPROD, PROD", json!(["PREPROD", "PROD"])),
            ("maturities", "[\"DEV\"]", json!(["DEV"])),
            ("maturities", "DEV", json!(["DEV"])),
            ("uuid", "123", json!("123")),
            (
                "description",
                "Reception, \"ground floor\"",
                json!("Reception, \"ground floor\""),
            ),
            ("cache_days", "7", json!(7)),
        ] {
            let config = set(&paths, key, text).unwrap();
            let shown = config.shown(&paths);
            assert_eq!(known(&shown, key).unwrap().value, wanted, "{key} {text}");
            assert_eq!(Config::load(&paths).unwrap(), config);
        }
    }

    #[test]
    fn a_value_that_breaks_a_rule_is_refused_by_that_rule_and_nothing_is_written() {
        let (_place, paths) = place();
        for (key, text, word) in [
            ("wapt_server", "http://plain", "https://"),
            ("waptupdate_task_period", "soon", "duration"),
            ("use_hostpackages", "perhaps", "another type"),
        ] {
            let failure = set(&paths, key, text).unwrap_err();
            assert!(failure.to_string().contains(word), "{failure}");
            assert_eq!(failure.exit(), Exit::Usage);
        }
        assert!(!paths.config_file().exists());
    }

    #[test]
    fn periods_are_shown_as_they_are_written() {
        for (seconds, text) in [
            ("7200s", "\"2h\""),
            ("1800s", "\"30m\""),
            ("90s", "\"90s\""),
            ("172800s", "\"2d\""),
        ] {
            assert_eq!(said(&json!(seconds)), text);
        }
        assert_eq!(said(&json!("PROD")), "\"PROD\"");
        assert_eq!(said(&Value::Null), "-");
    }
}
