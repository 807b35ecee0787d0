//! What a person can ask for, once: text, tooltip, key and picture. Buttons, menus, palette and keys read it.

use egui::{Key, KeyboardShortcut, Modifiers};

use crate::ui::Icon;

/// Everything that can be asked for without naming an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UserAction {
    ShowHosts,
    ShowPackages,
    ShowActivity,
    Palette,
    Find,
    Refresh,
    SelectAll,
    CheckUpdates,
    Upgrade,
    Install,
    Remove,
    Forget,
    EditHost,
    RetryFailed,
    Upload,
    ToggleTheme,
    FollowSystemTheme,
    LockSigner,
    SignOut,
    Quit,
}

impl UserAction {
    /// All of them, in the palette's order.
    pub const ALL: [UserAction; 20] = [
        Self::Upgrade,
        Self::CheckUpdates,
        Self::Install,
        Self::Remove,
        Self::Forget,
        Self::EditHost,
        Self::RetryFailed,
        Self::SelectAll,
        Self::ShowHosts,
        Self::ShowPackages,
        Self::ShowActivity,
        Self::Upload,
        Self::Find,
        Self::Refresh,
        Self::Palette,
        Self::ToggleTheme,
        Self::FollowSystemTheme,
        Self::LockSigner,
        Self::SignOut,
        Self::Quit,
    ];

    /// The word on the button; `…` when it asks more first.
    pub fn text(self) -> &'static str {
        match self {
            Self::ShowHosts => "Hosts",
            Self::ShowPackages => "Packages",
            Self::ShowActivity => "Activity",
            Self::Palette => "Commands",
            Self::Find => "Find",
            Self::Refresh => "Refresh",
            Self::SelectAll => "Select all",
            Self::CheckUpdates => "Check updates",
            Self::Upgrade => "Upgrade",
            Self::Install => "Install…",
            Self::Remove => "Remove…",
            Self::Forget => "Forget…",
            Self::EditHost => "Edit packages…",
            Self::RetryFailed => "Retry now",
            Self::Upload => "Upload a package…",
            Self::ToggleTheme => "Switch light and dark",
            Self::FollowSystemTheme => "Theme of the system",
            Self::LockSigner => "Lock the signer",
            Self::SignOut => "Sign out",
            Self::Quit => "Quit",
        }
    }

    /// What it does, in a sentence.
    pub fn tooltip(self) -> &'static str {
        match self {
            Self::ShowHosts => "The fleet: every host with its state",
            Self::ShowPackages => "The repository: what can be installed",
            Self::ShowActivity => "What was ordered, by whom, and what became of it",
            Self::Palette => "Every action, every host, every package",
            Self::Find => "Filter this page",
            Self::Refresh => "Load this page again",
            Self::SelectAll => "Select every row that the filter shows",
            Self::CheckUpdates => "The selected hosts read the repository again and report what is waiting",
            Self::Upgrade => "The selected hosts install, upgrade and remove what is waiting",
            Self::Install => "Choose packages that the selected hosts install",
            Self::Remove => "Choose packages that the selected hosts remove",
            Self::Forget => {
                "Choose packages that the selected hosts no longer manage, leaving them installed"
            }
            Self::EditHost => "Required and forbidden packages of this host",
            Self::RetryFailed => "The host tries the failed package again",
            Self::Upload => "Send a built .wapt file to the repository",
            Self::ToggleTheme => "The other theme, until you choose again",
            Self::FollowSystemTheme => "Light or dark as the system says",
            Self::LockSigner => "Forget the unlocked key: the next signature asks for its secret again",
            Self::SignOut => "End the session on the server",
            Self::Quit => "Close the window",
        }
    }

    /// The key that does it.
    pub fn shortcut(self) -> Option<KeyboardShortcut> {
        let ctrl = |key| Some(KeyboardShortcut::new(Modifiers::COMMAND, key));
        match self {
            Self::ShowHosts => ctrl(Key::Num1),
            Self::ShowPackages => ctrl(Key::Num2),
            Self::ShowActivity => ctrl(Key::Num3),
            Self::Palette => ctrl(Key::K),
            Self::Find => ctrl(Key::F),
            Self::Refresh => Some(KeyboardShortcut::new(Modifiers::NONE, Key::F5)),
            Self::SelectAll => ctrl(Key::A),
            Self::CheckUpdates => ctrl(Key::U),
            Self::Upgrade => ctrl(Key::P),
            Self::Install => ctrl(Key::I),
            Self::Remove => ctrl(Key::R),
            Self::EditHost => ctrl(Key::O),
            Self::Upload => ctrl(Key::N),
            Self::LockSigner => ctrl(Key::L),
            Self::ToggleTheme => ctrl(Key::T),
            Self::Quit => ctrl(Key::Q),
            Self::Forget | Self::RetryFailed | Self::FollowSystemTheme | Self::SignOut => None,
        }
    }

    /// Its picture.
    pub fn icon(self) -> Icon {
        match self {
            Self::ShowHosts => Icon::Monitor,
            Self::ShowPackages => Icon::Box,
            Self::ShowActivity => Icon::Pulse,
            Self::Palette => Icon::Command,
            Self::Find => Icon::Search,
            Self::Refresh | Self::CheckUpdates | Self::RetryFailed => Icon::Refresh,
            Self::SelectAll => Icon::List,
            Self::Upgrade => Icon::NeedUpgrade,
            Self::Install => Icon::Download,
            Self::Remove => Icon::Trash,
            Self::Forget => Icon::Minus,
            Self::EditHost => Icon::Pencil,
            Self::Upload => Icon::Upload,
            Self::ToggleTheme => Icon::Moon,
            Self::FollowSystemTheme => Icon::Gear,
            Self::LockSigner => Icon::Lock,
            Self::SignOut => Icon::Door,
            Self::Quit => Icon::Cross,
        }
    }

    /// The key as it is written on buttons.
    pub fn keys(self) -> Option<String> {
        self.shortcut().map(|shortcut| {
            let mut text = String::new();
            if shortcut.modifiers.command {
                text.push_str(if cfg!(target_os = "macos") {
                    "Cmd "
                } else {
                    "Ctrl "
                });
            }
            if shortcut.modifiers.shift {
                text.push_str("Shift ");
            }
            text.push_str(shortcut.logical_key.symbol_or_name());
            text
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_says_what_it_does_and_no_key_does_two_things() {
        let mut keys = std::collections::HashSet::new();
        let mut texts = std::collections::HashSet::new();
        for action in UserAction::ALL {
            assert!(!action.tooltip().is_empty(), "{action:?} has no tooltip");
            assert!(
                !action.tooltip().ends_with('.'),
                "{action:?}: one sentence has no full stop"
            );
            assert!(texts.insert(action.text()), "{action:?} has the text of another");
            if let Some(shortcut) = action.shortcut() {
                assert!(
                    keys.insert((shortcut.modifiers, shortcut.logical_key)),
                    "{action:?} shares its key"
                );
            }
        }
    }
}
