//! Changes of a file: not watched here; who needs them looks at the file when it wakes up anyway.

use std::io;
use std::path::Path;

/// Hears of changes in the folder of a file.
#[derive(Debug)]
pub struct FileChanges;

impl FileChanges {
    /// Says that nothing is watched.
    ///
    /// # Errors
    /// Always.
    pub fn watch(_file: &Path) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Never ready.
    ///
    /// # Errors
    /// Never.
    pub async fn changed(&mut self) -> io::Result<()> {
        std::future::pending().await
    }
}
