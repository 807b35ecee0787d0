//! Flows of the model without drawing: what commands and answers lead to.

use std::collections::BTreeMap;

use egui::Theme;
use muster_console::action::UserAction;
use muster_console::command::{Command, Pick};
use muster_console::remote::Problem;
use muster_console::state::order::Stage;
use muster_console::state::preview::{self, Kind};
use muster_console::state::{Dialog, Effect, Live, Moment, State, sign_in};
use muster_console::worker::{Answer, HostEdit, Request, Saved};
use muster_shared::envelope::Envelope;
use muster_shared::protocol::action::{ActionDetail, ActionKind, ActionRow, TargetRow, TargetState};
use muster_shared::protocol::event::Event;
use muster_shared::protocol::host::HostStatus;
use uuid::Uuid;

use crate::sample;

fn run(state: &mut State, command: Command) -> Vec<Effect> {
    state.handle(command, Theme::Dark, sample::moment())
}

fn detail_of(batch: Uuid, identifier: &str, state: TargetState) -> ActionDetail {
    let now = sample::moment().now;
    let envelope: Envelope = serde_json::from_value(serde_json::json!({
        "payloadType": "t", "payload": "", "signatures": [], "certificates": []
    }))
    .unwrap();
    ActionDetail {
        row: ActionRow {
            batch,
            action: ActionKind::Upgrade,
            packages: Vec::new(),
            signer: "C. Moreau".to_owned(),
            signer_fingerprint: "ab".repeat(32),
            submitted_by: "c.moreau".to_owned(),
            issued_at: now,
            expires_at: now.checked_add(jiff::SignedDuration::from_mins(15)).unwrap(),
            target_count: 1,
            states: BTreeMap::from([(state.as_str().to_owned(), 1)]),
        },
        envelope,
        targets: vec![target(identifier, state)],
    }
}

fn target(identifier: &str, state: TargetState) -> TargetRow {
    TargetRow {
        identifier: identifier.to_owned(),
        name: String::new(),
        state,
        percent: None,
        text: String::new(),
        changed_at: sample::moment().now,
    }
}

#[test]
fn results_come_live_into_the_dialog_after_sending() {
    let mut state = sample::state(18);
    run(
        &mut state,
        Command::PickHost {
            position: 0,
            pick: Pick::Only,
        },
    );
    run(&mut state, Command::Run(UserAction::Upgrade));
    let Dialog::Order(order) = &state.dialog else {
        panic!("no order")
    };
    order.secret.edit(|secret| secret.push_str("123456"));
    let effects = run(&mut state, Command::Confirm);
    let sent = effects.iter().any(
        |effect| matches!(effect, Effect::Ask(Request::Order { signing, .. }) if signing.secret.is_some()),
    );
    assert!(sent, "{effects:?}");
    let batch = Uuid::now_v7();
    let detail = Box::new(detail_of(batch, "id-fin-ws-014", TargetState::Sent));
    state.answer(Answer::Ordered(Ok(detail)), sample::moment());
    let Dialog::Order(order) = &state.dialog else {
        panic!("no order")
    };
    assert_eq!(order.stage, Stage::Sent(batch));
    assert!(state.running_work(sample::moment().now).is_some());
    let moved = Event::ActionTarget {
        batch,
        target: target("ID-FIN-WS-014", TargetState::Done),
    };
    state.answer(Answer::Event(Box::new(moved)), sample::moment());
    let row = state.activity.row(batch).unwrap();
    assert_eq!(
        (row.states.get("done"), row.states.get("sent")),
        (Some(&1), Some(&0))
    );
    assert!(state.running_work(sample::moment().now).is_none());
}

#[test]
fn a_preview_names_changes_absent_hosts_and_refusals() {
    let mut state = sample::state(18);
    run(&mut state, Command::Run(UserAction::SelectAll));
    run(&mut state, Command::Run(UserAction::Upgrade));
    let Dialog::Order(order) = &state.dialog else {
        panic!("no order")
    };
    let id = order.id;
    let details = sample::fleet(18)
        .into_iter()
        .take(2)
        .map(sample::detail)
        .collect();
    state.answer(
        Answer::Preview {
            order: id,
            details: Ok(details),
        },
        sample::moment(),
    );
    let Dialog::Order(order) = &state.dialog else {
        panic!("no order")
    };
    let mut stranger = sample::token();
    stranger.fingerprint = "00".repeat(32);
    let lines = preview::lines(order, Some(&stranger), sample::moment().now);
    let ends: Vec<&str> = lines.iter().map(|line| line.end.as_str()).collect();
    assert!(ends.contains(&"upgrade on 2 hosts"), "{ends:?}");
    assert!(
        lines
            .iter()
            .any(|line| line.kind == Kind::Away && line.name == "3 hosts are away")
    );
    assert!(lines.iter().any(|line| line.name == "2 hosts will refuse"));
    let lines = preview::lines(order, Some(&sample::token()), sample::moment().now);
    assert!(!lines.iter().any(|line| line.name.contains("refuse")));
}

#[test]
fn a_saved_package_whose_upgrade_could_not_be_ordered_is_said_so() {
    let mut state = sample::state(18);
    run(
        &mut state,
        Command::PickHost {
            position: 0,
            pick: Pick::Only,
        },
    );
    run(&mut state, Command::Run(UserAction::EditHost));
    let identifier = state.hosts.current().unwrap().identifier.clone();
    let loaded = HostEdit {
        identifier: identifier.clone(),
        ..HostEdit::default()
    };
    state.answer(
        Answer::HostPackage {
            identifier: identifier.clone(),
            result: Ok(loaded),
        },
        sample::moment(),
    );
    run(&mut state, Command::Require("corp-7zip".to_owned()));
    run(&mut state, Command::SaveEdit { apply: true });
    let saved = Saved {
        identifier,
        version: "8".to_owned(),
        action: None,
        apply_problem: Some(Problem::new("the action was not sent")),
    };
    state.answer(Answer::Saved(Ok(Box::new(saved))), sample::moment());
    assert!(matches!(state.dialog, Dialog::None));
    assert_eq!(
        state.notice.as_ref().map(|problem| problem.message.as_str()),
        Some("the action was not sent")
    );
}

#[test]
fn unsaved_lists_are_not_left_by_one_escape() {
    let mut state = sample::state(18);
    run(
        &mut state,
        Command::PickHost {
            position: 0,
            pick: Pick::Only,
        },
    );
    run(&mut state, Command::Run(UserAction::EditHost));
    let identifier = state.hosts.current().unwrap().identifier.clone();
    let loaded = HostEdit {
        identifier: identifier.clone(),
        ..HostEdit::default()
    };
    state.answer(
        Answer::HostPackage {
            identifier,
            result: Ok(loaded),
        },
        sample::moment(),
    );
    run(&mut state, Command::Require("corp-7zip".to_owned()));
    run(&mut state, Command::CloseDialog);
    assert!(matches!(state.dialog, Dialog::Edit(_)));
    run(&mut state, Command::CloseDialog);
    assert!(matches!(state.dialog, Dialog::None));
}

#[test]
fn a_connection_that_comes_back_loads_everything_again_and_blanks_nothing() {
    let mut state = sample::state(18);
    state.answer(
        Answer::Live(Err(Problem::new("the server is away"))),
        sample::moment(),
    );
    assert!(matches!(state.live, Live::Lost(_)));
    assert_eq!(state.hosts.total(), 18);
    let effects = state.answer(Answer::Live(Ok(())), sample::moment());
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Ask(Request::Hosts)))
    );
    assert_eq!(state.hosts.total(), 18);
}

#[test]
fn a_lost_session_leads_back_to_the_form_with_the_reason() {
    let mut state = sample::state(18);
    state.answer(
        Answer::SessionLost(Problem::new("the session has expired")),
        sample::moment(),
    );
    assert!(state.session.is_none());
    assert_eq!(state.hosts.total(), 0);
    assert_eq!(state.sign_in.stage, sign_in::Stage::Form);
    assert_eq!(state.sign_in.user.text(), "c.moreau");
}

#[test]
fn a_viewer_is_offered_nothing_that_changes_hosts() {
    let mut state = sample::state(18);
    run(
        &mut state,
        Command::PickHost {
            position: 0,
            pick: Pick::Only,
        },
    );
    assert!(state.can(UserAction::Upgrade));
    if let Some(session) = &mut state.session {
        session.role = muster_shared::protocol::session::Role::Viewer;
    }
    for action in [
        UserAction::Upgrade,
        UserAction::EditHost,
        UserAction::Install,
        UserAction::Upload,
    ] {
        assert!(!state.can(action), "{action:?}");
        assert!(run(&mut state, Command::Run(action)).is_empty());
    }
}

#[test]
fn hosts_with_the_same_name_are_told_apart_by_their_identifier() {
    let mut state = sample::state(3);
    let Moment { now, at } = sample::moment();
    let mut twin = sample::row("fin-ws-014", "Finance", HostStatus::Ok);
    "id-twin".clone_into(&mut twin.identifier);
    state.hosts.update(twin, now, at);
    state.hosts.settle(now, at + std::time::Duration::from_secs(1));
    let row = state.hosts.row("id-twin").unwrap();
    assert_eq!(state.hosts.shown_name(row), "fin-ws-014 · id-twin");
    let alone = state.hosts.row("id-lab-07").unwrap();
    assert_eq!(state.hosts.shown_name(alone), "lab-07");
}
