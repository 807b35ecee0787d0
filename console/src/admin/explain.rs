//! Why a host is offered a package or not, and what becomes of it there, in sentences.

use jiff::Timestamp;
use muster_shared::catalogue::{Capabilities, Catalogue, Installed, Wanted, Why, explain};
use muster_shared::crypto::{Certificate, TrustStore};
use muster_shared::index::{self, Index, IndexError, IndexLimits};
use muster_shared::protocol::host::HostDetail;
use muster_shared::protocol::inventory::{AgentBlock, Block, HostBlock};
use muster_shared::protocol::package::{Change, InstallStatus};
use muster_shared::request::{Request, parse_list_as_wapt};
use serde::de::DeserializeOwned;

use super::resolve::{Offered, Question, RefusedPackage, of_index};

/// Everything there is to say about a package on a host: sentences without a full stop.
pub fn sentences(question: &Question, refused: &[RefusedPackage], package: &str) -> Vec<String> {
    let mut sentences = explain::why(
        &question.catalogue,
        package,
        &question.installed,
        &question.wanted,
    );
    let of_package = refused.iter().filter(|row| row.package == package);
    sentences.extend(of_package.map(|row| {
        format!(
            "{package} {} ({}) is not offered: {}",
            row.version, row.filename, row.reason
        )
    }));
    sentences
}

/// The same of a host as it last reported itself, with the server's index (`None` when there is none yet):
/// what its next upgrade does.
///
/// # Errors
/// The index cannot be read.
pub fn of_host(
    detail: &HostDetail,
    index: Option<&[u8]>,
    package: &str,
    now: Timestamp,
) -> Result<Vec<String>, IndexError> {
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
    for (list, what, attribute) in [
        (&assigned, "assigned to", "depends"),
        (&forbidden, "forbidden on", "conflicts"),
    ] {
        for request in list.iter().filter(|request| request.name == package) {
            sentences.push(format!(
                "{package} is {what} this host: the {attribute} of the host's package {} name {request}",
                packages.host_package_version
            ));
        }
    }
    let is_allowed = |name: &str, version: &str| {
        let mut forbidden = forbidden.iter();
        !forbidden.any(|request| request.matches(name, version))
    };
    let mut entries = offered.entries;
    entries.retain(|entry| is_allowed(entry.control.package(), entry.control.version()));
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
    let catalogue = Catalogue::new(entries, &capabilities);
    let wants = assigned.into_iter().map(|request| Wanted {
        request,
        why: Why::Asked,
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
    sentences.extend(self::sentences(&question, &offered.refused, package));
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
    Ok(sentences)
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
