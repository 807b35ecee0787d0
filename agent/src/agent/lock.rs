//! The lock on an agent's state: the service or one command holds it, never two.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use muster_shared::hint::Hint;

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("another muster-agent{process} works on {folder}", process = said(*.process), folder = .path.parent().unwrap_or(.path).display())]
    Held {
        path: PathBuf,
        /// The process that holds it, where the system lets others read that.
        process: Option<u32>,
    },
    #[error("the lock {path} cannot be taken", path = path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl Hint for LockError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Held { .. } => vec![
                "wait until it has ended, or leave out --standalone to ask the running service".to_owned(),
            ],
            Self::Open { .. } => vec!["run the command as root (administrator)".to_owned()],
        }
    }
}

fn said(process: Option<u32>) -> String {
    process.map_or_else(String::new, |process| format!(" (process {process})"))
}

/// The lock, held until dropped. The system lets go of it when the process dies, however it dies.
#[derive(Debug)]
pub struct Lock {
    _file: std::fs::File,
}

impl Lock {
    /// Takes the lock or says at once that another has it.
    ///
    /// # Errors
    /// When another process holds it or the file cannot be made.
    pub fn take(path: &Path) -> Result<Self, LockError> {
        let open = |source| LockError::Open {
            path: path.to_path_buf(),
            source,
        };
        let file = fs_err::OpenOptions::new()
            .create(true)
            .read(true)
            .write(true)
            .truncate(false)
            .open(path)
            .map_err(open)?;
        let (mut file, _path) = file.into_parts();
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                let mut text = String::new();
                (&file).take(16).read_to_string(&mut text).ok();
                return Err(LockError::Held {
                    path: path.to_path_buf(),
                    process: text.trim().parse().ok(),
                });
            }
            Err(std::fs::TryLockError::Error(source)) => return Err(open(source)),
        }
        // Only for people who look into the file.
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .ok();
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_refused_until_the_first_lets_go() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("agent.lock");
        let first = Lock::take(&path).unwrap();
        let refused = Lock::take(&path).unwrap_err();
        assert!(matches!(refused, LockError::Held { .. }));
        #[cfg(unix)]
        assert!(
            refused
                .to_string()
                .contains(&format!("(process {})", std::process::id())),
            "{refused}"
        );
        drop(first);
        Lock::take(&path).unwrap();
    }
}
