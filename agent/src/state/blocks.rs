//! The blocks of the report that come from the local database: packages, tasks, audits.

use std::collections::BTreeMap;

use muster_shared::control::Control;
use muster_shared::protocol::inventory::{Audit, Block, PackagesBlock};
use muster_shared::protocol::package::PendingPackage;

use super::{State, StateError, facts};

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
        let next: BTreeMap<String, _> = self
            .installed()
            .await?
            .into_iter()
            .map(|row| (row.package().to_owned(), row.next_audit_at))
            .collect();
        let audits: Vec<Audit> = packages
            .installed
            .iter()
            .filter_map(|row| {
                Some(Audit {
                    package: row.package.clone(),
                    status: row.audit_status.clone(),
                    output: row.audit_output.clone(),
                    audited_at: row.audited_at?,
                    next_at: next.get(&row.package).copied().flatten(),
                })
            })
            .collect();
        let tasks = self.recent_tasks(REPORTED_TASKS).await?;
        let value =
            |block: Result<serde_json::Value, serde_json::Error>| block.unwrap_or(serde_json::Value::Null);
        Ok(BTreeMap::from([
            (Block::Packages, value(serde_json::to_value(packages))),
            (Block::Tasks, value(serde_json::to_value(tasks))),
            (Block::Audits, value(serde_json::to_value(audits))),
        ]))
    }
}
