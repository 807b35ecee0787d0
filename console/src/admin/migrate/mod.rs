//! Taking over what a WAPT installation has: its repository, its keys, its agents' settings.
//!
//! Nothing of the old installation is changed, and no file that exists is written over. Each operation reports
//! every object that it met: taken, changed, or not taken and why.

pub mod keys;
pub mod repository;

use std::path::Path;

pub use muster_shared::migrate::{Fate, Item, MigrationReport, agent_config, ini};

use super::write::{self, Readers};

/// Writes a new file that everybody may read; a file that is there stays.
///
/// # Errors
/// The place is taken, or cannot be written to.
pub fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    write::create(path, bytes, Readers::Everyone)
}
