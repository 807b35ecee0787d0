//! Which Python runs the packages' scripts.

use std::path::{Path, PathBuf};

/// The configured interpreter, else the one that the agent's installer brought.
///
/// A configured path that does not exist gives `None`: silently taking another would hide the mistake.
/// Nothing is searched in `PATH`: on Windows users can write to folders that are in it.
pub fn find_python(configured: Option<&Path>, bundled: &Path) -> Option<PathBuf> {
    if let Some(path) = configured {
        return path.is_file().then(|| path.to_path_buf());
    }
    [
        bundled.join("python.exe"),
        bundled.join("python").join("python.exe"),
    ]
    .into_iter()
    .find(|path| path.is_file())
}
