//! What scripts ask the agent to keep and to do: parameters, audit data, tasks after the present one.
//!
//! The job tells the script what is known, the result brings what it changed; nothing is written while the
//! hook runs. Tasks are taken only from hooks that ended well and never from a task that a script ordered
//! itself, so that no two packages can order each other for ever.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_shared::protocol::action::{ActionKind, ActionOptions};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::job::InstalledName;
use crate::state::tasks::{MAX_PENDING, NewTask};
use crate::state::{State, StateError};

/// Name of the fact that holds the parameters of `WAPT.write_param`.
pub const PARAMS: &str = "script_params";

/// Name of the fact that holds the values of `WAPT.write_audit_data`.
pub const AUDIT_DATA: &str = "script_audit_data";

/// All parameters together, and all audit data together, in bytes of JSON.
const MAX_KEPT_BYTES: usize = 1024 * 1024;

/// Tasks that one hook may order.
const MAX_ORDERS: usize = 20;

/// Packages that one order may name.
const MAX_ORDERED_PACKAGES: usize = 100;

/// `ordered_by` of a task that a script asked for begins so; no user is called like that.
const BY_SCRIPT: &str = "package ";

/// Values by name; `null` in a change takes the name out.
pub(super) type Params = BTreeMap<String, Value>;

/// Values by section and key.
pub type AuditData = BTreeMap<String, BTreeMap<String, AuditValue>>;

/// One value of `WAPT.write_audit_data`, when it was written, and by which package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditValue {
    pub value: Value,
    pub date: Timestamp,
    #[serde(default)]
    pub package: String,
}

/// One change of the audit data.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct AuditChange {
    pub section: String,
    pub key: String,
    /// `null` takes the key out.
    #[serde(default)]
    pub value: Value,
}

/// A task that a script asks for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct ScriptOrder {
    pub action: ActionKind,
    pub packages: Vec<String>,
}

/// What a script may know of earlier runs and of the machine's packages.
#[derive(Debug, Default, Serialize)]
pub(super) struct Known {
    pub params: Params,
    pub audit_data: AuditData,
    /// Not known to a host without a database.
    pub installed: Option<Vec<InstalledName>>,
    /// Tasks may be ordered.
    pub may_order: bool,
}

/// Reads what is known; failures leave it empty, because a script must also run while the database is ill.
pub(super) async fn known(state: Option<&State>, ordered_by: &str) -> Known {
    let Some(state) = state else {
        return Known::default();
    };
    match read(state, ordered_by).await {
        Ok(known) => known,
        Err(error) => {
            tracing::warn!(error = %muster_shared::hint::chain(&error), "scripts are not told what the agent keeps");
            Known::default()
        }
    }
}

async fn read(state: &State, ordered_by: &str) -> Result<Known, StateError> {
    Ok(Known {
        params: state.json_fact(PARAMS).await?.unwrap_or_default(),
        audit_data: state.json_fact(AUDIT_DATA).await?.unwrap_or_default(),
        installed: Some(state.installed().await?.iter().map(InstalledName::of).collect()),
        may_order: !ordered_by.starts_with(BY_SCRIPT),
    })
}

/// What a hook changed.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub params: Params,
    pub audit_data: Vec<AuditChange>,
    pub orders: Vec<ScriptOrder>,
}

/// Writes what a hook changed; gives the lines that its log should say about it.
///
/// # Errors
/// When the database does not take it.
pub(super) async fn keep(
    state: &State,
    package: &str,
    known: &Known,
    changes: Changes,
    now: Timestamp,
) -> Result<Vec<String>, StateError> {
    let mut said = Vec::new();
    if !changes.params.is_empty() {
        let params = merged(&known.params, changes.params);
        write(state, PARAMS, &params, "parameters", &mut said).await?;
    }
    if !changes.audit_data.is_empty() {
        let data = merged_audit(&known.audit_data, changes.audit_data, package, now);
        write(state, AUDIT_DATA, &data, "audit data", &mut said).await?;
    }
    if !known.may_order {
        return Ok(said);
    }
    for order in changes.orders.into_iter().take(MAX_ORDERS) {
        let is_for_scripts = matches!(
            order.action,
            ActionKind::Install | ActionKind::Remove | ActionKind::Forget
        );
        if !is_for_scripts || order.packages.is_empty() || order.packages.len() > MAX_ORDERED_PACKAGES {
            continue;
        }
        if state.pending_count().await? >= MAX_PENDING {
            said.push(format!("{MAX_PENDING} tasks are waiting: nothing more is queued"));
            break;
        }
        let names = order.packages.join(", ");
        let task = NewTask::new(
            order.action,
            order.packages,
            ActionOptions::default(),
            &format!("{BY_SCRIPT}{package}"),
            now,
        );
        state.queue_task(&task).await?;
        said.push(format!("queued after this task: {} {names}", order.action));
    }
    Ok(said)
}

async fn write<T: Serialize + Sync>(
    state: &State,
    fact: &str,
    value: &T,
    what: &str,
    said: &mut Vec<String>,
) -> Result<(), StateError> {
    let size = serde_json::to_vec(value).map_or(usize::MAX, |bytes| bytes.len());
    if size > MAX_KEPT_BYTES {
        said.push(format!(
            "the {what} were not kept: all of them together may take {MAX_KEPT_BYTES} bytes"
        ));
        return Ok(());
    }
    state.set_json_fact(fact, value).await
}

fn merged(known: &Params, changes: Params) -> Params {
    let mut params = known.clone();
    for (name, value) in changes {
        if value.is_null() {
            params.remove(&name);
        } else {
            params.insert(name, value);
        }
    }
    params
}

fn merged_audit(known: &AuditData, changes: Vec<AuditChange>, package: &str, now: Timestamp) -> AuditData {
    let mut data = known.clone();
    for AuditChange { section, key, value } in changes {
        if value.is_null() {
            if let Some(keys) = data.get_mut(&section) {
                keys.remove(&key);
            }
        } else {
            let package = package.to_owned();
            let written = AuditValue {
                value,
                date: now,
                package,
            };
            data.entry(section).or_default().insert(key, written);
        }
    }
    data.retain(|_section, keys| !keys.is_empty());
    data
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn null_takes_a_parameter_out_and_the_others_stay() {
        let known = Params::from([("a".to_owned(), json!(1)), ("b".to_owned(), json!("x"))]);
        let changes = Params::from([("a".to_owned(), Value::Null), ("c".to_owned(), json!([2]))]);
        assert_eq!(
            merged(&known, changes),
            Params::from([("b".to_owned(), json!("x")), ("c".to_owned(), json!([2]))])
        );
    }

    #[test]
    fn audit_data_carries_its_time_and_an_emptied_section_goes() {
        let at = Timestamp::UNIX_EPOCH;
        let change = |value| AuditChange {
            section: "disk".to_owned(),
            key: "serial".to_owned(),
            value,
        };
        let data = merged_audit(&AuditData::default(), vec![change(json!("S1"))], "demo-a", at);
        let kept = &data["disk"]["serial"];
        assert_eq!((kept.date, kept.package.as_str()), (at, "demo-a"));
        assert!(merged_audit(&data, vec![change(Value::Null)], "demo-b", at).is_empty());
    }
}
