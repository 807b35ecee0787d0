//! Hosts: the fleet's table, one host, its deletion, the decision on a pending one.

use muster_shared::protocol::Page;
use muster_shared::protocol::host::{HostDetail, HostRow, RegistrationDecision};
use reqwest::Method;

use super::request::{ListQuery, segment};
use super::{Client, ClientError};

/// The fleet's table comes in pages of at most this many rows.
const HOSTS_PAGE: u32 = 50_000;

impl Client {
    /// One page of hosts.
    pub async fn hosts(&self, query: &ListQuery) -> Result<Page<HostRow>, ClientError> {
        self.get("/api/v1/hosts", &query.pairs()).await
    }

    /// Every host that matches a filter, at most `limit` of them.
    pub async fn all_hosts(
        &self,
        filter: &str,
        sort: &str,
        limit: usize,
    ) -> Result<Page<HostRow>, ClientError> {
        let mut query = ListQuery {
            filter: filter.to_owned(),
            sort: sort.to_owned(),
            limit: Some(u32::try_from(limit).unwrap_or(u32::MAX).clamp(1, HOSTS_PAGE)),
            cursor: None,
        };
        let mut all = self.hosts(&query).await?;
        while let Some(next) = all.next.take() {
            if all.items.len() >= limit {
                break;
            }
            query.cursor = Some(next);
            let page = self.hosts(&query).await?;
            // A server that repeats an empty page must not keep us here.
            if page.items.is_empty() {
                break;
            }
            all.items.extend(page.items);
            all.next = page.next;
        }
        all.items.truncate(limit);
        Ok(all)
    }

    /// One host with everything it reported.
    pub async fn host(&self, identifier: &str) -> Result<HostDetail, ClientError> {
        self.get(&format!("/api/v1/hosts/{}", segment(identifier)), &[])
            .await
    }

    /// Removes a host from the inventory.
    pub async fn delete_host(&self, identifier: &str) -> Result<(), ClientError> {
        self.delete(&format!("/api/v1/hosts/{}", segment(identifier)))
            .await
    }

    /// Decides on a host that waits with a new key; `changed` when another key waits than the one named.
    pub async fn decide_registration(
        &self,
        identifier: &str,
        decision: &RegistrationDecision,
    ) -> Result<(), ClientError> {
        let path = format!("/api/v1/hosts/{}/registration", segment(identifier));
        let request = self.request(Method::POST, &path, &[])?.json(decision);
        self.send(request).await.map(drop)
    }
}
