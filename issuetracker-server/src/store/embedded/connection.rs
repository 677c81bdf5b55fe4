//! Connections to the file: one for the writer's thread, and a stack of them for readers.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::unavailable;
use crate::store::StoreError;

/// What brings a file from one version of its shape to the next, in order; the version is kept in its `user_version`. They
/// are never changed once they are released: a file may be at any of them.
const MIGRATIONS: [&str; 13] = [
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
    include_str!("migrations/0003.sql"),
    include_str!("migrations/0004.sql"),
    include_str!("migrations/0005.sql"),
    include_str!("migrations/0006.sql"),
    include_str!("migrations/0007.sql"),
    include_str!("migrations/0008.sql"),
    include_str!("migrations/0009.sql"),
    include_str!("migrations/0010.sql"),
    include_str!("migrations/0011.sql"),
    include_str!("migrations/0012.sql"),
    include_str!("migrations/0013.sql"),
];

/// What the writer keeps of the file in memory. With SQLite's own 2 MiB a batch does not fit: its pages are written out and
/// read again in the middle of it.
const CACHE_KIB: i64 = 32 * 1024;

/// Pages in the log after which they go into the file: a page that many batches change goes there once.
const WAL_PAGES: i64 = 8_000;

/// Statements that a connection keeps prepared: more than a batch uses; without it, 16.
const STATEMENTS: usize = 64;

/// How long a connection waits for another process that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens the file for writing and brings its schema up to date.
pub(super) fn open_for_writing(path: &Path) -> Result<Connection, StoreError> {
    let mut connection = Connection::open(path).map_err(unavailable)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(unavailable)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(unavailable)?;
    // FULL: what was answered survives a power cut, not only a crash of the process.
    connection.pragma_update(None, "synchronous", "FULL").map_err(unavailable)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(unavailable)?;
    // What a statement may have to take back is in memory: else each page that it changes is first written to a file.
    connection.pragma_update(None, "temp_store", "MEMORY").map_err(unavailable)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB).map_err(unavailable)?;
    connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES).map_err(unavailable)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    migrate(&mut connection, path)?;
    Ok(connection)
}

/// Brings the file to the newest version, all of it or nothing.
fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    // The version is read under the lock: two servers may open a new file at the same time.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(unavailable)?;
    let version: usize = transaction.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(unavailable)?;
    let Some(missing) = MIGRATIONS.get(version..) else {
        return Err(unavailable(format!(
            "{} has schema version {version}; this server knows up to {}: run the newer server, or another file",
            path.display(),
            MIGRATIONS.len()
        )));
    };
    if missing.is_empty() {
        return Ok(());
    }
    for migration in missing {
        transaction.execute_batch(migration).map_err(unavailable)?;
    }
    transaction.pragma_update(None, "user_version", MIGRATIONS.len()).map_err(unavailable)?;
    transaction.commit().map_err(unavailable)?;
    if version > 0 {
        tracing::info!(from = version, to = MIGRATIONS.len(), path = %path.display(), "the store's file was migrated");
    }
    Ok(())
}

/// Work for the writer's thread.
type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// The one thread that writes. It ends when the store is dropped, after the work it has accepted.
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
}

impl Writer {
    pub(super) fn start(mut connection: Connection) -> Result<Self, StoreError> {
        let (jobs, queue) = mpsc::channel::<Job>();
        thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || {
                for job in queue {
                    job(&mut connection);
                }
            })
            .map_err(unavailable)?;
        Ok(Self { jobs })
    }

    pub(super) fn run(&self, job: Job) -> Result<(), StoreError> {
        self.jobs.send(job).map_err(|_| unavailable("the writer's thread has ended"))
    }
}

/// Connections for reading, opened when needed and kept.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), idle: Mutex::new(Vec::new()) }
    }

    pub(super) fn with<T>(&self, read: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.open()?,
        };
        let result = read(&connection);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        result
    }

    fn open(&self) -> Result<Connection, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags).map_err(unavailable)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(unavailable)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(connection)
    }
}
