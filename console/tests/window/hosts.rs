//! The hosts page: what it shows, selection, filter, tree, tabs.

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use muster_console::state::detail::DetailTab;
use muster_console::worker::Answer;
use muster_shared::protocol::event::Event;
use muster_shared::protocol::host::HostStatus;

use crate::sample;
use crate::window;

#[test]
fn rows_say_their_name_status_and_reachability() {
    let harness = window(sample::state(18));
    harness.get_by_label("fin-ws-014 ERROR connected");
    harness.get_by_label("lt-0831 NEED-UPGRADE away");
    harness.get_by_label("Error 3");
    harness.get_by_label("Away 3");
    harness.get_by_label("Accounting 6");
}

#[test]
fn a_press_selects_control_adds_and_shift_spans() {
    let mut harness = window(sample::state(18));
    harness.get_by_label("fin-ws-014 ERROR connected").click();
    harness.run_steps(3);
    assert_eq!(harness.state().state().hosts.selected_len(), 1);
    harness
        .get_by_label("acc-ws-002 NEED-UPGRADE connected")
        .click_modifiers(Modifiers::COMMAND);
    harness.run_steps(3);
    assert_eq!(harness.state().state().hosts.selected_len(), 2);
    harness
        .get_by_label("acc-ws-003 NEED-UPGRADE connected")
        .click_modifiers(Modifiers::SHIFT);
    harness.run_steps(3);
    assert_eq!(harness.state().state().hosts.selected_len(), 2);
    harness.get_by_label("2 hosts selected");
}

#[test]
fn the_arrows_walk_the_table_and_shift_extends() {
    let mut harness = window(sample::state(18));
    harness.key_press(Key::ArrowDown);
    harness.run_steps(2);
    harness.key_press(Key::ArrowDown);
    harness.run_steps(2);
    assert!(harness.state().state().hosts.is_cursor(1));
    harness.key_press_modifiers(Modifiers::SHIFT, Key::ArrowDown);
    harness.run_steps(2);
    assert_eq!(harness.state().state().hosts.selected_len(), 2);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.run_steps(2);
    assert_eq!(harness.state().state().hosts.selected_len(), 18);
}

#[test]
fn the_filter_narrows_as_one_types_and_a_wrong_one_leaves_the_last() {
    let mut harness = window(sample::state(18));
    harness.key_press_modifiers(Modifiers::COMMAND, Key::F);
    harness.run_steps(3);
    let field = harness.get_by_role_and_label(Role::TextInput, "Filter hosts");
    assert!(field.is_focused());
    field.type_text("status:error");
    harness.run_steps(3);
    assert_eq!(harness.state().state().hosts.visible_len(), 3);
    harness
        .get_by_role_and_label(Role::TextInput, "Filter hosts")
        .type_text(" os:");
    harness.run_steps(3);
    assert!(harness.state().state().hosts.filter_problem.is_some());
    assert_eq!(harness.state().state().hosts.visible_len(), 3);
}

#[test]
fn the_tree_narrows_and_its_chip_takes_it_back() {
    let mut harness = window(sample::state(18));
    harness.get_by_label("Error 3").click();
    harness.run_steps(3);
    assert_eq!(harness.state().state().hosts.visible_len(), 3);
    harness
        .get_by_label("status:error, press to take it away")
        .click();
    harness.run_steps(3);
    assert_eq!(harness.state().state().hosts.visible_len(), 18);
}

#[test]
fn the_failed_step_comes_first_with_its_own_words() {
    let mut harness = window(sample::state(18));
    open_first(&mut harness);
    harness.get_by_label("corp-libreoffice 24.8.3-2 failed to install");
    harness.get_by_label_contains("EInstallError: installer busy for 300 s");
    harness.get_by_label("Retry now");
    harness.get_by_label("Waiting for this host");
    harness.get_by_label_contains("corp-firefox-esr upgrade 115.9-1 → 128.4-1");
}

#[test]
fn each_tab_of_a_host_shows_what_was_reported() {
    let mut harness = window(sample::state(18));
    open_first(&mut harness);
    for (tab, expected) in [
        ("Packages 23", "corp-libreoffice 24.8.3-2 ERROR"),
        ("Hardware", "Processor and memory"),
        ("Software", "30 programs"),
    ] {
        harness.get_by_role_and_label(Role::Tab, tab).click();
        harness.run_steps(3);
        harness.get_by_label(expected);
    }
    harness.get_by_role_and_label(Role::Tab, "Tasks").click();
    harness.run_steps(3);
    assert_eq!(harness.state().state().details.tab, DetailTab::Tasks);
}

#[test]
fn a_row_changes_live_without_moving_the_selection() {
    let mut harness = window(sample::state(18));
    harness.get_by_label("fin-ws-014 ERROR connected").click();
    harness.run_steps(3);
    let mut row = sample::fleet(18).remove(0);
    row.status = HostStatus::Ok;
    row.packages_failed = 0;
    let event = Answer::Event(Box::new(Event::Host { row: Box::new(row) }));
    let moment = sample::moment();
    harness.state_mut().state_mut().answer(event, moment);
    let later = muster_console::state::Moment {
        at: moment.at + std::time::Duration::from_secs(1),
        ..moment
    };
    harness.state_mut().state_mut().due(later);
    harness.run_steps(3);
    harness.get_by_label("fin-ws-014 OK connected");
    assert_eq!(
        harness.state().state().hosts.current().unwrap().name,
        "fin-ws-014"
    );
}

/// Chooses the first host and hands its detail over.
pub(crate) fn open_first(harness: &mut egui_kittest::Harness<'static, muster_console::app::App>) {
    harness.get_by_label("fin-ws-014 ERROR connected").click();
    harness.run_steps(2);
    let row = harness.state().state().hosts.current().unwrap().clone();
    let answer = Answer::Host {
        identifier: row.identifier.clone(),
        result: Ok(Box::new(sample::detail(row))),
    };
    harness.state_mut().state_mut().answer(answer, sample::moment());
    harness.run_steps(4);
}
