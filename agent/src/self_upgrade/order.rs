//! What the agent is becoming: one file in a private folder, written before each step.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use uuid::Uuid;

use super::UpgradeError;
use crate::agent::{Lock, LockError};
use crate::paths::Paths;
use crate::platform;

/// How long a new agent may take to prove itself alive, when nobody says otherwise.
pub const PATIENCE: Duration = Duration::from_mins(5);

/// How long another process may hold the order, and how often it is asked for meanwhile.
const LOCK_PATIENCE: Duration = Duration::from_secs(3);
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Tried out and ready; nothing of the present agent was touched.
    Staged,
    /// The new program is in place and is watched.
    Switched,
    /// The new agent lives.
    Done,
    /// The old agent is in place again.
    WentBack,
}

/// What was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Payload {
    /// The program itself.
    Program,
    /// A Debian package, installed by dpkg.
    Deb,
    /// The installer for Windows.
    WindowsInstaller,
}

/// The order to become another build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub id: Uuid,
    pub phase: Phase,
    pub payload: Payload,
    /// The program that is replaced.
    pub program: PathBuf,
    pub old_version: String,
    pub new_version: String,
    /// SHA-256 of the new program, in hex.
    pub new_sha256: String,
    /// The package that brought it, if one did.
    #[serde(default)]
    pub package: Option<String>,
    /// How long the new agent may take to prove itself alive, in seconds.
    pub within_secs: u64,
    pub staged_at: Timestamp,
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// Why the old one is back, or is being put back; empty else.
    #[serde(default)]
    pub reason: String,
    /// The agent took note of how it ended.
    #[serde(default)]
    pub noted: bool,
}

impl Order {
    /// Nothing further happens to it.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Done | Phase::WentBack)
    }
}

/// What a new agent says of itself once it works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Proof {
    pub order: Uuid,
    pub version: String,
    /// What came of asking the server.
    pub server: String,
    pub at: Timestamp,
}

/// Starts that failed with a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FailedStarts {
    pub count: u32,
    pub reason: String,
}

/// The private folder and the files in it.
#[derive(Debug, Clone)]
pub struct Place {
    folder: PathBuf,
}

impl Place {
    /// The folder of an agent.
    pub fn of(paths: &Paths) -> Self {
        Self {
            folder: paths.self_upgrade_dir(),
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn order_file(&self) -> PathBuf {
        self.folder.join("order.json")
    }

    pub(super) fn proof_file(&self) -> PathBuf {
        self.folder.join("alive.json")
    }

    pub(super) fn failed_file(&self) -> PathBuf {
        self.folder.join("failed.json")
    }

    /// Held by the watchdog.
    pub(super) fn watch_lock(&self) -> PathBuf {
        self.folder.join("watch.lock")
    }

    /// Held by who replaces an order that is over, or takes note of it.
    ///
    /// # Errors
    /// When the lock cannot be made, or another one kept it for too long.
    pub(super) async fn locked(&self) -> Result<Lock, UpgradeError> {
        let path = self.folder.join("order.lock");
        let deadline = Instant::now() + LOCK_PATIENCE;
        loop {
            match Lock::take(&path) {
                Ok(lock) => return Ok(lock),
                Err(LockError::Held { .. }) if Instant::now() < deadline => {
                    tokio::time::sleep(LOCK_PAUSE).await;
                }
                Err(LockError::Held { path, .. }) => {
                    let busy = std::io::Error::from(std::io::ErrorKind::ResourceBusy);
                    return Err(UpgradeError::file("lock", path)(busy));
                }
                Err(LockError::Open { path, source }) => {
                    return Err(UpgradeError::file("lock", path)(source));
                }
            }
        }
    }

    pub(super) fn watch_log(&self) -> PathBuf {
        self.folder.join("watch.log")
    }

    /// The database as it was before the switch.
    pub(super) fn database(&self) -> PathBuf {
        self.folder.join("database")
    }

    /// What was handed over, and what was unpacked of it.
    pub(super) fn new_dir(&self) -> PathBuf {
        self.folder.join("new")
    }

    pub(super) fn new_program(&self) -> PathBuf {
        self.new_dir().join(platform::upgrade::PROGRAM)
    }

    /// The present program; the watchdog runs this copy.
    pub(super) fn old_program(&self) -> PathBuf {
        self.folder.join("old").join(platform::upgrade::PROGRAM)
    }

    /// The order, if there is one.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub fn order(&self) -> Result<Option<Order>, UpgradeError> {
        read(&self.order_file())
    }

    pub(super) fn write_order(&self, order: &Order) -> Result<(), UpgradeError> {
        write(&self.order_file(), order)
    }

    pub(super) fn proof(&self) -> Result<Option<Proof>, UpgradeError> {
        read(&self.proof_file())
    }

    pub(super) fn write_proof(&self, proof: &Proof) -> Result<(), UpgradeError> {
        write(&self.proof_file(), proof)
    }

    pub(super) fn failed_starts(&self) -> Result<FailedStarts, UpgradeError> {
        Ok(read(&self.failed_file())?.unwrap_or_default())
    }

    pub(super) fn write_failed_starts(&self, failed: &FailedStarts) -> Result<(), UpgradeError> {
        write(&self.failed_file(), failed)
    }

    /// Takes away what agents said of themselves: a switch begins, and only what is said after it counts.
    pub(super) fn forget_signs(&self) {
        for file in [self.proof_file(), self.failed_file()] {
            fs_err::remove_file(file).ok();
        }
    }

    /// Takes away what a finished order left; the order itself stays to be looked at. What cannot be removed now,
    /// because it runs, goes next time.
    pub(super) fn clean(&self) {
        self.forget_signs();
        fs_err::remove_file(self.database()).ok();
        fs_err::remove_dir_all(self.new_dir()).ok();
        fs_err::remove_file(self.old_program()).ok();
        fs_err::remove_dir(self.folder.join("old")).ok();
    }

    /// Calls a staged order off. `false` when there is none that could be.
    ///
    /// # Errors
    /// When the order cannot be read or removed.
    pub fn cancel(&self) -> Result<bool, UpgradeError> {
        match self.order()? {
            Some(order) if order.phase == Phase::Staged => {
                let path = self.order_file();
                fs_err::remove_file(&path).map_err(UpgradeError::file("remove", path))?;
                self.clean();
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, UpgradeError> {
    match fs_err::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| UpgradeError::Record {
                path: path.to_owned(),
                source,
            }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(UpgradeError::file("read", path)(error)),
    }
}

fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), UpgradeError> {
    let bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
    platform::write_private(path, &bytes).map_err(UpgradeError::file("write", path))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn order(phase: Phase) -> Order {
        Order {
            id: Uuid::nil(),
            phase,
            payload: Payload::Program,
            program: PathBuf::from("muster-agent"),
            old_version: "1.0".to_owned(),
            new_version: "1.1".to_owned(),
            new_sha256: "ab".repeat(32),
            package: None,
            within_secs: 1,
            staged_at: Timestamp::UNIX_EPOCH,
            ended_at: None,
            reason: String::new(),
            noted: false,
        }
    }

    #[test]
    fn an_order_is_read_as_it_was_written_and_only_a_staged_one_is_called_off() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::new(Some(root.path()));
        platform::lock_down_dir(&paths.self_upgrade_dir()).unwrap();
        let place = Place::of(&paths);
        assert_eq!(place.order().unwrap(), None);
        let mut order = order(Phase::Switched);
        place.write_order(&order).unwrap();
        assert_eq!(place.order().unwrap().as_ref(), Some(&order));
        assert!(!place.cancel().unwrap());
        order.phase = Phase::Staged;
        place.write_order(&order).unwrap();
        assert!(place.cancel().unwrap());
        assert_eq!(place.order().unwrap(), None);
    }

    #[test]
    fn a_damaged_order_names_its_file() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::new(Some(root.path()));
        platform::lock_down_dir(&paths.self_upgrade_dir()).unwrap();
        let place = Place::of(&paths);
        fs_err::write(place.order_file(), "{").unwrap();
        assert!(place.order().unwrap_err().to_string().contains("order.json"));
    }
}
