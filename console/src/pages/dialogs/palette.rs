//! The command palette: type, walk with the arrows, Enter.

use egui::{
    Align, Align2, Area, Context, CornerRadius, Frame, Id, Key, Modal, Modifiers, Order, Sense, Stroke, Ui,
    vec2,
};

use super::focus_once;
use crate::command::Command;
use crate::state::palette::{Item, Palette};
use crate::ui::button::keycap_at_right;
use crate::ui::{Field, Icon, Tokens, fonts, size, text};
use crate::view::View;

/// Shows the palette.
pub(super) fn ui(ctx: &Context, view: View<'_>, palette: &Palette) {
    let tokens = Tokens::of_theme(ctx.theme());
    let field = Id::unique("palette field");
    focus_once(ctx, "palette", field);
    let (up, down, enter) = ctx.input_mut(|input| {
        (
            input.consume_key(Modifiers::NONE, Key::ArrowUp),
            input.consume_key(Modifiers::NONE, Key::ArrowDown),
            input.consume_key(Modifiers::NONE, Key::Enter),
        )
    });
    if up || down {
        view.send(Command::MovePalette { down });
    }
    if enter {
        view.send(Command::RunPalette(palette.chosen));
    }
    let frame = Frame::NONE
        .fill(tokens.panel)
        .stroke(Stroke::new(1.0, tokens.line))
        .corner_radius(CornerRadius::same(size::DIALOG_CORNER))
        .inner_margin(10)
        .shadow(ctx.style_of(ctx.theme()).visuals.window_shadow);
    let area = Area::new(Id::unique("palette"))
        .order(Order::Foreground)
        .anchor(Align2::CENTER_TOP, vec2(0.0, 90.0))
        .interactable(true);
    let modal = Modal::new(Id::unique("palette"))
        .area(area)
        .frame(frame)
        .backdrop_color(tokens.backdrop);
    let shown = modal.show(ctx, |ui| {
        ui.set_width(600.0);
        ui.spacing_mut().item_spacing.y = 2.0;
        let mut query = palette.query.clone();
        let (response, _) = Field::new(field, "Command, host or package")
            .icon(Icon::Search)
            .hint("Command, host or package")
            .show(ui, &mut query);
        if response.changed() {
            view.send(Command::SearchPalette(query));
        }
        ui.add_space(6.0);
        for (place, item) in palette.items.iter().enumerate() {
            item_ui(ui, view, item, place, place == palette.chosen);
        }
        if palette.items.is_empty() {
            ui.add_space(8.0);
            text::secondary(ui, "Nothing has this name");
            ui.add_space(8.0);
        }
    });
    if shown.should_close() {
        view.send(Command::CloseDialog);
    }
}

fn item_ui(ui: &mut Ui, view: View<'_>, item: &Item, place: usize, chosen: bool) {
    let tokens = Tokens::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), size::ROW), Sense::click());
    if chosen {
        ui.painter()
            .rect_filled(rect, CornerRadius::same(size::CORNER), tokens.selection);
    } else if response.hovered() {
        ui.painter()
            .rect_filled(rect, CornerRadius::same(size::CORNER), tokens.raised);
    }
    let (icon, name, note, keys) = match item {
        Item::Action(action) => (action.icon(), action.text(), action.tooltip(), action.keys()),
        Item::Host { name, note, .. } => (Icon::Monitor, name.as_str(), note.as_str(), None),
        Item::Package { name, note, .. } => (Icon::Box, name.as_str(), note.as_str(), None),
    };
    let said = format!("{name} {note}");
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::ListBoxOption, true, chosen, &said));
    let mut inner = rect.shrink2(vec2(10.0, 0.0));
    icon.paint_left(ui.painter(), inner, 15.0, tokens.secondary);
    inner.min.x += 26.0;
    if let Some(keys) = keys {
        inner.max.x -= keycap_at_right(ui, inner, &keys) + 8.0;
    }
    let name_width = text::width(ui.painter(), name, fonts::strong());
    text::line(
        ui.painter(),
        inner,
        name,
        fonts::strong(),
        tokens.text,
        Align::Min,
    );
    inner.min.x += name_width + 12.0;
    if inner.width() > 20.0 {
        text::line(
            ui.painter(),
            inner,
            note,
            fonts::small(),
            tokens.secondary,
            Align::Min,
        );
    }
    if response.clicked() {
        view.send(Command::RunPalette(place));
    }
}
