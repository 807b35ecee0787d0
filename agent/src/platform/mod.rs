//! Everything that differs between operating systems, under the same names on each of them.
//!
//! `cfg` for an operating system appears in this file only. What each side exports:
//!
//! | module | job |
//! |---|---|
//! | `layout` | where the agent's files are |
//! | `name` | host name, fully qualified name |
//! | `description` | the computer's description, as the system keeps and shows it |
//! | `directory` | what the system knows of the computer's place in the directory |
//! | `disk` | free space |
//! | `private` | folders and files that only the system's administrators may read |
//! | `process` | programs with a whole-tree kill, and short questions to a program |
//! | `local` | the endpoint of the local API with the peer's identity |
//! | `groups` | the names and groups behind that identity |
//! | `python` | which interpreter runs scripts |
//! | `sessions` | people's accounts, and programs that run as them |
//! | `programs` | which programs run now |
//! | `shutdown` | restarting the machine or switching it off |
//! | `stop` | what tells the agent to end |
//! | `time_zone` | the zone in which the machine's people read the clock |
//! | `users` | who is logged in, who was last |
//! | `service` | writing the service into the system and running under its manager |
//! | `network_change` | the system's word that the network changed |
//! | `file_change` | the system's word that a file may have changed |
//! | `power`, `presentation` | what scheduled upgrades must not disturb |
//! | `inner_stream` | a stream of which both ends are in this process |
//! | `inhibit` | holding a shutdown back until pending work is done |
//! | `event_log` | what administrators find in the system's log |
//! | `search_path` | where shells look for programs |
//! | `wapt` | a WAPT agent on the same machine |
//! | `upgrade` | replacing the agent's own program, ending and starting its service from outside |
//! | `windows_update` | the system's own update agent, where it has one |
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

pub use imp::description::{description, set_description};
pub use imp::directory;
pub use imp::disk::free_bytes;
pub use imp::event_log::{register_events, unregister_events, write_event};
pub use imp::facts;
pub use imp::file_change::FileChanges;
pub use imp::groups::PeerGroups;
pub use imp::inhibit::ShutdownDelay;
pub use imp::inner_stream::inner_stream;
pub use imp::layout::layout;
pub use imp::local::{LocalListener, LocalStream, connect_local};
pub use imp::name::{fqdn, hostname};
pub use imp::network_change::NetworkChanges;
pub use imp::power::on_battery;
pub use imp::presentation::{presentation, presentation_here};
pub use imp::private::{lock_down_dir, write_private};
#[cfg(debug_assertions)]
pub use imp::process::die;
pub use imp::process::{GroupChild, birth_of, end_leftover, spawn_in_group};
pub use imp::programs::running_programs;
pub use imp::python::find_python;
pub use imp::search_path;
pub use imp::service;
pub use imp::sessions::{Account, find_account, give_to, make_passage, open_to_all, own_account, spawn_as};
pub use imp::shutdown::{notify_terminals, schedule_ending};
pub use imp::stop::shutdown_signal;
pub use imp::time_zone::local_zone;
pub use imp::upgrade;
pub use imp::users::{last_user, logged_in_users};
pub use imp::wapt;
pub use imp::windows_update::windows_update_agent;

/// `linux` or `windows`: the word of control files and of the inventory.
pub use imp::PLATFORM;

pub mod command_line;
pub mod event_text;
pub mod service_life;

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
    /// What tells the account from all others: its number or security identifier.
    pub account: String,
    /// Tells the account's groups; asking may take a while.
    pub groups: PeerGroups,
    /// root, SYSTEM or an administrator with full rights.
    pub is_administrator: bool,
}

/// How grave an event of the system's log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Information,
    Warning,
    Error,
}

/// What the service manager asks of the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// End now.
    Stop,
    /// The machine goes down: do what is to be done before that, then end.
    GoingDown,
}

/// An account's names and groups, as the operating system gives them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Groups {
    /// The account's own names, the usual one first; empty when the system does not know it.
    pub names: Vec<String>,
    pub groups: Vec<String>,
    /// One of the groups is for the system's administrators.
    pub is_in_admin_group: bool,
}

/// How the machine goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It comes up again.
    Restart,
    /// It stays off.
    PowerOff,
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
