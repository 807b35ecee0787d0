//! The harness of the end-to-end tests: a server, people and agents as real processes in a temporary folder.
//!
//! Nothing here knows the inside of the programs: everything goes through their command lines, as a person
//! would do it.
#![forbid(unsafe_code)]

mod agent;
mod directory;
#[cfg(unix)]
mod domain;
mod eventually;
mod fault_proxy;
mod installers;
#[cfg(unix)]
mod local_user;
mod orders;
#[cfg(unix)]
mod own_network;
mod process;
#[cfg(unix)]
mod small_disk;
mod sources;
mod system_bus;
mod takeover;
mod token;
mod wapt_agent;
mod web;
#[cfg(unix)]
mod whole_machine;
mod windows;
mod world;

pub use agent::Agent;
pub use directory::{BASE, Directory, PASSWORD, READER};
#[cfg(unix)]
pub use domain::{DOMAIN, Domain};
pub use eventually::{PATIENCE, eventually};
pub use fault_proxy::{FaultProxy, Weather};
pub use installers::{Exe, Msi};
#[cfg(unix)]
pub use local_user::{Holding, LocalUser};
#[cfg(unix)]
pub use own_network::in_own_network;
pub use process::{Daemon, Done, binary, kill_all, run};
#[cfg(unix)]
pub use small_disk::SmallDisk;
pub use sources::Sources;
pub use system_bus::SystemBus;
pub use takeover::Takeover;
pub use token::Token;
pub use wapt_agent::{WAPT_UUID, wapt_agent};
pub use web::{Nginx, Proxy, copy_files};
#[cfg(unix)]
pub use whole_machine::WholeMachine;
pub use windows::WindowsMachine;
pub use world::World;
