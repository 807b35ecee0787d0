//! Which Python runs the packages' scripts.

use std::path::{Path, PathBuf};

/// The configured interpreter, else the one beside the agent, else the system's.
///
/// A configured path that does not exist gives `None`: silently taking another would hide the mistake.
pub fn find_python(configured: Option<&Path>, bundled: &Path) -> Option<PathBuf> {
    if let Some(path) = configured {
        return path.is_file().then(|| path.to_path_buf());
    }
    let fixed = [
        bundled.join("bin/python3"),
        PathBuf::from("/usr/bin/python3"),
        PathBuf::from("/usr/local/bin/python3"),
        PathBuf::from("/usr/libexec/platform-python"),
    ];
    fixed.into_iter().find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configured_interpreter_that_is_missing_is_not_replaced_by_another() {
        assert_eq!(
            find_python(Some(Path::new("/nowhere/python3")), Path::new("/")),
            None
        );
    }
}
