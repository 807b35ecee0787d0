//! Events to consoles: they come while things happen, and a console that was away resumes.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::event::Event;
use muster_shared::protocol::inventory::Block;
use reqwest::Method;
use serde_json::json;

use crate::client::{Person, code};
use crate::harness::TestServer;
use crate::host::Host;

/// An open stream of events.
pub(crate) struct Events {
    stream: std::pin::Pin<Box<dyn futures_util::Stream<Item = reqwest::Result<Vec<u8>>>>>,
    text: String,
}

impl Events {
    pub(crate) async fn open(person: &Person<'_>, after: Option<&str>) -> Self {
        let mut request = person.request(Method::GET, "/api/v1/events");
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let stream = answer
            .bytes_stream()
            .map(|chunk| chunk.map(|bytes| bytes.to_vec()));
        Self {
            stream: Box::pin(stream),
            text: String::new(),
        }
    }

    /// The next event with its number.
    pub(crate) async fn next(&mut self) -> (String, Event) {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let message: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| message.lines().find_map(|line| line.strip_prefix(name));
                if let (Some(id), Some(data)) = (field("id: "), field("data: ")) {
                    return (id.to_owned(), serde_json::from_str(data).unwrap());
                }
                continue;
            }
            let chunk = tokio::time::timeout(Duration::from_secs(10), self.stream.next())
                .await
                .expect("no event came")
                .expect("the stream ended");
            self.text.push_str(&String::from_utf8(chunk.unwrap()).unwrap());
        }
    }

    /// The next event for which something is found in it.
    pub(crate) async fn find<T>(&mut self, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(self.next().await.1) {
                return found;
            }
        }
    }
}

#[tokio::test]
async fn a_console_sees_hosts_change_and_resumes_where_it_was() {
    let mut server = TestServer::start().await;
    let host = Host::registered(&server, "host-1").await;
    let person = server.administrator().await;
    let mut events = Events::open(&person, None).await;
    host.report(
        &server,
        &[(Block::Agent, json!({"version": "7"}))],
        &BTreeMap::new(),
    )
    .await;
    let (id, event) = events.next().await;
    assert!(matches!(event, Event::Host { row } if row.agent_version == "7"));
    drop(events);
    host.report(
        &server,
        &[(Block::Agent, json!({"version": "8"}))],
        &BTreeMap::new(),
    )
    .await;
    let mut events = Events::open(&person, Some(&id)).await;
    let (later, event) = events.next().await;
    assert!(matches!(event, Event::Host { row } if row.agent_version == "8"));
    assert!(later.parse::<u64>().unwrap() > id.parse::<u64>().unwrap());
    drop(events);
    let token = person.token;
    // A server that started since does not hold that far back.
    server.clock.forward(1);
    server.restart();
    let person = Person {
        server: &server,
        token,
    };
    let mut events = Events::open(&person, Some(&later)).await;
    let (reset, event) = events.next().await;
    assert_eq!(event, Event::Reset);
    let mut events = Events::open(&person, Some(&reset)).await;
    person.delete("/api/v1/hosts/host-1").await;
    assert_eq!(
        events.next().await.1,
        Event::HostDeleted {
            identifier: "host-1".to_owned()
        }
    );
}

#[tokio::test]
async fn a_number_that_is_none_is_refused() {
    let server = TestServer::start().await;
    let person = server.administrator().await;
    let request = person
        .request(Method::GET, "/api/v1/events")
        .header("last-event-id", "yesterday");
    assert_eq!(
        code(request.send().await.unwrap()).await,
        ErrorCode::RequestInvalid
    );
}
