//! The Muster agent: verifies what people signed, installs it, and says what became of it.
//!
//! `muster-agent` is one program: the service (`run`), the commands of administrators, and the inside
//! of both. The library exists for its own binary, for end-to-end tests and for the fleet simulator.
//! No private key of a person is ever here, and nothing that came over the network is acted on before
//! its signature held against the local trust folder.
// Windows needs a few system calls; they stay inside platform/windows.
#![cfg_attr(not(windows), forbid(unsafe_code))]

pub mod agent;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod directory;
pub mod failure;
pub mod identity;
pub mod install;
pub mod inventory;
pub mod link;
pub mod local_api;
pub mod migrate;
pub mod orders;
pub mod output;
pub mod paths;
pub mod plan;
pub mod platform;
pub mod repo;
pub mod report;
pub mod revocation;
pub mod schedule;
pub mod script;
pub mod self_upgrade;
pub mod server_client;
pub mod state;
pub mod tasks;
pub mod update;
pub mod windows_update;
