//! The relay: hosts connected over their live channel, and what is brought to them.
//!
//! Parties: the *host*, which opened the connection with a signed request; the *server*, which brings signed
//! actions and hints. Actions are pulled from the host's queue in the database, so that nothing is in memory
//! only; hints are flags, so that any number of them is one.

pub mod connection;
pub mod hub;
mod mailbox;
