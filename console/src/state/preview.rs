//! What an order will do, by package, worked out from the hosts' last reports.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_shared::protocol::action::ActionKind;
use muster_shared::protocol::host::HostDetail;
use muster_shared::protocol::inventory::{AgentBlock, Block};
use muster_shared::protocol::package::Change;
use muster_shared::request::Request;

use super::order::{OrderDialog, PREVIEW_HOSTS};
use crate::ui::text::counted;
use crate::worker::SignerEntry;

/// How a line of the preview looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Something is installed or upgraded.
    Change,
    /// Something is removed, refused or impossible.
    Warning,
    /// Something waits.
    Away,
    /// Nothing happens.
    Nothing,
}

/// One line of the preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub kind: Kind,
    pub name: String,
    pub note: String,
    pub end: String,
}

/// The lines of an order's preview.
pub fn lines(order: &OrderDialog, signer: Option<&SignerEntry>, now: Timestamp) -> Vec<Line> {
    let details = order.preview.value().map(Vec::as_slice).unwrap_or_default();
    let mut lines = match order.kind {
        ActionKind::Upgrade => upgrades(details),
        ActionKind::Install => installs(&order.packages, details),
        ActionKind::Remove | ActionKind::Forget => removals(order.kind, &order.packages, details),
        ActionKind::Update => vec![Line {
            kind: Kind::Change,
            name: "Repository".to_owned(),
            note: "read again; nothing is installed".to_owned(),
            end: format!("on {}", counted(order.targets.len() as u64, "host")),
        }],
        _ => Vec::new(),
    };
    if order.targets.len() > PREVIEW_HOSTS && order.kind != ActionKind::Update {
        let waiting: u64 = order.targets.iter().map(|target| u64::from(target.waiting)).sum();
        lines.push(Line {
            kind: Kind::Nothing,
            name: format!(
                "{} more",
                counted((order.targets.len() - PREVIEW_HOSTS) as u64, "host")
            ),
            note: if order.kind == ActionKind::Upgrade {
                format!("{} waiting on all of them", counted(waiting, "change"))
            } else {
                String::new()
            },
            end: format!("shown: the first {PREVIEW_HOSTS}"),
        });
    }
    lines.extend(away(order, now));
    lines.extend(refusals(order, details, signer));
    lines
}

/// One change on several hosts.
#[derive(Default)]
struct Changed {
    hosts: u64,
    /// The versions that they come from.
    from: Vec<String>,
    reason: String,
}

fn upgrades(details: &[HostDetail]) -> Vec<Line> {
    let mut changes: BTreeMap<(String, String, &'static str), Changed> = BTreeMap::new();
    let mut idle = 0;
    for detail in details {
        let packages = detail.packages();
        if packages.pending.is_empty() {
            idle += 1;
        }
        for pending in packages.pending {
            let entry = changes
                .entry((pending.package, pending.version, pending.change.as_str()))
                .or_insert_with(|| Changed {
                    reason: pending.error.unwrap_or(pending.reason),
                    ..Changed::default()
                });
            entry.hosts += 1;
            if !pending.from.is_empty() && !entry.from.contains(&pending.from) {
                entry.from.push(pending.from);
            }
        }
    }
    let mut lines: Vec<Line> = changes
        .into_iter()
        .map(
            |((package, version, change), Changed { hosts, from, reason })| Line {
                kind: if change == Change::Install.as_str() || change == Change::Upgrade.as_str() {
                    Kind::Change
                } else {
                    Kind::Warning
                },
                name: format!("{package} {version}").trim().to_owned(),
                note: if from.is_empty() {
                    reason
                } else {
                    format!("from {}", from.join(", "))
                },
                end: format!("{change} on {}", counted(hosts, "host")),
            },
        )
        .collect();
    if idle > 0 {
        lines.push(nothing(idle, "have nothing waiting in their last report"));
    }
    lines
}

fn installs(packages: &[String], details: &[HostDetail]) -> Vec<Line> {
    packages
        .iter()
        .map(|package| {
            let have = hosts_with(package, details);
            let note = match have {
                0 => String::new(),
                have => format!("already on {}", counted(have, "host")),
            };
            Line {
                kind: Kind::Change,
                name: package.clone(),
                note,
                end: format!("install on {}", counted(details.len() as u64 - have, "host")),
            }
        })
        .collect()
}

fn removals(kind: ActionKind, packages: &[String], details: &[HostDetail]) -> Vec<Line> {
    packages
        .iter()
        .map(|package| {
            let have = hosts_with(package, details);
            Line {
                kind: if have == 0 { Kind::Nothing } else { Kind::Warning },
                name: package.clone(),
                note: if kind == ActionKind::Forget {
                    "stays installed, no longer managed".to_owned()
                } else {
                    String::new()
                },
                end: format!("{} on {}", kind.as_str(), counted(have, "host")),
            }
        })
        .collect()
}

fn hosts_with(package: &str, details: &[HostDetail]) -> u64 {
    let request = Request::parse_as_wapt(package);
    let has = |detail: &&HostDetail| {
        detail.packages().installed.iter().any(|installed| {
            installed.status.is_installed() && request.matches(&installed.package, &installed.version)
        })
    };
    details.iter().filter(has).count() as u64
}

fn away(order: &OrderDialog, now: Timestamp) -> Option<Line> {
    let away = order.targets.iter().filter(|target| !target.reachable).count() as u64;
    if away == 0 {
        return None;
    }
    let until = now
        .checked_add(order.lifetime())
        .ok()
        .map(crate::state::time::local_minute);
    Some(Line {
        kind: Kind::Away,
        name: format!(
            "{} {} away",
            counted(away, "host"),
            if away == 1 { "is" } else { "are" }
        ),
        note: String::new(),
        end: format!("queued until {}", until.unwrap_or_default()),
    })
}

fn refusals(order: &OrderDialog, details: &[HostDetail], signer: Option<&SignerEntry>) -> Vec<Line> {
    let mut lines = Vec::new();
    let pending = order
        .targets
        .iter()
        .filter(|target| target.pending_registration)
        .count() as u64;
    if pending > 0 {
        lines.push(Line {
            kind: Kind::Warning,
            name: format!("{} will refuse", counted(pending, "host")),
            note: "they wait for a decision on their registration".to_owned(),
            end: String::new(),
        });
    }
    // Without a CA between, a host trusts a signer exactly when it holds the signer's own certificate.
    if let Some(signer) = signer.filter(|signer| signer.self_signed) {
        let refuses = |detail: &&HostDetail| {
            let agent = detail
                .blocks
                .get(&Block::Agent)
                .and_then(|value| serde_json::from_value::<AgentBlock>(value.clone()).ok());
            agent.is_some_and(|agent| {
                !agent.trust.is_empty()
                    && !agent
                        .trust
                        .iter()
                        .any(|anchor| anchor.fingerprint == signer.fingerprint)
            })
        };
        let count = details.iter().filter(refuses).count() as u64;
        if count > 0 {
            lines.push(Line {
                kind: Kind::Warning,
                name: format!("{} will refuse", counted(count, "host")),
                note: "they do not trust your certificate".to_owned(),
                end: String::new(),
            });
        }
    }
    lines
}

fn nothing(count: u64, what: &str) -> Line {
    Line {
        kind: Kind::Nothing,
        name: counted(count, "host"),
        note: what.to_owned(),
        end: String::new(),
    }
}
