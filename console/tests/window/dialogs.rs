//! The dialogs: order, editor, palette; by keyboard alone.

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use muster_console::remote::Problem;
use muster_console::state::order::Stage;
use muster_console::state::{Dialog, edit};
use muster_console::worker::{Answer, HostEdit, SigningProblem};
use muster_shared::protocol::action::ActionKind;

use crate::hosts::open_first;
use crate::sample;
use crate::window;

#[test]
fn an_upgrade_shows_what_it_does_and_asks_for_the_pin_at_once() {
    let mut harness = window(sample::state(18));
    open_first(&mut harness);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::P);
    harness.run_steps(6);
    let Dialog::Order(order) = &harness.state().state().dialog else {
        panic!("no order")
    };
    assert_eq!((order.kind, order.targets.len()), (ActionKind::Upgrade, 1));
    let id = order.id;
    let detail = sample::detail(sample::fleet(18).remove(0));
    harness.state_mut().state_mut().answer(
        Answer::Preview {
            order: id,
            details: Ok(vec![detail]),
        },
        sample::moment(),
    );
    harness.run_steps(4);
    harness.get_by_label("corp-firefox-esr 128.4-1 from 115.9-1 upgrade on 1 host");
    let pin = harness.get_by_role_and_label(Role::PasswordInput, "PIN");
    assert!(pin.is_focused(), "the PIN has the keyboard");
    pin.type_text("123456");
    harness.run_steps(2);
    harness.key_press(Key::Enter);
    harness.run_steps(3);
    let Dialog::Order(order) = &harness.state().state().dialog else {
        panic!("no order")
    };
    assert_eq!(order.stage, Stage::Sending);
    assert!(order.secret.is_empty(), "the PIN is not kept in the dialog");
}

#[test]
fn a_wrong_pin_is_said_and_asked_again_in_the_same_dialog() {
    let mut harness = window(sample::state(18));
    open_first(&mut harness);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::P);
    harness.run_steps(6);
    harness
        .get_by_role_and_label(Role::PasswordInput, "PIN")
        .type_text("0000");
    harness.run_steps(2);
    harness.key_press(Key::Enter);
    harness.run_steps(3);
    let wrong = SigningProblem {
        problem: Problem::new("the PIN is wrong; one try is left"),
        wrong_secret: true,
    };
    harness
        .state_mut()
        .state_mut()
        .answer(Answer::Ordered(Err(wrong)), sample::moment());
    harness.run_steps(6);
    harness.get_by_label("the PIN is wrong; one try is left");
    assert!(
        harness
            .get_by_role_and_label(Role::PasswordInput, "PIN")
            .is_focused()
    );
    harness.key_press(Key::Escape);
    harness.run_steps(3);
    assert!(matches!(harness.state().state().dialog, Dialog::None));
}

#[test]
fn packages_are_required_and_forbidden_by_keyboard_and_saved_with_one_pin() {
    let mut harness = window(sample::state(18));
    open_first(&mut harness);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::O);
    harness.run_steps(3);
    let identifier = harness
        .state()
        .state()
        .hosts
        .current()
        .unwrap()
        .identifier
        .clone();
    let loaded = HostEdit {
        identifier: identifier.clone(),
        required: vec!["corp-accounting".to_owned()],
        version: "7".to_owned(),
        signer: "C. Moreau".to_owned(),
        ..HostEdit::default()
    };
    let answer = Answer::HostPackage {
        identifier,
        result: Ok(loaded),
    };
    harness.state_mut().state_mut().answer(answer, sample::moment());
    harness.run_steps(6);
    harness.get_by_label("Required: corp-accounting");
    let search = harness.get_by_role_and_label(Role::TextInput, "Search packages");
    assert!(search.is_focused(), "the search has the keyboard");
    search.type_text("7zip");
    harness.run_steps(3);
    harness.key_press(Key::Enter);
    harness.run_steps(3);
    harness.get_by_label("Required: corp-7zip");
    harness
        .get_by_role_and_label(Role::TextInput, "Search packages")
        .type_text("firefox");
    harness.run_steps(3);
    harness.key_press_modifiers(Modifiers::SHIFT, Key::Enter);
    harness.run_steps(3);
    harness.get_by_label("Forbidden: corp-firefox-esr");
    harness.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::S);
    harness.run_steps(6);
    harness.get_by_label("corp-7zip  now required");
    let pin = harness.get_by_role_and_label(Role::PasswordInput, "PIN");
    assert!(pin.is_focused());
    pin.type_text("123456");
    harness.run_steps(2);
    harness.key_press(Key::Enter);
    harness.run_steps(3);
    let Dialog::Edit(dialog) = &harness.state().state().dialog else {
        panic!("no editor")
    };
    assert_eq!(dialog.stage, edit::Stage::Saving { apply: true });
}

#[test]
fn the_palette_goes_to_a_host_by_a_few_letters() {
    let mut harness = window(sample::state(2000));
    harness.key_press_modifiers(Modifiers::COMMAND, Key::K);
    harness.run_steps(6);
    harness
        .get_by_role_and_label(Role::TextInput, "Command, host or package")
        .type_text("ws-01234");
    harness.run_steps(3);
    harness.key_press(Key::Enter);
    harness.run_steps(4);
    assert!(matches!(harness.state().state().dialog, Dialog::None));
    assert_eq!(harness.state().state().hosts.current().unwrap().name, "ws-01234");
    harness.get_by_label("ws-01234 OK connected");
}
