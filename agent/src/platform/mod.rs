//! Everything that differs between operating systems, under the same names on each of them.
//!
//! `cfg` for an operating system appears in this file only. What each side exports:
//!
//! | module | job |
//! |---|---|
//! | `layout` | where the agent's files are |
//! | `name` | host name, fully qualified name |
//! | `disk` | free space |
//! | `private` | folders and files that only the system's administrators may read |
//! | `process` | programs with a whole-tree kill, and short questions to a program |
//! | `local` | the endpoint of the local API with the peer's identity |
//! | `python` | which interpreter runs scripts |
//! | `programs` | which programs run now |
//! | `stop` | what tells the agent to end |
//! | `users` | who is logged in, who was last |
//! | `service` | writing the service into the system and running under its manager |
//! | `facts` | raw facts of the inventory, one table a file |

use std::path::PathBuf;

#[cfg(unix)]
mod linux;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use linux as imp;
#[cfg(windows)]
use windows as imp;

pub use imp::disk::free_bytes;
pub use imp::facts;
pub use imp::layout::layout;
pub use imp::local::{LocalListener, LocalStream, connect_local};
pub use imp::name::{fqdn, hostname};
pub use imp::private::{lock_down_dir, write_private};
pub use imp::process::{GroupChild, spawn_in_group};
pub use imp::programs::running_programs;
pub use imp::python::find_python;
pub use imp::service;
pub use imp::stop::shutdown_signal;
pub use imp::users::{last_user, logged_in_users};

/// `linux` or `windows`: the word of control files and of the inventory.
pub use imp::PLATFORM;

mod ask;

pub use ask::{AskError, ask};

/// Where the agent's files are on this system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// `agent.toml`.
    pub config_file: PathBuf,
    /// `*.crt` of the people whose signatures this host accepts.
    pub trust: PathBuf,
    /// Database, cache and what else the agent writes.
    pub state: PathBuf,
    /// Downloaded packages.
    pub cache: PathBuf,
    /// Keys; readable by administrators only.
    pub private: PathBuf,
    /// A Python interpreter that came with the agent.
    pub python: PathBuf,
    /// Socket or pipe of the local API.
    pub local_api: PathBuf,
}

/// Who is at the other end of the local API, as the operating system says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The account's name, its number where it has none.
    pub user: String,
    /// root, SYSTEM or an administrator with full rights.
    pub is_administrator: bool,
}

/// The architecture word of control files: `x64`, `x86`, `arm64`.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "x64",
        "x86" => "x86",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The firmware's UUID exactly as it is given; `None` when it cannot be read.
pub fn firmware_uuid() -> Option<String> {
    facts::firmware::uuid()
}
