//! Drawing: the frame, the page, the dialog; then the commands they sent are carried out.

use egui::{CentralPanel, Frame, Ui};
use muster_shared::protocol::session::Right;

use super::{App, keys};
use crate::command::Command;
use crate::pages::{activity, dialogs, frame, hosts, packages, sign_in, states};
use crate::state::Page;
use crate::ui::{Button, Icon, Tokens};
use crate::view::View;

impl App {
    /// Draws everything and carries out what was asked for.
    pub fn draw(&mut self, ui: &mut Ui) {
        let moment = Self::moment();
        let view = View {
            state: &self.state,
            commands: &self.commands,
            now: moment.now,
        };
        keys::handle(ui.ctx(), view);
        take_dropped_files(ui, view);
        if view.state.session.is_some() {
            signed_in(ui, view);
        } else {
            let background = Frame::NONE.fill(Tokens::of(ui).background);
            CentralPanel::no_frame()
                .frame(background)
                .show(ui, |ui| sign_in::ui(ui, view));
        }
        self.state.hosts.scroll_to_cursor = false;
        self.state.packages.scroll_to_cursor = false;
        self.run_commands(ui);
    }

    fn run_commands(&mut self, ui: &Ui) {
        let theme = ui.theme();
        let waiting = self.commands.drain();
        if waiting.is_empty() {
            return;
        }
        for (command, sender) in waiting {
            tracing::debug!(?command, %sender, "command");
            let effects = self.state.handle(command, theme, Self::moment());
            self.carry_out(ui.ctx(), effects);
        }
        // What the commands changed is drawn at once, not at the next event.
        ui.ctx().request_repaint();
    }
}

fn signed_in(ui: &mut Ui, view: View<'_>) {
    frame::top_bar(ui, view);
    frame::status_bar(ui, view);
    frame::rail(ui, view);
    let background = Frame::NONE.fill(Tokens::of(ui).background);
    CentralPanel::no_frame().frame(background).show(ui, |ui| {
        if let Some(problem) = &view.state.notice {
            ui.horizontal(|ui| {
                states::problem_box(ui, problem);
                if ui.add(Button::icon(Icon::Cross, "Dismiss")).clicked() {
                    view.send(Command::DismissNotice);
                }
            });
        }
        match view.state.page {
            Page::Hosts => hosts::ui(ui, view),
            Page::Packages => packages::ui(ui, view),
            Page::Activity => activity::ui(ui, view),
        }
    });
    dialogs::ui(ui.ctx(), view);
}

/// Files dropped on the window are packages to upload.
fn take_dropped_files(ui: &Ui, view: View<'_>) {
    let dropped = ui.input(|input| input.raw.dropped_files.clone());
    if !view.state.may(Right::EditPackages) {
        return;
    }
    for file in dropped {
        view.send(Command::UploadFile(file.path().to_owned()));
    }
}
