//! The database: SQLite in write-ahead mode, one writing connection and a pool of readers.
//!
//! One writer in the process makes writers wait for each other in order, where SQLite's own lock would
//! make them poll; other processes (`muster-server user add` beside a running server) are waited for by
//! the busy timeout. Migrations are forward-only and embedded. Times are stored as microseconds.

pub mod action_targets;
pub mod actions;
pub mod host_blocks;
pub mod host_rows;
pub mod hosts;
pub mod nonces;
pub mod packages;
pub mod sessions;
pub mod tokens;
pub mod users;

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqliteConnection, SqlitePool, Transaction};

/// How long a writer waits for another process that holds the database.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Readers at work at the same time.
const READERS: u32 = 8;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// The database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot open the database {path}")]
    Open {
        path: String,
        #[source]
        source: sqlx::Error,
    },
    #[error("cannot bring the database {path} to this version's schema")]
    Migrate {
        path: String,
        #[source]
        source: sqlx::migrate::MigrateError,
    },
    #[error("the database refused a statement")]
    Statement(#[from] sqlx::Error),
    #[error("the database holds {what} that cannot be read: {value:?}")]
    Corrupt { what: &'static str, value: String },
}

impl StoreError {
    /// The row was there already (a unique key refused it).
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Statement(sqlx::Error::Database(error)) if error.is_unique_violation())
    }

    /// The disk is full.
    pub fn is_storage_full(&self) -> bool {
        matches!(self, Self::Statement(source) | Self::Open { source, .. } if means_full(source))
    }
}

/// SQLITE_FULL, SQLITE_IOERR_WRITE and SQLITE_IOERR_SHMSIZE: a full volume shows as any of them, the last two when
/// already the file beside the database finds no room.
pub fn means_full(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .is_some_and(|code| matches!(&*code, "13" | "778" | "4874"))
}

/// The server's database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    readers: SqlitePool,
    writer: SqlitePool,
}

impl Store {
    /// Opens the database, creating it when it is missing, and migrates it.
    ///
    /// # Errors
    /// [`StoreError::Open`] or [`StoreError::Migrate`], with the path.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let open_error = |source| StoreError::Open {
            path: path.display().to_string(),
            source,
        };
        create_private(path).map_err(|error| open_error(sqlx::Error::Io(error)))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(Duration::from_secs(30))
            .connect_with(options.clone())
            .await
            .map_err(open_error)?;
        MIGRATIONS
            .run(&writer)
            .await
            .map_err(|source| StoreError::Migrate {
                path: path.display().to_string(),
                source,
            })?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(Duration::from_secs(10))
            .connect_with(options)
            .await
            .map_err(open_error)?;
        Ok(Self { readers, writer })
    }

    /// For statements that only read.
    pub fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// For single statements that write.
    pub fn writer(&self) -> &SqlitePool {
        &self.writer
    }

    /// Begins a transaction that writes. Dropping it without `commit` undoes it.
    ///
    /// # Errors
    /// The database is held by another process for too long, or closed.
    pub async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Closes every connection; what was committed is in the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Waits for the disk at each commit of this connection, or leaves that to the next checkpoint.
    ///
    /// # Errors
    /// The database refused the setting.
    pub(crate) async fn flush_each_commit(
        connection: &mut SqliteConnection,
        on: bool,
    ) -> Result<(), StoreError> {
        let statement = if on {
            "PRAGMA synchronous = FULL"
        } else {
            "PRAGMA synchronous = NORMAL"
        };
        sqlx::query(statement).execute(connection).await?;
        Ok(())
    }
}

/// Makes the file for the server's account only when it is missing: SQLite gives the files beside it the same
/// rights, and all of them hold hashes of passwords.
fn create_private(path: &Path) -> std::io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let mut options = fs_err::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use fs_err::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)?;
    Ok(())
}

/// A time as the database holds it.
pub(crate) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// A time from the database; one out of range reads as 1970, which no rule mistakes for the present.
pub(crate) fn timestamp(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A database of its own for one test, gone with the folder.
    pub(crate) async fn open_store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("muster.sqlite")).await.unwrap();
        (folder, store)
    }

    #[tokio::test]
    async fn a_database_opens_again_with_what_was_committed() {
        let (folder, store) = open_store().await;
        let mut transaction = store.begin().await.unwrap();
        sqlx::query("INSERT INTO nonces VALUES ('k', 'n', 1)")
            .execute(&mut *transaction)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        store.close().await;
        let store = Store::open(&folder.path().join("muster.sqlite")).await.unwrap();
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM nonces")
            .fetch_one(store.readers())
            .await
            .unwrap();
        assert_eq!(count, 1);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn only_its_owner_reads_the_database() {
        use std::os::unix::fs::PermissionsExt as _;
        let (folder, store) = open_store().await;
        store.begin().await.unwrap().commit().await.unwrap();
        for entry in fs_err::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", entry.path().display());
        }
    }

    #[tokio::test]
    async fn a_transaction_that_is_dropped_leaves_nothing() {
        let (_folder, store) = open_store().await;
        {
            let mut transaction = store.begin().await.unwrap();
            sqlx::query("INSERT INTO nonces VALUES ('k', 'n', 1)")
                .execute(&mut *transaction)
                .await
                .unwrap();
        }
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM nonces")
            .fetch_one(store.readers())
            .await
            .unwrap();
        assert_eq!(count, 0);
    }

    #[test]
    fn times_keep_their_microseconds() {
        let at: Timestamp = "2026-01-02T03:04:05.678901Z".parse().unwrap();
        assert_eq!(timestamp(micros(at)), at);
    }
}
