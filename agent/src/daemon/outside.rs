//! What happens outside the agent without anybody asking: the network, the configuration file, the machine's end.
//!
//! Each is waited for by a small task that does nothing until the system wakes it, and ends with the actor.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::Signals;
use super::event::Event;
use crate::platform::{self, FileChanges, NetworkChanges, ShutdownDelay, facts};

/// Changes of the network come in bunches; so long after the last one it is looked at.
const NETWORK_QUIET: Duration = Duration::from_secs(1);

/// A network that never rests is looked at anyway.
const NETWORK_RESTLESS: Duration = Duration::from_secs(10);

/// An editor writes a file in several steps.
const FILE_QUIET: Duration = Duration::from_millis(300);

/// A lock or a watch that broke is tried again after this long.
const AGAIN: Duration = Duration::from_mins(10);

/// Begins to listen. What the system does not offer is left out.
pub(super) fn listen(
    config_file: &Path,
    holds_shutdown: Option<Duration>,
    signals: &Signals,
    events: &mpsc::Sender<Event>,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    match NetworkChanges::listen() {
        Ok(changes) => {
            tasks.spawn(network(changes, events.clone()));
        }
        Err(error) => tracing::info!(%error, "changes of the network are not heard of"),
    }
    match FileChanges::watch(config_file) {
        Ok(changes) => {
            tasks.spawn(file(changes, events.clone()));
        }
        Err(error) => tracing::debug!(%error, "the configuration file is looked at now and then"),
    }
    if let Some(length) = holds_shutdown {
        tasks.spawn(shutdown(events.clone()));
        tasks.spawn(async move {
            // Refused where the agent is no service of the system.
            if let Err(error) = platform::service::allow_before_shutdown(length).await {
                tracing::debug!(%error, "the service manager was not told how long to wait before a shutdown");
            }
        });
    }
    tasks.spawn(service_manager(signals.clone(), events.clone()));
    tasks
}

/// The service manager said that the machine goes down: it waits until the service has ended.
async fn service_manager(signals: Signals, events: mpsc::Sender<Event>) {
    signals.going_down.cancelled().await;
    let (release, done) = oneshot::channel();
    let announced = Event::GoingDown { limit: None, release };
    if events.send(announced).await.is_ok() {
        // A sender that was dropped means the same.
        done.await.ok();
    }
    signals.stop.cancel();
}

async fn network(mut changes: NetworkChanges, events: mpsc::Sender<Event>) {
    let mut known = facts::network::stamp();
    loop {
        if let Err(error) = changes.changed().await {
            tracing::warn!(%error, "changes of the network are no longer heard of");
            return;
        }
        let restless = tokio::time::sleep(NETWORK_RESTLESS);
        tokio::pin!(restless);
        loop {
            tokio::select! {
                () = &mut restless => break,
                () = tokio::time::sleep(NETWORK_QUIET) => break,
                // What goes wrong here goes wrong again above.
                _ = changes.changed() => {}
            }
        }
        // Routers renew addresses all day long; only another set of them is a change.
        let stamp = facts::network::stamp();
        if stamp != known {
            known = stamp;
            if events.send(Event::NetworkChanged).await.is_err() {
                return;
            }
        }
    }
}

async fn file(mut changes: FileChanges, events: mpsc::Sender<Event>) {
    loop {
        if changes.changed().await.is_err() {
            return;
        }
        tokio::time::sleep(FILE_QUIET).await;
        if events.send(Event::ConfigTouched).await.is_err() {
            return;
        }
    }
}

/// Holds the lock, announces the shutdown, and lets go when the actor has done its work.
async fn shutdown(events: mpsc::Sender<Event>) {
    loop {
        match ShutdownDelay::take("pending updates are installed first").await {
            Ok(Some(mut delay)) => {
                tracing::debug!(
                    limit_secs = delay.limit().as_secs(),
                    "the machine waits for updates before it goes down"
                );
                match delay.announced().await {
                    Ok(true) => {
                        let (release, done) = oneshot::channel();
                        let limit = Some(delay.limit());
                        if events.send(Event::GoingDown { limit, release }).await.is_err() {
                            return;
                        }
                        // A sender that was dropped means the same.
                        done.await.ok();
                        delay.release().await;
                        // If the machine is still there after that, the shutdown was called off.
                        tokio::time::sleep(AGAIN).await;
                    }
                    Ok(false) => {}
                    Err(error) => {
                        tracing::warn!(%error, "the machine does not wait for updates before it goes down");
                        tokio::time::sleep(AGAIN).await;
                    }
                }
            }
            Ok(None) => {
                tracing::debug!("nothing here holds a shutdown back");
                return;
            }
            Err(error) => {
                tracing::warn!(%error, "the machine does not wait for updates before it goes down");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// The configuration file as it was last looked at.
#[derive(Debug)]
pub(super) struct ConfigFile {
    path: PathBuf,
    seen: Option<(u64, SystemTime)>,
}

impl ConfigFile {
    /// The file as it is now.
    pub(super) fn new(path: PathBuf) -> Self {
        let seen = look(&path);
        Self { path, seen }
    }

    /// Whether it is another one than the last time this was asked.
    pub(super) fn has_changed(&mut self) -> bool {
        let now = look(&self.path);
        let has_changed = now != self.seen;
        self.seen = now;
        has_changed
    }
}

fn look(path: &Path) -> Option<(u64, SystemTime)> {
    let metadata = fs_err::metadata(path).ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_appears_changes_or_goes_is_noticed_once() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("agent.toml");
        let mut file = ConfigFile::new(path.clone());
        assert!(!file.has_changed());
        fs_err::write(&path, "a").unwrap();
        assert!(file.has_changed() && !file.has_changed());
        fs_err::write(&path, "ab").unwrap();
        assert!(file.has_changed() && !file.has_changed());
        fs_err::remove_file(&path).unwrap();
        assert!(file.has_changed() && !file.has_changed());
    }
}
