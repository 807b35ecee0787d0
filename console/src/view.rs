//! What a page is given: the model to read, and a place to send commands. It cannot change the model.

use jiff::Timestamp;

use crate::action::UserAction;
use crate::command::{Command, CommandQueue};
use crate::state::State;
use crate::ui::Button;

/// Borrowed state and the way to ask for changes.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub state: &'a State,
    pub commands: &'a CommandQueue,
    /// The time of this frame.
    pub now: Timestamp,
}

impl View<'_> {
    /// Asks for a change.
    #[track_caller]
    pub fn send(&self, command: Command) {
        self.commands.send(command);
    }

    /// A button for an action, with its tooltip; disabled when it makes no sense now.
    pub fn button(&self, ui: &mut egui::Ui, action: UserAction, primary: bool) {
        let enabled = self.state.can(action);
        let button = if primary {
            Button::primary(action.text())
        } else {
            Button::new(action.text())
        };
        let response = ui
            .add(button.enabled(enabled))
            .on_hover_ui(|ui| Self::tooltip(ui, action));
        if response.clicked() && enabled {
            self.send(Command::Run(action));
        }
    }

    /// What an action does, and its key.
    pub fn tooltip(ui: &mut egui::Ui, action: UserAction) {
        let text = match action.keys() {
            Some(keys) => format!("{}  ({keys})", action.tooltip()),
            None => action.tooltip().to_owned(),
        };
        ui.label(text);
    }
}
