//! Buttons: 30 high, an optional icon before and a key after the text, one primary at a time.

use egui::{
    Align, Color32, CornerRadius, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, Vec2, Widget,
    WidgetInfo, vec2,
};

use super::icons::Icon;
use super::tokens::{Tokens, size};
use super::{fonts, text};

/// How much a button asks to be pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Primary,
    Normal,
    Quiet,
}

/// A button; `…` at the end of its text says that it asks more before it acts.
#[must_use = "add it to a ui"]
pub struct Button<'a> {
    text: &'a str,
    name: Option<&'a str>,
    kind: Kind,
    icon: Option<Icon>,
    keys: Option<String>,
    enabled: bool,
    min_width: f32,
}

impl<'a> Button<'a> {
    /// A normal button.
    pub fn new(text: &'a str) -> Self {
        Self {
            text,
            name: None,
            kind: Kind::Normal,
            icon: None,
            keys: None,
            enabled: true,
            min_width: 0.0,
        }
    }

    /// The one thing to press.
    pub fn primary(text: &'a str) -> Self {
        Self {
            kind: Kind::Primary,
            ..Self::new(text)
        }
    }

    /// A button without a frame until the pointer is over it.
    pub fn quiet(text: &'a str) -> Self {
        Self {
            kind: Kind::Quiet,
            ..Self::new(text)
        }
    }

    /// A picture alone; `name` is what a screen reader says.
    pub fn icon(icon: Icon, name: &'a str) -> Self {
        Self {
            name: Some(name),
            icon: Some(icon),
            ..Self::quiet("")
        }
    }

    /// A picture before the text.
    pub fn with_icon(mut self, icon: Icon) -> Self {
        self.icon = Some(icon);
        self
    }

    /// The key that does the same, shown at the end.
    pub fn keys(mut self, keys: impl Into<String>) -> Self {
        self.keys = Some(keys.into());
        self
    }

    /// A button that cannot be pressed now.
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// At least this wide.
    pub fn min_width(mut self, width: f32) -> Self {
        self.min_width = width;
        self
    }
}

const PAD: f32 = 12.0;
const ICON: f32 = 15.0;
const GAP: f32 = 8.0;

impl Widget for Button<'_> {
    fn ui(self, ui: &mut Ui) -> Response {
        let tokens = Tokens::of(ui);
        let font = if self.kind == Kind::Primary {
            fonts::strong()
        } else {
            fonts::medium()
        };
        let text_width = text::width(ui.painter(), self.text, font.clone());
        let icon_only = self.text.is_empty();
        let icon_width = match (self.icon, icon_only) {
            (Some(_), false) => ICON + GAP,
            (Some(_), true) => ICON,
            (None, _) => 0.0,
        };
        let keys_width = self.keys.as_deref().map_or(0.0, |keys| {
            text::width(ui.painter(), keys, key_font()) + 12.0 + GAP
        });
        let pad = if icon_only {
            (size::CONTROL - ICON) / 2.0
        } else {
            PAD
        };
        let width = (text_width + icon_width + keys_width + 2.0 * pad).max(self.min_width);
        let sense = if self.enabled {
            Sense::click()
        } else {
            Sense::hover()
        };
        let (rect, response) = ui.allocate_exact_size(vec2(width.ceil(), size::CONTROL), sense);
        let label = self.name.unwrap_or(self.text).to_owned();
        let enabled = self.enabled && ui.is_enabled();
        response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, &label));
        if !ui.is_rect_visible(rect) {
            return response;
        }

        let over = enabled && (response.hovered() || response.is_pointer_button_down_on());
        let (fill, border, ink) = colors(self.kind, tokens, over, enabled);
        let corner = CornerRadius::same(size::CORNER);
        ui.painter().rect(rect, corner, fill, border, StrokeKind::Inside);
        if response.has_focus() {
            let ring = rect.expand(if self.kind == Kind::Primary { 2.0 } else { 0.0 });
            ui.painter()
                .rect_stroke(ring, corner, Stroke::new(1.5, tokens.accent), StrokeKind::Inside);
        }
        let mut inner = rect.shrink2(Vec2::new(pad, 0.0));
        if let Some(icon) = self.icon {
            icon.paint_left(ui.painter(), inner, ICON, ink);
            inner.min.x += icon_width;
        }
        if let Some(keys) = &self.keys {
            let place = Rect::from_min_max(
                egui::pos2(inner.right() - keys_width + GAP, inner.center().y - 9.0),
                egui::pos2(inner.right(), inner.center().y + 9.0),
            );
            keycap(
                ui,
                place,
                keys,
                if self.kind == Kind::Primary {
                    ink
                } else {
                    tokens.secondary
                },
            );
            inner.max.x -= keys_width;
        }
        // Entries of a menu stand below each other.
        let in_menu = self.kind == Kind::Quiet && self.min_width > 0.0;
        let align = if in_menu { Align::Min } else { Align::Center };
        text::line(ui.painter(), inner, self.text, font, ink, align);
        response
    }
}

fn key_font() -> egui::FontId {
    egui::FontId::monospace(10.5)
}

/// Paints the name of a key in a little frame.
fn keycap(ui: &Ui, rect: Rect, keys: &str, ink: Color32) {
    let border = Stroke::new(1.0, ink.gamma_multiply(0.45));
    ui.painter()
        .rect_stroke(rect, CornerRadius::same(4), border, StrokeKind::Inside);
    text::line(ui.painter(), rect, keys, key_font(), ink, Align::Center);
}

/// Paints a key's name at the right end of a rectangle and returns how wide it is.
pub fn keycap_at_right(ui: &Ui, rect: Rect, keys: &str) -> f32 {
    let width = text::width(ui.painter(), keys, key_font()) + 12.0;
    let place = Rect::from_center_size(
        egui::pos2(rect.right() - width / 2.0, rect.center().y),
        vec2(width, 18.0),
    );
    keycap(ui, place, keys, Tokens::of(ui).secondary);
    width
}

fn colors(kind: Kind, tokens: &Tokens, over: bool, enabled: bool) -> (Color32, Stroke, Color32) {
    let (fill, border, ink) = match kind {
        Kind::Primary if over => (tokens.accent.gamma_multiply(0.88), Stroke::NONE, tokens.on_accent),
        Kind::Primary => (tokens.accent, Stroke::NONE, tokens.on_accent),
        Kind::Normal if over => (tokens.raised_hover, Stroke::new(1.0, tokens.line), tokens.text),
        Kind::Normal => (tokens.raised, Stroke::new(1.0, tokens.line), tokens.text),
        Kind::Quiet if over => (tokens.raised, Stroke::NONE, tokens.text),
        Kind::Quiet => (Color32::TRANSPARENT, Stroke::NONE, tokens.secondary),
    };
    if enabled {
        (fill, border, ink)
    } else if kind == Kind::Primary {
        (tokens.raised, Stroke::new(1.0, tokens.line), tokens.faint)
    } else {
        (fill, border, tokens.faint)
    }
}
