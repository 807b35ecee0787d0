//! What people order of hosts, as the server knows it, and what they wait for.

use serde_json::Value;

use crate::agent::Agent;
use crate::eventually::eventually;
use crate::world::World;

impl World {
    /// Orders something with `muster host act`; gives the action.
    ///
    /// # Panics
    /// When it is refused.
    pub fn order(&self, arguments: &[&str]) -> String {
        let sent = self.muster_json(&[&["host", "act"], arguments].concat());
        let batch = sent.pointer("/row/batch").or_else(|| sent.get("batch"));
        batch.and_then(Value::as_str).expect("an action").to_owned()
    }

    /// How an action stands on its first host.
    ///
    /// # Panics
    /// When the server does not know it.
    pub fn target(&self, batch: &str) -> Value {
        self.muster_json(&["action", "show", batch])["targets"][0].clone()
    }

    /// Waits until an action stands so on its first host.
    ///
    /// # Panics
    /// When it does not come to that.
    pub fn wait_for_target(&self, batch: &str, state: &str) -> Value {
        eventually(&format!("the action is {state}"), || {
            let target = self.target(batch);
            if target["state"] == state {
                Ok(target)
            } else {
                Err(target.to_string())
            }
        })
    }

    /// Waits until an action is over on its first host, however it ended.
    ///
    /// # Panics
    /// When it does not come to that.
    pub fn wait_until_over(&self, batch: &str) -> Value {
        eventually("the action is over", || {
            let target = self.target(batch);
            if matches!(
                target["state"].as_str(),
                Some("done" | "failed" | "refused" | "expired" | "cancelled")
            ) {
                Ok(target)
            } else {
                Err(target.to_string())
            }
        })
    }

    /// Waits until the server has a host on the line.
    ///
    /// # Panics
    /// When it does not come.
    pub fn wait_until_reachable(&self, identifier: &str) {
        eventually(&format!("{identifier} is reachable"), || {
            let row = self.host_row(identifier);
            let is_so = row.as_ref().is_some_and(|row| row["reachable"] == true);
            if is_so { Ok(()) } else { Err(format!("{row:?}")) }
        });
    }

    /// Waits until the server knows this of a package of a host: the row of what is installed.
    ///
    /// # Panics
    /// When it does not come.
    pub fn wait_for_package(&self, identifier: &str, package: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        eventually(&format!("{package} on {identifier}"), || {
            let host = self.host(identifier);
            let rows = host.pointer("/blocks/packages/installed").cloned();
            let rows = rows.as_ref().and_then(Value::as_array);
            let row = rows.and_then(|rows| rows.iter().find(|row| row["package"] == package));
            match row.filter(|row| is_so(row)) {
                Some(row) => Ok(row.clone()),
                None => Err(format!("{row:?}")),
            }
        })
    }
}

impl Agent {
    /// Waits until the service answers.
    ///
    /// # Panics
    /// When it does not.
    pub fn wait_until_running(&self) {
        eventually("the agent answers", || {
            let status = self.run(&["status", "--json"]);
            if status.stdout.contains("\"running\"") {
                Ok(())
            } else {
                Err(format!("{status:?}"))
            }
        });
    }

    /// Waits until the status is so.
    ///
    /// # Panics
    /// When it does not come to that.
    pub fn wait_for_status(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        eventually(what, || {
            let done = self.run(&["status", "--json"]);
            let status: Value = serde_json::from_str(&done.stdout).map_err(|_error| format!("{done:?}"))?;
            if is_so(&status) {
                Ok(status)
            } else {
                Err(status.to_string())
            }
        })
    }

    /// The tasks that wait, run, and ran, newest first.
    ///
    /// # Panics
    /// When the command prints something else.
    pub fn tasks(&self) -> Vec<Value> {
        self.json(&["status"])["tasks"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    }

    /// Waits until nothing waits or runs.
    ///
    /// # Panics
    /// When it does not come to that.
    pub fn wait_until_idle(&self) {
        self.wait_for_status("nothing more to do", |status| {
            let tasks = status["tasks"].as_array();
            let is_open = |task: &Value| matches!(task["state"].as_str(), Some("pending" | "running"));
            status["running"].is_null() && !tasks.into_iter().flatten().any(is_open)
        });
    }
}
