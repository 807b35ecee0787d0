//! Where the agent's files are on Linux.

use std::path::{Path, PathBuf};

use crate::platform::Layout;

/// The folders of the agent, all below `root` when one is given.
pub fn layout(root: Option<&Path>) -> Layout {
    let root = root.map_or_else(|| PathBuf::from("/"), Path::to_path_buf);
    let state = root.join("var/lib/muster");
    Layout {
        config_file: root.join("etc/muster/agent.toml"),
        trust: root.join("etc/muster/trust"),
        cache: state.join("cache"),
        private: state.join("private"),
        python: root.join("usr/lib/muster/python"),
        local_api: root.join("run/muster/agent.sock"),
        state,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_prefixes_every_folder() {
        let all = layout(Some(Path::new("/tmp/agent-1")));
        for path in [
            &all.config_file,
            &all.trust,
            &all.state,
            &all.cache,
            &all.private,
            &all.python,
            &all.local_api,
        ] {
            assert!(path.starts_with("/tmp/agent-1"), "{}", path.display());
        }
        assert_eq!(layout(None).config_file, Path::new("/etc/muster/agent.toml"));
    }
}
