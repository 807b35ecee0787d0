//! Windows: the same names as `platform/linux`.
//!
//! The only place with `unsafe`: calls of the system's own functions, each with the reason why it is
//! sound. What each does is small; what can be decided without a call is decided in safe code.

pub(crate) mod disk;
pub mod facts;
pub(crate) mod layout;
pub(crate) mod local;
pub(crate) mod name;
pub(crate) mod private;
pub(crate) mod process;
pub(crate) mod programs;
pub(crate) mod python;
pub(crate) mod stop;
pub(crate) mod users;

pub mod service;

mod security;
mod wide;

/// The word of control files and of the inventory.
pub const PLATFORM: &str = "windows";
