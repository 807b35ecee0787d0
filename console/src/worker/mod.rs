//! What the window asks and what it is answered: the two sides of the worker thread.
//!
//! The window never waits: it sends a [`Request`], draws on, and is woken when an [`Answer`] is there.

mod requests;
mod serve;
mod signers;
mod signing;
mod thread;
mod vault;

pub use requests::{
    Answer, HostEdit, Known, KnownServerEntry, Order, Request, Saved, SeenCertificate, SignedIn, SignerEntry,
    SignerKind, Signing, SigningProblem,
};
pub use thread::Worker;
