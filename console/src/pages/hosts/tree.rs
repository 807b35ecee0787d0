//! The tree: status, reachability, organisation, groups, each with its count.

use egui::{ScrollArea, Ui};
use muster_shared::protocol::host::HostStatus;

use super::look::status_look;
use crate::command::Command;
use crate::state::hosts::ScopeChange;
use crate::state::tree::Unit;
use crate::ui::tree::{Mark, Row, heading};
use crate::ui::{Tokens, text};
use crate::view::View;

/// Shows the tree.
pub(super) fn ui(ui: &mut Ui, view: View<'_>) {
    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        let counts = view.state.hosts.counts();
        let scope = view.state.hosts.scope();
        heading(ui, "Status");
        for (status, name) in [
            (HostStatus::Error, "Error"),
            (HostStatus::NeedUpgrade, "Need upgrade"),
            (HostStatus::Running, "Running"),
            (HostStatus::Ok, "OK"),
        ] {
            let look = status_look(status, Tokens::of(ui));
            let row = Row {
                mark: Mark::Icon(look.icon, look.color),
                name,
                count: counts.status(status),
                depth: 0,
                selected: scope.status == Some(status),
            };
            if row.show(ui).response.clicked() {
                view.send(Command::ScopeHosts(ScopeChange::Status(status)));
            }
        }
        heading(ui, "Reachable");
        for (reachable, name, mark, count) in [
            (true, "Connected", Mark::Filled, counts.connected),
            (false, "Away", Mark::Hollow, counts.away),
        ] {
            let row = Row {
                mark,
                name,
                count,
                depth: 0,
                selected: scope.reachable == Some(reachable),
            };
            if row.show(ui).response.clicked() {
                view.send(Command::ScopeHosts(ScopeChange::Reachable(reachable)));
            }
        }
        if !counts.units.is_empty() {
            heading(ui, "Organisation");
            for unit in &counts.units {
                unit_ui(ui, view, unit, 0);
            }
        }
        if !counts.groups.is_empty() {
            heading(ui, "Groups");
            for (group, count) in &counts.groups {
                let row = Row {
                    mark: Mark::None,
                    name: group,
                    count: *count,
                    depth: 0,
                    selected: scope.group.as_ref() == Some(group),
                };
                if row.show(ui).response.clicked() {
                    view.send(Command::ScopeHosts(ScopeChange::Group(group.clone())));
                }
            }
        }
        if view.state.hosts.total() > 0 && counts.units.is_empty() && counts.groups.is_empty() {
            heading(ui, "Groups");
            text::small(ui, "No host has a group or an organisational unit yet");
        }
        ui.add_space(12.0);
    });
}

fn unit_ui(ui: &mut Ui, view: View<'_>, unit: &Unit, depth: usize) {
    let folded = view.state.folded.contains(&unit.dn);
    let mark = match (unit.children.is_empty(), folded) {
        (true, _) => Mark::None,
        (false, true) => Mark::Closed,
        (false, false) => Mark::Open,
    };
    let selected = view.state.hosts.scope().unit.as_ref() == Some(&unit.dn);
    let row = Row {
        mark,
        name: &unit.name,
        count: unit.count,
        depth,
        selected,
    };
    let shown = row.show(ui);
    if shown.folded {
        view.send(Command::FoldUnit(unit.dn.clone()));
    } else if shown.response.clicked() {
        view.send(Command::ScopeHosts(ScopeChange::Unit(unit.dn.clone())));
    }
    if !folded {
        for child in &unit.children {
            unit_ui(ui, view, child, depth + 1);
        }
    }
}

/// A unit's own name, for its chip.
pub(super) fn unit_name(dn: &str) -> String {
    let first = dn.split(',').next().unwrap_or(dn);
    if first
        .get(..3)
        .is_some_and(|head| head.eq_ignore_ascii_case("dc="))
    {
        let parts = dn
            .split(',')
            .map(|part| part.split_once('=').map_or(part, |(_, value)| value));
        return parts.collect::<Vec<_>>().join(".");
    }
    first.split_once('=').map_or(first, |(_, value)| value).to_owned()
}
