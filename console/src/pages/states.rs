//! Empty, loading and failed: what a list shows when it has no rows, and the strip over rows that are old.

use egui::{Align, Frame, Layout, Margin, Stroke, Ui, vec2};

use crate::remote::{Problem, Remote};
use crate::ui::{Button, Icon, Tokens, size, text};

/// What a list without rows says, in the middle of its room.
pub fn empty(ui: &mut Ui, icon: Icon, title: &str, note: &str) {
    let tokens = Tokens::of(ui);
    ui.vertical_centered(|ui| {
        ui.add_space((ui.available_height() * 0.3).max(24.0));
        let (rect, _) = ui.allocate_exact_size(vec2(36.0, 36.0), egui::Sense::hover());
        icon.paint(ui.painter(), rect.center(), 32.0, tokens.secondary);
        ui.add_space(8.0);
        text::strong(ui, title);
        ui.set_max_width(420.0);
        text::secondary(ui, note);
    });
}

/// Says that a list is on its way, or why it could not be had; nothing when it is here.
/// Returns whether "Try again" was pressed.
pub fn list_state<T>(ui: &mut Ui, remote: &Remote<T>, what: &str) -> bool {
    match remote {
        Remote::NotAsked | Remote::Ready(_) | Remote::Pending(Some(_)) => false,
        Remote::Pending(None) => {
            empty(
                ui,
                Icon::Clock,
                &format!("Loading {what}"),
                "The first time can take a moment",
            );
            false
        }
        Remote::Failed(_, problem) => failure_strip(ui, problem),
    }
}

/// A problem in a strip over what is shown; returns whether "Try again" was pressed.
pub fn failure_strip(ui: &mut Ui, problem: &Problem) -> bool {
    let mut again = false;
    problem_frame(ui, |ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            again = ui.add(Button::new("Try again")).clicked();
            ui.with_layout(Layout::top_down(Align::Min), |ui| self::problem(ui, problem));
        });
    });
    again
}

/// A problem with what to do about it.
pub fn problem(ui: &mut Ui, problem: &Problem) {
    text::error(ui, &problem.message);
    for hint in &problem.hints {
        text::small(ui, hint);
    }
}

/// A problem in a box of its own.
pub fn problem_box(ui: &mut Ui, problem: &Problem) {
    problem_frame(ui, |ui| {
        ui.vertical(|ui| self::problem(ui, problem));
    });
}

fn problem_frame(ui: &mut Ui, add: impl FnOnce(&mut Ui)) {
    let tokens = Tokens::of(ui);
    Frame::NONE
        .fill(tokens.error_surface)
        .stroke(Stroke::new(1.0, tokens.error.gamma_multiply(0.5)))
        .corner_radius(size::CORNER)
        .inner_margin(Margin::symmetric(12, 8))
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            add(ui);
        });
}
