//! Raw facts of a Windows machine, one table a file; each reads its own source and fails alone.

pub mod accounts;
pub mod disks;
pub mod drives;
pub mod environment;
pub mod firmware;
pub mod network;
pub mod printers;
pub mod processor;
pub mod profiles;
pub mod restart;
pub mod services;
pub mod software;
pub mod startup;
pub mod system;
pub mod video;
pub mod wmi;
