//! The activity page: what was ordered, by whom, and where it stands, live.

use egui::{Align, CentralPanel, Color32, Frame, Margin, Panel, Rect, ScrollArea, Ui};
use muster_shared::protocol::action::{ActionKind, ActionRow, TargetRow, TargetState};

use super::states;
use crate::action::UserAction;
use crate::command::Command;
use crate::state::activity::{failed_count, over_count};
use crate::state::time;
use crate::ui::card::{self, Line};
use crate::ui::table::{self, Column, Rows, TableEvent};
use crate::ui::{Button, Icon, Tokens, fonts, text};
use crate::view::View;

const SHOWN_TARGETS: usize = 500;

/// Shows the page.
pub fn ui(ui: &mut Ui, view: View<'_>) {
    let tokens = Tokens::of(ui);
    let width = ui.available_width();
    Panel::right("action detail")
        .default_size(470.0)
        .size_range(320.0..=(width * 0.7).max(330.0))
        .frame(Frame::NONE.fill(tokens.panel))
        .show(ui, |ui| detail(ui, view));
    CentralPanel::no_frame()
        .frame(Frame::NONE.fill(tokens.background))
        .show(ui, |ui| {
            let list = &view.state.activity.list;
            if let Some(problem) = list.problem()
                && states::failure_strip(ui, problem)
            {
                view.send(Command::Run(UserAction::Refresh));
            }
            let Some(rows) = list.value() else {
                states::list_state(ui, list, "the actions");
                return;
            };
            if rows.is_empty() {
                states::empty(
                    ui,
                    Icon::Pulse,
                    "Nothing was ordered yet",
                    "Choose hosts and press Upgrade",
                );
                return;
            }
            let columns = [
                Column {
                    sortable: false,
                    ..Column::new("Ordered", 130.0)
                },
                Column {
                    sortable: false,
                    ..Column::new("Action", 96.0)
                },
                Column {
                    sortable: false,
                    ..Column::flexible("Packages", 140.0)
                },
                Column {
                    sortable: false,
                    ..Column::new("Hosts", 64.0)
                },
                Column {
                    sortable: false,
                    ..Column::new("State", 190.0)
                },
                Column {
                    sortable: false,
                    ..Column::new("By", 150.0)
                },
            ];
            for event in table::show(ui, "actions", &columns, &ActionRows { view, rows }, None) {
                match event {
                    TableEvent::Clicked { row, .. }
                    | TableEvent::Opened { row }
                    | TableEvent::MenuAsked { row } => {
                        if let Some(row) = rows.get(row) {
                            view.send(Command::PickAction(row.batch));
                        }
                    }
                    TableEvent::Head { .. } => {}
                }
            }
        });
}

struct ActionRows<'a> {
    view: View<'a>,
    rows: &'a [ActionRow],
}

impl Rows for ActionRows<'_> {
    fn count(&self) -> usize {
        self.rows.len()
    }

    fn is_selected(&self, row: usize) -> bool {
        self.is_cursor(row)
    }

    fn is_cursor(&self, row: usize) -> bool {
        self.rows
            .get(row)
            .is_some_and(|row| self.view.state.activity.cursor == Some(row.batch))
    }

    fn name(&self, row: usize) -> String {
        self.rows.get(row).map_or_else(String::new, |row| {
            format!("{} {} {}", row.action, row.packages.join(" "), state_text(row))
        })
    }

    fn cell(&self, ui: &Ui, rect: Rect, row: usize, column: usize) {
        let Some(row) = self.rows.get(row) else { return };
        let tokens = Tokens::of(ui);
        let painter = ui.painter();
        let second = tokens.secondary;
        match column {
            0 => {
                let at = time::when(row.issued_at, self.view.now);
                text::line(painter, rect, &at, fonts::body(), second, Align::Min);
            }
            1 => {
                text::line(
                    painter,
                    rect,
                    row.action.as_str(),
                    fonts::strong(),
                    tokens.text,
                    Align::Min,
                );
            }
            2 => {
                text::line(
                    painter,
                    rect,
                    &row.packages.join(", "),
                    fonts::body(),
                    second,
                    Align::Min,
                );
            }
            3 => {
                let mut inner = rect;
                inner.max.x -= 8.0;
                text::line(
                    painter,
                    inner,
                    &text::number(row.target_count),
                    fonts::body(),
                    second,
                    Align::Max,
                );
            }
            4 => {
                let (icon, color) = row_icon(row, tokens);
                icon.paint_left(painter, rect, 14.0, color);
                let mut inner = rect;
                inner.min.x += 20.0;
                text::line(painter, inner, &state_text(row), fonts::body(), color, Align::Min);
            }
            _ => {
                text::line(painter, rect, &row.signer, fonts::body(), second, Align::Min);
            }
        }
    }
}

fn row_icon(row: &ActionRow, tokens: &Tokens) -> (Icon, Color32) {
    if failed_count(row) > 0 {
        (Icon::Error, tokens.error)
    } else if over_count(row) >= row.target_count {
        (Icon::Ok, tokens.ok)
    } else if row
        .states
        .keys()
        .all(|state| state == TargetState::Queued.as_str() || row.states.get(state) == Some(&0))
    {
        (Icon::Waiting, tokens.secondary)
    } else {
        (Icon::Running, tokens.accent)
    }
}

/// "3 done, 1 failed, 2 queued".
pub fn state_text(row: &ActionRow) -> String {
    let order = [
        TargetState::Failed,
        TargetState::Refused,
        TargetState::Running,
        TargetState::Accepted,
        TargetState::Sent,
        TargetState::Queued,
        TargetState::Done,
        TargetState::Expired,
        TargetState::Cancelled,
    ];
    let parts: Vec<String> = order
        .iter()
        .filter_map(|state| {
            let count = *row.states.get(state.as_str())?;
            (count > 0).then(|| format!("{} {}", text::number(count), state.as_str()))
        })
        .collect();
    parts.join(", ")
}

/// Shape and colour of a target's state.
pub fn state_icon(state: TargetState, tokens: &Tokens) -> (Icon, Color32) {
    match state {
        TargetState::Queued => (Icon::Waiting, tokens.secondary),
        TargetState::Sent | TargetState::Accepted | TargetState::Running => (Icon::Running, tokens.accent),
        TargetState::Done => (Icon::Ok, tokens.ok),
        TargetState::Failed | TargetState::Refused => (Icon::Error, tokens.error),
        TargetState::Expired | TargetState::Cancelled => (Icon::Ban, tokens.warn),
    }
}

fn detail(ui: &mut Ui, view: View<'_>) {
    let Some(row) = view.state.activity.current() else {
        states::empty(ui, Icon::Pulse, "No action is chosen", "Press one in the table");
        return;
    };
    Frame::NONE
        .inner_margin(Margin::symmetric(16, 12))
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            text::large(ui, format!("{} {}", row.action, row.packages.join(", ")).trim());
            text::small(ui, &state_text(row));
            ui.add_space(8.0);
            ScrollArea::vertical()
                .id_salt(row.batch)
                .auto_shrink([false, false])
                .show(ui, |ui| {
                    ui.spacing_mut().item_spacing.y = 12.0;
                    card::show(ui, |ui| {
                        Frame::NONE.inner_margin(Margin::symmetric(0, 8)).show(ui, |ui| {
                            ui.set_width(ui.available_width());
                            card::fact(ui, "Signed by", &row.signer, false);
                            card::fact(ui, "Certificate", &row.signer_fingerprint, true);
                            card::fact(ui, "Sent by", &row.submitted_by, false);
                            card::fact(ui, "Ordered", &time::exact(row.issued_at), false);
                            card::fact(ui, "Valid until", &time::exact(row.expires_at), false);
                            card::fact(ui, "Batch", &row.batch.to_string(), true);
                        });
                    });
                    match view.state.activity.targets(row.batch) {
                        Some(remote) => {
                            if let Some(problem) = remote.problem() {
                                states::problem_box(ui, problem);
                            }
                            if let Some(targets) = remote.value() {
                                retry(ui, view, row.action, &row.packages, targets);
                                targets_ui(ui, view, targets);
                            } else if remote.is_pending() {
                                text::small(ui, "Loading …");
                            }
                        }
                        None => {
                            text::small(ui, "Loading …");
                        }
                    }
                });
        });
}

/// Offers the same on those that failed.
pub fn retry(ui: &mut Ui, view: View<'_>, kind: ActionKind, packages: &[String], targets: &[TargetRow]) {
    let failed: Vec<String> = targets
        .iter()
        .filter(|target| {
            matches!(
                target.state,
                TargetState::Failed | TargetState::Refused | TargetState::Expired
            )
        })
        .map(|target| target.identifier.clone())
        .collect();
    if failed.is_empty() {
        return;
    }
    let name = format!(
        "Try again on {}…",
        text::counted(failed.len() as u64, "failed host")
    );
    if ui.add(Button::new(&name).with_icon(Icon::Refresh)).clicked() {
        view.send(Command::OrderOn {
            kind,
            packages: packages.to_vec(),
            hosts: failed,
        });
    }
}

/// The hosts of an action: failed first, then those under way.
pub fn targets_ui(ui: &mut Ui, view: View<'_>, targets: &[TargetRow]) {
    let tokens = Tokens::of(ui);
    let mut sorted: Vec<&TargetRow> = targets.iter().collect();
    let urgency = |state: TargetState| match state {
        TargetState::Failed | TargetState::Refused => 0,
        TargetState::Running => 1,
        TargetState::Sent | TargetState::Accepted => 2,
        TargetState::Queued => 3,
        TargetState::Expired | TargetState::Cancelled => 4,
        TargetState::Done => 5,
    };
    sorted.sort_by_key(|target| urgency(target.state));
    card::show(ui, |ui| {
        card::title(ui, &text::counted(targets.len() as u64, "host"));
        for target in sorted.iter().take(SHOWN_TARGETS) {
            let (icon, color) = state_icon(target.state, tokens);
            let known = view.state.hosts.row(&target.identifier);
            let name = known.map_or_else(
                || {
                    if target.name.is_empty() {
                        target.identifier.clone()
                    } else {
                        target.name.clone()
                    }
                },
                |row| view.state.hosts.shown_name(row),
            );
            let end = match target.percent {
                Some(percent) if target.state == TargetState::Running => format!("{percent} %"),
                _ => target.state.as_str().to_owned(),
            };
            let line = Line {
                icon: Some((icon, color)),
                name: &name,
                note: &target.text,
                end: &end,
                strong: true,
                end_mono: false,
            };
            let response = line.show(ui);
            if !target.text.is_empty() {
                response.on_hover_text(&target.text);
            }
        }
        if sorted.len() > SHOWN_TARGETS {
            let rest = (sorted.len() - SHOWN_TARGETS) as u64;
            card::padded(ui, |ui| {
                text::small(ui, &format!("and {} more", text::number(rest)))
            });
        }
    });
}
