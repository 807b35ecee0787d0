//! Who signs: the choice of a signer, its secret, and how to add a key file.

use egui::{Align, CornerRadius, Id, Popup, Sense, Stroke, StrokeKind, Ui, vec2};

use crate::command::Command;
use crate::remote::Problem;
use crate::state::input::{Input, Secret};
use crate::state::time;
use crate::ui::field::labelled;
use crate::ui::{Button, Field, Icon, Tokens, fonts, size, text};
use crate::view::View;
use crate::worker::{SignerEntry, SignerKind};

/// Width of the names at the left of fields.
pub(super) const LABEL: f32 = 96.0;

/// What a dialog holds for signing.
pub(super) struct Parts<'a> {
    pub secret: &'a Secret,
    pub certificate_path: &'a Input,
    pub key_path: &'a Input,
    pub problem: Option<&'a Problem>,
    /// The signature is under way: nothing can be changed.
    pub busy: bool,
    /// The secret is asked for here; otherwise the signer is only chosen.
    pub asks_secret: bool,
}

/// The field that has the keyboard first.
pub(super) fn first_field(view: View<'_>) -> Id {
    if view.state.signers.entries.is_empty() {
        Id::unique("signer certificate path")
    } else {
        secret_id()
    }
}

fn secret_id() -> Id {
    Id::unique("signer secret")
}

/// Shows choice and secret.
pub(super) fn ui(ui: &mut Ui, view: View<'_>, parts: &Parts<'_>) {
    let signers = &view.state.signers;
    ui.spacing_mut().item_spacing.y = 12.0;
    let adding = Id::unique("adding a key file");
    let wants_to_add = ui.data(|data| data.get_temp::<bool>(adding)).unwrap_or_default();
    labelled(ui, LABEL, "Sign with", |ui| chooser(ui, view, adding, parts.busy));
    let typed = !parts.certificate_path.text().is_empty();
    if signers.entries.is_empty() || wants_to_add || typed {
        if typed {
            ui.data_mut(|data| data.insert_temp(adding, false));
        }
        add_key_file(ui, view, parts);
    }
    for problem in &signers.problems {
        text::small(ui, &problem.message);
    }
    if let Some(warning) = signers
        .current()
        .map(|entry| entry.warning.as_str())
        .filter(|text| !text.is_empty())
    {
        labelled(ui, LABEL, "", |ui| {
            text::error(ui, warning);
        });
    }
    if !parts.asks_secret {
        // Chosen here, opened later.
    } else if signers.asks_secret(view.now) {
        let name = signers.secret_name();
        labelled(ui, LABEL, name, |ui| {
            ui.add_enabled_ui(!parts.busy, |ui| {
                parts.secret.edit(|content| {
                    Field::new(secret_id(), name)
                        .secret()
                        .width(190.0)
                        .wrong(parts.problem.is_some())
                        .show(ui, content)
                });
            });
            text::small(ui, "asked once, kept for 15 minutes");
        });
    } else if let Some(minutes) = signers.unlocked_minutes(view.now) {
        labelled(ui, LABEL, "", |ui| {
            text::small(
                ui,
                &format!(
                    "unlocked for {}",
                    text::counted(minutes.max(0) as u64, "more minute")
                ),
            );
        });
    }
    if let Some(problem) = parts.problem {
        super::super::states::problem_box(ui, problem);
    }
}

fn chooser(ui: &mut Ui, view: View<'_>, adding: Id, busy: bool) {
    let signers = &view.state.signers;
    let tokens = Tokens::of(ui);
    let sense = if busy { Sense::hover() } else { Sense::click() };
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), size::CONTROL), sense);
    let border = if response.has_focus() {
        tokens.accent
    } else {
        tokens.line
    };
    let corner = CornerRadius::same(size::CORNER);
    ui.painter().rect(
        rect,
        corner,
        tokens.raised,
        Stroke::new(1.0, border),
        StrokeKind::Inside,
    );
    let mut inner = rect.shrink2(vec2(12.0, 0.0));
    let said = match signers.current() {
        Some(entry) => {
            icon(entry.kind).paint_left(ui.painter(), inner, 15.0, tokens.text);
            inner.min.x += 26.0;
            describe(entry)
        }
        None if signers.asked => "no signer yet".to_owned(),
        None => "looking for signers …".to_owned(),
    };
    inner.max.x -= 18.0;
    text::line(ui.painter(), inner, &said, fonts::body(), tokens.text, Align::Min);
    let tip = egui::pos2(rect.right() - 16.0, rect.center().y + 2.0);
    for side in [-4.0, 4.0] {
        ui.painter()
            .line_segment([tip, tip + vec2(side, -4.0)], Stroke::new(1.4, tokens.secondary));
    }
    response
        .widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, !busy, format!("Sign with {said}")));
    Popup::menu(&response).width(rect.width()).show(|ui| {
        for entry in &signers.entries {
            let said = describe(entry);
            let button = Button::quiet(&said)
                .with_icon(icon(entry.kind))
                .min_width(rect.width() - 16.0);
            if ui.add(button).clicked() {
                ui.data_mut(|data| data.insert_temp(adding, false));
                view.send(Command::ChooseSigner(entry.key.clone()));
                ui.close();
            }
        }
        let button = Button::quiet("Another key file…")
            .with_icon(Icon::Plus)
            .min_width(rect.width() - 16.0);
        if ui.add(button).clicked() {
            ui.data_mut(|data| data.insert_temp(adding, true));
            ui.close();
        }
    });
}

/// `Smartcard “C. Moreau” — slot 0, valid to 2028-03-02`.
fn describe(entry: &SignerEntry) -> String {
    let what = match entry.kind {
        SignerKind::File => "Key file",
        SignerKind::Token => "Smartcard",
    };
    let mut said = format!("{what} “{}” — {}", entry.name, entry.place);
    if let Some(until) = entry.not_after {
        said = format!("{said}, valid to {}", time::day(until));
    }
    said
}

/// The picture of a signer.
pub(super) fn icon(kind: SignerKind) -> Icon {
    match kind {
        SignerKind::File => Icon::Key,
        SignerKind::Token => Icon::Card,
    }
}

fn add_key_file(ui: &mut Ui, view: View<'_>, parts: &Parts<'_>) {
    let path_field = |ui: &mut Ui, label: &str, id: &str, input: &Input, hint: &str| {
        labelled(ui, LABEL, label, |ui| {
            input.edit(|content| {
                Field::new(Id::unique(id), label)
                    .mono()
                    .hint(hint)
                    .show(ui, content)
            });
        });
    };
    path_field(
        ui,
        "Certificate",
        "signer certificate path",
        parts.certificate_path,
        "path of the .crt or .pem file",
    );
    path_field(
        ui,
        "Key",
        "signer key path",
        parts.key_path,
        "path of the private key; beside it when empty",
    );
    labelled(ui, LABEL, "", |ui| {
        if ui
            .add(Button::new("Use this key file").enabled(!parts.busy))
            .clicked()
            && let Some((certificate, key)) = view.state.typed_key_file()
        {
            view.send(Command::AddKeyFile { certificate, key });
        }
    });
}
