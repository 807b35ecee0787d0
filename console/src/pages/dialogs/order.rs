//! The dialog before signing: what will happen on how many hosts, who signs, and then the results.

use egui::{Context, Ui};
use muster_shared::protocol::action::ActionKind;

use super::pick::{self, Choice, Picked};
use super::{focus_once, signer};
use crate::command::Command;
use crate::pages::{activity, states};
use crate::remote::Remote;
use crate::state::order::{LIFETIMES, OrderDialog, Stage};
use crate::state::preview::{self, Kind};
use crate::ui::card::{self, Line};
use crate::ui::dialog::Dialog;
use crate::ui::field::labelled;
use crate::ui::{Button, Icon, Tokens, text};
use crate::view::View;

/// Shows the dialog.
pub(super) fn ui(ctx: &Context, view: View<'_>, order: &OrderDialog) {
    let title = order.title();
    let explanation = match order.stage {
        Stage::Picking => "Enter picks a package; an empty field and Enter goes on",
        Stage::Signing | Stage::Sending => {
            "Nothing is sent until you sign. This is what the hosts will do, computed from their last report."
        }
        Stage::Sent(_) => "Signed and sent. Results come in as the hosts report them.",
    };
    let field = match order.stage {
        Stage::Picking => pick::search_id("order"),
        Stage::Signing | Stage::Sending | Stage::Sent(_) => signer::first_field(view),
    };
    if !matches!(order.stage, Stage::Sent(_)) {
        let asks = view.state.signers.asks_secret(view.now);
        let chosen = &view.state.signers.chosen;
        focus_once(
            ctx,
            (
                order.id,
                order.attempt,
                order.stage == Stage::Picking,
                asks,
                chosen,
            ),
            field,
        );
    }
    let dialog = Dialog {
        id: "order",
        title: &title,
        explanation,
        width: 720.0,
    };
    let asked = dialog.show(
        ctx,
        |ui| match order.stage {
            Stage::Picking => picking(ui, view, order),
            Stage::Signing | Stage::Sending => signing(ui, view, order),
            Stage::Sent(batch) => sent(ui, view, order, batch),
        },
        |ui| footer(ui, view, order),
    );
    let typing = order.stage == Stage::Picking && !order.search.text().trim().is_empty();
    let picks_nothing = order.stage == Stage::Picking && order.packages.is_empty();
    if asked.close {
        view.send(Command::CloseDialog);
    } else if asked.confirm && !typing && !picks_nothing {
        view.send(Command::Confirm);
    }
}

fn picking(ui: &mut Ui, view: View<'_>, order: &OrderDialog) {
    if let Some(problem) = view.state.packages.list.problem() {
        states::problem_box(ui, problem);
    }
    if !order.packages.is_empty() {
        ui.horizontal_wrapped(|ui| {
            for package in &order.packages {
                if ui
                    .add(Button::new(package).with_icon(Icon::Cross))
                    .on_hover_text("Take it away")
                    .clicked()
                {
                    view.send(Command::PickPackage(package.clone()));
                }
            }
        });
    }
    let typed = order.search.text();
    let choices = choices(view, order, typed.trim());
    // Enter in an empty field goes on instead of picking the first row again.
    let offered: &[Choice] = if typed.trim().is_empty() && !order.packages.is_empty() && enter_pressed(ui) {
        &[]
    } else {
        &choices
    };
    if let Some((package, Picked::First | Picked::Second)) =
        pick::ui(ui, "order", &order.search, offered, 280.0)
    {
        view.send(Command::PickPackage(package));
    }
    if let Some(problem) = &order.problem {
        states::problem_box(ui, problem);
    }
}

fn enter_pressed(ui: &Ui) -> bool {
    ui.input(|input| input.key_pressed(egui::Key::Enter))
}

/// Packages of the repository, or, to take away, those of the host as it reported them.
fn choices(view: View<'_>, order: &OrderDialog, typed: &str) -> Vec<Choice> {
    let words: Vec<String> = typed.split_whitespace().map(str::to_lowercase).collect();
    let fits = |text: &str| {
        let text = text.to_lowercase();
        words.iter().all(|word| text.contains(word))
    };
    let taken = |package: &str| order.packages.iter().any(|picked| picked == package);
    let taking_away = matches!(order.kind, ActionKind::Remove | ActionKind::Forget);
    let reported = order
        .targets
        .first()
        .filter(|_| taking_away && order.targets.len() == 1)
        .and_then(|target| view.state.details.of(&target.identifier))
        .and_then(Remote::value);
    let mut choices: Vec<Choice> = match reported {
        Some(detail) => detail
            .packages()
            .installed
            .into_iter()
            .filter(|installed| fits(&format!("{} {}", installed.package, installed.description)))
            .map(|installed| Choice {
                taken: taken(&installed.package),
                package: installed.package,
                version: installed.version,
                note: installed.description,
            })
            .collect(),
        None => view
            .state
            .packages
            .newest()
            .filter(|row| fits(&format!("{} {} {}", row.package, row.name, row.description)))
            .take(200)
            .map(|row| Choice {
                taken: taken(&row.package),
                package: row.package.clone(),
                version: row.version.clone(),
                note: row.description.clone(),
            })
            .collect(),
    };
    // A version can be named, and what is no longer in the repository can still be taken away.
    if !typed.is_empty() && !choices.iter().any(|choice| choice.package == typed) {
        choices.push(Choice {
            package: typed.to_owned(),
            version: String::new(),
            note: "as typed".to_owned(),
            taken: taken(typed),
        });
    }
    choices
}

fn signing(ui: &mut Ui, view: View<'_>, order: &OrderDialog) {
    preview_ui(ui, view, order);
    if order.targets.iter().any(|target| !target.reachable) {
        labelled(ui, signer::LABEL, "Away hosts", |ui| {
            for (place, (_, name)) in LIFETIMES.iter().enumerate() {
                let chosen = order.lifetime == place;
                let button = if chosen {
                    Button::new(name).with_icon(Icon::Tick)
                } else {
                    Button::quiet(name)
                };
                if ui
                    .add(button)
                    .on_hover_text("How long the order waits for hosts that are away")
                    .clicked()
                {
                    view.send(Command::ChooseLifetime(place));
                }
            }
        });
    }
    let parts = signer::Parts {
        secret: &order.secret,
        certificate_path: &order.certificate_path,
        key_path: &order.key_path,
        problem: order.problem.as_ref(),
        busy: order.stage == Stage::Sending,
        asks_secret: true,
    };
    signer::ui(ui, view, &parts);
}

fn preview_ui(ui: &mut Ui, view: View<'_>, order: &OrderDialog) {
    let tokens = Tokens::of(ui);
    let lines = preview::lines(order, view.state.signers.current(), view.now);
    if let Some(problem) = order.preview.problem() {
        states::problem_box(ui, problem);
    }
    card::show(ui, |ui| {
        if lines.is_empty() {
            let said = if order.preview.is_pending() {
                "Reading the hosts' last reports …"
            } else {
                "Nothing to show"
            };
            card::padded(ui, |ui| text::small(ui, said));
        }
        egui::ScrollArea::vertical()
            .max_height(260.0)
            .auto_shrink([false, true])
            .show(ui, |ui| {
                for line in &lines {
                    let icon = match line.kind {
                        Kind::Change => (Icon::NeedUpgrade, tokens.warn),
                        Kind::Warning => (Icon::Error, tokens.error),
                        Kind::Away => (Icon::Waiting, tokens.secondary),
                        Kind::Nothing => (Icon::Ok, tokens.secondary),
                    };
                    Line {
                        icon: Some(icon),
                        name: &line.name,
                        note: &line.note,
                        end: &line.end,
                        strong: true,
                        end_mono: false,
                    }
                    .show(ui);
                }
            });
    });
}

fn sent(ui: &mut Ui, view: View<'_>, order: &OrderDialog, batch: uuid::Uuid) {
    let Some(remote) = view.state.activity.targets(batch) else {
        return;
    };
    if let Some(problem) = remote.problem() {
        states::problem_box(ui, problem);
    }
    let Some(targets) = remote.value() else { return };
    if let Some(row) = view.state.activity.row(batch) {
        text::small(
            ui,
            &format!("Signed by {} · {}", row.signer, activity::state_text(row)),
        );
    }
    activity::retry(ui, view, order.kind, &order.packages, targets);
    egui::ScrollArea::vertical()
        .max_height(360.0)
        .auto_shrink([false, true])
        .show(ui, |ui| {
            activity::targets_ui(ui, view, targets);
        });
}

fn footer(ui: &mut Ui, view: View<'_>, order: &OrderDialog) {
    let (name, enabled) = match order.stage {
        Stage::Picking => ("Continue", !order.packages.is_empty()),
        Stage::Signing => {
            let ready = view.state.signers.current().is_some() && view.state.typed_key_file().is_none();
            ("Sign and send", ready)
        }
        Stage::Sending => ("Signing …", false),
        Stage::Sent(_) => ("Close", true),
    };
    if ui.add(Button::primary(name).keys("⏎").enabled(enabled)).clicked() && enabled {
        view.send(Command::Confirm);
    }
    if !matches!(order.stage, Stage::Sent(_)) && ui.add(Button::new("Cancel").keys("Esc")).clicked() {
        view.send(Command::CloseDialog);
    }
    ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
        let said = match (order.stage, order.targets.as_slice()) {
            (Stage::Sent(_), _) => "This goes on when the dialog is closed; see Activity".to_owned(),
            (_, [_]) => "One signature".to_owned(),
            (_, many) => format!(
                "One signature for all {}",
                text::counted(many.len() as u64, "host")
            ),
        };
        text::small(ui, &said);
    });
}
