//! One agent at work: everything that tasks need, opened once, under the lock.

mod lock;
mod reporting;

use std::sync::Arc;

use jiff::Timestamp;
use muster_shared::clock::Clock;
use muster_shared::crypto::TrustStore;
use muster_shared::hint::{Hint as _, chain};
use muster_shared::protocol::error::ErrorCode;

pub use self::lock::{Lock, LockError};
pub use self::reporting::{Facts, Reporting};
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::identity::Identity;
use crate::orders::{Authority, own_time};
use crate::paths::Paths;
use crate::platform;
use crate::repo::choice;
use crate::repo::sources::Sources;
use crate::revocation;
use crate::script::ScriptHost;
use crate::server_client::ServerClient;
use crate::state::{State, facts};

/// An agent with its state open; whoever has it holds the lock.
pub struct Agent {
    pub paths: Paths,
    pub config: Config,
    pub state: State,
    pub clock: Arc<dyn Clock>,
    pub identity: Identity,
    pub scripts: ScriptHost,
    /// `None` when no server is configured.
    pub server: Option<ServerClient>,
    /// Where packages come from; none when no repository is configured.
    pub repositories: Sources,
    pub reporting: Reporting,
    _lock: Lock,
}

impl std::fmt::Debug for Agent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agent")
            .field("identifier", &self.identity.identifier())
            .field("server", &self.config.server)
            .finish_non_exhaustive()
    }
}

impl Agent {
    /// Opens the agent's state for its one owner.
    ///
    /// # Errors
    /// When another process owns it, a folder cannot be made, the database cannot be opened, or what the
    /// configuration names cannot be used.
    pub async fn open(paths: Paths, config: Config, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        let (lock, identity, state) = own(&paths, &config, clock.now()).await?;
        let server = match &config.server {
            Some(_) => Some(
                ServerClient::new(&config, &identity)
                    .map_err(|error| Failure::from_hinted(error.code(), error))?,
            ),
            None => None,
        };
        let repositories =
            Sources::new(&config).map_err(|error| Failure::from_hinted(error.code(), error))?;
        choice::recall(&state, &config, &repositories).await?;
        let scripts = ScriptHost::new(&paths, &config, identity.identifier()).with_state(&state);
        Ok(Self {
            scripts,
            paths,
            config,
            state,
            clock,
            identity,
            server,
            repositories,
            reporting: Reporting::default(),
            _lock: lock,
        })
    }

    /// The machine's time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The time by which signatures, certificates and orders are judged.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn own_time(&self) -> Result<Timestamp, Failure> {
        Ok(own_time(self.now(), self.state.high_water().await?))
    }

    /// The certificates whose signatures this machine accepts, as the folder has them now, with the revocation
    /// lists of the folder and of updates.
    ///
    /// # Errors
    /// When a file of the folder cannot be read.
    pub fn trust(&self) -> Result<TrustStore, Failure> {
        revocation::trust_store(&self.paths).map_err(|error| revocation::unusable(&error))
    }

    /// The certificates that packages of a repository may be signed by.
    ///
    /// # Errors
    /// When a file of its folder cannot be read.
    pub fn trust_of(&self, repository: &str) -> Result<TrustStore, Failure> {
        revocation::trust_of(&self.paths, &self.config, repository)
            .map_err(|error| revocation::unusable(&error))
    }

    /// Who may order what here.
    pub fn authority(&self) -> Authority {
        Authority::new(&self.config, self.identity.certificate().as_ref())
    }

    /// Closes the database; the lock goes with the agent.
    pub async fn close(&self) {
        self.state.close().await;
    }
}

/// Takes the lock, and opens what this machine keeps: who it is, and its database.
async fn own(paths: &Paths, config: &Config, now: Timestamp) -> Result<(Lock, Identity, State), Failure> {
    let folder = |path: std::path::PathBuf| {
        platform::lock_down_dir(&path).map_err(|error| {
            Failure::new(
                ErrorCode::Internal,
                format!("the folder {} cannot be used: {error}", path.display()),
            )
            .with_hint("run the command as root (administrator)")
        })
    };
    folder(paths.state_dir())?;
    let lock = Lock::take(&paths.lock_file()).map_err(|error| {
        let exit = if matches!(error, LockError::Held { .. }) {
            Exit::Busy
        } else {
            Exit::Failed
        };
        Failure::from_hinted(ErrorCode::Conflict, error).with_exit(exit)
    })?;
    folder(paths.private_dir())?;
    folder(paths.cache_dir())?;
    let identity = Identity::load_or_create(paths, config)
        .map_err(|error| Failure::from_hinted(ErrorCode::Internal, error))?;
    // A host that a server knows may have accepted orders; a database that begins now cannot tell them.
    let is_registered = identity.is_registered() || identity.certificate().is_some();
    let opened = State::open(&paths.database(), now, is_registered).await?;
    if let Some(aside) = &opened.set_aside {
        let notice = format!(
            "the local database was damaged; it was set aside as {} and a new one was begun: installed packages are \
             found again at the next upgrade",
            aside.display()
        );
        tracing::error!("{notice}");
        opened.state.set_fact(facts::NOTICE, &notice).await?;
    }
    Ok((lock, identity, opened.state))
}

/// Begins this machine's database when it has none yet. Before a registration: a database that begins after it counts
/// as the successor of a lost one, and refuses every order from before, by a clock that may be ahead.
///
/// # Errors
/// When a folder cannot be made or the database cannot be opened. That another process owns it is none: then it is
/// there.
pub async fn begin(paths: &Paths, config: &Config, now: Timestamp) -> Result<(), Failure> {
    match own(paths, config, now).await {
        Ok((_lock, _identity, state)) => {
            state.close().await;
            Ok(())
        }
        Err(failure) if failure.exit() == Exit::Busy => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// What a failed request says, with its advice, in one line.
pub(crate) fn with_advice<E: std::error::Error + muster_shared::hint::Hint + 'static>(error: &E) -> String {
    let mut text = chain(error);
    for hint in error.hints() {
        text.push_str("; ");
        text.push_str(&hint);
    }
    text
}

/// [`Failure`] is both an error and advice.
impl Failure {
    /// The failure and its advice in one line, for logs and summaries.
    pub fn in_one_line(&self) -> String {
        let mut text = chain(self);
        for hint in self.hints() {
            text.push_str("; ");
            text.push_str(&hint);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_database_begins_once_and_is_no_successor_of_a_lost_one() {
        let place = tempfile::tempdir().unwrap();
        let paths = Paths::new(Some(place.path()));
        let config = Config::default();
        let ahead = "2030-01-01T00:00:00Z".parse().unwrap();
        begin(&paths, &config, ahead).await.unwrap();
        let (lock, _identity, state) = own(&paths, &config, ahead).await.unwrap();
        assert_eq!(state.time_fact(facts::BEGUN_AT).await.unwrap(), Some(ahead));
        assert_eq!(state.time_fact(facts::ORDERS_SINCE).await.unwrap(), None);
        assert_eq!(state.high_water().await.unwrap(), None);
        // A service that runs has it open.
        let later = "2030-01-02T00:00:00Z".parse().unwrap();
        begin(&paths, &config, later).await.unwrap();
        state.close().await;
        drop(lock);
        begin(&paths, &config, later).await.unwrap();
        let state = State::open_read_only(&paths.database()).await.unwrap();
        assert_eq!(state.time_fact(facts::BEGUN_AT).await.unwrap(), Some(ahead));
    }
}
