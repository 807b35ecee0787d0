//! Who is asking, and what they may do.
//!
//! Parties: people (a session token from a password), hosts (requests signed by their identity key).
//! A handler states what it needs in its argument type: [`rights::Authorised`] or
//! [`host_signature::SignedHost`]; without one of them it is open to everyone.

pub mod host_signature;
pub mod lockout;
pub mod password;
pub mod rights;
pub mod secret;
pub mod session;
