//! Revocation lists from the web: the addresses of the configuration, and those that trusted certificates name.
//!
//! Each list is signed, so the connection is not trusted and may be plain HTTP. Every body is capped, all together
//! take a bounded time, and an address that failed is left alone for an hour: an update never waits for one that
//! is down.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use muster_shared::crypto::revocation::MAX_CRL_BYTES;
use muster_shared::crypto::{Certificate, RevocationList, TrustStore};
use muster_shared::hint::chain;
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::{Brought, blocking, keep, readable_store, unusable};
use crate::agent::Agent;
use crate::config::Config;
use crate::failure::Failure;
use crate::repo::client::read_capped;
use crate::repo::{Pace, Validators};
use crate::server_client::Connection;
use crate::state::facts;

/// At most this many addresses are asked.
const MAX_URLS: usize = 8;

/// All addresses together, at the same time, get this long.
const WITHIN: Duration = Duration::from_secs(10);

/// An address that failed is not asked again for this long.
const AFTER_FAILURE: SignedDuration = SignedDuration::from_hours(1);

/// Where issuers publish their lists, by the repository whose index has certificates of theirs.
pub(super) type Points = BTreeMap<String, Vec<String>>;

/// What is known of one address.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Check {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed_at: Option<Timestamp>,
    #[serde(default)]
    validators: Validators,
    /// The lists of the answer that the validators belong to, by fingerprint.
    #[serde(default)]
    lists: Vec<String>,
}

impl Check {
    /// A clock that was set back does not make the hour longer.
    fn is_due(&self, now: Timestamp) -> bool {
        self.failed_at
            .is_none_or(|failed| now < failed || now.duration_since(failed) >= AFTER_FAILURE)
    }
}

/// The addresses that certificates name which lead to an anchor: a stranger's name none.
pub(super) fn points(trust: &TrustStore, certificates: &[Certificate], at: Timestamp) -> Vec<String> {
    // Also a revoked one may say where its issuer's list is, so only strangers are left out.
    let naming = trust
        .anchors()
        .iter()
        .chain(certificates)
        .filter(|certificate| !certificate.crl_urls().is_empty());
    let mut urls: Vec<String> = Vec::new();
    for certificate in trust.leading(naming, certificates, at) {
        for url in certificate.crl_urls() {
            if !urls.contains(&url) && urls.len() < MAX_URLS {
                urls.push(url);
            }
        }
    }
    urls
}

pub(super) async fn fetch(agent: &Agent) -> Result<(), Failure> {
    let named: Points = agent
        .state
        .json_fact(facts::CRL_POINTS)
        .await?
        .unwrap_or_default();
    let mut urls = agent.config.crl_urls.clone();
    urls.extend(named.into_values().flatten());
    if urls.is_empty() {
        return Ok(());
    }
    let mut seen = BTreeSet::new();
    urls.retain(|url| seen.insert(url.clone()));
    urls.truncate(MAX_URLS);
    let now = agent.now();
    let known: BTreeMap<String, Check> = agent
        .state
        .json_fact(facts::CRL_CHECKS)
        .await?
        .unwrap_or_default();
    // A list that went away here has to be brought again: then nothing is asked about changes.
    let (trust, _damaged) = readable_store(agent).map_err(|error| unusable(&error))?;
    let here: BTreeSet<String> = trust.crls().map(RevocationList::fingerprint).collect();
    let check_of = |url: &String| {
        let mut check = known.get(url).cloned().unwrap_or_default();
        if check.lists.is_empty() || !check.lists.iter().all(|list| here.contains(list)) {
            check.validators = Validators::default();
        }
        check
    };
    let due: Vec<(String, Check)> = urls
        .iter()
        .map(|url| (url.clone(), check_of(url)))
        .filter(|(_url, check)| check.is_due(now))
        .collect();
    let answers = join_all(due.iter().map(|(url, check)| async move {
        match timeout(WITHIN, ask(url, &check.validators, &agent.config)).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(format!("no answer within {} s", WITHIN.as_secs())),
        }
    }))
    .await;
    let mut checks: BTreeMap<String, Check> = urls.iter().map(|url| (url.clone(), check_of(url))).collect();
    let mut brought: Vec<(String, Vec<RevocationList>, Validators)> = Vec::new();
    for ((url, _check), answer) in due.iter().zip(answers) {
        let check = checks.entry(url.clone()).or_default();
        check.failed_at = None;
        match answer {
            Ok(None) => {}
            Ok(Some((found, validators))) => brought.push((url.clone(), found, validators)),
            Err(reason) => {
                tracing::warn!(
                    url,
                    reason,
                    "no revocation list from this address; the last one counts"
                );
                check.failed_at = Some(now);
            }
        }
    }
    if !brought.is_empty() {
        let at = agent.own_time().await?;
        let (folder, indexes) = (agent.paths.crl_dir(), super::indexes(agent));
        let lists: Vec<Vec<u8>> = brought
            .iter()
            .flat_map(|(_url, found, _validators)| found.iter().map(|list| list.der().to_vec()))
            .collect();
        let in_force = blocking(move || {
            let brought = indexes
                .iter()
                .filter_map(|(_name, index)| Brought::of_file(index));
            let certificates: Vec<Certificate> = brought.flat_map(|brought| brought.certificates()).collect();
            let ders = lists.iter().map(Vec::as_slice);
            let (lists, _errors) = trust.read_crls(ders, &certificates, at);
            keep(&folder, &trust, lists, &certificates, at)
        })
        .await?;
        for (url, found, validators) in brought {
            let check = checks.entry(url).or_default();
            check.lists = found.iter().map(RevocationList::fingerprint).collect();
            // What does not count yet is fetched again: the certificate of its issuer may come later.
            check.validators = if check.lists.iter().all(|list| in_force.contains(list)) {
                validators
            } else {
                Validators::default()
            };
        }
    }
    // Last: lists that were not kept are fetched again.
    agent.state.set_json_fact(facts::CRL_CHECKS, &checks).await?;
    Ok(())
}

type Found = (Vec<RevocationList>, Validators);

/// One address: `None` when it still has what was kept.
async fn ask(url: &str, validators: &Validators, config: &Config) -> Result<Option<Found>, String> {
    // Plain addresses need no TLS; its settings are made all the same.
    let address = url.replacen("http://", "https://", 1);
    let connection = Connection::to_repository(&address, config).map_err(|error| chain(&error))?;
    let http = connection
        .http_client_for_signed()
        .map_err(|error| chain(&error))?;
    let request = http.get(url).headers(validators.condition());
    let response = request
        .send()
        .await
        .map_err(|error| chain(&error.without_url()))?;
    match response.status() {
        StatusCode::NOT_MODIFIED => return Ok(None),
        StatusCode::OK => {}
        status => return Err(format!("the answer is {status}")),
    }
    let validators = Validators::of(response.headers());
    let bytes = read_capped(
        response,
        "the revocation list",
        MAX_CRL_BYTES as u64 * 2,
        Pace::default(),
    )
    .await
    .map_err(|error| chain(&error))?;
    let lists = tokio::task::spawn_blocking(move || RevocationList::all_from_bytes(&bytes))
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| chain(&error))?;
    Ok(Some((lists, validators)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_failed_rests_for_an_hour_even_when_the_clock_is_set_back() {
        let now: Timestamp = "2026-03-01T10:00:00Z".parse().unwrap();
        let failed = Check {
            failed_at: Some(now),
            ..Check::default()
        };
        assert!(Check::default().is_due(now));
        assert!(!failed.is_due(now + SignedDuration::from_mins(59)));
        assert!(failed.is_due(now + SignedDuration::from_mins(60)));
        assert!(failed.is_due(now - SignedDuration::from_mins(1)));
    }
}
