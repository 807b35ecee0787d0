//! Why a host is offered a package or not, and what becomes of it there, in sentences.

use std::io::Write as _;

use jiff::Timestamp;
use muster_shared::catalogue::{Capabilities, Catalogue, Installed, Wanted, Why, explain};
use muster_shared::control::Control;
use muster_shared::crypto::{Certificate, TrustStore};
use muster_shared::hint::chain;
use muster_shared::index::{self, Index, IndexError, IndexLimits};
use muster_shared::package::{Package, Unverified};
use muster_shared::protocol::host::HostDetail;
use muster_shared::protocol::inventory::{AgentBlock, Block, HostBlock};
use muster_shared::protocol::package::{Change, InstallStatus};
use muster_shared::request::{Request, parse_list_as_wapt};
use serde::de::DeserializeOwned;

use super::resolve::{Offered, Question, RefusedPackage, of_index};

/// What there is to say about a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// Without a full stop.
    pub sentences: Vec<String>,
    /// Neither the host nor the repository has a package of that name.
    pub is_nowhere: bool,
}

/// Everything there is to say about a package on a host.
pub fn explained(question: &Question, package: &str) -> Explained {
    let Question {
        catalogue,
        installed,
        wanted,
    } = question;
    let mut sentences = explain::why(catalogue, package, installed, wanted);
    let is_here = installed.iter().any(|have| have.package == package);
    let is_nowhere = !is_here && !catalogue.lists(package);
    if is_nowhere {
        let here = installed.iter().map(|have| have.package.as_str());
        sentences.extend(explain::similar_sentence(package, catalogue.names().chain(here)));
    }
    Explained {
        sentences,
        is_nowhere,
    }
}

/// The control of a host's package, whose signature the host judges when it takes it.
///
/// # Errors
/// It is no package, or it cannot be kept for reading; in words.
pub fn claimed(bytes: &[u8]) -> Result<Control, String> {
    let kept = tempfile::NamedTempFile::new().and_then(|mut file| {
        file.write_all(bytes)?;
        file.flush()?;
        Ok(file)
    });
    let file = kept.map_err(|error| chain(&error))?;
    let package = Package::<Unverified>::open(file.path()).map_err(|error| chain(&error))?;
    Ok(package.control().clone())
}

/// What a newer package of the host, which it has not taken yet, says of a package: first of all sentences.
pub fn not_there_yet(detail: &HostDetail, newer: &Control, package: &str) -> Vec<String> {
    let packages = detail.packages();
    let (had, has) = (packages.host_package_version.as_str(), newer.version());
    if had == has {
        return Vec::new();
    }
    let taken = if had.is_empty() {
        "it has none".to_owned()
    } else {
        format!("it has {had}, which the following is about")
    };
    let mut sentences = vec![format!(
        "the host last reported at {}; its package {has} is not there yet ({taken})",
        detail
            .row
            .last_seen
            .round(jiff::Unit::Second)
            .unwrap_or(detail.row.last_seen)
    )];
    let lists = [
        (&packages.assigned, newer.depends_list(), "assigns", "depends"),
        (
            &packages.forbidden,
            newer.conflicts_list(),
            "forbids",
            "conflicts",
        ),
    ];
    for (before, after, does, attribute) in lists {
        let named = |requests: Vec<Request>| -> Vec<String> {
            let of_package = requests.into_iter().filter(|request| request.name == package);
            of_package.map(|request| request.to_string()).collect()
        };
        let before = named(parse_list_as_wapt(&before.join(",")));
        let after = named(after);
        if before == after {
            continue;
        }
        sentences.push(if after.is_empty() {
            format!("the host's package {has} no longer {does} {package}: its {attribute} do not name it")
        } else {
            format!(
                "the host's package {has} {does} {package}: its {attribute} name {}",
                after.join(", ")
            )
        });
    }
    sentences
}

/// The same of a host as it last reported itself, with the server's index (`None` when there is none yet):
/// what its next upgrade does with the package of the host that it has.
///
/// # Errors
/// The index cannot be read.
pub fn of_host(
    detail: &HostDetail,
    index: Option<&[u8]>,
    package: &str,
    now: Timestamp,
) -> Result<Explained, IndexError> {
    let index = match index {
        Some(bytes) => index::read(bytes, &IndexLimits::default())?,
        None => Index::default(),
    };
    let host: HostBlock = block(detail, Block::Host);
    let agent: AgentBlock = block(detail, Block::Agent);
    let packages = detail.packages();
    let mut sentences = Vec::new();
    let offered = trusted_by(&agent, index, now, &mut sentences);

    let requests = |list: &[String]| parse_list_as_wapt(&list.join(","));
    let (assigned, forbidden) = (requests(&packages.assigned), requests(&packages.forbidden));
    let by = explain::host_package(&detail.row.identifier, &packages.host_package_version);
    sentences.extend(explain::assignment(package, &assigned, &forbidden, &by));
    let is_allowed = |name: &str, version: &str| {
        let mut forbidden = forbidden.iter();
        !forbidden.any(|request| request.matches(name, version))
    };
    let capabilities = Capabilities {
        os: host.platform,
        os_version: host.os_version,
        architecture: host.architecture,
        locales: agent.locales,
        maturities: agent.maturities,
        packages_blacklist: agent.packages_blacklist,
        packages_whitelist: agent.packages_whitelist,
        language: host.language,
        now,
        ..Capabilities::default()
    };
    let catalogue = Catalogue::new(offered.entries, &capabilities)
        .with_forbidden(forbidden.clone(), &by)
        .with_unverified(offered.refused.iter().map(RefusedPackage::unverified));
    let wants = assigned.into_iter().map(|request| Wanted {
        request,
        why: Why::Assigned,
    });
    let mut question = Question {
        installed: Vec::new(),
        wanted: wants.collect(),
        catalogue,
    };
    for have in &packages.installed {
        question.installed.push(
            Installed::new(&have.package, &have.version).with_depends(parse_list_as_wapt(&have.depends)),
        );
        if is_allowed(&have.package, &have.version) && question.catalogue.newest(&have.package).is_some() {
            let is_failed = matches!(have.status, InstallStatus::Error | InstallStatus::Retry);
            question.wanted.push(Wanted {
                request: Request::any(&have.package),
                why: if is_failed { Why::Retry } else { Why::Upgrade },
            });
        }
    }
    let explained = explained(&question, package);
    sentences.extend(explained.sentences);
    for pending in packages
        .pending
        .iter()
        .filter(|pending| pending.package == package)
    {
        let why = pending.error.as_ref().unwrap_or(&pending.reason);
        sentences.push(match pending.change {
            Change::Impossible => format!("the host last reported: {package} cannot be had: {why}"),
            change => format!(
                "the host last reported: {} {package} {}: {why}",
                change.as_str(),
                pending.version
            ),
        });
    }
    Ok(Explained {
        sentences,
        is_nowhere: explained.is_nowhere,
    })
}

/// The rows that the host's trusted certificates accept, as far as the index shows these certificates.
fn trusted_by(agent: &AgentBlock, index: Index, now: Timestamp, sentences: &mut Vec<String>) -> Offered {
    let certificates = index
        .certificates
        .iter()
        .flat_map(|pem| Certificate::chain_from_pem(&String::from_utf8_lossy(pem)).unwrap_or_default());
    let is_trusted = |certificate: &Certificate| {
        let fingerprint = certificate.fingerprint();
        agent.trust.iter().any(|anchor| anchor.fingerprint == fingerprint)
    };
    let anchors: Vec<Certificate> = certificates.filter(is_trusted).collect();
    if anchors.is_empty() {
        if !index.entries.is_empty() {
            sentences.push(
                "none of the certificates that the host trusts is in the index, so that signatures are not \
                 judged here"
                    .to_owned(),
            );
        }
        return Offered {
            entries: index.entries,
            refused: Vec::new(),
        };
    }
    of_index(index, &TrustStore::new(anchors), now)
}

/// A block that the host reported, empty when it did not or it cannot be read.
fn block<T: DeserializeOwned + Default>(detail: &HostDetail, block: Block) -> T {
    let value = detail.blocks.get(&block).cloned();
    value
        .and_then(|value| serde_json::from_value(value).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use muster_shared::control::Section;

    use super::*;

    #[test]
    fn a_package_of_the_host_that_it_did_not_take_yet_is_said_with_what_it_changes() {
        let detail: HostDetail = serde_json::from_value(serde_json::json!({
            "row": {
                "identifier": "pc", "name": "pc", "status": "OK", "reachable": false,
                "packages_total": 0, "packages_failed": 0, "packages_pending": 0,
                "first_seen": "2026-01-01T00:00:00Z", "last_seen": "2026-01-02T00:00:00.5Z",
            },
            "blocks": { "packages": {
                "assigned": ["b", "a"], "forbidden": [], "host_package_version": "0-4", "update_error": "",
                "installed": [], "pending": [], "updated_at": null,
            } },
        }))
        .unwrap();
        let newer = Control::new("pc", "0-5", Section::Host)
            .with("depends", "a")
            .with("conflicts", "b(>=2)");
        assert_eq!(
            not_there_yet(&detail, &newer, "b"),
            [
                "the host last reported at 2026-01-02T00:00:01Z; its package 0-5 is not there yet (it has 0-4, which the \
                 following is about)",
                "the host's package 0-5 no longer assigns b: its depends do not name it",
                "the host's package 0-5 forbids b: its conflicts name b(>=2)",
            ]
        );
        assert_eq!(not_there_yet(&detail, &newer, "a").len(), 1);
        let same = Control::new("pc", "0-4", Section::Host);
        assert!(not_there_yet(&detail, &same, "b").is_empty());
    }
}
