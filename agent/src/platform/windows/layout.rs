//! Where the agent's files are on Windows.

use std::path::{Path, PathBuf};

use crate::platform::Layout;

/// The folders of the agent, all below `root` when one is given.
pub fn layout(root: Option<&Path>) -> Layout {
    let folder = |variable: &str, default: &str| match root {
        Some(root) => root.join(default),
        None => std::env::var_os(variable)
            .map(PathBuf::from)
            // A relative one would lie wherever the agent was started from.
            .filter(|path| path.is_absolute())
            .unwrap_or_else(|| PathBuf::from(r"C:\").join(default)),
    };
    let program = folder("ProgramFiles", "Program Files").join("Muster");
    let state = folder("ProgramData", "ProgramData").join("Muster");
    Layout {
        config_file: program.join("agent.toml"),
        trust: program.join("trust"),
        cache: state.join("cache"),
        private: state.join("private"),
        python: program.join("python"),
        local_api: state.join("agent.sock"),
        state,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_prefixes_every_folder() {
        let root = Path::new(r"C:\agents\1");
        let all = layout(Some(root));
        for path in [
            &all.config_file,
            &all.trust,
            &all.state,
            &all.cache,
            &all.private,
            &all.python,
            &all.local_api,
        ] {
            assert!(path.starts_with(root), "{}", path.display());
        }
    }
}
