//! Package scripts: a CPython child of its own for every hook, with limits and a tree that can be killed.

mod embedded;
mod environment;
mod host;
mod job;
mod job_file;
mod memory;
mod process;
pub mod python;
mod running;
mod session;

pub use self::embedded::{EmbeddedError, prepare};
pub use self::host::{Hook, HookRun, ScriptError, ScriptHost, Subject, Verdict};
pub use self::job::ScriptFailure;
pub use self::memory::{AUDIT_DATA, AuditData, AuditValue, PARAMS as SCRIPT_PARAMS};
pub use self::process::{Limits, Tail};
pub use self::python::Python;
pub use self::running::end_leftovers;
pub use self::session::SessionPlace;
