//! 50,000 hosts: filter, order and drawing cost what the page may cost.

use std::time::{Duration, Instant};

use egui_kittest::kittest::Queryable as _;
use muster_console::state::hosts::{HostColumn, Hosts, Move};
use muster_console::worker::Answer;
use muster_shared::protocol::event::Event;

use crate::sample;
use crate::window;

const FLEET: usize = 50_000;
/// The page's limits hold for optimised builds; these builds are not.
const UNOPTIMISED: u32 = if cfg!(debug_assertions) { 30 } else { 1 };

fn fleet() -> Hosts {
    let mut hosts = Hosts::default();
    hosts.replace(Ok(sample::fleet(FLEET)), sample::moment().now);
    hosts
}

#[test]
fn a_keystroke_filters_the_whole_fleet_at_once() {
    let mut hosts = fleet();
    let moment = sample::moment();
    let begin = Instant::now();
    hosts.set_filter("status:need-upgrade ws-".to_owned(), moment.now, moment.at);
    let took = begin.elapsed();
    assert!(hosts.visible_len() > 1000);
    assert!(took < Duration::from_millis(50) * UNOPTIMISED, "{took:?}");
    hosts.set_filter("ws-00123".to_owned(), moment.now, moment.at);
    assert_eq!(hosts.visible_len(), 1);
    hosts.set_filter("not reachable os:windows".to_owned(), moment.now, moment.at);
    assert!(hosts.visible_len() > 4000);
}

#[test]
fn order_goes_by_the_column_then_by_name_and_numbers_count_by_value() {
    let mut hosts = fleet();
    let now = sample::moment().now;
    hosts.sort_by(HostColumn::Address, now);
    let addresses: Vec<std::net::IpAddr> = (0..2000)
        .filter_map(|position| hosts.row_at(position).and_then(|row| row.address.parse().ok()))
        .collect();
    assert!(addresses.is_sorted());
    hosts.sort_by(HostColumn::Name, now);
    assert_eq!(hosts.row_at(0).unwrap().name, "acc-ws-002");
    hosts.sort_by(HostColumn::Name, now);
    assert_eq!(hosts.row_at(0).unwrap().name, format!("ws-{:05}", FLEET - 1));
}

#[test]
fn selection_survives_a_new_list_and_the_removal_of_other_hosts() {
    let mut hosts = fleet();
    let moment = sample::moment();
    hosts.go_to("id-ws-00500", moment.now, moment.at);
    hosts.step(Move::Down, true);
    let chosen: Vec<String> = hosts.selection().iter().map(|row| row.name.clone()).collect();
    assert_eq!(chosen.len(), 2);
    hosts.replace(Ok(sample::fleet(FLEET)), moment.now);
    hosts.remove("id-ws-00400", moment.now);
    let after: Vec<String> = hosts.selection().iter().map(|row| row.name.clone()).collect();
    assert_eq!(after, chosen);
    hosts.remove(&format!("id-{}", chosen[0]), moment.now);
    assert_eq!(hosts.selected_len(), 1);
    assert_eq!(hosts.total(), FLEET - 2);
}

#[test]
fn hidden_hosts_are_not_acted_on() {
    let mut hosts = fleet();
    let moment = sample::moment();
    hosts.select_all();
    assert_eq!(hosts.selected_len(), FLEET);
    hosts.set_filter("status:error".to_owned(), moment.now, moment.at);
    assert_eq!(hosts.selected_len(), 3);
}

#[test]
fn a_filter_on_the_inventory_keeps_the_old_rows_until_the_server_answers() {
    let mut hosts = fleet();
    let moment = sample::moment();
    hosts.set_filter("software:\"7-zip\"<24".to_owned(), moment.now, moment.at);
    assert_eq!(hosts.visible_len(), FLEET);
    assert!(hosts.due_filter(moment.at).is_err());
    let later = moment.at + Duration::from_secs(1);
    let asked = hosts.due_filter(later).unwrap().unwrap();
    assert_eq!(hosts.due_filter(later), Ok(None));
    hosts.found(&asked, Ok(vec!["ID-WS-00500".to_owned()]), moment.now);
    assert_eq!(hosts.visible_len(), 1);
}

#[test]
fn a_frame_draws_the_visible_rows_only() {
    let mut harness = window(sample::state(FLEET));
    let begin = Instant::now();
    harness.run_steps(10);
    let took = begin.elapsed() / 10;
    assert!(
        took < Duration::from_millis(8) * UNOPTIMISED,
        "{took:?} for a frame"
    );
    assert!(harness.get_all_by_role(egui::accesskit::Role::Row).count() < 60);
}

#[test]
fn a_flood_of_events_does_not_work_out_the_order_each_time() {
    let mut state = sample::state(FLEET);
    let moment = sample::moment();
    let begin = Instant::now();
    for row in sample::fleet(2000) {
        let row = Box::new(muster_shared::protocol::host::HostRow {
            packages_pending: 9,
            ..row
        });
        state.answer(Answer::Event(Box::new(Event::Host { row })), moment);
    }
    let took = begin.elapsed();
    assert!(took < Duration::from_millis(100) * UNOPTIMISED, "{took:?}");
}
