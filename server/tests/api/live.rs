//! The live channel: presence, replacement, limits, hints.

use std::collections::BTreeMap;

use muster_shared::protocol::host::{HostDetail, HostRow, HostStatus};
use muster_shared::protocol::inventory::Block;
use muster_shared::protocol::live::{FromAgent, MAX_FRAME_BYTES, Refresh, ToAgent};
use muster_shared::protocol::task::TaskState;
use serde_json::json;
use uuid::Uuid;

use crate::client::Person;
use crate::eventually;
use crate::harness::TestServer;
use crate::host::Host;

async fn row(person: &Person<'_>, identifier: &str) -> HostRow {
    person
        .read::<HostDetail>(&format!("/api/v1/hosts/{identifier}"))
        .await
        .row
}

async fn until(person: &Person<'_>, what: &str, holds: impl Fn(&HostRow) -> bool) -> HostRow {
    eventually(what, || async {
        Some(row(person, "host-1").await).filter(&holds)
    })
    .await
}

#[tokio::test]
async fn a_host_is_reachable_while_it_is_connected_and_a_late_close_of_an_earlier_connection_changes_nothing()
{
    let server = TestServer::start().await;
    let host = Host::registered(&server, "host-1").await;
    let person = server.administrator().await;
    assert!(!row(&person, "host-1").await.reachable);
    let mut first = host.connect(&server).await;
    until(&person, "reachable", |row| row.reachable).await;
    let second = host.connect(&server).await;
    assert_eq!(first.next().await, None, "the first one is told to end");
    first.close().await;
    assert!(row(&person, "host-1").await.reachable);
    second.close().await;
    until(&person, "offline", |row| !row.reachable).await;
}

#[tokio::test]
async fn a_restart_forgets_connections_and_ends_them_in_order() {
    let mut server = TestServer::start().await;
    let host = Host::registered(&server, "host-1").await;
    let mut live = host.connect(&server).await;
    {
        let person = server.administrator().await;
        until(&person, "reachable", |row| row.reachable).await;
    }
    server.restart();
    assert_eq!(live.next().await, None);
    let person = server.administrator().await;
    assert!(!row(&person, "host-1").await.reachable);
}

#[tokio::test]
async fn work_on_a_host_shows_while_it_runs() {
    let server = TestServer::start().await;
    let host = Host::registered(&server, "host-1").await;
    let packages = json!({"pending": [{"package": "x", "change": "install"}]});
    host.report(&server, &[(Block::Packages, packages)], &BTreeMap::new())
        .await;
    let person = server.administrator().await;
    let mut live = host.connect(&server).await;
    let task = Uuid::now_v7();
    live.say_text("{\"type\":\"something-newer\"}").await;
    live.say(&FromAgent::Progress {
        task,
        batch: None,
        percent: Some(5),
        text: "installing x".into(),
    })
    .await;
    let shown = until(&person, "running", |row| row.status == HostStatus::Running).await;
    assert_eq!(shown.running, "installing x");
    live.say(&FromAgent::Finished {
        task,
        batch: None,
        state: TaskState::Done,
        summary: "ok".into(),
    })
    .await;
    until(&person, "idle", |row| {
        row.status == HostStatus::NeedUpgrade && row.running.is_empty()
    })
    .await;
    live.say(&FromAgent::Progress {
        task,
        batch: None,
        percent: None,
        text: "again".into(),
    })
    .await;
    until(&person, "running", |row| row.status == HostStatus::Running).await;
    live.close().await;
    until(&person, "gone", |row| {
        !row.reachable && row.status == HostStatus::NeedUpgrade
    })
    .await;
}

#[tokio::test]
async fn an_oversized_frame_ends_the_connection() {
    let server = TestServer::start().await;
    let host = Host::registered(&server, "host-1").await;
    let mut live = host.connect(&server).await;
    let text = "x".repeat(MAX_FRAME_BYTES + 1);
    live.say_text(&text).await;
    assert_eq!(live.next().await, None);
}

#[tokio::test]
async fn a_stranger_opens_no_channel() {
    let server = TestServer::start().await;
    let stranger = Host::new("host-1");
    assert_eq!(stranger.try_connect(&server).await.err(), Some(401));
}

#[tokio::test]
async fn hints_reach_connected_hosts_once() {
    let server = TestServer::start().await;
    let (one, two) = (
        Host::registered(&server, "host-1").await,
        Host::registered(&server, "host-2").await,
    );
    let (mut first, mut second) = (one.connect(&server).await, two.connect(&server).await);
    let person = server.administrator().await;
    eventually("both connected", || async {
        (server.state().relay.count() == 2).then_some(())
    })
    .await;
    until(&person, "reachable", |row| row.reachable).await;
    let relay = &server.state().relay;
    for _ in 0..5 {
        relay.refresh("host-1", Refresh::HostPackage);
    }
    assert_eq!(
        first.next().await,
        Some(ToAgent::Refresh {
            what: Refresh::HostPackage
        })
    );
    relay.refresh_all(Refresh::Repository);
    // The second hint about the package waits for its ten seconds; the one about the repository comes first.
    assert_eq!(
        first.next().await,
        Some(ToAgent::Refresh {
            what: Refresh::Repository
        })
    );
    assert_eq!(
        second.next().await,
        Some(ToAgent::Refresh {
            what: Refresh::Repository
        })
    );
}

#[tokio::test]
async fn a_deleted_host_loses_its_connection() {
    let server = TestServer::start().await;
    let host = Host::registered(&server, "host-1").await;
    let mut live = host.connect(&server).await;
    let person = server.administrator().await;
    until(&person, "reachable", |row| row.reachable).await;
    person.delete("/api/v1/hosts/host-1").await;
    assert_eq!(live.next().await, None);
}
