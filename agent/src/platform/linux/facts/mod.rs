//! Raw facts of a Linux machine, one table a file; each reads its own source and fails alone.

pub mod disks;
pub mod firmware;
pub mod network;
pub mod processor;
pub mod software;
pub mod system;

pub(crate) mod text;

mod dpkg;
mod rpm;
