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
pub mod edid;
pub mod facts;
mod hardware;
mod host;
mod part;
pub mod smbios;
mod software;
pub mod wmi;

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
        let mut put = |block, value: Option<Value>| {
            if let Some(value) = value {
                blocks.insert(block, value);
            }
        };
        put(Block::Host, serde_json::to_value(host).ok().map(clean));
        put(Block::Hardware, serde_json::to_value(hardware).ok().map(clean));
        put(
            Block::Software,
            software
                .and_then(|list| serde_json::to_value(list).ok())
                .map(clean),
        );
        let mut agent = serde_json::to_value(agent).unwrap_or_default();
        if let Value::Object(fields) = &mut agent
            && !problems.0.is_empty()
        {
            fields.insert("problems".to_owned(), serde_json::json!(problems.0));
        }
        put(Block::Agent, Some(clean(agent)));
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

/// No text of a block is longer, in characters.
const MAX_TEXT: usize = 8192;

/// The value without what databases and people cannot take: NUL and other control characters out of
/// strings (line ends and tabs stay), and what is beyond any sensible length.
fn clean(value: Value) -> Value {
    match value {
        Value::String(text) if text.len() > MAX_TEXT => {
            let cut: String = text.chars().take(MAX_TEXT / 4).collect();
            clean(Value::String(cut))
        }
        Value::String(text) => {
            let bad = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\t');
            if text.contains(bad) {
                Value::String(text.chars().filter(|letter| !bad(*letter)).collect())
            } else {
                Value::String(text)
            }
        }
        Value::Array(items) => Value::Array(items.into_iter().map(clean).collect()),
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(name, value)| (name, clean(value)))
                .collect(),
        ),
        other => other,
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
    fn control_characters_are_taken_out_everywhere() {
        let value = serde_json::json!({"a": ["x\u{0}y", 1], "b": {"c": "tab\tline\n\u{7}"}});
        assert_eq!(
            clean(value),
            serde_json::json!({"a": ["xy", 1], "b": {"c": "tab\tline\n"}})
        );
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
