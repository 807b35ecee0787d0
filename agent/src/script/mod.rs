//! Package scripts: a CPython child of its own for every hook, with limits and a tree that can be killed.

mod embedded;
mod host;
mod job;
mod memory;
mod process;

pub use self::embedded::{EmbeddedError, prepare};
pub use self::host::{Hook, HookRun, ScriptError, ScriptHost, Subject, Verdict};
pub use self::job::ScriptFailure;
pub use self::process::{Limits, Tail};
