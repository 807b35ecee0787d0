//! The harness of the end-to-end tests: a server, people and agents as real processes in a temporary folder.
//!
//! Nothing here knows the inside of the programs: everything goes through their command lines, as a person
//! would do it.
#![forbid(unsafe_code)]

mod agent;
mod eventually;
mod process;
mod sources;
mod takeover;
mod token;
mod windows;
mod world;

pub use agent::Agent;
pub use eventually::{PATIENCE, eventually};
pub use process::{Daemon, Done, binary, kill_all, run};
pub use sources::Sources;
pub use takeover::Takeover;
pub use token::Token;
pub use windows::WindowsMachine;
pub use world::World;
