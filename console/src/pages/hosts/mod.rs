//! The hosts page: tree, live table, host.

mod look;
mod table;
mod tree;

use egui::{Align, CentralPanel, Frame, Layout, Margin, Panel, Popup, Stroke, Ui};
use muster_shared::protocol::action::ActionKind;

pub use look::status_look;

use crate::action::UserAction;
use crate::command::Command;
use crate::state::hosts::{Move, ScopeChange};
use crate::ui::{Button, Field, Icon, Tokens, fonts, size, text};
use crate::view::View;

/// Shows the page in all the room between rail and edge.
pub fn ui(ui: &mut Ui, view: View<'_>) {
    let tokens = Tokens::of(ui);
    let side = Frame::NONE.fill(tokens.background).inner_margin(Margin {
        left: 8,
        right: 8,
        top: 8,
        bottom: 0,
    });
    Panel::left("hosts tree")
        .default_size(206.0)
        .size_range(150.0..=420.0)
        .frame(side)
        .show(ui, |ui| {
            tree::ui(ui, view);
        });
    let detail = Frame::NONE.fill(tokens.panel);
    let width = ui.available_width();
    Panel::right("host detail")
        .default_size(470.0)
        .size_range(320.0..=(width * 0.7).max(330.0))
        .frame(detail)
        .show(ui, |ui| super::detail::ui(ui, view));
    CentralPanel::no_frame()
        .frame(Frame::NONE.fill(tokens.background))
        .show(ui, |ui| {
            toolbar(ui, view);
            if let Some(problem) = view.state.hosts.list.problem()
                && super::states::failure_strip(ui, problem)
            {
                view.send(Command::Run(UserAction::Refresh));
            }
            table::ui(ui, view);
        });
}

fn toolbar(ui: &mut Ui, view: View<'_>) {
    let tokens = Tokens::of(ui);
    let frame = Frame::NONE.inner_margin(Margin {
        left: 12,
        right: 12,
        top: 0,
        bottom: 0,
    });
    Panel::top("hosts toolbar")
        .exact_size(size::BAR)
        .resizable(false)
        .frame(frame)
        .show(ui, |ui| {
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                view.button(ui, UserAction::Upgrade, true);
                view.button(ui, UserAction::CheckUpdates, false);
                view.button(ui, UserAction::EditHost, false);
                view.button(ui, UserAction::Install, false);
                more(ui, view);
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    let hosts = &view.state.hosts;
                    let shown = hosts.visible_len() as u64;
                    let mut said = format!(
                        "{} of {} selected",
                        text::number(hosts.selected_len() as u64),
                        text::number(shown)
                    );
                    if hosts.is_filtering() {
                        "searching the inventories …".clone_into(&mut said);
                    }
                    let rich = egui::RichText::new(said)
                        .font(fonts::small())
                        .color(tokens.secondary);
                    ui.add(egui::Label::new(rich).truncate());
                });
            });
        });
}

fn more(ui: &mut Ui, view: View<'_>) {
    let button = ui.add(Button::new("More ▾"));
    Popup::menu(&button).show(|ui| {
        action_menu(ui, view, &[UserAction::Remove, UserAction::Forget]);
        kind_entry(ui, view, ActionKind::Audit, "Audit", Icon::Shield);
        kind_entry(
            ui,
            view,
            ActionKind::Inventory,
            "Refresh the inventory",
            Icon::List,
        );
        action_menu(
            ui,
            view,
            &[
                UserAction::RetryFailed,
                UserAction::SelectAll,
                UserAction::Refresh,
            ],
        );
    });
}

fn kind_entry(ui: &mut Ui, view: View<'_>, kind: ActionKind, name: &str, icon: Icon) {
    let enabled = view.state.can(UserAction::Upgrade);
    let button = Button::quiet(name)
        .with_icon(icon)
        .enabled(enabled)
        .min_width(210.0);
    if ui.add(button).clicked() && enabled {
        view.send(Command::Order {
            kind,
            packages: Vec::new(),
        });
        ui.close();
    }
}

/// Entries for actions in a menu.
pub fn action_menu(ui: &mut Ui, view: View<'_>, actions: &[UserAction]) {
    for action in actions {
        let enabled = view.state.can(*action);
        let mut button = Button::quiet(action.text())
            .with_icon(action.icon())
            .enabled(enabled)
            .min_width(210.0);
        if let Some(keys) = action.keys() {
            button = button.keys(keys);
        }
        if ui.add(button).on_hover_text(action.tooltip()).clicked() && enabled {
            view.send(Command::Run(*action));
            ui.close();
        }
    }
}

/// Shows the filter field with the tree's narrowing as chips before the text.
pub fn search(ui: &mut Ui, view: View<'_>) {
    let hosts = &view.state.hosts;
    let chips = chips(view);
    let painter = ui.painter().clone();
    let widths: Vec<f32> = chips
        .iter()
        .map(|(chip, _)| text::width(&painter, chip, fonts::mono()) + 14.0)
        .collect();
    let room: f32 = widths.iter().map(|width| width + 6.0).sum();
    let mut content = hosts.filter_text().to_owned();
    let (response, rect) = Field::new(super::frame::search_id(), "Filter hosts")
        .icon(Icon::Search)
        .hint("Filter hosts: status:error os:windows software:\"7-zip\"<24 last_seen>7d …")
        .wrong(hosts.filter_problem.is_some())
        .room(room, 60.0)
        .show(ui, &mut content);
    super::frame::find_key(ui, rect);
    let mut x = rect.left() + 32.0;
    for ((chip, change), width) in chips.into_iter().zip(widths) {
        let place = egui::Rect::from_min_size(egui::pos2(x, rect.center().y - 10.0), egui::vec2(width, 20.0));
        chip_ui(ui, view, place, &chip, change);
        x += width + 6.0;
    }
    if response.has_focus()
        && content.is_empty()
        && hosts.filter_text().is_empty()
        && ui.input(|input| input.key_pressed(egui::Key::Backspace))
    {
        view.send(Command::ScopeHosts(ScopeChange::Clear));
    }
    if response.changed() {
        view.send(Command::FilterHosts(content));
    }
    if response.lost_focus() {
        let (enter, escape) = ui.input(|input| {
            (
                input.key_pressed(egui::Key::Enter),
                input.key_pressed(egui::Key::Escape),
            )
        });
        if escape {
            view.send(Command::FilterHosts(String::new()));
        } else if enter {
            // From here the arrows walk the table.
            view.send(Command::MoveHost {
                step: Move::First,
                extend: false,
            });
        }
    }
    if let Some(problem) = &hosts.filter_problem {
        response.show_tooltip_text(problem.as_str());
    }
}

fn chips(view: View<'_>) -> Vec<(String, ScopeChange)> {
    let scope = view.state.hosts.scope();
    let mut chips = Vec::new();
    if let Some(status) = scope.status {
        chips.push((
            format!("status:{}", status.as_str().to_lowercase()),
            ScopeChange::Status(status),
        ));
    }
    if let Some(reachable) = scope.reachable {
        let chip = if reachable { "reachable" } else { "not reachable" };
        chips.push((chip.to_owned(), ScopeChange::Reachable(reachable)));
    }
    if let Some(unit) = &scope.unit {
        chips.push((
            format!("ou:\"{}\"", tree::unit_name(unit)),
            ScopeChange::Unit(unit.clone()),
        ));
    }
    if let Some(group) = &scope.group {
        chips.push((format!("group:{group}"), ScopeChange::Group(group.clone())));
    }
    chips
}

fn chip_ui(ui: &Ui, view: View<'_>, rect: egui::Rect, chip: &str, change: ScopeChange) {
    let tokens = Tokens::of(ui);
    let response = ui.interact(rect, ui.scope_id().with(("chip", chip)), egui::Sense::click());
    let said = format!("{chip}, press to take it away");
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &said));
    ui.painter()
        .rect_filled(rect, egui::CornerRadius::same(4), tokens.selection);
    if response.hovered() || response.has_focus() {
        ui.painter().rect_stroke(
            rect,
            egui::CornerRadius::same(4),
            Stroke::new(1.0, tokens.accent),
            egui::StrokeKind::Inside,
        );
    }
    text::line(
        ui.painter(),
        rect,
        chip,
        fonts::mono(),
        tokens.accent,
        Align::Center,
    );
    if response.on_hover_text("Take this away").clicked() {
        view.send(Command::ScopeHosts(change));
    }
}
