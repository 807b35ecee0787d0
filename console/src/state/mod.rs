//! The window's model: everything that is shown, and how commands and answers change it.
//!
//! Nothing here draws or waits: [`State::handle`] and [`State::answer`] change the model and say, as
//! [`Effect`]s, what the outside must do. That makes every flow testable without a window.

pub mod activity;
pub mod answers;
pub mod detail;
pub mod edit;
pub mod filter;
pub mod handle;
pub mod hosts;
pub mod input;
pub mod order;
pub mod packages;
pub mod palette;
pub mod preview;
pub mod scope;
pub mod sign_in;
pub mod signers;
pub mod signing;
pub mod time;
pub mod tree;

use std::collections::BTreeSet;
use std::time::Instant;

use egui::ThemePreference;
use jiff::Timestamp;
use muster_shared::protocol::session::Right;

use crate::action::UserAction;
use crate::remote::Problem;
use crate::worker::{Request, SignedIn};

use activity::Activity;
use detail::Details;
use edit::EditDialog;
use hosts::Hosts;
use input::Input;
use order::OrderDialog;
use packages::Packages;
use palette::Palette;
use sign_in::SignIn;
use signers::Signers;

/// The pages of the rail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Page {
    #[default]
    Hosts,
    Packages,
    Activity,
}

/// When a command or an answer is handled.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// For what is shown and signed.
    pub now: Timestamp,
    /// For what waits.
    pub at: Instant,
}

/// What the outside must do.
#[derive(Debug)]
pub enum Effect {
    Ask(Request),
    /// Puts the keyboard into the page's search field.
    FocusSearch,
    SetTheme(ThemePreference),
    Copy(String),
    Quit,
}

/// The live connection to the server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Live {
    #[default]
    Connecting,
    Connected,
    Lost(Problem),
}

/// What stands over the page.
#[derive(Debug, Default)]
pub enum Dialog {
    #[default]
    None,
    Order(Box<OrderDialog>),
    Edit(Box<EditDialog>),
    Palette(Palette),
    Upload(Input),
    /// The whole log of a failed step.
    Log {
        title: String,
        text: String,
    },
}

/// Everything that is shown.
#[derive(Debug, Default)]
pub struct State {
    pub session: Option<SignedIn>,
    pub live: Live,
    pub sign_in: SignIn,
    pub page: Page,
    pub hosts: Hosts,
    pub details: Details,
    pub packages: Packages,
    pub activity: Activity,
    pub signers: Signers,
    pub dialog: Dialog,
    /// Closed units of the tree, by distinguished name.
    pub folded: BTreeSet<String>,
    pub theme: ThemePreference,
    /// What happened last, for the bottom bar.
    pub last_event: Option<(Timestamp, String)>,
    /// A problem that belongs to no place of its own.
    pub notice: Option<Problem>,
}

impl State {
    /// The user's role includes a right.
    pub fn may(&self, right: Right) -> bool {
        self.session
            .as_ref()
            .is_some_and(|session| session.role.has(right))
    }

    /// An action makes sense now; the palette and buttons show the others as not available.
    pub fn can(&self, action: UserAction) -> bool {
        let signed_in = self.session.is_some();
        let hosts = signed_in && self.page == Page::Hosts;
        match action {
            UserAction::ToggleTheme | UserAction::FollowSystemTheme | UserAction::Quit => true,
            UserAction::ShowHosts
            | UserAction::ShowPackages
            | UserAction::ShowActivity
            | UserAction::Palette
            | UserAction::Refresh
            | UserAction::SignOut => signed_in,
            UserAction::Find => signed_in && self.page != Page::Activity,
            UserAction::SelectAll => hosts,
            UserAction::CheckUpdates
            | UserAction::Upgrade
            | UserAction::Install
            | UserAction::Remove
            | UserAction::Forget => hosts && self.hosts.selected_len() > 0 && self.may(Right::Act),
            UserAction::EditHost => hosts && self.hosts.current().is_some() && self.may(Right::EditHosts),
            UserAction::RetryFailed => {
                hosts
                    && self.may(Right::Act)
                    && self.hosts.current().is_some_and(|row| row.packages_failed > 0)
            }
            UserAction::Upload => signed_in && self.may(Right::EditPackages),
            UserAction::LockSigner => signed_in && self.signers.is_unlocked(),
        }
    }
}
