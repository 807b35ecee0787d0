//! A list of packages under a search field, walked with the arrow keys.

use egui::{Align, CornerRadius, Id, Key, Modifiers, ScrollArea, Sense, Ui, vec2};

use crate::state::input::Input;
use crate::ui::{Field, Icon, Tokens, fonts, size, text};

/// One package that can be picked.
pub(super) struct Choice {
    pub package: String,
    pub version: String,
    pub note: String,
    /// Already on a list.
    pub taken: bool,
}

/// How a package was picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Picked {
    /// Enter, or a press.
    First,
    /// Shift and Enter, or a press with Shift.
    Second,
}

/// The search field of the list.
pub(super) fn search_id(slot: &str) -> Id {
    Id::unique(("pick search", slot))
}

/// Shows search field and list; returns what was picked.
pub(super) fn ui(
    ui: &mut Ui,
    slot: &str,
    search: &Input,
    choices: &[Choice],
    height: f32,
) -> Option<(String, Picked)> {
    let id = search_id(slot);
    let place_id = id.with("place");
    let focused = ui.memory(|memory| memory.has_focus(id));
    let mut place = ui
        .data(|data| data.get_temp::<usize>(place_id))
        .unwrap_or_default();
    let mut moved = false;
    let mut picked = None;
    if focused {
        // The field would take these keys for itself.
        // The key with Shift first: without it, a key also counts when Shift is held.
        let (shift_enter, enter, up, down) = ui.input_mut(|input| {
            (
                input.consume_key(Modifiers::SHIFT, Key::Enter),
                input.consume_key(Modifiers::NONE, Key::Enter),
                input.consume_key(Modifiers::NONE, Key::ArrowUp),
                input.consume_key(Modifiers::NONE, Key::ArrowDown),
            )
        });
        moved = up || down;
        place = if up {
            place.saturating_sub(1)
        } else {
            place + usize::from(down)
        };
        place = place.min(choices.len().saturating_sub(1));
        let choice = choices.get(place).map(|choice| choice.package.clone());
        if enter {
            picked = choice.map(|package| (package, Picked::First));
        } else if shift_enter {
            picked = choice.map(|package| (package, Picked::Second));
        }
    }
    let (response, _) = search.edit(|content| {
        Field::new(id, "Search packages")
            .icon(Icon::Search)
            .hint("Search packages")
            .show(ui, content)
    });
    if response.changed() {
        place = 0;
    }
    if picked.is_some() {
        // The next package is typed at once.
        search.set("");
        place = 0;
    }
    ScrollArea::vertical()
        .id_salt((slot, "choices"))
        .max_height(height)
        .auto_shrink([false, false])
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            for (position, choice) in choices.iter().enumerate() {
                let response = row(ui, choice, position == place);
                if moved && position == place {
                    response.scroll_to_me(None);
                }
                if response.clicked() {
                    let shift = ui.input(|input| input.modifiers.shift);
                    picked = Some((
                        choice.package.clone(),
                        if shift { Picked::Second } else { Picked::First },
                    ));
                }
            }
            if choices.is_empty() {
                ui.add_space(8.0);
                text::small(ui, "No package fits");
            }
        });
    ui.data_mut(|data| data.insert_temp(place_id, place));
    picked
}

fn row(ui: &mut Ui, choice: &Choice, highlighted: bool) -> egui::Response {
    let tokens = Tokens::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), size::ROW), Sense::click());
    let said = format!("{} {}", choice.package, choice.version);
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::ListBoxOption, true, choice.taken, &said));
    if highlighted {
        ui.painter()
            .rect_filled(rect, CornerRadius::same(size::CORNER), tokens.selection);
    } else if response.hovered() {
        ui.painter()
            .rect_filled(rect, CornerRadius::same(size::CORNER), tokens.raised);
    }
    let mut inner = rect.shrink2(vec2(8.0, 0.0));
    let (icon, color) = if choice.taken {
        (Icon::Tick, tokens.ok)
    } else {
        (Icon::Box, tokens.secondary)
    };
    icon.paint_left(ui.painter(), inner, 14.0, color);
    inner.min.x += 22.0;
    let version_width = text::width(ui.painter(), &choice.version, fonts::mono());
    text::line(
        ui.painter(),
        inner,
        &choice.version,
        fonts::mono(),
        tokens.secondary,
        Align::Max,
    );
    inner.max.x -= version_width + 10.0;
    let name_width = text::width(ui.painter(), &choice.package, fonts::strong());
    text::line(
        ui.painter(),
        inner,
        &choice.package,
        fonts::strong(),
        tokens.text,
        Align::Min,
    );
    inner.min.x += name_width + 10.0;
    if inner.width() > 20.0 {
        text::line(
            ui.painter(),
            inner,
            &choice.note,
            fonts::small(),
            tokens.secondary,
            Align::Min,
        );
    }
    response
}
