//! Signing in: the server, the comparison of its certificate, user and password.

use egui::{CornerRadius, Frame, Id, Key, Margin, Modifiers, Stroke, Ui};

use super::dialogs::focus_once;
use super::states;
use crate::command::Command;
use crate::state::sign_in::{SignIn, Stage};
use crate::state::time;
use crate::ui::field::labelled;
use crate::ui::{Button, Field, Icon, Tokens, card, size, text};
use crate::view::View;
use crate::worker::SeenCertificate;

const LABEL: f32 = 84.0;

/// Shows the page.
pub fn ui(ui: &mut Ui, view: View<'_>) {
    let tokens = Tokens::of(ui);
    let form = &view.state.sign_in;
    let height = ui.available_height();
    ui.vertical_centered(|ui| {
        ui.add_space((height * 0.2).max(16.0));
        Frame::NONE
            .fill(tokens.panel)
            .stroke(Stroke::new(1.0, tokens.line))
            .corner_radius(CornerRadius::same(size::DIALOG_CORNER))
            .inner_margin(Margin::same(24))
            .show(ui, |ui| {
                ui.set_width(460.0);
                ui.spacing_mut().item_spacing.y = 10.0;
                ui.with_layout(egui::Layout::top_down(egui::Align::Min), |ui| match &form.stage {
                    Stage::Form | Stage::Looking | Stage::Sending => fields(ui, view, form),
                    Stage::Compare(seen) => compare(ui, view, form, seen),
                });
            });
    });
}

fn heading(ui: &mut Ui, title: &str) {
    ui.horizontal(|ui| {
        let (rect, _) = ui.allocate_exact_size(egui::vec2(22.0, 24.0), egui::Sense::hover());
        Icon::Diamond.paint(ui.painter(), rect.center(), 18.0, Tokens::of(ui).accent);
        text::large(ui, title);
    });
}

fn fields(ui: &mut Ui, view: View<'_>, form: &SignIn) {
    heading(ui, "Muster");
    text::secondary(ui, "Sign in to your server");
    let busy = form.stage != Stage::Form;
    let (server, user, password) = (
        Id::unique("sign-in server"),
        Id::unique("sign-in user"),
        Id::unique("sign-in password"),
    );
    let first = if form.address.text().is_empty() {
        server
    } else if form.user.text().is_empty() {
        user
    } else {
        password
    };
    // Filling the form from the settings, and each refusal, put the keyboard where something is missing.
    focus_once(ui.ctx(), ("sign in", &form.problem, form.known_count()), first);
    let enter = ui.input(|input| input.key_pressed(Key::Enter) && input.modifiers == Modifiers::NONE)
        && ui.ctx().text_edit_focused();
    ui.add_enabled_ui(!busy, |ui| {
        ui.spacing_mut().item_spacing.y = 10.0;
        labelled(ui, LABEL, "Server", |ui| {
            form.address.edit(|content| {
                Field::new(server, "Server")
                    .hint("name, or the muster:// line")
                    .show(ui, content)
            });
        });
        labelled(ui, LABEL, "User", |ui| {
            form.user
                .edit(|content| Field::new(user, "User").show(ui, content));
        });
        labelled(ui, LABEL, "Password", |ui| {
            form.password
                .edit(|content| Field::new(password, "Password").secret().show(ui, content));
        });
    });
    if form.is_known() {
        labelled(ui, LABEL, "", |ui| {
            text::small(ui, "The certificate of this server is known and checked");
        });
    }
    if let Some(problem) = &form.problem {
        states::problem_box(ui, problem);
    }
    ui.add_space(4.0);
    let name = match form.stage {
        Stage::Looking => "Looking at the server …",
        Stage::Sending => "Signing in …",
        Stage::Form | Stage::Compare(_) => "Sign in",
    };
    let pressed = ui
        .add(Button::primary(name).keys("⏎").enabled(!busy).min_width(460.0))
        .clicked();
    if (pressed || enter) && !busy {
        view.send(Command::SubmitSignIn);
    }
}

fn compare(ui: &mut Ui, view: View<'_>, form: &SignIn, seen: &SeenCertificate) {
    heading(ui, "Is this your server?");
    text::secondary(
        ui,
        "This window has not seen this server before. Compare the fingerprint with the one that \
         `muster-server init` printed, then type its first eight characters. Nothing was sent yet.",
    );
    card::show(ui, |ui| {
        Frame::NONE.inner_margin(Margin::symmetric(0, 8)).show(ui, |ui| {
            ui.set_width(ui.available_width());
            card::fact(ui, "Certificate", &seen.subject, false);
            card::fact(ui, "Issued by", &seen.issuer, false);
            card::fact(ui, "Valid until", &time::day(seen.not_after), false);
            card::fact(ui, "SHA-256", &grouped(&seen.fingerprint), true);
        });
    });
    let field = Id::unique("fingerprint start");
    focus_once(ui.ctx(), ("compare", &form.problem, &seen.fingerprint), field);
    let enter = ui.input(|input| input.key_pressed(Key::Enter)) && ui.ctx().text_edit_focused();
    labelled(ui, LABEL, "Begins with", |ui| {
        form.typed.edit(|content| {
            Field::new(field, "First eight characters of the fingerprint")
                .mono()
                .width(150.0)
                .wrong(form.problem.is_some())
                .show(ui, content)
        });
    });
    if let Some(problem) = &form.problem {
        states::problem_box(ui, problem);
    }
    ui.horizontal(|ui| {
        let sure = ui.add(
            Button::primary("This is my server")
                .keys("⏎")
                .enabled(form.typed_matches(seen)),
        );
        if sure.clicked() || enter {
            view.send(Command::SubmitSignIn);
        }
        let escape = ui.input(|input| input.key_pressed(Key::Escape));
        if ui.add(Button::new("Back").keys("Esc")).clicked() || escape {
            view.send(Command::ForgetCertificate);
        }
    });
}

/// A fingerprint in groups of four, to be compared by eye.
fn grouped(fingerprint: &str) -> String {
    let characters: Vec<char> = fingerprint.chars().collect();
    let groups: Vec<String> = characters.chunks(4).map(|group| group.iter().collect()).collect();
    groups.join(" ")
}
