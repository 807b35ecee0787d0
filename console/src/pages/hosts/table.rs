//! The fleet's table.

use egui::{Align, Rect, Ui};

use super::look::status_look;
use crate::action::UserAction;
use crate::command::{Command, Pick};
use crate::state::hosts::HostColumn;
use crate::state::time;
use crate::ui::table::{self, Column, Rows, TableEvent};
use crate::ui::{Icon, Tokens, fonts, status, text};
use crate::view::View;

/// Strength of an absent host's text.
const FADED: f32 = 0.5;

/// Shows the table, or why there is none.
pub(super) fn ui(ui: &mut Ui, view: View<'_>) {
    let hosts = &view.state.hosts;
    if hosts.total() == 0 {
        if hosts.list.problem().is_some() {
            return;
        }
        if hosts.list.value().is_none() {
            super::super::states::list_state(ui, &hosts.list, "the fleet");
        } else {
            super::super::states::empty(
                ui,
                Icon::Monitor,
                "No host is registered yet",
                "Make an enrolment token with `muster enrol-token create` and run \
                 `muster-agent register` with it on a machine",
            );
        }
        return;
    }
    let (sorted, down) = hosts.sort();
    let columns = HostColumn::ALL.map(|column| Column {
        sorted: (column == sorted).then_some(down),
        ..column_of(column)
    });
    let scroll_to = if hosts.scroll_to_cursor {
        hosts.cursor_position()
    } else {
        None
    };
    if hosts.visible_len() == 0 {
        super::super::states::empty(
            ui,
            Icon::Search,
            "No host fits",
            "Take words or chips from the filter, or press Escape in it",
        );
        return;
    }
    let rows = HostRows { view };
    for event in table::show(ui, "hosts", &columns, &rows, scroll_to) {
        match event {
            TableEvent::Clicked { row, modifiers } => {
                let pick = match (modifiers.shift, modifiers.command) {
                    (true, _) => Pick::Range,
                    (false, true) => Pick::Toggle,
                    (false, false) => Pick::Only,
                };
                view.send(Command::PickHost { position: row, pick });
            }
            TableEvent::Opened { row } => {
                view.send(Command::PickHost {
                    position: row,
                    pick: Pick::Only,
                });
                view.send(Command::Run(UserAction::EditHost));
            }
            TableEvent::MenuAsked { row } if !hosts.is_selected(row) => {
                view.send(Command::PickHost {
                    position: row,
                    pick: Pick::Only,
                });
            }
            TableEvent::MenuAsked { .. } => {}
            TableEvent::Head { column } => {
                if let Some(column) = HostColumn::ALL.get(column) {
                    view.send(Command::SortHosts(*column));
                }
            }
        }
    }
}

fn column_of(column: HostColumn) -> Column {
    match column {
        HostColumn::Reach => Column {
            sortable: true,
            ..Column::new("", 24.0)
        },
        HostColumn::Status => Column::new("Status", 132.0),
        HostColumn::Name => Column::new("Host", 136.0),
        HostColumn::Description => Column::flexible("Description", 108.0),
        HostColumn::System => Column::new("System", 112.0),
        HostColumn::Address => Column::new("Address", 102.0),
        HostColumn::Packages => Column::new("Packages", 118.0),
        HostColumn::Seen => Column::new("Seen", 60.0),
    }
}

struct HostRows<'a> {
    view: View<'a>,
}

impl Rows for HostRows<'_> {
    fn count(&self) -> usize {
        self.view.state.hosts.visible_len()
    }

    fn is_selected(&self, row: usize) -> bool {
        self.view.state.hosts.is_selected(row)
    }

    fn is_cursor(&self, row: usize) -> bool {
        self.view.state.hosts.is_cursor(row)
    }

    fn name(&self, row: usize) -> String {
        self.view.state.hosts.row_at(row).map_or_else(String::new, |row| {
            let reach = if row.reachable { "connected" } else { "away" };
            format!("{} {} {reach}", self.view.state.hosts.shown_name(row), row.status)
        })
    }

    fn cell(&self, ui: &Ui, rect: Rect, row: usize, column: usize) {
        let hosts = &self.view.state.hosts;
        let (Some(row), Some(column)) = (hosts.row_at(row), HostColumn::ALL.get(column)) else {
            return;
        };
        let tokens = Tokens::of(ui);
        let painter = ui.painter();
        let strength = if row.reachable { 1.0 } else { FADED };
        let second = tokens.secondary.gamma_multiply(strength);
        match column {
            HostColumn::Reach => {
                let dot = Rect::from_center_size(
                    egui::pos2(rect.left() + 7.0, rect.center().y),
                    egui::vec2(8.0, 8.0),
                );
                status::reach_dot(painter, dot, row.reachable, tokens);
            }
            HostColumn::Status => status_look(row.status, tokens).paint(painter, rect, strength),
            HostColumn::Name => {
                let ink = tokens.text.gamma_multiply(strength);
                text::line(painter, rect, &row.name, fonts::strong(), ink, Align::Min);
                let mut rest = rect;
                rest.min.x += text::width(painter, &row.name, fonts::strong()) + 8.0;
                if hosts.shares_its_name(row) && rest.width() > 16.0 {
                    text::line(painter, rest, &row.identifier, fonts::small(), second, Align::Min);
                }
            }
            HostColumn::Description => {
                text::line(painter, rect, &row.description, fonts::body(), second, Align::Min);
            }
            HostColumn::System => {
                text::line(painter, rect, &row.os, fonts::body(), second, Align::Min);
            }
            HostColumn::Address => {
                let address = if row.address.is_empty() {
                    "–"
                } else {
                    &row.address
                };
                text::line(painter, rect, address, fonts::mono(), second, Align::Min);
            }
            HostColumn::Packages => {
                let (said, ink) = if row.pending_registration {
                    ("waits for a decision".to_owned(), tokens.warn)
                } else if !row.running.is_empty() {
                    (row.running.clone(), tokens.accent)
                } else if row.packages_failed > 0 {
                    (format!("{} failed", row.packages_failed), tokens.error)
                } else if row.packages_pending > 0 {
                    (format!("{} pending", row.packages_pending), tokens.warn)
                } else {
                    (String::new(), tokens.secondary)
                };
                text::line(
                    painter,
                    rect,
                    &said,
                    fonts::body(),
                    ink.gamma_multiply(strength),
                    Align::Min,
                );
            }
            HostColumn::Seen => {
                let seen = if row.reachable {
                    "now".to_owned()
                } else {
                    time::ago(row.last_seen, self.view.now)
                };
                text::line(painter, rect, &seen, fonts::body(), second, Align::Min);
            }
        }
    }

    fn menu(&self, ui: &mut Ui, _row: usize) -> bool {
        super::action_menu(
            ui,
            self.view,
            &[
                UserAction::Upgrade,
                UserAction::CheckUpdates,
                UserAction::Install,
                UserAction::Remove,
                UserAction::Forget,
                UserAction::EditHost,
                UserAction::RetryFailed,
            ],
        );
        true
    }
}
