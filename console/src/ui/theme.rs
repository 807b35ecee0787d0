//! Turns the tokens into egui's style, once for each theme.

use egui::style::{ScrollStyle, Selection, WidgetVisuals, Widgets};
use egui::{
    Context, CornerRadius, Margin, Shadow, Stroke, Style, TextStyle, Theme, ThemePreference, Vec2, Visuals,
};

use super::fonts;
use super::tokens::{Tokens, size};

/// Installs fonts and both themes; the system decides which is shown until someone chooses.
pub fn install(ctx: &Context, preference: ThemePreference) {
    fonts::install(ctx);
    for theme in [Theme::Dark, Theme::Light] {
        ctx.set_style_of(theme, style(theme));
    }
    ctx.set_theme(preference);
}

fn style(theme: Theme) -> Style {
    let tokens = Tokens::of_theme(theme);
    let mut style = Style {
        visuals: visuals(theme, tokens),
        animation_time: 0.08,
        ..Style::default()
    };
    style.text_styles = [
        (TextStyle::Body, fonts::body()),
        (TextStyle::Button, fonts::medium()),
        (TextStyle::Small, fonts::small()),
        (TextStyle::Heading, fonts::large()),
        (TextStyle::Monospace, fonts::mono()),
    ]
    .into();
    style.spacing.item_spacing = Vec2::new(8.0, 4.0);
    style.spacing.button_padding = Vec2::new(12.0, 6.0);
    style.spacing.interact_size = Vec2::new(size::CONTROL, 20.0);
    style.spacing.menu_margin = Margin::same(4);
    style.spacing.combo_height = 320.0;
    style.spacing.scroll = ScrollStyle {
        bar_width: 8.0,
        floating_width: 4.0,
        ..ScrollStyle::floating()
    };
    style.interaction.selectable_labels = false;
    style
}

fn visuals(theme: Theme, tokens: &Tokens) -> Visuals {
    let mut visuals = match theme {
        Theme::Dark => Visuals::dark(),
        Theme::Light => Visuals::light(),
    };
    let corner = CornerRadius::same(size::CORNER);
    let hairline = Stroke::new(1.0, tokens.line);
    let widget = |fill, stroke, ink| WidgetVisuals {
        bg_fill: fill,
        weak_bg_fill: fill,
        bg_stroke: stroke,
        corner_radius: corner,
        fg_stroke: Stroke::new(1.0, ink),
        expansion: 0.0,
    };
    visuals.widgets = Widgets {
        noninteractive: widget(tokens.panel, hairline, tokens.text),
        inactive: widget(tokens.raised, hairline, tokens.text),
        hovered: widget(tokens.raised_hover, hairline, tokens.text),
        active: widget(tokens.raised_hover, Stroke::new(1.0, tokens.accent), tokens.text),
        open: widget(tokens.raised_hover, hairline, tokens.text),
    };
    visuals.selection = Selection {
        bg_fill: tokens.selection,
        stroke: Stroke::new(1.0, tokens.accent),
    };
    visuals.weak_text_color = Some(tokens.secondary);
    visuals.hyperlink_color = tokens.accent;
    visuals.faint_bg_color = tokens.raised;
    visuals.extreme_bg_color = tokens.code_surface;
    visuals.text_edit_bg_color = Some(tokens.background);
    visuals.code_bg_color = tokens.code_surface;
    visuals.warn_fg_color = tokens.warn;
    visuals.error_fg_color = tokens.error;
    visuals.panel_fill = tokens.panel;
    visuals.window_fill = tokens.panel;
    visuals.window_stroke = hairline;
    visuals.window_corner_radius = CornerRadius::same(size::DIALOG_CORNER);
    visuals.menu_corner_radius = CornerRadius::same(size::BOX_CORNER);
    visuals.popup_shadow = Shadow {
        offset: [0, 4],
        blur: 16,
        spread: 0,
        color: tokens.backdrop.gamma_multiply(0.6),
    };
    visuals.window_shadow = Shadow {
        offset: [0, 12],
        blur: 48,
        spread: 0,
        color: tokens.backdrop,
    };
    visuals.text_cursor.stroke = Stroke::new(1.5, tokens.accent);
    visuals.text_cursor.blink = false;
    visuals
}
