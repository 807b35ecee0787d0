//! The local database: what is installed, what is to be done, which orders were accepted.
//!
//! One SQLite file in WAL mode, owned by whoever holds the agent's lock; `list` and `show` read it beside
//! a running service. A file that SQLite finds damaged is set aside under another name and a new one is
//! begun: the machine stays manageable, and what was lost is said. Each topic has its own file.

pub mod attempts;
pub mod audits;
pub mod blocks;
mod copies;
pub mod directory;
pub mod facts;
pub mod host_package;
pub mod implicit;
pub mod journal;
pub mod messages;
pub mod orders;
pub mod packages;
pub mod repositories;
pub mod rules;
pub mod scripts;
pub mod sessions;
pub mod tasks;
pub mod windows_update;

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use muster_shared::hint::Hint;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

/// How long a reader waits for a writer of another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the local database does not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("the local database {path} cannot be opened", path = path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: sqlx::Error,
    },
    #[error("the local database {path} does not exist yet", path = .0.display())]
    Missing(PathBuf),
    #[error("only administrators of this machine may look into the local database {path}", path = .0.display())]
    Forbidden(PathBuf),
    #[error("the local database {path} cannot be brought to this version's form", path = path.display())]
    Migrate {
        path: PathBuf,
        #[source]
        source: sqlx::migrate::MigrateError,
    },
    #[error("the damaged local database {path} cannot be set aside", path = path.display())]
    SetAside {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot {action} in the local database")]
    Query {
        action: &'static str,
        #[source]
        source: sqlx::Error,
    },
    #[error("the local database holds {what} that cannot be read: {reason}")]
    Content { what: &'static str, reason: String },
}

impl StateError {
    /// No space is left for the database.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Query { source, .. } | Self::Open { source, .. }
            if source.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|code| means_full(&code)))
    }
}

/// SQLITE_FULL, SQLITE_IOERR_WRITE and SQLITE_IOERR_SHMSIZE: a full volume shows as any of them, the last two
/// when already the file beside the database finds no room.
fn means_full(code: &str) -> bool {
    matches!(code, "13" | "778" | "4874")
}

impl Hint for StateError {
    fn hints(&self) -> Vec<String> {
        match self {
            _ if self.is_full() => vec!["make room on the disk, then try again".to_owned()],
            Self::Missing(_) => vec!["run `muster-agent update` first, or start the service".to_owned()],
            Self::Open { .. } | Self::Forbidden(_) => {
                vec!["run the command as root (administrator)".to_owned()]
            }
            Self::Migrate { .. } => {
                vec!["the database was written by a newer version; install that version again".to_owned()]
            }
            Self::SetAside { .. } | Self::Query { .. } | Self::Content { .. } => Vec::new(),
        }
    }
}

/// The local database.
#[derive(Debug, Clone)]
pub struct State {
    pool: SqlitePool,
}

/// A database that was opened, and where its damaged predecessor went.
#[derive(Debug)]
pub struct Opened {
    pub state: State,
    /// The damaged file under its new name; what it held is lost to the agent.
    pub set_aside: Option<PathBuf>,
}

impl State {
    /// Opens the database for its one owner, making or mending it when needed.
    ///
    /// A host that is registered already may have accepted orders. When its database begins only now, the
    /// rows that would tell replays are lost, and only orders issued from here on are accepted.
    ///
    /// # Errors
    /// When it cannot be opened, migrated, or set aside.
    pub async fn open(path: &Path, now: Timestamp, is_registered: bool) -> Result<Opened, StateError> {
        let (state, set_aside) = match Self::open_checked(path).await {
            Ok(state) => (state, None),
            Err(error) if is_damage(&error) => {
                let aside = set_aside(path, now)?;
                (Self::open_checked(path).await?, Some(aside))
            }
            Err(error) => return Err(error),
        };
        // Not whether the file was there: a crash may have left one that nothing was written to.
        if state.has_no_facts().await? {
            state.begin(now, is_registered || set_aside.is_some()).await?;
        }
        Ok(Opened { state, set_aside })
    }

    /// Writes the first values of a database, all or none.
    async fn begin(&self, now: Timestamp, had_predecessor: bool) -> Result<(), StateError> {
        let mut values = vec![(facts::BEGUN_AT, now.to_string())];
        if had_predecessor {
            values.push((facts::ORDERS_SINCE, now.to_string()));
            values.push((facts::HIGH_WATER, now.to_string()));
        }
        self.set_facts(&values).await
    }

    async fn open_checked(path: &Path) -> Result<Self, StateError> {
        let open = |source| StateError::Open {
            path: path.to_path_buf(),
            source,
        };
        let options = options(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // An acknowledged order must survive a power cut.
            .synchronous(SqliteSynchronous::Full);
        let pool = pool(options).await.map_err(open)?;
        let checked = sqlx::query_scalar::<_, String>("PRAGMA quick_check(1)")
            .fetch_one(&pool)
            .await;
        let verdict = match checked {
            Ok(verdict) => verdict,
            Err(source) => {
                pool.close().await;
                return Err(open(source));
            }
        };
        if verdict != "ok" {
            pool.close().await;
            return Err(StateError::Content {
                what: DAMAGE,
                reason: verdict,
            });
        }
        if let Err(source) = sqlx::migrate!("./migrations").run(&pool).await {
            pool.close().await;
            return Err(StateError::Migrate {
                path: path.to_path_buf(),
                source,
            });
        }
        Ok(Self { pool })
    }

    /// Opens the database to look at it, beside a running service or not.
    ///
    /// # Errors
    /// When there is none or it cannot be opened.
    pub async fn open_read_only(path: &Path) -> Result<Self, StateError> {
        match fs_err::File::open(path) {
            Ok(_file) => {}
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err(StateError::Forbidden(path.to_path_buf()));
            }
            Err(_missing) => return Err(StateError::Missing(path.to_path_buf())),
        }
        let pool = pool(options(path).read_only(true))
            .await
            .map_err(|source| StateError::Open {
                path: path.to_path_buf(),
                source,
            })?;
        Ok(Self { pool })
    }

    /// Lets the file grow to so many pages, as a full disk would; for tests.
    #[cfg(test)]
    pub(crate) async fn limit_pages(&self, pages: u32) {
        let limit = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
        sqlx::query(limit).execute(&self.pool).await.unwrap();
    }

    /// Writes everything back and closes the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// What [`StateError::Content`] calls a file that fails SQLite's own check.
const DAMAGE: &str = "damaged pages";

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(32)
        // In KiB: the database of one machine is small, and so must the service be.
        .pragma("cache_size", "-256")
}

async fn pool(options: SqliteConnectOptions) -> Result<SqlitePool, sqlx::Error> {
    SqlitePoolOptions::new()
        // One connection: transactions of this process never wait for each other inside SQLite.
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .acquire_timeout(Duration::from_secs(30))
        .connect_with(options)
        .await
}

/// The file is not a database, or one with damaged pages.
fn is_damage(error: &StateError) -> bool {
    let database = match error {
        StateError::Content { what, .. } => return *what == DAMAGE,
        StateError::Open { source, .. }
        | StateError::Query { source, .. }
        | StateError::Migrate {
            source: sqlx::migrate::MigrateError::Execute(source),
            ..
        } => source.as_database_error(),
        _ => None,
    };
    // SQLITE_CORRUPT and its extended codes, SQLITE_NOTADB.
    database
        .and_then(sqlx::error::DatabaseError::code)
        .and_then(|code| code.parse::<u32>().ok())
        .is_some_and(|code| matches!(code & 0xff, 11 | 26))
}

/// Renames the damaged file and its companions.
fn set_aside(path: &Path, now: Timestamp) -> Result<PathBuf, StateError> {
    set_aside_as(path, "damaged", now)
}

/// Renames a database and its companions, with a word for what is the matter with it.
fn set_aside_as(path: &Path, word: &str, now: Timestamp) -> Result<PathBuf, StateError> {
    let error = |source| StateError::SetAside {
        path: path.to_path_buf(),
        source,
    };
    let stamp = now.as_second();
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{word}-{stamp}"));
    let aside = PathBuf::from(aside);
    rename(path, &aside).map_err(error)?;
    for suffix in ["-wal", "-shm"] {
        let with = |base: &Path| {
            let mut name = base.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        match rename(&with(path), &with(&aside)) {
            Err(failure) if failure.kind() != std::io::ErrorKind::NotFound => return Err(error(failure)),
            _ => {}
        }
    }
    Ok(aside)
}

/// Renames a file. On Windows one that is still open cannot be, and there is a moment: SQLite closes its file a little
/// later than an opening fails.
fn rename(from: &Path, to: &Path) -> std::io::Result<()> {
    let may_pass = |error: &std::io::Error| {
        crate::platform::PLATFORM == "windows" && error.kind() != std::io::ErrorKind::NotFound
    };
    for _attempt in 0..100 {
        match fs_err::rename(from, to) {
            Err(error) if may_pass(&error) => std::thread::sleep(Duration::from_millis(20)),
            done => return done,
        }
    }
    fs_err::rename(from, to)
}

/// Names the query in its error.
fn query(action: &'static str) -> impl FnOnce(sqlx::Error) -> StateError {
    move |source| StateError::Query { action, source }
}

fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

fn timestamp(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn from_json<T: serde::de::DeserializeOwned>(what: &'static str, text: &str) -> Result<T, StateError> {
    serde_json::from_str(text).map_err(|error| StateError::Content {
        what,
        reason: error.to_string(),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn now() -> Timestamp {
        "2026-12-01T12:00:00Z".parse().unwrap()
    }

    /// A database in a folder of its own; the folder lives as long as the guard.
    pub(crate) async fn open() -> (tempfile::TempDir, State) {
        let place = tempfile::tempdir().unwrap();
        let opened = State::open(&place.path().join("agent.sqlite"), now(), false)
            .await
            .unwrap();
        assert!(opened.set_aside.is_none());
        (place, opened.state)
    }

    #[tokio::test]
    async fn a_damaged_database_is_set_aside_and_rebuilt() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("agent.sqlite");
        fs_err::write(
            &path,
            "this is not a database, whatever its name says. ".repeat(100),
        )
        .unwrap();
        let opened = State::open(&path, now(), false).await.unwrap();
        let aside = opened.set_aside.unwrap();
        assert!(aside.to_string_lossy().contains("damaged"));
        assert!(fs_err::read_to_string(aside).unwrap().starts_with("this is not"));
        assert_eq!(opened.state.installed().await.unwrap().len(), 0);
        // Orders from before the loss are refused from now on.
        assert_eq!(opened.state.orders_since().await.unwrap(), Some(now()));
        assert_eq!(opened.state.high_water().await.unwrap(), Some(now()));
    }

    #[tokio::test]
    async fn damaged_pages_inside_a_real_database_are_found() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("agent.sqlite");
        let opened = State::open(&path, now(), false).await.unwrap();
        opened.state.close().await;
        let mut bytes = fs_err::read(&path).unwrap();
        for byte in bytes.iter_mut().skip(4096 * 2).take(4096 * 6) {
            *byte = 0xa5;
        }
        fs_err::write(&path, bytes).unwrap();
        let opened = State::open(&path, now(), false).await.unwrap();
        assert!(opened.set_aside.is_some());
    }

    #[tokio::test]
    async fn a_second_open_finds_what_the_first_wrote_and_a_reader_may_look_on() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("agent.sqlite");
        let missing = State::open_read_only(&path).await.unwrap_err();
        assert!(matches!(missing, StateError::Missing(_)));
        let first = State::open(&path, now(), false).await.unwrap().state;
        first.set_fact("colour", "green").await.unwrap();
        let reader = State::open_read_only(&path).await.unwrap();
        assert_eq!(reader.fact("colour").await.unwrap().as_deref(), Some("green"));
        assert!(reader.set_fact("colour", "red").await.is_err());
        first.close().await;
        let second = State::open(&path, now(), false).await.unwrap().state;
        assert_eq!(second.fact("colour").await.unwrap().as_deref(), Some("green"));
    }

    #[tokio::test]
    async fn a_registered_host_without_its_database_refuses_orders_from_before() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("agent.sqlite");
        let state = State::open(&path, now(), true).await.unwrap().state;
        assert_eq!(state.orders_since().await.unwrap(), Some(now()));
        assert_eq!(state.high_water().await.unwrap(), Some(now()));
        state.close().await;
        // The database is known from now on: a later start refuses nothing more.
        let later = now() + jiff::SignedDuration::from_hours(1);
        let state = State::open(&path, later, true).await.unwrap().state;
        assert_eq!(state.orders_since().await.unwrap(), Some(now()));
    }

    #[tokio::test]
    async fn a_crash_right_after_a_database_was_made_does_not_open_it_to_old_orders() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("agent.sqlite");
        State::open_checked(&path).await.unwrap().close().await;
        let state = State::open(&path, now(), true).await.unwrap().state;
        assert_eq!(state.orders_since().await.unwrap(), Some(now()));
    }

    #[tokio::test]
    async fn a_host_that_registers_after_its_database_was_made_takes_every_order() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("agent.sqlite");
        let state = State::open(&path, now(), false).await.unwrap().state;
        assert_eq!(state.orders_since().await.unwrap(), None);
        state.close().await;
        let state = State::open(&path, now(), true).await.unwrap().state;
        assert_eq!(state.orders_since().await.unwrap(), None);
    }
}
