//! A large fleet on one server: every page and an action on all. `make bench` runs it with 50,000 hosts and shows
//! the figures that it prints.

use std::time::Instant;

use muster_shared::protocol::Page;
use muster_shared::protocol::action::ActionDetail;
use muster_shared::protocol::host::HostRow;

use crate::actions::{payload, signed};
use crate::client::good;
use crate::harness::TestServer;

/// Enough for every page to be cut; a bench asks for more.
const HOSTS: usize = 2_000;

#[tokio::test]
async fn a_large_fleet_lists_filters_and_takes_an_action() {
    let hosts = std::env::var("MUSTER_BENCH_HOSTS").map_or(HOSTS, |text| text.parse().unwrap());
    let server = TestServer::start().await;
    sqlx::query(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) \
         INSERT INTO hosts (host_key, identifier, keyid, spki, registered_by, name, os, os_version, address, mac, \
         manufacturer, model, serial, users_json, groups_json, agent_version, first_seen, last_seen) \
         SELECT printf('host-%05d', i), printf('Host-%05d', i), printf('%064d', i), x'00', 'token', \
         printf('pc-%05d.example.org', i), 'Debian 12', '12.7', '10.1.2.3', '00:11:22:33:44:55', 'Dell Inc.', \
         'Latitude 7440', printf('SN%08d', i), '[\"alice\"]', '[\"base\", \"office\"]', '0.1.0', i, i FROM n",
    )
    .bind(i64::try_from(hosts).unwrap())
    .execute(server.state().store.writer())
    .await
    .unwrap();
    let person = server.administrator().await;
    let timed = async |what: &str, path: &str| {
        let start = Instant::now();
        let page: Page<HostRow> = person.read(path).await;
        println!(
            "{what}: {} of {} rows in {:?}",
            page.items.len(),
            page.total,
            start.elapsed()
        );
        page
    };
    let page = timed("the whole fleet", "/api/v1/hosts?limit=50000").await;
    assert_eq!(page.items.len(), hosts);
    timed("a first page", "/api/v1/hosts").await;
    timed("a page by status", "/api/v1/hosts?sort=status").await;
    timed(
        "a filter over rows",
        "/api/v1/hosts?filter=name%3Apc-4%2A%20os%3Adebian",
    )
    .await;
    timed(
        "a filter over packages",
        "/api/v1/hosts?filter=package%3Atis-firefox",
    )
    .await;
    let targets: Vec<&str> = page.items.iter().map(|row| row.identifier.as_str()).collect();
    let body = signed(&payload(&server, &targets), &server.signer, &targets);
    let start = Instant::now();
    let detail: ActionDetail = good(person.post("/api/v1/actions", &body).await).await;
    println!(
        "an action on {} hosts: {:?}",
        detail.targets.len(),
        start.elapsed()
    );
    let start = Instant::now();
    let waiting = muster_server::store::action_targets::waiting(
        &server.state().store,
        "host-00007",
        muster_server::store::action_targets::Take::New,
        server.state().now(),
        10,
    )
    .await
    .unwrap();
    println!(
        "the queue of one host: {} in {:?}",
        waiting.len(),
        start.elapsed()
    );
    // The last connection goes back to its pool before the server is stopped from here.
    tokio::task::yield_now().await;
}
