//! Linux: the same names as `platform/windows`.

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

/// The word of control files and of the inventory.
pub const PLATFORM: &str = "linux";
