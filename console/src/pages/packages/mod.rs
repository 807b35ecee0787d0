//! The packages page: list with search, details, upload.

mod detail;
mod table;

use egui::{Align, CentralPanel, Frame, Layout, Margin, Panel, Ui};
use muster_shared::protocol::action::ActionKind;
use muster_shared::protocol::session::Right;

use crate::action::UserAction;
use crate::command::Command;
use crate::remote::Remote;
use crate::ui::{Button, Icon, Tokens, fonts, progress, size, text};
use crate::view::View;

/// Shows the page.
pub fn ui(ui: &mut Ui, view: View<'_>) {
    let tokens = Tokens::of(ui);
    let width = ui.available_width();
    Panel::right("package detail")
        .default_size(470.0)
        .size_range(320.0..=(width * 0.7).max(330.0))
        .frame(Frame::NONE.fill(tokens.panel))
        .show(ui, |ui| detail::ui(ui, view));
    CentralPanel::no_frame()
        .frame(Frame::NONE.fill(tokens.background))
        .show(ui, |ui| {
            toolbar(ui, view);
            uploads(ui, view);
            if let Some(problem) = view.state.packages.list.problem()
                && super::states::failure_strip(ui, problem)
            {
                view.send(Command::Run(UserAction::Refresh));
            }
            table::ui(ui, view);
        });
}

fn toolbar(ui: &mut Ui, view: View<'_>) {
    let tokens = Tokens::of(ui);
    let frame = Frame::NONE.inner_margin(Margin {
        left: 12,
        right: 12,
        top: 0,
        bottom: 0,
    });
    Panel::top("packages toolbar")
        .exact_size(size::BAR)
        .resizable(false)
        .frame(frame)
        .show(ui, |ui| {
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                view.button(ui, UserAction::Upload, true);
                view.button(ui, UserAction::Refresh, false);
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    let packages = &view.state.packages;
                    let said = format!(
                        "{} of {}",
                        text::number(packages.visible_len() as u64),
                        text::counted(packages.all().len() as u64, "package")
                    );
                    let rich = egui::RichText::new(said)
                        .font(fonts::small())
                        .color(tokens.secondary);
                    ui.add(egui::Label::new(rich).truncate());
                });
            });
        });
}

/// Uploads of this session: how far, what came of them.
fn uploads(ui: &mut Ui, view: View<'_>) {
    for (place, upload) in view.state.packages.uploads.iter().enumerate() {
        let name = upload
            .path
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Frame::NONE
            .inner_margin(Margin {
                left: 12,
                right: 12,
                top: 4,
                bottom: 4,
            })
            .show(ui, |ui| {
                ui.set_width(ui.available_width());
                let tokens = Tokens::of(ui);
                match &upload.state {
                    Remote::NotAsked | Remote::Pending(_) => {
                        let (sent, all) = upload.sent;
                        ui.horizontal(|ui| {
                            let what = if all == 0 { "checked" } else { "uploaded" };
                            line(
                                ui,
                                Icon::Upload,
                                tokens.accent,
                                &format!("{name} is being {what}"),
                            );
                            if all > 0 {
                                progress::bar(ui, 160.0, sent as f32 / all as f32, &name);
                            }
                        });
                    }
                    Remote::Ready(done) => {
                        ui.horizontal(|ui| {
                            let said = if done.unchanged {
                                format!("{} {} was there already", done.package, done.version)
                            } else {
                                format!("{} {} is in the repository", done.package, done.version)
                            };
                            line(ui, Icon::Ok, tokens.ok, &said);
                            if ui.add(Button::quiet("Show")).clicked() {
                                view.send(Command::GoToPackage(done.filename.clone()));
                            }
                            if ui.add(Button::icon(Icon::Cross, "Dismiss")).clicked() {
                                view.send(Command::ForgetUpload(place));
                            }
                        });
                    }
                    Remote::Failed(_, problem) => {
                        ui.horizontal(|ui| {
                            line(ui, Icon::Error, tokens.error, &format!("{name} was not uploaded"));
                            if ui.add(Button::quiet("Try again")).clicked() {
                                view.send(Command::UploadFile(upload.path.clone()));
                            }
                            if ui.add(Button::icon(Icon::Cross, "Dismiss")).clicked() {
                                view.send(Command::ForgetUpload(place));
                            }
                        });
                        super::states::problem_box(ui, problem);
                    }
                }
            });
    }
}

fn line(ui: &mut Ui, icon: Icon, color: egui::Color32, said: &str) {
    let width = text::width(ui.painter(), said, fonts::body()) + 26.0;
    let (rect, response) = ui.allocate_exact_size(egui::vec2(width, size::CONTROL), egui::Sense::hover());
    icon.paint_left(ui.painter(), rect, 15.0, color);
    let mut inner = rect;
    inner.min.x += 22.0;
    text::line(
        ui.painter(),
        inner,
        said,
        fonts::body(),
        Tokens::of(ui).text,
        Align::Min,
    );
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Status, true, said));
}

/// Install and remove of a package on the hosts that are selected on the hosts page.
fn order_buttons(
    ui: &mut Ui,
    view: View<'_>,
    mut add: impl FnMut(&mut Ui, View<'_>, ActionKind, &str, usize),
) {
    let allowed = view.state.may(Right::Act);
    let hosts = if allowed {
        view.state.hosts.selected_len()
    } else {
        0
    };
    let whom = match hosts {
        0 => "the selected hosts".to_owned(),
        hosts => text::counted(hosts as u64, "selected host"),
    };
    add(
        ui,
        view,
        ActionKind::Install,
        &format!("Install on {whom}…"),
        hosts,
    );
    add(
        ui,
        view,
        ActionKind::Remove,
        &format!("Remove from {whom}…"),
        hosts,
    );
}
