//! The whole log of a step.

use egui::{Context, Frame, Label, Margin, ScrollArea};

use crate::command::Command;
use crate::pages::detail::log::job;
use crate::ui::dialog::Dialog;
use crate::ui::{Button, Tokens, size, text};
use crate::view::View;

/// Shows the dialog.
pub(super) fn ui(ctx: &Context, view: View<'_>, title: &str, log: &str) {
    let tokens = Tokens::of_theme(ctx.theme());
    let height = (ctx.content_rect().height() - 240.0).max(160.0);
    let dialog = Dialog {
        id: "log",
        title,
        explanation: "",
        width: 960.0,
    };
    let asked = dialog.show(
        ctx,
        |ui| {
            Frame::NONE
                .fill(tokens.code_surface)
                .corner_radius(size::CORNER)
                .inner_margin(Margin::same(12))
                .show(ui, |ui| {
                    ScrollArea::both()
                        .max_height(height)
                        .auto_shrink([false, true])
                        .stick_to_bottom(true)
                        .show(ui, |ui| {
                            let lines: Vec<&str> = log.lines().collect();
                            if lines.is_empty() {
                                text::small(ui, "The step wrote nothing");
                            } else {
                                ui.add(Label::new(job(&lines, tokens)).selectable(true).extend());
                            }
                        });
                });
        },
        |ui| {
            if ui.add(Button::primary("Close").keys("⏎")).clicked() {
                view.send(Command::CloseDialog);
            }
            if ui.add(Button::new("Copy")).clicked() {
                view.send(Command::CopyText(log.to_owned()));
            }
        },
    );
    if asked.close || asked.confirm {
        view.send(Command::CloseDialog);
    }
}
