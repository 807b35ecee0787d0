//! Linux: the same names as `platform/windows`.

pub(crate) mod description;
pub mod directory;
pub(crate) mod disk;
pub(crate) mod event_log;
pub mod facts;
pub(crate) mod file_change;
pub(crate) mod groups;
pub(crate) mod inhibit;
pub(crate) mod inner_stream;
pub(crate) mod layout;
pub(crate) mod local;
pub(crate) mod name;
pub(crate) mod network_change;
pub(crate) mod power;
pub(crate) mod presentation;
pub(crate) mod private;
pub(crate) mod process;
pub(crate) mod programs;
pub(crate) mod python;
pub(crate) mod sessions;
pub(crate) mod shutdown;
pub(crate) mod stop;
pub(crate) mod time_zone;
mod tree;
pub(crate) mod users;
pub(crate) mod windows_update;

pub mod search_path;
pub mod service;
pub mod upgrade;
pub mod wapt;

/// The word of control files and of the inventory.
pub const PLATFORM: &str = "linux";
