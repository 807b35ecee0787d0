//! Inventory: what the agent tells about its machine, in blocks; one table of facts a file.
//!
//! A table that cannot be read fails alone: its fields stay empty (a whole list that was never read is
//! left out of the report, so that the server keeps what it knew), the reason stands in the `agent`
//! block's `problems`, and everything else is reported.

use std::collections::BTreeMap;

use muster_shared::crypto::TrustStore;
use muster_shared::hint::chain;
use muster_shared::protocol::inventory::Block;
use serde_json::Value;

use crate::config::Config;

mod address;
mod agent;
mod bounds;
pub mod edid;
pub mod facts;
mod hardware;
mod host;
mod part;
pub mod smbios;
mod software;
pub mod wmi;

/// Bytes of a block as JSON; with those of the others it stays below what a server takes of one report.
const MAX_BLOCK: usize = 2 * 1024 * 1024;
/// The same of the list of software, which is long on some machines.
const MAX_SOFTWARE: usize = 6 * 1024 * 1024;

/// What the inventory needs to know about the agent itself.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub config: &'a Config,
    pub trust: &'a TrustStore,
    /// Version of the Python that runs scripts, empty when there is none.
    pub python: &'a str,
    /// The certificate that this host's package and secrets are encrypted to, PEM; empty when there is none yet.
    pub decryption_certificate: &'a str,
    /// The description in force, when it is not the configuration's.
    pub description: Option<&'a str>,
}

/// Collects the blocks and keeps between two times what is dear to read.
#[derive(Debug, Default)]
pub struct Inventory {
    host: host::HostTables,
    hardware: hardware::HardwareTables,
    software: software::SoftwareTable,
}

impl Inventory {
    /// An inventory that has read nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next collection looks at everything again, also at what did not change by its stamp.
    pub fn forget(&mut self) {
        self.host.forget();
        self.hardware.forget();
        self.software.forget();
    }

    /// The blocks `host`, `hardware`, `software` and `agent` as they are now. Never fails as a whole.
    pub async fn collect(&mut self, context: Context<'_>) -> BTreeMap<Block, Value> {
        let mut problems = Problems::default();
        let description = context
            .description
            .or(context.config.description.as_deref())
            .unwrap_or_default();
        let host = self.host.read(context.config, description, &mut problems).await;
        let hardware = self.hardware.read(&mut problems).await;
        let hotfixes = wmi::hotfixes(&hardware.devices.wmi);
        let software = self.software.read(hotfixes, &mut problems).await;
        let agent = agent::read(context);

        let mut blocks = BTreeMap::new();
        let read = [
            (Block::Host, serde_json::to_value(host).ok(), MAX_BLOCK),
            (Block::Hardware, serde_json::to_value(hardware).ok(), MAX_BLOCK),
            (
                Block::Software,
                software.and_then(|list| serde_json::to_value(list).ok()),
                MAX_SOFTWARE,
            ),
        ];
        for (block, value, most) in read {
            let Some(mut value) = value.map(bounds::clean) else {
                continue;
            };
            for list in bounds::fit(&mut value, most) {
                let name = [block.as_str(), list.as_str()].join(" ");
                problems.say(
                    name.trim(),
                    "it is too large and not reported as a whole".to_owned(),
                );
            }
            blocks.insert(block, value);
        }
        let mut agent = serde_json::to_value(agent).unwrap_or_default();
        if let Value::Object(fields) = &mut agent
            && !problems.0.is_empty()
        {
            fields.insert("problems".to_owned(), serde_json::json!(problems.0));
        }
        blocks.insert(Block::Agent, bounds::clean(agent));
        blocks
    }
}

/// Tables that could not be read, with the reason.
#[derive(Debug, Default)]
struct Problems(Vec<String>);

impl Problems {
    fn note(&mut self, table: &str, error: &facts::FactError) {
        self.say(table, chain(error));
    }

    fn say(&mut self, table: &str, reason: String) {
        tracing::warn!(table, %reason, "a table of the inventory could not be read");
        self.0.push(format!("{table}: {reason}"));
    }
}

#[cfg(test)]
mod tests {
    use muster_shared::protocol::inventory::{AgentBlock, HostBlock, block_hash};

    use super::*;

    #[tokio::test]
    async fn every_block_of_this_machine_is_there_and_still_the_second_time() {
        let config = Config::default();
        let trust = TrustStore::new(Vec::new());
        let context = Context {
            config: &config,
            trust: &trust,
            python: "3.11",
            decryption_certificate: "",
            description: Some("desk 4"),
        };
        let mut inventory = Inventory::new();
        let first = inventory.collect(context).await;
        let host: HostBlock = serde_json::from_value(first.get(&Block::Host).unwrap().clone()).unwrap();
        assert!(!host.hostname.is_empty() && !host.os.is_empty());
        assert_eq!(host.description, "desk 4");
        let agent: AgentBlock = serde_json::from_value(first.get(&Block::Agent).unwrap().clone()).unwrap();
        assert_eq!(agent.update_every_secs, 7200);
        assert!(first.contains_key(&Block::Hardware));
        let second = inventory.collect(context).await;
        for (block, value) in &first {
            let again = second.get(block).unwrap();
            assert!(
                block_hash(value) == block_hash(again),
                "{block:?} changes by itself: {value} {again}"
            );
        }
    }

    #[test]
    fn a_table_that_fails_leaves_its_reason() {
        let mut problems = Problems::default();
        let source = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let error = facts::FactError::Unreadable {
            what: "mounts",
            source,
        };
        problems.note("disks", &error);
        assert_eq!(problems.0, ["disks: mounts cannot be read: permission denied"]);
    }
}
