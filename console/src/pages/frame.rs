//! The frame around every page: top bar, rail, bottom bar.

use egui::{
    Align, CornerRadius, Frame, Id, Layout, Margin, Panel, Rect, Role, Sense, Stroke, Ui, WidgetInfo, vec2,
};

use crate::action::UserAction;
use crate::command::Command;
use crate::state::{Live, Page, activity};
use crate::ui::{Button, Field, Icon, Tokens, fonts, progress, size, text};
use crate::view::View;

/// The id of the field that filters the page.
pub fn search_id() -> Id {
    Id::unique("page search")
}

/// Shows the top bar with the page's filter.
pub fn top_bar(ui: &mut Ui, view: View<'_>) {
    let tokens = Tokens::of(ui);
    let frame = Frame::NONE.fill(tokens.panel).inner_margin(Margin {
        left: 0,
        right: 14,
        top: 0,
        bottom: 0,
    });
    Panel::top("top bar")
        .exact_size(size::BAR)
        .resizable(false)
        .frame(frame)
        .show(ui, |ui| {
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                logo(ui);
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    ui.spacing_mut().item_spacing.x = 12.0;
                    let keys = UserAction::Palette.keys().unwrap_or_default();
                    let palette = ui
                        .add(Button::new(UserAction::Palette.text()).keys(keys))
                        .on_hover_ui(|ui| View::tooltip(ui, UserAction::Palette));
                    if palette.clicked() {
                        view.send(Command::Run(UserAction::Palette));
                    }
                    theme_switch(ui, view);
                    match view.state.page {
                        Page::Hosts => super::hosts::search(ui, view),
                        Page::Packages => packages_search(ui, view),
                        Page::Activity => {}
                    }
                });
            });
        });
}

fn logo(ui: &mut Ui) {
    let tokens = Tokens::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(size::RAIL - 8.0, size::BAR), Sense::hover());
    Icon::Diamond.paint(
        ui.painter(),
        egui::pos2(rect.left() + 22.0, rect.center().y),
        16.0,
        tokens.accent,
    );
    let mut name = rect;
    name.min.x += 34.0;
    let font = egui::FontId::new(16.0, fonts::strong().family);
    text::line(ui.painter(), name, "Muster", font, tokens.text, Align::Min);
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, "Muster"));
}

fn theme_switch(ui: &mut Ui, view: View<'_>) {
    let icon = if ui.visuals().dark_mode {
        Icon::Sun
    } else {
        Icon::Moon
    };
    let response = ui
        .add(Button::icon(icon, UserAction::ToggleTheme.text()))
        .on_hover_ui(|ui| View::tooltip(ui, UserAction::ToggleTheme));
    if response.clicked() {
        view.send(Command::Run(UserAction::ToggleTheme));
    }
}

fn packages_search(ui: &mut Ui, view: View<'_>) {
    let mut content = view.state.packages.filter().to_owned();
    let (response, rect) = Field::new(search_id(), "Filter packages")
        .icon(Icon::Search)
        .hint("Filter packages: name, description, section, signer …")
        .room(0.0, 60.0)
        .show(ui, &mut content);
    find_key(ui, rect);
    if response.changed() {
        view.send(Command::FilterPackages(content));
    }
}

/// The key that leads into the search field, at its right end.
pub fn find_key(ui: &Ui, rect: Rect) {
    let mut inner = rect;
    inner.max.x -= 8.0;
    crate::ui::button::keycap_at_right(ui, inner, &UserAction::Find.keys().unwrap_or_default());
}

/// Shows the rail: only pages that work.
pub fn rail(ui: &mut Ui, view: View<'_>) {
    let tokens = Tokens::of(ui);
    let frame = Frame::NONE.fill(tokens.panel).inner_margin(Margin::same(8));
    Panel::left("rail")
        .exact_size(size::RAIL)
        .resizable(false)
        .frame(frame)
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            let hosts = &view.state.hosts;
            let hosts_note = text::number(hosts.total() as u64);
            let working = view.state.activity.list.value().map_or(0, |rows| {
                rows.iter()
                    .filter(|row| activity::is_under_way(row, view.now))
                    .count()
            });
            let working = if working > 0 {
                format!("{working} running")
            } else {
                String::new()
            };
            let packages = text::number(view.state.packages.all().len() as u64);
            rail_item(ui, view, Page::Hosts, UserAction::ShowHosts, &hosts_note);
            rail_item(ui, view, Page::Packages, UserAction::ShowPackages, &packages);
            rail_item(ui, view, Page::Activity, UserAction::ShowActivity, &working);
        });
}

fn rail_item(ui: &mut Ui, view: View<'_>, page: Page, action: UserAction, note: &str) {
    let tokens = Tokens::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 32.0), Sense::click());
    let chosen = view.state.page == page;
    let corner = CornerRadius::same(size::CORNER);
    if chosen {
        ui.painter().rect_filled(rect, corner, tokens.selection);
    } else if response.hovered() {
        ui.painter().rect_filled(rect, corner, tokens.raised);
    }
    if response.has_focus() {
        ui.painter().rect_stroke(
            rect,
            corner,
            Stroke::new(1.0, tokens.accent),
            egui::StrokeKind::Inside,
        );
    }
    let ink = if chosen { tokens.text } else { tokens.secondary };
    let mut inner = rect.shrink2(vec2(10.0, 0.0));
    action.icon().paint_left(ui.painter(), inner, 16.0, ink);
    inner.min.x += 24.0;
    let font = if chosen { fonts::strong() } else { fonts::body() };
    text::line(ui.painter(), inner, action.text(), font, ink, Align::Min);
    text::line(
        ui.painter(),
        inner,
        note,
        fonts::small(),
        tokens.secondary,
        Align::Max,
    );
    let said = format!("{} page", action.text());
    response.widget_info(|| WidgetInfo::selected(Role::Tab, true, chosen, &said));
    let response = response.on_hover_ui(|ui| View::tooltip(ui, action));
    if response.clicked() {
        view.send(Command::Run(action));
    }
}

/// Shows the bottom bar: connection, user, signer, running work, last event.
pub fn status_bar(ui: &mut Ui, view: View<'_>) {
    let tokens = Tokens::of(ui);
    let frame = Frame::NONE.fill(tokens.panel).inner_margin(Margin {
        left: 14,
        right: 14,
        top: 0,
        bottom: 0,
    });
    Panel::bottom("status bar")
        .exact_size(size::STATUS_BAR)
        .resizable(false)
        .frame(frame)
        .show(ui, |ui| {
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.spacing_mut().item_spacing.x = 18.0;
                connection(ui, view);
                if let Some(session) = &view.state.session {
                    text::small(ui, &format!("{} · {}", session.user, session.role.as_str()));
                }
                signer(ui, view);
                if let Some((name, fraction, note)) = view.state.running_work(view.now) {
                    ui.spacing_mut().item_spacing.x = 6.0;
                    text::small(ui, &name);
                    progress::bar(ui, 120.0, fraction, &name);
                    text::small(ui, &note);
                }
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    if let Some(told) = view.state.last_event_text() {
                        let color = tokens.secondary;
                        let rich = egui::RichText::new(told).font(fonts::small()).color(color);
                        ui.add(egui::Label::new(rich).truncate());
                    }
                });
            });
        });
}

fn connection(ui: &mut Ui, view: View<'_>) {
    let tokens = Tokens::of(ui);
    let Some(session) = &view.state.session else {
        return;
    };
    let (color, word) = match &view.state.live {
        Live::Connected => (tokens.ok, "connected"),
        Live::Connecting => (tokens.secondary, "connecting"),
        Live::Lost(_) => (tokens.error, "not connected, trying again"),
    };
    let name = match &view.state.live {
        Live::Connected => session.server.clone(),
        Live::Connecting | Live::Lost(_) => format!("{} · {word}", session.server),
    };
    let width = text::width(ui.painter(), &name, fonts::small()) + 14.0;
    let (rect, response) = ui.allocate_exact_size(vec2(width, 20.0), Sense::hover());
    ui.painter()
        .circle_filled(egui::pos2(rect.left() + 4.0, rect.center().y), 4.0, color);
    let mut inner = rect;
    inner.min.x += 14.0;
    text::line(ui.painter(), inner, &name, fonts::small(), color, Align::Min);
    let said = format!("{}: {word}", session.server);
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &said));
    response.on_hover_ui(|ui| {
        ui.label(format!("{} · Muster {}", session.address, session.version));
        if let Live::Lost(problem) = &view.state.live {
            ui.label(&problem.message);
        }
    });
}

fn signer(ui: &mut Ui, view: View<'_>) {
    let signers = &view.state.signers;
    let Some(entry) = signers.current() else { return };
    let tokens = Tokens::of(ui);
    let what = match entry.kind {
        crate::worker::SignerKind::File => "Key file",
        crate::worker::SignerKind::Token => "Smartcard",
    };
    let state = match signers.unlocked_minutes(view.now) {
        Some(minutes) => format!("unlocked, {minutes} min"),
        None if entry.needs_secret => "locked".to_owned(),
        None => "ready".to_owned(),
    };
    let said = format!("{what} {state}");
    let width = text::width(ui.painter(), &said, fonts::small()) + 16.0;
    let (rect, response) = ui.allocate_exact_size(vec2(width, 20.0), Sense::hover());
    let icon = match entry.kind {
        crate::worker::SignerKind::File => Icon::Key,
        crate::worker::SignerKind::Token => Icon::Card,
    };
    icon.paint_left(ui.painter(), rect, 12.0, tokens.secondary);
    let mut inner = rect;
    inner.min.x += 16.0;
    text::line(
        ui.painter(),
        inner,
        &said,
        fonts::small(),
        tokens.secondary,
        Align::Min,
    );
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &said));
    response.on_hover_text(format!("{} — {}", entry.name, entry.place));
}
