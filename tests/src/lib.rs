//! The harness of the end-to-end tests: a server, people and agents as real processes in a temporary folder.
//!
//! Nothing here knows the inside of the programs: everything goes through their command lines, as a person
//! would do it.
#![forbid(unsafe_code)]

mod agent;
mod directory;
mod eventually;
mod fault_proxy;
#[cfg(unix)]
mod local_user;
mod process;
mod sources;
mod system_bus;
mod takeover;
mod token;
mod web;
mod windows;
mod world;

pub use agent::Agent;
pub use directory::{BASE, Directory, PASSWORD, READER};
pub use eventually::{PATIENCE, eventually};
pub use fault_proxy::{FaultProxy, Weather};
#[cfg(unix)]
pub use local_user::{Holding, LocalUser};
pub use process::{Daemon, Done, binary, kill_all, run};
pub use sources::Sources;
pub use system_bus::SystemBus;
pub use takeover::Takeover;
pub use token::Token;
pub use web::{Nginx, Proxy, copy_files};
pub use windows::WindowsMachine;
pub use world::World;
