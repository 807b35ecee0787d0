//! Where everything of the agent lives, all of it below `--root` when one is given.

use std::path::{Path, PathBuf};

use muster_shared::rules::repository::MAIN_REPOSITORY;

use crate::platform::{self, Layout};

/// The agent's folders and files. Nothing else in the agent spells a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    root: Option<PathBuf>,
    layout: Layout,
}

impl Paths {
    /// The paths of the agent that lives below `root`, or of the machine's own agent.
    pub fn new(root: Option<&Path>) -> Self {
        let root = root.map(|root| std::path::absolute(root).unwrap_or_else(|_error| root.to_path_buf()));
        Self {
            layout: platform::layout(root.as_deref()),
            root,
        }
    }

    /// The folder that prefixes every path, when the agent does not own the whole machine.
    pub fn root(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    /// `agent.toml`.
    pub fn config_file(&self) -> PathBuf {
        self.layout.config_file.clone()
    }

    /// Folder of the certificates whose signatures this machine accepts.
    pub fn trust_dir(&self) -> PathBuf {
        self.layout.trust.clone()
    }

    /// Folder of everything that the agent writes.
    pub fn state_dir(&self) -> PathBuf {
        self.layout.state.clone()
    }

    /// The local database.
    pub fn database(&self) -> PathBuf {
        self.layout.state.join("agent.sqlite")
    }

    /// Downloaded packages.
    pub fn cache_dir(&self) -> PathBuf {
        self.layout.cache.clone()
    }

    /// The index as last fetched from the repository.
    pub fn index_file(&self) -> PathBuf {
        self.layout.cache.join("Packages")
    }

    /// The index of a repository as last fetched; file names of different repositories say nothing about each other.
    pub fn index_of(&self, repository: &str) -> PathBuf {
        self.cache_of(repository).join("Packages")
    }

    /// Downloaded packages of a repository.
    pub fn cache_of(&self, repository: &str) -> PathBuf {
        if repository.is_empty() || repository == MAIN_REPOSITORY {
            self.cache_dir()
        } else {
            self.cache_dir().join(repository)
        }
    }

    /// Keys and secrets: for root, or SYSTEM and administrators, only.
    pub fn private_dir(&self) -> PathBuf {
        self.layout.private.clone()
    }

    /// Revocation lists kept from updates, one file an issuer.
    pub fn crl_dir(&self) -> PathBuf {
        self.private_dir().join("crls")
    }

    /// Files that packages keep for their later hooks, one folder per package.
    pub fn persistent_dir(&self) -> PathBuf {
        self.private_dir().join("persistent")
    }

    /// Unpacked packages while they are being installed; nobody else may enter.
    pub fn staging_dir(&self) -> PathBuf {
        self.private_dir().join("staging")
    }

    /// A new build of the agent while it is tried out and watched.
    pub fn self_upgrade_dir(&self) -> PathBuf {
        self.private_dir().join("self-upgrade")
    }

    /// Where users may read what their session set-ups need, while these run; beside the agent's own folder, which
    /// nobody else may enter.
    pub fn session_dir(&self) -> PathBuf {
        let mut name = self.layout.state.file_name().unwrap_or_default().to_owned();
        name.push("-session");
        self.layout.state.with_file_name(name)
    }

    /// The Python side of the agent, unpacked per content hash.
    pub fn python_dir(&self) -> PathBuf {
        self.layout.state.join("python")
    }

    /// Where an interpreter that came with the agent would be.
    pub fn bundled_python_dir(&self) -> PathBuf {
        self.layout.python.clone()
    }

    /// The local API's socket or pipe.
    pub fn socket(&self) -> PathBuf {
        self.layout.local_api.clone()
    }

    /// Held by whoever works on this agent's state: the service, or one command.
    pub fn lock_file(&self) -> PathBuf {
        self.layout.state.join("agent.lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_prefixes_every_path() {
        let root = std::env::current_dir().unwrap().join("somewhere");
        let paths = Paths::new(Some(&root));
        for path in [
            paths.config_file(),
            paths.trust_dir(),
            paths.state_dir(),
            paths.database(),
            paths.cache_dir(),
            paths.index_file(),
            paths.private_dir(),
            paths.crl_dir(),
            paths.persistent_dir(),
            paths.staging_dir(),
            paths.python_dir(),
            paths.socket(),
            paths.lock_file(),
        ] {
            assert!(path.starts_with(&root), "{}", path.display());
        }
        assert_eq!(paths.root(), Some(root.as_path()));
    }

    #[test]
    fn the_machines_own_agent_lives_where_linux_expects_it() {
        if platform::PLATFORM != "linux" {
            return;
        }
        let paths = Paths::new(None);
        assert_eq!(paths.config_file(), Path::new("/etc/muster/agent.toml"));
        assert_eq!(paths.trust_dir(), Path::new("/etc/muster/trust"));
        assert_eq!(paths.database(), Path::new("/var/lib/muster/agent.sqlite"));
        assert_eq!(paths.private_dir(), Path::new("/var/lib/muster/private"));
        assert_eq!(paths.socket(), Path::new("/run/muster/agent.sock"));
    }

    #[test]
    fn a_relative_root_becomes_absolute() {
        assert!(Paths::new(Some(Path::new("here"))).database().is_absolute());
    }
}
