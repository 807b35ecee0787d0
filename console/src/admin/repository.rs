//! A repository folder without a server: its index made, or checked as its readers would.

pub use muster_shared::index::check::{Checked, Problem, ProblemKind, check};
pub use muster_shared::index::folder::{FolderError, Indexed, LeftOut, Options, update as index};
