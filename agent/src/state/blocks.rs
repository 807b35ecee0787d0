//! The blocks of the report that come from the local database: packages, tasks, audits.

use std::collections::BTreeMap;

use muster_shared::control::Control;
use muster_shared::protocol::inventory::{Audit, AuditDatum, Block, PackagesBlock};
use muster_shared::protocol::package::PendingPackage;

use super::{State, StateError, facts};
use crate::script::{AUDIT_DATA, AuditData, AuditValue};

/// How many tasks the block carries.
const REPORTED_TASKS: i64 = 50;

impl State {
    /// The pending changes as they were last planned.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn pending(&self) -> Result<Vec<PendingPackage>, StateError> {
        Ok(self.json_fact(facts::PENDING).await?.unwrap_or_default())
    }

    /// What Muster manages on this machine.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn packages_block(&self) -> Result<PackagesBlock, StateError> {
        let host = self.host_package().await?;
        let control = host.as_ref().map(|host| &host.control);
        let list = |of: fn(&Control) -> &str| -> Vec<String> {
            control.map_or_else(Vec::new, |control| {
                muster_shared::request::split_list(of(control))
                    .map(str::to_owned)
                    .collect()
            })
        };
        // Also after a deletion: whoever makes a new host package must go above what this host had.
        let host_package_version = match control {
            Some(control) => control.version().to_owned(),
            None => self
                .remembered_host_package()
                .await?
                .map(|highest| highest.version)
                .unwrap_or_default(),
        };
        Ok(PackagesBlock {
            installed: self
                .installed()
                .await?
                .iter()
                .map(super::packages::Installed::shown)
                .collect(),
            pending: self.pending().await?,
            assigned: list(Control::depends),
            forbidden: list(Control::conflicts),
            host_package_version,
            update_error: self.fact(facts::UPDATE_ERROR).await?.unwrap_or_default(),
            updated_at: self.time_fact(facts::UPDATED_AT).await?,
        })
    }

    /// Every block that the database knows.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn blocks(&self) -> Result<BTreeMap<Block, serde_json::Value>, StateError> {
        let packages = self.packages_block().await?;
        let audits = self.audits_block().await?;
        let tasks = self.recent_tasks(REPORTED_TASKS).await?;
        let value =
            |block: Result<serde_json::Value, serde_json::Error>| block.unwrap_or(serde_json::Value::Null);
        Ok(BTreeMap::from([
            (Block::Packages, value(serde_json::to_value(packages))),
            (Block::Tasks, value(serde_json::to_value(tasks))),
            (Block::Audits, value(serde_json::to_value(audits))),
        ]))
    }

    /// What audits found, and what packages' hooks wrote for the console: a row for each package that has any of it.
    async fn audits_block(&self) -> Result<Vec<Audit>, StateError> {
        let mut written: BTreeMap<String, Written> = BTreeMap::new();
        let kept: AuditData = self.json_fact(AUDIT_DATA).await?.unwrap_or_default();
        for (section, keys) in kept {
            for (key, AuditValue { value, date, package }) in keys {
                let of_package = written.entry(package).or_default();
                let datum = AuditDatum { value, date };
                of_package.entry(section.clone()).or_default().insert(key, datum);
            }
        }
        let rows = self.installed().await?.into_iter();
        let audits = rows.filter_map(|row| {
            let data = written.remove(row.package()).unwrap_or_default();
            let dates = data.values().flat_map(BTreeMap::values).map(|datum| datum.date);
            // Without a status it was never audited, or there was nothing to audit.
            let (status, at) = if row.audit_status.is_empty() {
                (UNAUDITED, dates.max()?)
            } else {
                (row.audit_status.as_str(), row.audited_at?)
            };
            Some(Audit {
                package: row.package().to_owned(),
                status: status.to_owned(),
                output: row.audit_output.clone(),
                audited_at: at,
                next_at: row.next_audit_at,
                data,
            })
        });
        Ok(audits.collect())
    }
}

/// What a package wrote, by section and key.
type Written = BTreeMap<String, BTreeMap<String, AuditDatum>>;

/// The status of a package that wrote values and has nothing that could fail.
const UNAUDITED: &str = "UNKNOWN";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::packages::tests::row;
    use super::super::tests::{now, open};
    use super::*;

    #[tokio::test]
    async fn audits_and_what_their_hooks_wrote_are_reported_for_each_package() {
        let (_place, state) = open().await;
        for package in ["demo-a", "demo-b", "demo-c"] {
            state.store_package(&row(package, "1"), None).await.unwrap();
        }
        state
            .record_audit("demo-a", "WARNING", "disk is old\n", now(), None)
            .await
            .unwrap();
        // It was looked at and has no such hook.
        state.record_audit("demo-c", "", "", now(), None).await.unwrap();
        let value = |value: &str, package: &str| json!({ "value": value, "date": now(), "package": package });
        let kept = json!({ "disk": { "serial": value("S1", "demo-a"), "age": value("9", "demo-b") } });
        state.set_json_fact(AUDIT_DATA, &kept).await.unwrap();
        let block = state.blocks().await.unwrap().remove(&Block::Audits).unwrap();
        let rows: Vec<Audit> = serde_json::from_value(block).unwrap();
        let told: Vec<(&str, &str)> = rows
            .iter()
            .map(|row| (row.package.as_str(), row.status.as_str()))
            .collect();
        assert_eq!(told, [("demo-a", "WARNING"), ("demo-b", "UNKNOWN")]);
        assert_eq!(rows[0].data["disk"]["serial"].value, "S1");
        assert!(!rows[0].data["disk"].contains_key("age"));
        assert_eq!(rows[1].audited_at, now());
    }
}
