//! The differential report: hashes of all blocks, bodies of those that the server does not hold.
//!
//! What the server holds is what its last answer says, never what was sent: a server that lost its
//! database, or that could not store a block, gets everything again with the next report.

use std::collections::BTreeMap;

use muster_shared::protocol::inventory::{Block, Report, ReportAnswer, block_hash};
use serde_json::Value;

use crate::server_client::{ServerClient, ServerError};

/// Sends the blocks of this host and remembers what the server said it holds.
#[derive(Debug, Default)]
pub struct Reporter {
    /// Hashes of the last answer; `None` before the first.
    held: Option<BTreeMap<Block, String>>,
}

impl Reporter {
    /// A reporter that knows nothing of the server yet; its first report asks what it holds.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets what the server holds, so that the next report asks anew.
    pub fn forget(&mut self) {
        self.held = None;
    }

    /// Sends what the server does not hold. `running` is what the host is doing now.
    ///
    /// The first report carries hashes only: the answer says what is missing, which follows at once. After
    /// that a report of an unchanged host is a few hundred bytes.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached; nothing is remembered then.
    pub async fn send(
        &mut self,
        client: &ServerClient,
        blocks: &BTreeMap<Block, Value>,
        running: Option<&str>,
    ) -> Result<ReportAnswer, ServerError> {
        let identifier = client.identity().identifier().to_owned();
        let hashes = hashes_of(blocks);
        let first = self.report(&identifier, blocks, &hashes, running);
        let answer = self.exchange(client, &first).await?;
        let second = self.report(&identifier, blocks, &hashes, running);
        if second.blocks.is_empty() {
            return Ok(answer);
        }
        let answer = self.exchange(client, &second).await?;
        let missing = differing(&hashes, &answer.hashes);
        if !missing.is_empty() {
            // Not tried again at once: a server that refuses a block would be asked for ever.
            tracing::warn!(blocks = ?missing, "the server does not hold these blocks although they were sent");
        }
        Ok(answer)
    }

    async fn exchange(
        &mut self,
        client: &ServerClient,
        report: &Report,
    ) -> Result<ReportAnswer, ServerError> {
        match client.report(report).await {
            Ok(answer) => {
                self.held = Some(answer.hashes.clone());
                Ok(answer)
            }
            Err(error) => {
                self.held = None;
                Err(error)
            }
        }
    }

    fn report(
        &self,
        identifier: &str,
        blocks: &BTreeMap<Block, Value>,
        hashes: &BTreeMap<Block, String>,
        running: Option<&str>,
    ) -> Report {
        let wanted = self
            .held
            .as_ref()
            .map_or_else(Vec::new, |held| differing(hashes, held));
        Report {
            identifier: identifier.to_owned(),
            hashes: hashes.clone(),
            blocks: wanted
                .into_iter()
                .filter_map(|block| blocks.get(&block).map(|value| (block, value.clone())))
                .collect(),
            running: running.map(str::to_owned),
        }
    }
}

/// The hash of each block.
pub fn hashes_of(blocks: &BTreeMap<Block, Value>) -> BTreeMap<Block, String> {
    blocks
        .iter()
        .map(|(block, value)| (*block, block_hash(value)))
        .collect()
}

/// Blocks whose hash is not the one held.
fn differing(own: &BTreeMap<Block, String>, held: &BTreeMap<Block, String>) -> Vec<Block> {
    own.iter()
        .filter(|(block, hash)| held.get(block) != Some(hash))
        .map(|(block, _hash)| *block)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn blocks() -> BTreeMap<Block, Value> {
        BTreeMap::from([
            (Block::Host, json!({"hostname": "pc"})),
            (Block::Software, json!([])),
        ])
    }

    #[test]
    fn the_first_report_carries_hashes_only() {
        let blocks = blocks();
        let report = Reporter::new().report("pc", &blocks, &hashes_of(&blocks), None);
        assert_eq!(report.hashes.len(), 2);
        assert!(report.blocks.is_empty());
    }

    #[test]
    fn only_blocks_that_the_server_does_not_hold_travel() {
        let blocks = blocks();
        let hashes = hashes_of(&blocks);
        let mut held = hashes.clone();
        held.insert(Block::Host, "older".to_owned());
        let reporter = Reporter { held: Some(held) };
        let report = reporter.report("pc", &blocks, &hashes, Some("installing demo"));
        assert_eq!(report.blocks.keys().collect::<Vec<_>>(), [&Block::Host]);
        assert_eq!(report.running.as_deref(), Some("installing demo"));
    }

    #[test]
    fn a_server_that_lost_everything_gets_everything() {
        let blocks = blocks();
        let reporter = Reporter {
            held: Some(BTreeMap::new()),
        };
        assert_eq!(
            reporter
                .report("pc", &blocks, &hashes_of(&blocks), None)
                .blocks
                .len(),
            2
        );
    }
}
