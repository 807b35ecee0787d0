//! The editor of a host's package: required and forbidden at the left, the repository at the right.

use egui::{Align, Context, CornerRadius, Key, Layout, Modifiers, ScrollArea, Sense, Ui, vec2};

use super::pick::{self, Choice, Picked};
use super::{focus_once, signer};
use crate::command::Command;
use crate::pages::states;
use crate::state::edit::{EditDialog, Stage, name_of};
use crate::ui::dialog::Dialog;
use crate::ui::{Button, Icon, Tokens, card, fonts, size, text};
use crate::view::View;

const LIST_HEIGHT: f32 = 330.0;

/// Shows the dialog.
pub(super) fn ui(ctx: &Context, view: View<'_>, edit: &EditDialog) {
    let title = format!("Packages of {}", edit.name);
    let editing = edit.stage == Stage::Editing;
    let explanation = if editing {
        "Enter requires the package under the mark, Shift and Enter forbids it; adding to one list takes from the other"
    } else {
        "The package of the host is signed once more, with your key"
    };
    let listing = editing && edit.loaded.value().is_some();
    let field = if listing {
        pick::search_id("edit")
    } else {
        signer::first_field(view)
    };
    let asks = view.state.signers.asks_secret(view.now);
    let chosen = &view.state.signers.chosen;
    focus_once(
        ctx,
        (&edit.identifier, edit.attempt, editing, listing, asks, chosen),
        field,
    );
    if editing {
        save_keys(ctx, view);
    }
    let dialog = Dialog {
        id: "edit",
        title: &title,
        explanation,
        width: 900.0,
    };
    let asked = dialog.show(
        ctx,
        |ui| {
            if editing {
                lists(ui, view, edit);
                if let Some(problem) = &edit.problem {
                    states::problem_box(ui, problem);
                }
            } else {
                signing(ui, view, edit);
            }
        },
        |ui| footer(ui, view, edit),
    );
    if asked.close {
        view.send(Command::CloseDialog);
    } else if asked.confirm && !listing {
        view.send(Command::Confirm);
    }
}

fn save_keys(ctx: &Context, view: View<'_>) {
    let (apply, save) = ctx.input_mut(|input| {
        (
            input.consume_key(Modifiers::COMMAND | Modifiers::SHIFT, Key::S),
            input.consume_key(Modifiers::COMMAND, Key::S),
        )
    });
    if apply {
        view.send(Command::SaveEdit { apply: true });
    } else if save {
        view.send(Command::SaveEdit { apply: false });
    }
}

fn lists(ui: &mut Ui, view: View<'_>, edit: &EditDialog) {
    if let Some(problem) = edit.loaded.problem() {
        states::problem_box(ui, problem);
        // Whose host packages may be replaced follows from who signs: another signer may be able to.
        signer::ui(ui, view, &parts(edit));
        return;
    }
    if edit.loaded.value().is_none() {
        text::small(ui, "Reading and checking the host's package …");
        return;
    }
    ui.columns(2, |columns| {
        let [left, right] = columns else { return };
        left.spacing_mut().item_spacing.y = 8.0;
        list(
            left,
            view,
            "Required",
            "Nothing is required",
            Icon::Tick,
            &edit.required,
        );
        list(
            left,
            view,
            "Forbidden",
            "Nothing is forbidden",
            Icon::Ban,
            &edit.forbidden,
        );
        let typed = edit.search.text();
        let choices = choices(view, edit, typed.trim());
        if let Some((package, picked)) = pick::ui(right, "edit", &edit.search, &choices, LIST_HEIGHT - 38.0) {
            view.send(match picked {
                Picked::First => Command::Require(package),
                Picked::Second => Command::Forbid(package),
            });
        }
    });
}

fn list(ui: &mut Ui, view: View<'_>, title: &str, empty: &str, icon: Icon, packages: &[String]) {
    card::show(ui, |ui| {
        card::title(ui, title);
        ScrollArea::vertical()
            .id_salt(title)
            .min_scrolled_height(LIST_HEIGHT / 2.0 - 38.0)
            .max_height(LIST_HEIGHT / 2.0 - 38.0)
            .auto_shrink([false, false])
            .show(ui, |ui| {
                if packages.is_empty() {
                    card::padded(ui, |ui| text::small(ui, empty));
                }
                for package in packages {
                    listed(ui, view, title, icon, package);
                }
            });
    });
}

fn listed(ui: &mut Ui, view: View<'_>, list: &str, icon: Icon, package: &str) {
    let tokens = Tokens::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), size::ROW), Sense::hover());
    let said = format!("{list}: {package}");
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ListItem, true, &said));
    card::hairline(ui, rect);
    if response.hovered() {
        ui.painter()
            .rect_filled(rect.shrink(1.0), CornerRadius::same(4), tokens.raised);
    }
    let known = view.state.packages.newest_of(&name_of(package)).is_some();
    let mut inner = rect.shrink2(vec2(size::MARGIN, 0.0));
    icon.paint_left(
        ui.painter(),
        inner,
        14.0,
        if known { tokens.secondary } else { tokens.warn },
    );
    inner.min.x += 22.0;
    inner.max.x -= 30.0;
    text::line(
        ui.painter(),
        inner,
        package,
        fonts::body(),
        tokens.text,
        Align::Min,
    );
    let name_width = text::width(ui.painter(), package, fonts::body());
    if !known {
        inner.min.x += name_width + 10.0;
        text::line(
            ui.painter(),
            inner,
            "not in the repository",
            fonts::small(),
            tokens.warn,
            Align::Min,
        );
    }
    let button = egui::Rect::from_center_size(
        egui::pos2(rect.right() - 20.0, rect.center().y),
        vec2(size::CONTROL, size::CONTROL),
    );
    let name = format!("Take {package} off");
    if ui
        .put(button, Button::icon(Icon::Cross, &name))
        .on_hover_text(&name)
        .clicked()
    {
        view.send(Command::Unlist(package.to_owned()));
    }
}

fn choices(view: View<'_>, edit: &EditDialog, typed: &str) -> Vec<Choice> {
    let words: Vec<String> = typed.split_whitespace().map(str::to_lowercase).collect();
    let mut choices: Vec<Choice> = view
        .state
        .packages
        .newest()
        .filter(|row| {
            let text = format!("{} {} {}", row.package, row.name, row.description).to_lowercase();
            words.iter().all(|word| text.contains(word))
        })
        .filter(|row| !edit.lists(&row.package))
        .take(300)
        .map(|row| Choice {
            package: row.package.clone(),
            version: row.version.clone(),
            note: row.description.clone(),
            taken: false,
        })
        .collect();
    // A name that is typed whole comes first, whatever else its letters occur in.
    choices.sort_by_key(|choice| (choice.package != typed, !choice.package.starts_with(typed)));
    if !typed.is_empty() && choices.first().is_none_or(|choice| choice.package != typed) {
        let valid = muster_shared::request::Request::parse(typed).is_ok();
        if valid && !edit.lists(typed) {
            choices.push(Choice {
                package: typed.to_owned(),
                version: String::new(),
                note: "as typed".to_owned(),
                taken: false,
            });
        }
    }
    choices
}

fn signing(ui: &mut Ui, view: View<'_>, edit: &EditDialog) {
    let tokens = Tokens::of(ui);
    let loaded = edit.loaded.value().cloned().unwrap_or_default();
    card::show(ui, |ui| {
        let mut any = false;
        let mut line = |ui: &mut Ui, icon, color, name: &str, end: &str| {
            any = true;
            card::Line {
                icon: Some((icon, color)),
                name,
                note: "",
                end,
                strong: true,
                end_mono: false,
            }
            .show(ui);
        };
        for package in edit
            .required
            .iter()
            .filter(|package| !loaded.required.contains(package))
        {
            line(ui, Icon::Plus, tokens.ok, package, "now required");
        }
        for package in edit
            .forbidden
            .iter()
            .filter(|package| !loaded.forbidden.contains(package))
        {
            line(ui, Icon::Ban, tokens.error, package, "now forbidden");
        }
        for package in loaded
            .required
            .iter()
            .filter(|package| !edit.required.contains(package))
        {
            line(ui, Icon::Minus, tokens.warn, package, "no longer required");
        }
        for package in loaded
            .forbidden
            .iter()
            .filter(|package| !edit.forbidden.contains(package))
        {
            line(ui, Icon::Minus, tokens.warn, package, "no longer forbidden");
        }
        if !any {
            card::padded(ui, |ui| text::small(ui, "The lists stay as they are"));
        }
    });
    signer::ui(ui, view, &parts(edit));
}

fn parts(edit: &EditDialog) -> signer::Parts<'_> {
    signer::Parts {
        secret: &edit.secret,
        certificate_path: &edit.certificate_path,
        key_path: &edit.key_path,
        problem: edit.problem.as_ref(),
        busy: matches!(edit.stage, Stage::Saving { .. }),
        asks_secret: edit.stage != Stage::Editing,
    }
}

fn footer(ui: &mut Ui, view: View<'_>, edit: &EditDialog) {
    let ready = edit.loaded.value().is_some();
    match edit.stage {
        Stage::Editing => {
            if ui
                .add(
                    Button::primary("Save and apply")
                        .keys("Ctrl Shift S")
                        .enabled(ready),
                )
                .clicked()
                && ready
            {
                view.send(Command::SaveEdit { apply: true });
            }
            if ui
                .add(Button::new("Save").keys("Ctrl S").enabled(ready))
                .clicked()
                && ready
            {
                view.send(Command::SaveEdit { apply: false });
            }
        }
        Stage::Signing { apply } => {
            let name = if apply {
                "Sign, save and apply"
            } else {
                "Sign and save"
            };
            let enabled = view.state.signers.current().is_some();
            if ui.add(Button::primary(name).keys("⏎").enabled(enabled)).clicked() && enabled {
                view.send(Command::Confirm);
            }
        }
        Stage::Saving { .. } => {
            ui.add(Button::primary("Saving …").enabled(false));
        }
    }
    if ui.add(Button::new("Cancel").keys("Esc")).clicked() {
        view.send(Command::CloseDialog);
    }
    ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
        let loaded = edit.loaded.value();
        let said = match loaded.map(|loaded| (loaded.version.as_str(), loaded.signer.as_str())) {
            Some(("", _)) => "This host has no package yet".to_owned(),
            Some((version, signer)) => format!("Version {version}, signed by {signer}"),
            None => String::new(),
        };
        text::small(ui, &said);
    });
}
