//! What is kept, in SQLite: every transition is a compare-and-set and every deadline is a column.
//!
//! There is one writing connection, so that writers queue here instead of meeting `SQLITE_BUSY`; readers
//! have their own connections and see what is committed. Each writing transaction begins by writing down
//! which deadlines have passed, so nothing that follows can act on a lapsed ticket.

pub(crate) mod answers;
pub(crate) mod asks;
pub(crate) mod attempts;
pub(crate) mod bells;
pub(crate) mod claims;
pub(crate) mod evidence;
pub(crate) mod history;
pub(crate) mod outcomes;
pub(crate) mod sessions;
pub(crate) mod sweep;
pub(crate) mod tickets;
pub(crate) mod waiters;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use countersign_protocol::{Token, UnixMillis};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite, SqliteConnection, Transaction};
use tokio::sync::watch;

use attempts::Strangers;
use bells::Bells;

/// Why something could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("database: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    #[error("json: {0}")]
    Json(#[from] serde_json::Error),
    #[error("randomness: {0}")]
    Random(#[from] getrandom::Error),
    #[error(transparent)]
    File(#[from] crate::files::FileError),
}

/// The database and those who wait for it to change.
pub(crate) struct Store {
    writer: SqlitePool,
    reader: SqlitePool,
    bells: Bells,
    strangers: Strangers,
    changes: watch::Sender<u64>,
}

/// A writing transaction: undone unless it is committed.
pub(crate) struct Tx<'a> {
    store: &'a Store,
    inner: Transaction<'static, Sqlite>,
    /// The database's clock when the transaction began.
    pub(crate) now: UnixMillis,
    rings: BTreeSet<Token>,
    /// Whether people would see a difference.
    visible: bool,
}

impl Store {
    /// Opens the database at `path`, making or upgrading it where needed.
    pub(crate) async fn open(path: &Path) -> Result<Self, StoreError> {
        crate::files::private_file(path)?;
        // FULL: a claim that was answered must survive a power cut, or it could be won twice.
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(30));
        let writer = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
        sqlx::migrate!().run(&writer).await?;
        let reader =
            SqlitePoolOptions::new().max_connections(4).connect_with(options.read_only(true)).await?;
        Ok(Self {
            writer,
            reader,
            bells: Bells::default(),
            strangers: Strangers::default(),
            changes: watch::Sender::new(0),
        })
    }

    /// Begins to write.
    pub(crate) async fn write(&self) -> Result<Tx<'_>, StoreError> {
        let mut inner = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let now = now(&mut inner).await?;
        let mut tx = Tx { store: self, inner, now, rings: BTreeSet::new(), visible: false };
        tx.lapse().await?;
        Ok(tx)
    }

    /// Tells when the history of any ticket has grown.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Whether the database answers.
    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        let mut connection = self.reader.acquire().await?;
        now(&mut connection).await.map(drop)
    }

    /// Ends all connections once what is under way is done.
    pub(crate) async fn close(&self) {
        self.writer.close().await;
        self.reader.close().await;
    }
}

impl Tx<'_> {
    /// Keeps what was written and tells those who wait for it.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        self.inner.commit().await?;
        self.store.bells.ring(&self.rings);
        if self.visible {
            self.store.changes.send_modify(|count| *count = count.wrapping_add(1));
        }
        Ok(())
    }
}

/// The database's clock.
async fn now(connection: &mut SqliteConnection) -> Result<UnixMillis, StoreError> {
    let now = sqlx::query_scalar("SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER)");
    Ok(now.fetch_one(connection).await?)
}
