//! Dialogs: over the darkened window, title and explanation above, what to press below.

use egui::{Context, CornerRadius, Frame, Id, Key, Layout, Margin, Modal, Modifiers, Stroke, Ui, vec2};

use super::text;
use super::tokens::{Tokens, size};

/// What a dialog's keys and backdrop asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Asked {
    /// Escape, or a press beside the dialog.
    pub close: bool,
    /// Enter, while no button has the keyboard.
    pub confirm: bool,
}

/// A dialog with a title.
pub struct Dialog<'a> {
    pub id: &'static str,
    pub title: &'a str,
    pub explanation: &'a str,
    pub width: f32,
}

impl Dialog<'_> {
    /// Shows the dialog: `body` between hairlines, `footer` right-aligned below.
    pub fn show(&self, ctx: &Context, body: impl FnOnce(&mut Ui), footer: impl FnOnce(&mut Ui)) -> Asked {
        let tokens = Tokens::of_theme(ctx.theme());
        // A button that has the keyboard takes Enter for itself; a text field or nothing does not.
        let enter_is_free = ctx.text_edit_focused() || ctx.memory(egui::Memory::focused).is_none();
        let enter = ctx.input(|input| input.key_pressed(Key::Enter) && input.modifiers == Modifiers::NONE);
        let frame = Frame::NONE
            .fill(tokens.panel)
            .stroke(Stroke::new(1.0, tokens.line))
            .corner_radius(CornerRadius::same(size::DIALOG_CORNER))
            .shadow(ctx.style_of(ctx.theme()).visuals.window_shadow);
        let modal = Modal::new(Id::unique(self.id))
            .frame(frame)
            .backdrop_color(tokens.backdrop);
        let shown = modal.show(ctx, |ui| {
            ui.set_width(self.width.min(ui.ctx().content_rect().width() - 40.0));
            ui.spacing_mut().item_spacing.y = 8.0;
            Frame::NONE
                .inner_margin(Margin {
                    left: 22,
                    right: 22,
                    top: 18,
                    bottom: 16,
                })
                .show(ui, |ui| {
                    ui.set_width(ui.available_width());
                    heading(ui, self.title);
                    if !self.explanation.is_empty() {
                        text::secondary(ui, self.explanation);
                    }
                    ui.add_space(4.0);
                    body(ui);
                });
            let line = ui.cursor().top() - 8.0;
            ui.painter()
                .hline(ui.max_rect().x_range(), line, Stroke::new(1.0, tokens.line));
            ui.add_space(-8.0);
            Frame::NONE
                .inner_margin(Margin::symmetric(22, 12))
                .show(ui, |ui| {
                    ui.allocate_ui_with_layout(
                        vec2(ui.available_width(), size::CONTROL),
                        Layout::right_to_left(egui::Align::Center),
                        footer,
                    );
                });
        });
        Asked {
            close: shown.should_close(),
            confirm: enter && enter_is_free,
        }
    }
}

fn heading(ui: &mut Ui, title: &str) {
    let color = Tokens::of(ui).text;
    let font = egui::FontId::new(15.0, super::fonts::strong().family);
    let response = ui.add(egui::Label::new(egui::RichText::new(title).font(font).color(color)).wrap());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Heading, true, title));
}
