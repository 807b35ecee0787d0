//! Signed actions: accepted, queued, brought, followed, refused.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use muster_server::jobs;
use muster_shared::clock::Clock as _;
use muster_shared::crypto::Signer;
use muster_shared::envelope::{Envelope, merkle};
use muster_shared::protocol::Page;
use muster_shared::protocol::action::{
    ACTION_TYPE, ActionDetail, ActionKind, ActionOptions, ActionPayload, ActionRow, SubmitAction,
    TargetState, Targets,
};
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::event::Event;
use muster_shared::protocol::inventory::Block;
use muster_shared::protocol::live::FromAgent;
use muster_shared::protocol::session::Role;
use muster_shared::protocol::task::TaskState;
use serde_json::json;
use uuid::Uuid;

use crate::client::{Person, bad, code, good};
use crate::events::Events;
use crate::eventually;
use crate::harness::{TestServer, signer};
use crate::host::Host;

pub(crate) fn payload(server: &TestServer, targets: &[&str]) -> ActionPayload {
    let now = server.clock.now();
    ActionPayload {
        version: 1,
        batch: Uuid::now_v7(),
        action: ActionKind::Upgrade,
        packages: Vec::new(),
        options: ActionOptions::default(),
        issued_at: now,
        not_before: now,
        expires_at: now.checked_add(SignedDuration::from_mins(15)).unwrap(),
        targets: Targets {
            count: targets.len() as u64,
            root: merkle::root(targets).unwrap(),
        },
    }
}

pub(crate) fn signed(payload: &ActionPayload, signer: &dyn Signer, targets: &[&str]) -> SubmitAction {
    let bytes = serde_json::to_vec(payload).unwrap();
    SubmitAction {
        envelope: Envelope::sign(ACTION_TYPE, &bytes, signer).unwrap(),
        targets: targets.iter().map(|target| (*target).to_owned()).collect(),
    }
}

async fn submit(person: &Person<'_>, targets: &[&str]) -> Uuid {
    let payload = payload(person.server, targets);
    let answer = person
        .post(
            "/api/v1/actions",
            &signed(&payload, &person.server.signer, targets),
        )
        .await;
    let detail: ActionDetail = good(answer).await;
    assert_eq!(detail.targets.len(), targets.len());
    payload.batch
}

async fn state_of(person: &Person<'_>, batch: Uuid, identifier: &str) -> TargetState {
    let detail: ActionDetail = person.read(&format!("/api/v1/actions/{batch}")).await;
    detail
        .targets
        .iter()
        .find(|target| target.identifier == identifier)
        .unwrap()
        .state
}

async fn until(person: &Person<'_>, batch: Uuid, identifier: &str, wanted: TargetState) {
    eventually(wanted.as_str(), || async {
        (state_of(person, batch, identifier).await == wanted).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_action_reaches_connected_hosts_with_their_proofs_and_its_course_is_seen() {
    let server = TestServer::start().await;
    let (a, b) = (
        Host::registered(&server, "Host-A").await,
        Host::registered(&server, "host-b").await,
    );
    Host::registered(&server, "host-c").await;
    let person = server.sign_in(Role::Deployer).await;
    let mut events = Events::open(&person, None).await;
    let (mut live_a, mut live_b) = (a.connect(&server).await, b.connect(&server).await);
    let targets = ["host-a", "host-b", "host-c"];
    let batch = submit(&person, &targets).await;
    let row = events
        .find(|event| {
            if let Event::Action { row } = event {
                Some(row)
            } else {
                None
            }
        })
        .await;
    assert_eq!(
        (row.batch, row.signer.as_str(), row.submitted_by.as_str()),
        (batch, "Alice", "deployer")
    );
    for (live, identifier) in [(&mut live_a, "host-a"), (&mut live_b, "host-b")] {
        let (brought, envelope, proof) = live.action().await;
        assert_eq!(brought, batch);
        let payload: ActionPayload = serde_json::from_slice(&envelope.payload_unverified().unwrap()).unwrap();
        assert!(merkle::verify(
            identifier,
            &proof,
            payload.targets.count,
            &payload.targets.root
        ));
    }
    until(&person, batch, "host-a", TargetState::Sent).await;
    let task = Uuid::now_v7();
    live_a
        .say(&FromAgent::Ack {
            batch,
            accepted: true,
            reason: String::new(),
        })
        .await;
    until(&person, batch, "host-a", TargetState::Accepted).await;
    live_a
        .say(&FromAgent::Progress {
            task,
            batch: Some(batch),
            percent: Some(40),
            text: "half way".into(),
        })
        .await;
    until(&person, batch, "host-a", TargetState::Running).await;
    let state = TaskState::Failed;
    live_a
        .say(&FromAgent::Finished {
            task,
            batch: Some(batch),
            state,
            summary: "no disk".into(),
        })
        .await;
    until(&person, batch, "host-a", TargetState::Failed).await;
    live_b
        .say(&FromAgent::Ack {
            batch,
            accepted: false,
            reason: "action_expired: too late".into(),
        })
        .await;
    until(&person, batch, "host-b", TargetState::Refused).await;
    let detail: ActionDetail = person.read(&format!("/api/v1/actions/{batch}")).await;
    let texts: Vec<_> = detail.targets.iter().map(|target| target.text.as_str()).collect();
    assert_eq!(texts, ["no disk", "action_expired: too late", ""]);
    assert_eq!(detail.targets[0].name, "Host-A.example.org");
    let page: Page<ActionRow> = person.read("/api/v1/actions").await;
    assert_eq!(page.items[0].states["queued"], 1);
    events
        .find(|event| matches!(event, Event::Task { over: true, .. }).then_some(()))
        .await;
    let failed = events
        .find(|event| match event {
            Event::ActionTarget { target, .. } if target.state == TargetState::Failed => Some(target),
            _ => None,
        })
        .await;
    assert_eq!(failed.text, "no disk");
}

#[tokio::test]
async fn the_queue_of_a_host_that_is_off_survives_a_restart_and_is_brought_in_order() {
    let mut server = TestServer::start().await;
    let host = Host::registered(&server, "host-a").await;
    let (first, second) = {
        let person = server.administrator().await;
        (
            submit(&person, &["host-a"]).await,
            submit(&person, &["host-a"]).await,
        )
    };
    server.clock.forward(1);
    server.restart();
    let mut live = host.connect(&server).await;
    assert_eq!(live.action().await.0, first);
    assert_eq!(live.action().await.0, second);
    live.say(&FromAgent::Ack {
        batch: first,
        accepted: true,
        reason: String::new(),
    })
    .await;
    let person = server.administrator().await;
    until(&person, first, "host-a", TargetState::Accepted).await;
    // The connection breaks before the second is acknowledged: it is brought again, the first is not.
    live.close().await;
    let mut live = host.connect(&server).await;
    assert_eq!(live.action().await.0, second);
    // The host had taken it; only the acknowledgement was lost.
    live.say(&FromAgent::Ack {
        batch: second,
        accepted: false,
        reason: "action_replayed: known".into(),
    })
    .await;
    until(&person, second, "host-a", TargetState::Accepted).await;
    let third = submit(&person, &["host-a"]).await;
    assert_eq!(live.action().await.0, third);
    live.say(&FromAgent::Ack {
        batch: third,
        accepted: false,
        reason: "action_replayed: lost list".into(),
    })
    .await;
    until(&person, third, "host-a", TargetState::Refused).await;
}

#[tokio::test]
async fn what_the_channel_lost_comes_with_the_next_report() {
    let server = TestServer::start().await;
    let host = Host::registered(&server, "host-a").await;
    let person = server.administrator().await;
    let batch = submit(&person, &["host-a"]).await;
    let task = |state: &str| {
        json!([{"id": Uuid::now_v7(), "kind": "upgrade", "state": state, "batch": batch,
            "created_at": "2026-01-01T00:00:00Z", "text": "said by the report"}])
    };
    host.report(&server, &[(Block::Tasks, task("running"))], &BTreeMap::new())
        .await;
    assert_eq!(state_of(&person, batch, "host-a").await, TargetState::Running);
    host.report(&server, &[(Block::Tasks, task("done"))], &BTreeMap::new())
        .await;
    assert_eq!(state_of(&person, batch, "host-a").await, TargetState::Done);
    host.report(&server, &[(Block::Tasks, task("running"))], &BTreeMap::new())
        .await;
    assert_eq!(
        state_of(&person, batch, "host-a").await,
        TargetState::Done,
        "what is over stays over"
    );
}

#[tokio::test]
async fn what_waits_too_long_expires_and_is_not_brought() {
    let server = TestServer::start().await;
    let host = Host::registered(&server, "host-a").await;
    let person = server.administrator().await;
    let expired = submit(&person, &["host-a"]).await;
    server.clock.forward(15 * 60 + 1);
    jobs::expire(server.state()).await.unwrap();
    assert_eq!(state_of(&person, expired, "host-a").await, TargetState::Expired);
    let fresh = submit(&person, &["host-a"]).await;
    let mut live = host.connect(&server).await;
    assert_eq!(live.action().await.0, fresh);
}

#[tokio::test]
async fn a_cancelled_batch_is_not_brought_to_hosts_that_have_not_taken_it() {
    let server = TestServer::start().await;
    Host::registered(&server, "host-a").await;
    let person = server.administrator().await;
    let batch = submit(&person, &["host-a"]).await;
    let mut cancel = payload(&server, &["host-a"]);
    cancel.action = ActionKind::Cancel;
    cancel.options.cancel_batch = Some(batch);
    let answer = person
        .post("/api/v1/actions", &signed(&cancel, &server.signer, &["host-a"]))
        .await;
    good::<ActionDetail>(answer).await;
    assert_eq!(state_of(&person, batch, "host-a").await, TargetState::Cancelled);
}

#[tokio::test]
async fn an_action_that_breaks_a_rule_is_refused_and_leaves_nothing() {
    let server = TestServer::start().await;
    Host::registered(&server, "host-a").await;
    let person = server.administrator().await;
    let good_one = payload(&server, &["host-a"]);
    let send = |payload: ActionPayload, targets: &'static [&'static str]| {
        let body = signed(&payload, &server.signer, targets);
        let person = &person;
        async move { person.post("/api/v1/actions", &body).await }
    };
    let stranger = signed(&good_one, &signer("Mallory"), &["host-a"]);
    let answer = person.post("/api/v1/actions", &stranger).await;
    assert_eq!(code(answer).await, ErrorCode::EnvelopeSignerUntrusted);
    let mut tampered = signed(&good_one, &server.signer, &["host-a"]);
    tampered.envelope.payload = signed(&payload(&server, &["host-a"]), &server.signer, &["host-a"])
        .envelope
        .payload;
    let answer = person.post("/api/v1/actions", &tampered).await;
    assert_eq!(code(answer).await, ErrorCode::EnvelopeSignatureInvalid);
    let answer = send(good_one.clone(), &["host-a", "host-b"]).await;
    assert_eq!(code(answer).await, ErrorCode::ActionTargetsMismatch);
    let unknown = ["host-a", "host-x", "host-y"];
    let error = bad(send(payload(&server, &unknown), &["host-a", "host-x", "host-y"]).await).await;
    assert_eq!(error.code, ErrorCode::NotFound);
    assert!(error.message.ends_with("host-x, host-y"), "{}", error.message);
    let mut late = good_one.clone();
    let hour = SignedDuration::from_hours(1);
    late.issued_at = late.issued_at.checked_sub(hour).unwrap();
    late.not_before = late.issued_at;
    late.expires_at = server
        .clock
        .now()
        .checked_sub(SignedDuration::from_mins(1))
        .unwrap();
    assert_eq!(
        code(send(late, &["host-a"]).await).await,
        ErrorCode::ActionExpired
    );
    let mut extra = serde_json::to_value(&good_one).unwrap();
    extra["surprise"] = json!(1);
    let envelope = Envelope::sign(ACTION_TYPE, extra.to_string().as_bytes(), &server.signer).unwrap();
    let answer = person
        .post(
            "/api/v1/actions",
            &SubmitAction {
                envelope,
                targets: vec!["host-a".into()],
            },
        )
        .await;
    assert_eq!(code(answer).await, ErrorCode::PayloadUnsupported);
    assert_eq!(person.read::<Page<ActionRow>>("/api/v1/actions").await.total, 0);
    // The flow without an attack, and the same once more.
    assert!(send(good_one.clone(), &["host-a"]).await.status().is_success());
    assert_eq!(
        code(send(good_one, &["host-a"]).await).await,
        ErrorCode::ActionReplayed
    );
}

#[tokio::test]
async fn a_signer_removed_from_the_folder_is_not_trusted_any_more() {
    let server = TestServer::start().await;
    Host::registered(&server, "host-a").await;
    let person = server.administrator().await;
    submit(&person, &["host-a"]).await;
    fs_err::remove_file(server.data("trust").join("alice.crt")).unwrap();
    let payload = payload(&server, &["host-a"]);
    let error = bad(person
        .post("/api/v1/actions", &signed(&payload, &server.signer, &["host-a"]))
        .await)
    .await;
    assert_eq!(error.code, ErrorCode::EnvelopeSignerUntrusted);
    assert!(error.hints.concat().contains("trust add"));
}

#[tokio::test]
async fn actions_are_listed_newest_first_page_by_page() {
    let server = TestServer::start().await;
    Host::registered(&server, "host-a").await;
    let person = server.administrator().await;
    let mut batches = Vec::new();
    for _ in 0..3 {
        batches.push(submit(&person, &["host-a"]).await);
    }
    let first: Page<ActionRow> = person.read("/api/v1/actions?limit=2").await;
    assert_eq!(
        (first.items[0].batch, first.items[1].batch, first.total),
        (batches[2], batches[1], 3)
    );
    let cursor = first.next.unwrap();
    let second: Page<ActionRow> = person
        .read(&format!("/api/v1/actions?limit=2&cursor={cursor}"))
        .await;
    assert_eq!((second.items[0].batch, second.next), (batches[0], None));
}

#[tokio::test]
async fn an_action_planned_for_later_is_held_back_until_then_and_does_not_hold_back_others() {
    let server = TestServer::start().await;
    let host = Host::registered(&server, "host-a").await;
    let person = server.administrator().await;
    let mut live = host.connect(&server).await;
    let mut planned = payload(&server, &["host-a"]);
    planned.not_before = planned
        .issued_at
        .checked_add(SignedDuration::from_mins(10))
        .unwrap();
    let answer = person
        .post("/api/v1/actions", &signed(&planned, &server.signer, &["host-a"]))
        .await;
    good::<ActionDetail>(answer).await;
    let at_once = submit(&person, &["host-a"]).await;
    assert_eq!(live.action().await.0, at_once);
    let before = server.clock.now();
    server.clock.forward(601);
    jobs::bring_due(server.state(), before).await.unwrap();
    assert_eq!(live.action().await.0, planned.batch);
}

#[tokio::test]
async fn an_action_that_was_answered_is_on_disk_when_the_server_is_killed() {
    let server = TestServer::start().await;
    let host = Host::registered(&server, "host-a").await;
    let person = server.administrator().await;
    let batch = submit(&person, &["host-a"]).await;
    // What a killed server leaves behind is what its files hold at that moment.
    let after_the_kill = server.copy_as_killed().await;
    after_the_kill.clock.forward(2);
    let mut live = host.connect(&after_the_kill).await;
    assert_eq!(live.action().await.0, batch);
}
