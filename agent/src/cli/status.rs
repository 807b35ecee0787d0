//! `muster-agent status`: how this agent stands.

use muster_shared::protocol::local::LocalRequest;
use muster_shared::protocol::task::Task;
use serde_json::{Value, json};

use super::{Common, Done};
use crate::config::Config;
use crate::failure::Failure;
use crate::local_api::client::LocalClient;
use crate::state::{State, facts};
use crate::update::offers::RefusedRow;

/// Say how this agent stands: service, server, last update, tasks.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

pub(super) async fn run(common: &Common, _arguments: &Arguments) -> Done {
    let paths = common.paths();
    let mut value = match LocalClient::connect(&paths.socket()).await? {
        Some(client) if !common.standalone => client.ask(&LocalRequest::Status, |_, _| {}).await?,
        _ => stopped(common).await?,
    };
    let state = State::open_read_only(&paths.database()).await?;
    let tasks = state.recent_tasks(10).await?;
    let block = state.packages_block().await?;
    value["packages"] = json!(block.installed.len());
    value["failed"] = json!(block.failed_count());
    value["assigned"] = json!(block.assigned);
    value["forbidden"] = json!(block.forbidden);
    value["tasks"] = json!(tasks);
    let refused: Vec<RefusedRow> = state.json_fact(facts::REFUSED_ROWS).await?.unwrap_or_default();
    value["refused"] = json!(refused.len());
    value["refused_rows"] = json!(refused);
    common.output().answer(&value, |value| text(value, &tasks));
    Ok(None)
}

async fn stopped(common: &Common) -> Result<Value, Failure> {
    let paths = common.paths();
    let config = Config::load(&paths)?;
    let state = State::open_read_only(&paths.database()).await?;
    Ok(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "service": "stopped",
        "server": config.server,
        "connected": false,
        "updated_at": state.time_fact(facts::UPDATED_AT).await?,
        "update_error": state.fact(facts::UPDATE_ERROR).await?.filter(|text| !text.is_empty()),
        "pending": state.pending().await?.len(),
        "notice": state.fact(facts::NOTICE).await?,
    }))
}

fn text(value: &Value, tasks: &[Task]) -> String {
    let mut lines = Vec::new();
    let mut line = |name: &str, value: &Value| {
        let text = match value {
            Value::Null => return,
            Value::String(text) => text.clone(),
            Value::Bool(flag) => if *flag { "yes" } else { "no" }.to_owned(),
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
    if value["server"].is_null() {
        line(
            "server",
            &json!("none; register with: muster-agent register --server 'muster://…' --token TOKEN"),
        );
    }
    line("server", &value["server"]);
    line("connected", &value["connected"]);
    line("last update", &value["updated_at"]);
    line("update error", &value["update_error"]);
    line("next update", &value["next_update_at"]);
    line("running", &value["running"]);
    line("packages", &value["packages"]);
    line("in error", &value["failed"]);
    line("pending", &value["pending"]);
    line("assigned", &value["assigned"]);
    line("forbidden", &value["forbidden"]);
    if value["refused"] != json!(0) {
        line("refused rows", &value["refused"]);
    }
    line("notice", &value["notice"]);
    if !tasks.is_empty() {
        lines.push("last tasks".to_owned());
    }
    for task in tasks {
        lines.push(format!(
            "  {} {:<9} {} {} ({})",
            super::list::local_time(task.created_at),
            task.state.as_str(),
            task.kind,
            task.text,
            task.ordered_by
        ));
    }
    lines.join("\n")
}
