//! Reports of hosts and the fleet's table that comes of them.

use std::collections::BTreeMap;

use muster_shared::protocol::Page;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::host::{HostDetail, HostRow, HostStatus};
use muster_shared::protocol::inventory::{Block, block_hash};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::code;
use crate::harness::TestServer;
use crate::host::Host;

fn host_block(name: &str, address: &str) -> Value {
    json!({"hostname": name, "fqdn": format!("{name}.example.org"), "os": "Debian 12", "os_version": "12.7",
        "architecture": "x64", "domain": "example.org", "users": ["alice"],
        "interfaces": [{"name": "eth0", "mac": "00:11:22:33:44:55", "addresses": [address]}]})
}

fn packages(status: &str, pending: usize) -> Value {
    let pending: Vec<Value> = (0..pending)
        .map(|n| json!({"package": format!("p{n}"), "change": "install"}))
        .collect();
    json!({"installed": [{"package": "tis-firefox", "version": "128.0-3", "status": status,
        "log": "a long story", "changed_at": "2026-01-02T03:04:05Z"}], "pending": pending})
}

fn software() -> Value {
    json!([{"key": "7z", "name": "7-Zip 23.01 (x64)", "version": "23.01"}])
}

/// A query with everything but its own separators percent-encoded.
fn encoded(query: &str) -> String {
    let (filter, rest) = query.split_once('&').unwrap_or((query, ""));
    let Some((name, value)) = filter.split_once('=') else {
        return query.to_owned();
    };
    let value = value
        .bytes()
        .fold(String::new(), |text, byte| format!("{text}%{byte:02X}"));
    format!("{name}={value}&{rest}")
}

#[tokio::test]
async fn only_changed_blocks_travel_and_the_answer_says_what_the_server_holds() {
    let mut server = TestServer::start_with(|config| config.open_registration = true).await;
    let host = Host::registered(&server, "host-1").await;
    let blocks = [
        (Block::Host, host_block("pc-1", "10.0.0.1/24")),
        (Block::Packages, packages("OK", 0)),
        (Block::Software, software()),
    ];
    let first = host.report(&server, &blocks, &BTreeMap::new()).await;
    assert_eq!(first.hashes.len(), 3);
    let changed = [(Block::Packages, packages("ERROR", 0))];
    let mut unchanged = first.hashes.clone();
    unchanged.remove(&Block::Packages);
    let second = host.report(&server, &changed, &unchanged).await;
    assert_eq!(second.hashes[&Block::Packages], block_hash(&changed[0].1));
    assert_eq!(second.hashes[&Block::Software], first.hashes[&Block::Software]);

    let detail: HostDetail = server.administrator().await.read("/api/v1/hosts/host-1").await;
    assert_eq!(detail.blocks[&Block::Software], software(), "as reported");
    assert_eq!(detail.failed()[0].log, "a long story");
    assert_eq!(
        (detail.row.status, detail.row.packages_failed),
        (HostStatus::Error, 1)
    );
    assert_eq!(detail.row.name, "pc-1.example.org");
    assert_eq!(
        (detail.row.address.as_str(), detail.row.mac.as_str()),
        ("10.0.0.1", "00:11:22:33:44:55")
    );

    // A server that lost its database says so, and has everything back with the next report.
    server.restart_without_database().await;
    server.clock.forward(2);
    host.register(&server, crate::host::Proof::default()).await;
    let third = host.report(&server, &[], &second.hashes).await;
    assert!(third.hashes.is_empty());
    let all = [blocks[0].clone(), changed[0].clone(), blocks[2].clone()];
    assert_eq!(
        host.report(&server, &all, &BTreeMap::new()).await.hashes,
        second.hashes
    );
}

#[tokio::test]
async fn a_report_that_lies_about_its_blocks_changes_nothing() {
    let server = TestServer::start().await;
    let host = Host::registered(&server, "host-1").await;
    let body = json!({"identifier": "host-1", "hashes": {"host": "0".repeat(64)},
        "blocks": {"host": host_block("pc", "10.0.0.1/24")}});
    let answer = host
        .send(
            &server,
            Method::POST,
            "/api/v1/host/report",
            body.to_string().into_bytes(),
        )
        .await;
    assert_eq!(code(answer).await, ErrorCode::RequestInvalid);
    let answer = host
        .send(&server, Method::POST, "/api/v1/host/report", b"[]".to_vec())
        .await;
    assert_eq!(code(answer).await, ErrorCode::RequestInvalid);
    let detail: HostDetail = server.administrator().await.read("/api/v1/hosts/host-1").await;
    assert!(detail.blocks.is_empty());
}

#[tokio::test]
async fn the_fleet_is_filtered_sorted_and_paged() {
    let server = TestServer::start().await;
    for (identifier, name, status, pending) in [
        ("a", "pc-a", "OK", 0),
        ("b", "pc-b", "OK", 2),
        ("c", "srv-c", "ERROR", 1),
    ] {
        let host = Host::registered(&server, identifier).await;
        let blocks = [
            (Block::Host, host_block(name, "10.0.0.1/24")),
            (Block::Packages, packages(status, pending)),
            (Block::Software, software()),
            (
                Block::Hardware,
                json!({"manufacturer": "Dell", "memory_bytes": 8_589_934_592_u64,
                "disks": [{"name": "/", "free_gib": 5}]}),
            ),
            (Block::Agent, json!({"version": "0.1.0"})),
        ];
        host.report(&server, &blocks, &BTreeMap::new()).await;
    }
    let person = server.administrator().await;
    let found = async |query: &str| -> Vec<String> {
        let page: Page<HostRow> = person.read(&format!("/api/v1/hosts?{}", encoded(query))).await;
        page.items.into_iter().map(|row| row.identifier).collect()
    };
    assert_eq!(found("").await, ["a", "b", "c"]);
    assert_eq!(found("filter=status:error").await, ["c"]);
    assert_eq!(found("filter=status:need-upgrade").await, ["b"]);
    assert_eq!(
        found("filter=os:debian not reachable last_seen<1h&sort=-name").await,
        ["c", "b", "a"]
    );
    assert_eq!(
        found("filter=software:\"7-zip\"<24 package:tis-firefox>=128 name:pc-*").await,
        ["a", "b"]
    );
    assert_eq!(
        found("filter=memory>=8G disk_free<10G domain:example.org manufacturer:dell")
            .await
            .len(),
        3
    );
    assert_eq!(found("filter=software:\"7-zip\">=24").await.len(), 0);
    assert_eq!(found("filter=srv").await, ["c"]);
    assert_eq!(found("sort=status").await, ["c", "b", "a"]);
    let first: Page<HostRow> = person.read("/api/v1/hosts?limit=2&sort=-identifier").await;
    assert_eq!(first.total, 3);
    let cursor = first.next.unwrap();
    let second: Page<HostRow> = person
        .read(&format!("/api/v1/hosts?limit=2&sort=-identifier&cursor={cursor}"))
        .await;
    assert_eq!((second.items[0].identifier.as_str(), second.next), ("a", None));
}
