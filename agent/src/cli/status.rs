//! `muster-agent status`: how this agent stands.

use std::collections::BTreeSet;

use jiff::Timestamp;
use muster_shared::clock;
use muster_shared::control::Control;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::local::LocalRequest;
use muster_shared::protocol::task::Task;
use muster_shared::request::split_list;
use serde_json::{Value, json};

use super::when::with_distance;
use super::{Common, Done, reach};
use crate::config::Config;
use crate::directory::Standing;
use crate::failure::Failure;
use crate::identity::Identity;
use crate::install::reboot;
use crate::local_api::client::LocalClient;
use crate::plan::implicit::{Names, in_force};
use crate::repo::rules;
use crate::script::python;
use crate::state::{State, facts};
use crate::update::offers::RefusedRow;

/// Say how this agent stands: service, server, last update, tasks.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

pub(super) async fn run(common: &Common, _arguments: &Arguments) -> Done {
    let paths = common.paths();
    if !reach::may_read(common) {
        let mut value = reach::ask(common, &LocalRequest::Status).await?;
        let tasks: Vec<Task> = reach::ask_for(common, &LocalRequest::Tasks).await?;
        let tasks: Vec<Task> = tasks.into_iter().take(10).collect();
        value["tasks"] = json!(tasks);
        common
            .output()
            .answer(&value, |value| text(value, &tasks, clock::now()));
        return Ok(None);
    }
    let mut value = match LocalClient::connect(&paths.socket()).await? {
        Some(client) if !common.standalone => client.ask(&LocalRequest::Status, |_, _| {}).await?,
        _ => stopped(common).await?,
    };
    let Some(state) = reach::state(common).await? else {
        value["packages"] = json!(0);
        common
            .output()
            .answer(&value, |value| text(value, &[], clock::now()));
        return Ok(None);
    };
    let tasks = state.recent_tasks(10).await?;
    let block = state.packages_block().await?;
    value["packages"] = json!(block.installed.len());
    value["failed"] = json!(block.failed_count());
    value["assigned"] = json!(block.assigned);
    value["forbidden"] = json!(block.forbidden);
    value["tasks"] = json!(tasks);
    match Config::load(&paths) {
        Ok(config) => {
            place(&mut value, &config, &state).await?;
            value["python"] = python::status(&paths, &config, &state).await;
        }
        // The running service keeps the one before; what stands in this one is not in force.
        Err(error) if value["service"] == "running" => {
            value["configuration_error"] = json!(Failure::from(error).in_one_line());
        }
        Err(error) => return Err(error.into()),
    }
    let refused: Vec<RefusedRow> = state.json_fact(facts::REFUSED_ROWS).await?.unwrap_or_default();
    value["repositories"] = json!(state.known_repositories().await?);
    value["rules_problem"] = json!(rules::problem(&state).await?);
    value["restart_wanted"] = json!(reboot::wanted(&state).await?);
    value["refused"] = json!(refused.len());
    value["refused_rows"] = json!(refused);
    common
        .output()
        .answer(&value, |value| text(value, &tasks, clock::now()));
    Ok(None)
}

/// Where this computer stands in the directory, and the packages that it looks for by name because of that.
async fn place(value: &mut Value, config: &Config, state: &State) -> Result<(), Failure> {
    let known = state.directory().await?;
    let standing = Standing::of(config, &known);
    let names = Names::of(config, &standing);
    let installed = state.installed().await?;
    let in_force = in_force(&installed, config.use_hostpackages);
    let list = |of: fn(&Control) -> &str| {
        let all = in_force.iter().flat_map(|control| split_list(of(control)));
        all.map(str::to_owned).collect::<BTreeSet<String>>()
    };
    value["assigned"] = json!(list(Control::depends));
    value["forbidden"] = json!(list(Control::conflicts));
    value["implicit"] = in_force
        .iter()
        .map(|control| {
            json!({
                "package": control.package(),
                "version": control.version(),
                "section": control.section(),
                "because": names.because(control.package()).map(|expected| &expected.because),
            })
        })
        .collect();
    value["directory"] = json!({
        "dn": standing.dn,
        "dn_from": standing.dn_from,
        "site": standing.site,
        "site_from": standing.site_from,
        "groups": standing.groups,
        "groups_from": standing.groups_from,
        "answered_at": known.answered_at,
        "asked_at": known.asked_at,
        "error": Some(known.error).filter(|error| !error.is_empty()),
    });
    Ok(())
}

async fn stopped(common: &Common) -> Result<Value, Failure> {
    let paths = common.paths();
    let config = Config::load(&paths)?;
    let mut value = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "service": "stopped",
        "server": config.server,
        "connected": false,
        "updated_at": null,
        "pending": 0,
    });
    // Looking must not make an identity.
    if paths.private_dir().join("identity.json").exists() {
        let identity = Identity::load_or_create(&paths, &config)
            .map_err(|error| Failure::from_hinted(ErrorCode::Internal, error))?;
        value["identifier"] = json!(identity.identifier());
        value["keyid"] = json!(identity.key().keyid());
        value["registered"] = json!(identity.is_registered());
    }
    if let Some(state) = reach::state(common).await? {
        let error = state.fact(facts::UPDATE_ERROR).await?;
        value["updated_at"] = json!(state.time_fact(facts::UPDATED_AT).await?);
        value["update_error"] = json!(error.filter(|text| !text.is_empty()));
        value["pending"] = json!(state.pending().await?.len());
        value["notice"] = json!(state.fact(facts::NOTICE).await?);
    }
    Ok(value)
}

/// One repository: which address its index came from, by which rule, or why it could not be had.
fn said_repository(repository: &Value, update_error: &Value) -> String {
    let text = |key: &str| repository[key].as_str().unwrap_or_default();
    let mut parts = Vec::new();
    if let Some(rule) = repository["rule"].as_object() {
        let of = |key: &str| rule.get(key).and_then(Value::as_str).unwrap_or_default();
        parts.push(format!("{} serves, by the rule {:?}", of("repo_url"), of("name")));
    } else if !text("url").is_empty() {
        parts.push(format!("from {}", text("url")));
    }
    let is_said = update_error
        .as_str()
        .is_some_and(|error| error.contains(text("problem")));
    if !text("problem").is_empty() && is_said {
        parts.push("not fetched, see update error".to_owned());
    } else if !text("problem").is_empty() {
        parts.push(format!("not fetched: {}", text("problem")));
    }
    format!("{}: {}", text("name"), parts.join("; "))
}

/// A time of the status, with its distance from now.
fn when(value: &Value, now: Timestamp) -> Value {
    match value.as_str().and_then(|text| text.parse::<Timestamp>().ok()) {
        Some(at) => json!(with_distance(at, now)),
        None => value.clone(),
    }
}

/// A number of things that wait, and the command that shows them.
fn number(value: &Value, command: &str) -> Value {
    match value.as_u64() {
        None => Value::Null,
        Some(0) => json!("0"),
        Some(count) => json!(format!("{count}: {command}")),
    }
}

fn text(value: &Value, tasks: &[Task], now: Timestamp) -> String {
    let mut lines = Vec::new();
    let mut line = |name: &str, value: &Value| {
        let text = match value {
            Value::Null => return,
            Value::String(text) => text.clone(),
            Value::Bool(flag) => if *flag { "yes" } else { "no" }.to_owned(),
            Value::Array(items) if items.is_empty() => return,
            Value::Array(items) => {
                let items: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
                items.join(", ")
            }
            other => other.to_string(),
        };
        lines.push(format!("{name:<14} {text}"));
    };
    line("service", &value["service"]);
    line("version", &value["version"]);
    line("identifier", &value["identifier"]);
    line("key", &value["keyid"]);
    if value.get("server").is_some_and(Value::is_null) {
        line(
            "server",
            &json!("none; register with: muster-agent register --server 'muster://…' --token TOKEN"),
        );
    }
    line("server", &value["server"]);
    if value["registered"] == json!(false) && !value["server"].is_null() {
        line("registered", &json!("no: muster-agent register --token TOKEN"));
    }
    line("connected", &value["connected"]);
    if value.get("updated_at").is_some_and(Value::is_null) {
        line("last update", &json!("none yet"));
    }
    line("last update", &when(&value["updated_at"], now));
    line("update error", &value["update_error"]);
    line("next update", &when(&value["next_update_at"], now));
    line("next upgrade", &when(&value["next_upgrade_at"], now));
    line("upgrade waits", &value["upgrade_waits_for"]);
    line("next audit", &when(&value["next_audit_at"], now));
    line("configuration", &value["configuration_error"]);
    for repository in value["repositories"].as_array().into_iter().flatten() {
        line(
            "repository",
            &json!(said_repository(repository, &value["update_error"])),
        );
    }
    line("rules", &value["rules_problem"]);
    line("running", &value["running"]);
    line("busy", &value["busy"]);
    line("packages", &value["packages"]);
    line(
        "in error",
        &number(&value["failed"], "muster-agent list, muster-agent log PACKAGE"),
    );
    line("pending", &number(&value["pending"], "muster-agent list-upgrade"));
    let directory = &value["directory"];
    for (name, key) in [("computer", "dn"), ("site", "site")] {
        if directory[key] != json!("") {
            line(name, &directory[key]);
        }
    }
    if directory["groups"] != json!([]) {
        line("groups", &directory["groups"]);
    }
    if let Some(error) = directory["error"].as_str() {
        let since = match when(&directory["answered_at"], now).as_str() {
            Some(at) => format!("what it said last stays in force ({at})"),
            None => "it has never answered yet".to_owned(),
        };
        line("directory", &json!(format!("does not answer: {error}; {since}")));
    }
    let implicit: Vec<String> = value["implicit"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|one| one["section"] != "host")
        .map(|one| {
            format!(
                "{} {}",
                one["package"].as_str().unwrap_or_default(),
                one["version"].as_str().unwrap_or_default()
            )
        })
        .collect();
    if !implicit.is_empty() {
        line("in force", &json!(implicit));
    }
    line("assigned", &value["assigned"]);
    line("forbidden", &value["forbidden"]);
    if value.get("refused").is_some_and(|count| *count != json!(0)) {
        line("refused rows", &value["refused"]);
    }
    line("notice", &value["notice"]);
    let python = &value["python"];
    if let Some(problem) = python["problem"].as_str() {
        line("python", &json!(problem));
    } else if let Some(version) = python["version"].as_str() {
        let of = |key: &str| python[key].as_str().unwrap_or_default();
        line(
            "python",
            &json!(format!("{version}, {}: {}", of("origin"), of("path"))),
        );
    }
    line("restart for", &value["restart_wanted"]["packages"]);
    if !tasks.is_empty() {
        lines.push("last tasks".to_owned());
    }
    for task in tasks {
        let said = if task.text.is_empty() {
            task.kind.clone()
        } else {
            format!("{}: {}", task.kind, super::list::first_line(&task.text))
        };
        lines.push(format!(
            "  {}  {:<9}  {said} ({})",
            super::when::local_time(task.created_at),
            task.state.as_str(),
            task.ordered_by
        ));
    }
    lines.join("\n")
}
