//! What of a report goes into the fleet's table: checks of a report, and columns taken from its blocks.

use std::collections::BTreeMap;

use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::inventory::{
    AgentBlock, Block, HardwareBlock, HostBlock, PackagesBlock, Report, block_hash,
};
use muster_shared::protocol::task::Task;
use serde_json::Value;

use crate::error::ApiError;

/// The most characters of one text in the fleet's table; blocks keep the whole.
const MAX_COLUMN_CHARS: usize = 256;
/// The longest sentence of a host about an action, in characters.
const MAX_SENTENCE_CHARS: usize = 512;

/// The most users shown for a host.
const MAX_USERS: usize = 32;

/// The most packages of one host that are counted.
const MAX_PACKAGES: usize = 20_000;

/// A report whose blocks are what their hashes say.
#[derive(Debug)]
pub struct CheckedReport {
    pub hashes: BTreeMap<Block, String>,
    /// The changed blocks as JSON text with their hash.
    pub blocks: BTreeMap<Block, CheckedBlock>,
    pub running: String,
}

/// One changed block.
#[derive(Debug)]
pub struct CheckedBlock {
    pub hash: String,
    pub body: String,
    pub columns: Columns,
}

/// What the fleet's table takes from a block.
#[derive(Debug, Default, PartialEq)]
pub enum Columns {
    Host(Box<HostColumns>),
    Hardware {
        manufacturer: String,
        model: String,
        serial: String,
    },
    Packages(PackageColumns),
    Agent {
        version: String,
    },
    Tasks(Vec<Task>),
    /// Nothing.
    #[default]
    None,
}

/// Columns from the block `host`.
#[derive(Debug, Default, PartialEq)]
pub struct HostColumns {
    /// The fully qualified name when known.
    pub name: String,
    pub description: String,
    pub os: String,
    pub os_version: String,
    pub architecture: String,
    pub address: String,
    pub mac: String,
    pub ou: String,
    pub users: Vec<String>,
}

/// Columns from the block `packages`.
#[derive(Debug, Default, PartialEq)]
pub struct PackageColumns {
    pub total: usize,
    pub failed: usize,
    pub pending: usize,
    /// Name, version, status.
    pub installed: Vec<(String, String, &'static str)>,
}

/// Reads and checks the body of a report. Costs a parse and a hash of the whole body.
///
/// # Errors
/// `request_invalid` when it is no report, or a block is not what its hash says.
pub fn check_report(body: &[u8], identifier: &str) -> Result<CheckedReport, ApiError> {
    let report: Report = serde_json::from_slice(body).map_err(|error| {
        ApiError::new(
            ErrorCode::RequestInvalid,
            format!("the report cannot be read: {error}"),
        )
    })?;
    if !report.identifier.eq_ignore_ascii_case(identifier) {
        return Err(ApiError::new(
            ErrorCode::HostForbidden,
            format!("{identifier} may not report for another host"),
        ));
    }
    let mut blocks = BTreeMap::new();
    for (block, value) in report.blocks {
        let hash = block_hash(&value);
        if report.hashes.get(&block) != Some(&hash) {
            return Err(ApiError::new(
                ErrorCode::RequestInvalid,
                format!("the block {} is not the one that its hash names", block.as_str()),
            ));
        }
        let columns = columns(block, &value);
        blocks.insert(
            block,
            CheckedBlock {
                hash,
                body: value.to_string(),
                columns,
            },
        );
    }
    Ok(CheckedReport {
        hashes: report.hashes,
        blocks,
        running: clip(report.running.as_deref().unwrap_or_default()),
    })
}

/// Takes the columns from a block; a block that cannot be read as what it should be gives none.
pub fn columns(block: Block, value: &Value) -> Columns {
    let taken = match block {
        Block::Host => read::<HostBlock>(value).map(|host| Columns::Host(Box::new(host_columns(&host)))),
        Block::Hardware => read::<HardwareBlock>(value).map(|hardware| Columns::Hardware {
            manufacturer: clip(&hardware.manufacturer),
            model: clip(&hardware.model),
            serial: clip(&hardware.serial),
        }),
        Block::Packages => {
            read::<PackagesBlock>(value).map(|packages| Columns::Packages(package_columns(&packages)))
        }
        Block::Agent => read::<AgentBlock>(value).map(|agent| Columns::Agent {
            version: clip(&agent.version),
        }),
        Block::Tasks => read::<Vec<Task>>(value).map(Columns::Tasks),
        Block::Software | Block::Audits | Block::Updates => Some(Columns::None),
    };
    taken.unwrap_or_else(|| {
        tracing::warn!(block = block.as_str(), "a reported block has an unexpected shape");
        Columns::None
    })
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> Option<T> {
    serde_json::from_value(value.clone()).ok()
}

fn host_columns(host: &HostBlock) -> HostColumns {
    let (address, mac) = main_address(host);
    HostColumns {
        name: clip(if host.fqdn.is_empty() {
            &host.hostname
        } else {
            &host.fqdn
        }),
        description: clip(&host.description),
        os: clip(&host.os),
        os_version: clip(&host.os_version),
        architecture: clip(&host.architecture),
        address: clip(&address),
        mac: clip(&mac),
        ou: clip(&host.ou),
        users: host.users.iter().take(MAX_USERS).map(|user| clip(user)).collect(),
    }
}

/// The first address of the first interface that is neither loopback nor link-local, IPv4 before IPv6.
fn main_address(host: &HostBlock) -> (String, String) {
    let candidates = || {
        host.interfaces.iter().flat_map(|interface| {
            interface.addresses.iter().filter_map(move |address| {
                let bare = address.split('/').next().unwrap_or(address);
                let parsed: std::net::IpAddr = bare.parse().ok()?;
                let usable = match parsed {
                    std::net::IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local(),
                    std::net::IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local(),
                };
                usable.then(|| (parsed, interface.mac.clone()))
            })
        })
    };
    candidates()
        .find(|(address, _)| address.is_ipv4())
        .or_else(|| candidates().next())
        .map(|(address, mac)| (address.to_string(), mac))
        .unwrap_or_default()
}

fn package_columns(packages: &PackagesBlock) -> PackageColumns {
    let mut installed: Vec<_> = packages
        .installed
        .iter()
        .take(MAX_PACKAGES)
        .map(|one| (clip(&one.package), clip(&one.version), one.status.as_str()))
        .collect();
    installed.sort();
    installed.dedup_by(|one, other| one.0 == other.0);
    PackageColumns {
        total: packages.installed.len(),
        failed: packages.failed_count(),
        pending: packages.pending.len(),
        installed,
    }
}

/// A text short enough for the fleet's table.
pub fn clip(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(MAX_COLUMN_CHARS)
        .collect()
}

/// What a host says in sentences, short enough to be shown for each host of an action: cut after a word, with `…`.
pub fn clip_sentence(text: &str) -> String {
    let mut characters = text.chars().filter(|character| !character.is_control());
    let kept: String = characters.by_ref().take(MAX_SENTENCE_CHARS).collect();
    if characters.next().is_none() {
        return kept;
    }
    let whole = kept
        .trim_end()
        .rsplit_once(' ')
        .map_or(kept.as_str(), |(whole, _cut)| whole);
    format!("{} …", whole.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn report(identifier: &str, hash: &str) -> Vec<u8> {
        json!({"identifier": identifier, "hashes": {"agent": hash}, "blocks": {"agent": {"version": "1"}}})
            .to_string()
            .into_bytes()
    }

    #[test]
    fn a_long_sentence_is_cut_after_a_word() {
        assert_eq!(clip_sentence("short\n"), "short");
        let long = "word ".repeat(200);
        let cut = clip_sentence(&long);
        assert!(cut.ends_with("word …"), "{cut}");
        assert!(cut.chars().count() <= MAX_SENTENCE_CHARS + 2);
        assert_eq!(clip_sentence(&"x".repeat(600)), format!("{} …", "x".repeat(512)));
    }

    #[test]
    fn a_block_must_be_what_its_hash_says() {
        let good = block_hash(&json!({"version": "1"}));
        let checked = check_report(&report("Host-A", &good), "host-a").unwrap();
        assert_eq!(
            checked.blocks[&Block::Agent].columns,
            Columns::Agent { version: "1".into() }
        );
        let error = check_report(&report("host-a", &"0".repeat(64)), "host-a").unwrap_err();
        assert_eq!(error.code(), ErrorCode::RequestInvalid);
    }

    #[test]
    fn a_host_reports_for_itself_only() {
        let good = block_hash(&json!({"version": "1"}));
        let error = check_report(&report("host-b", &good), "host-a").unwrap_err();
        assert_eq!(error.code(), ErrorCode::HostForbidden);
    }

    #[test]
    fn the_address_shown_is_the_first_that_others_can_reach() {
        let value = json!({"hostname": "pc", "interfaces": [
            {"name": "lo", "mac": "", "addresses": ["127.0.0.1/8", "::1/128"]},
            {"name": "wl", "mac": "aa", "addresses": ["fe80::1/64", "2001:db8::2/64"]},
            {"name": "en", "mac": "bb", "addresses": ["10.1.2.3/24"]}]});
        let Columns::Host(host) = columns(Block::Host, &value) else {
            panic!("no columns")
        };
        assert_eq!(
            (host.address.as_str(), host.mac.as_str(), host.name.as_str()),
            ("10.1.2.3", "bb", "pc")
        );
    }

    #[test]
    fn a_block_of_another_shape_is_kept_but_gives_no_columns() {
        assert_eq!(columns(Block::Packages, &json!({"installed": 5})), Columns::None);
        assert_eq!(columns(Block::Tasks, &json!("x")), Columns::None);
    }
}
