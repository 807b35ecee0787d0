//! Packages, activity, empty and failed lists.

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use muster_console::remote::Problem;
use muster_console::state::Page;
use muster_console::state::packages::PackageColumn;
use muster_console::worker::Answer;

use crate::sample;
use crate::window;

#[test]
fn packages_are_listed_with_their_details() {
    let mut harness = window(sample::state(18));
    harness.get_by_label("Packages page").click();
    harness.run_steps(4);
    assert_eq!(harness.state().state().page, Page::Packages);
    harness.get_by_label("corp-accounting 5").click();
    harness.run_steps(4);
    harness.get_by_label("Needs");
    harness.get_by_label_contains("corp-firefox-esr(>=128)");
    harness
        .get_by_role_and_label(egui::accesskit::Role::ColumnHeader, "Version")
        .click();
    harness.run_steps(3);
    assert_eq!(harness.state().state().packages.sort().0, PackageColumn::Version);
}

#[test]
fn only_a_built_package_is_taken_for_upload() {
    let mut harness = window(sample::state(18));
    harness.key_press_modifiers(Modifiers::COMMAND, Key::N);
    harness.run_steps(6);
    harness
        .get_by_label("Path of the package")
        .type_text("/tmp/setup.exe");
    harness.run_steps(2);
    harness.key_press(Key::Enter);
    harness.run_steps(4);
    harness.get_by_label("only built packages (.wapt) can be uploaded");
}

#[test]
fn the_activity_page_says_when_nothing_was_ordered() {
    let mut harness = window(sample::state(18));
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Num3);
    harness.run_steps(4);
    harness.get_by_label("Nothing was ordered yet");
}

#[test]
fn a_failed_refresh_stands_beside_the_rows_that_were_there() {
    let mut harness = window(sample::state(18));
    let failed = Answer::Hosts(Err(
        Problem::new("cannot reach srv-muster").with_hint("check the network")
    ));
    harness.state_mut().state_mut().answer(failed, sample::moment());
    harness.run_steps(4);
    harness.get_by_label("cannot reach srv-muster");
    harness.get_by_label("Try again");
    harness.get_by_label("fin-ws-014 ERROR connected");
}

#[test]
fn the_theme_switches_and_is_kept() {
    let mut harness = window(sample::state(18));
    let dark = harness.ctx.theme();
    harness.key_press_modifiers(Modifiers::COMMAND, Key::T);
    harness.run_steps(4);
    assert_ne!(harness.ctx.theme(), dark);
}
