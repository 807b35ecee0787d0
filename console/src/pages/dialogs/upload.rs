//! Uploading a built package by its path.

use egui::{Context, Id};

use super::focus_once;
use crate::command::Command;
use crate::state::input::Input;
use crate::ui::dialog::Dialog;
use crate::ui::{Button, Field};
use crate::view::View;

/// Shows the dialog.
pub(super) fn ui(ctx: &Context, view: View<'_>, path: &Input) {
    let field = Id::unique("upload path");
    focus_once(ctx, "upload", field);
    let ready = !path.text().trim().is_empty();
    let dialog = Dialog {
        id: "upload",
        title: "Upload a package",
        explanation: "A built and signed .wapt file. It can also be dropped on the window. The server checks \
                      signature, trust and content before anyone sees it.",
        width: 620.0,
    };
    let asked = dialog.show(
        ctx,
        |ui| {
            path.edit(|content| {
                Field::new(field, "Path of the package")
                    .mono()
                    .hint("/path/to/package.wapt")
                    .show(ui, content)
            });
        },
        |ui| {
            if ui
                .add(Button::primary("Upload").keys("⏎").enabled(ready))
                .clicked()
                && ready
            {
                view.send(Command::Confirm);
            }
            if ui.add(Button::new("Cancel").keys("Esc")).clicked() {
                view.send(Command::CloseDialog);
            }
        },
    );
    if asked.close {
        view.send(Command::CloseDialog);
    } else if asked.confirm && ready {
        view.send(Command::Confirm);
    }
}
