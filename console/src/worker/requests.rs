//! The closed lists of what can be asked of the worker and what it answers.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use muster_shared::protocol::action::{ActionDetail, ActionKind, ActionOptions, ActionRow};
use muster_shared::protocol::event::Event;
use muster_shared::protocol::host::{HostDetail, HostRow, RegistrationDecision};
use muster_shared::protocol::package::{PackageRow, Uploaded};
use muster_shared::protocol::session::Role;
use secrecy::SecretString;
use uuid::Uuid;

use crate::remote::Problem;

/// One thing to do outside the window's thread.
#[derive(Debug)]
pub enum Request {
    /// What the person kept from last time.
    Known,
    /// Which certificate a server presents; nothing is sent to it.
    Inspect {
        address: String,
    },
    SignIn {
        address: String,
        user: String,
        password: SecretString,
    },
    SignOut,
    Hosts,
    Host {
        identifier: String,
    },
    /// Which hosts a filter on the inventory holds for.
    Matching {
        filter: String,
    },
    /// Details of several hosts, for the dialog before signing.
    Preview {
        order: Uuid,
        identifiers: Vec<String>,
    },
    Packages,
    Actions,
    Action {
        batch: Uuid,
    },
    /// Signers: those configured and those on plugged tokens.
    Signers,
    AddKeyFile {
        certificate: PathBuf,
        key: PathBuf,
    },
    LockSigner,
    HostPackage {
        identifier: String,
        signer: String,
    },
    SaveHostPackage {
        edit: HostEdit,
        apply: bool,
        signing: Signing,
    },
    Order {
        order: Box<Order>,
        signing: Signing,
    },
    Decide {
        identifier: String,
        decision: RegistrationDecision,
    },
    Upload {
        path: PathBuf,
    },
    RememberTheme(String),
    RememberSigner(String),
}

/// With what to sign; the secret only when the signer is not unlocked.
#[derive(Debug)]
pub struct Signing {
    pub signer: String,
    pub secret: Option<SecretString>,
}

/// An action as the window orders it.
#[derive(Debug, Clone)]
pub struct Order {
    pub kind: ActionKind,
    pub packages: Vec<String>,
    pub options: ActionOptions,
    pub hosts: Vec<String>,
    pub lifetime: SignedDuration,
}

/// The two lists of a host's package.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostEdit {
    pub identifier: String,
    pub required: Vec<String>,
    pub forbidden: Vec<String>,
    /// Version on the server, empty when there is no package yet.
    pub version: String,
    /// Who signed the server's copy.
    pub signer: String,
}

/// What a person kept from last time.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The last server first.
    pub servers: Vec<KnownServerEntry>,
    /// `dark`, `light`, or empty for the system's.
    pub theme: String,
}

/// A server that was signed in to before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownServerEntry {
    /// With the pin, as it can be typed.
    pub line: String,
    /// Without the pin, as it is shown.
    pub address: String,
    pub user: String,
}

/// A certificate that a server presents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenCertificate {
    /// The address with this certificate as its pin.
    pub line: String,
    pub subject: String,
    pub issuer: String,
    pub fingerprint: String,
    pub not_after: Timestamp,
}

/// A session.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub user: String,
    pub role: Role,
    pub server: String,
    pub version: String,
    pub address: String,
}

/// Where a signer's key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignerKind {
    File,
    Token,
}

/// A signer that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignerEntry {
    /// Names it between window and worker.
    pub key: String,
    pub kind: SignerKind,
    /// Common name of the certificate.
    pub name: String,
    /// Where it is: the token's label and slot, or the file.
    pub place: String,
    pub fingerprint: String,
    pub self_signed: bool,
    pub not_after: Option<Timestamp>,
    pub may_sign_code: bool,
    /// It asks for a password or PIN when it is not unlocked.
    pub needs_secret: bool,
    /// What PKCS#11 tells: "a wrong PIN was entered", "last try", "locked".
    pub warning: String,
}

/// A saved host package.
#[derive(Debug, Clone)]
pub struct Saved {
    pub identifier: String,
    pub version: String,
    /// The upgrade that was ordered with it.
    pub action: Option<ActionDetail>,
    /// The package is saved, but the upgrade could not be ordered.
    pub apply_problem: Option<Problem>,
}

/// What came of a request, or what happened.
#[derive(Debug)]
pub enum Answer {
    Known(Known),
    Inspected(Result<SeenCertificate, Problem>),
    SignedIn(Result<SignedIn, Problem>),
    SignedOut,
    /// The session is no longer valid.
    SessionLost(Problem),
    Hosts(Result<Vec<HostRow>, Problem>),
    Host {
        identifier: String,
        result: Result<Box<HostDetail>, Problem>,
    },
    Matching {
        filter: String,
        found: Result<Vec<String>, Problem>,
    },
    Preview {
        order: Uuid,
        details: Result<Vec<HostDetail>, Problem>,
    },
    Packages(Result<Vec<PackageRow>, Problem>),
    Actions(Result<Vec<ActionRow>, Problem>),
    Action {
        batch: Uuid,
        result: Result<Box<ActionDetail>, Problem>,
    },
    Signers {
        entries: Vec<SignerEntry>,
        chosen: Option<String>,
        problems: Vec<Problem>,
    },
    /// A decision on a registration was not taken.
    Undecided(Problem),
    /// A key file could not be added.
    SignerRefused(Problem),
    /// A signer is open until then; `None` when it is locked again.
    Unlocked(Option<(String, Timestamp)>),
    HostPackage {
        identifier: String,
        result: Result<HostEdit, Problem>,
    },
    Saved(Result<Box<Saved>, SigningProblem>),
    Ordered(Result<Box<ActionDetail>, SigningProblem>),
    UploadProgress {
        path: PathBuf,
        sent: u64,
        all: u64,
    },
    Uploaded {
        path: PathBuf,
        result: Result<Uploaded, Problem>,
    },
    Event(Box<Event>),
    /// The live connection came or went.
    Live(Result<(), Problem>),
}

/// Why nothing was signed or sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningProblem {
    pub problem: Problem,
    /// The secret was wrong: it is asked for again.
    pub wrong_secret: bool,
}
