//! What views may ask the model to do: a closed list, drained once per frame, so every change has one place.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::Location;
use std::path::PathBuf;

use muster_shared::protocol::action::ActionKind;
use muster_shared::protocol::host::RegistrationDecision;
use uuid::Uuid;

use crate::action::UserAction;
use crate::state::detail::DetailTab;
use crate::state::hosts::{HostColumn, Move, ScopeChange};
use crate::state::packages::PackageColumn;

/// How a click changes a selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// This one alone.
    Only,
    /// This one more or less.
    Toggle,
    /// From the last one to this one.
    Range,
}

/// One thing to do.
#[derive(Debug)]
pub enum Command {
    Run(UserAction),
    // sign-in
    SubmitSignIn,
    ForgetCertificate,
    // hosts
    FilterHosts(String),
    ScopeHosts(ScopeChange),
    SortHosts(HostColumn),
    PickHost {
        position: usize,
        pick: Pick,
    },
    MoveHost {
        step: Move,
        extend: bool,
    },
    GoToHost(String),
    FoldUnit(String),
    ShowTab(DetailTab),
    OpenLog(String),
    /// Shows more of a package of the host, or less when it is open.
    OpenPackage(String),
    CopyText(String),
    /// An action on the selected hosts, with packages already known.
    Order {
        kind: ActionKind,
        packages: Vec<String>,
    },
    /// The same on named hosts: retry, or from the activity page.
    OrderOn {
        kind: ActionKind,
        packages: Vec<String>,
        hosts: Vec<String>,
    },
    /// Decides on a host that registered with a new key.
    Decide {
        identifier: String,
        decision: RegistrationDecision,
    },
    // dialogs
    CloseDialog,
    Confirm,
    ChooseSigner(String),
    /// Place in the list of lifetimes.
    ChooseLifetime(usize),
    AddKeyFile {
        certificate: PathBuf,
        key: PathBuf,
    },
    PickPackage(String),
    // editor
    Require(String),
    Forbid(String),
    Unlist(String),
    SaveEdit {
        apply: bool,
    },
    // packages
    FilterPackages(String),
    SortPackages(PackageColumn),
    PickPackageRow(usize),
    MovePackage(Move),
    GoToPackage(String),
    UploadFile(PathBuf),
    ForgetUpload(usize),
    // activity
    PickAction(Uuid),
    /// Loads an action's targets without going to it.
    LookAtAction(Uuid),
    MoveAction(Move),
    // palette
    SearchPalette(String),
    MovePalette {
        down: bool,
    },
    RunPalette(usize),
    DismissNotice,
}

/// The most commands that one frame can hold; a view that sends more is broken.
const CAPACITY: usize = 256;

/// Collects commands while views draw.
#[derive(Debug, Default)]
pub struct CommandQueue {
    waiting: RefCell<VecDeque<(Command, &'static Location<'static>)>>,
}

impl CommandQueue {
    /// Adds a command, remembering which line sent it.
    #[track_caller]
    pub fn send(&self, command: Command) {
        let sender = Location::caller();
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() < CAPACITY {
            waiting.push_back((command, sender));
        } else {
            tracing::error!(%sender, "too many commands in one frame; one was dropped");
        }
    }

    /// Takes everything that was sent.
    pub fn drain(&self) -> VecDeque<(Command, &'static Location<'static>)> {
        std::mem::take(&mut self.waiting.borrow_mut())
    }
}
