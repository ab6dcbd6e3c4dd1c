//! What is kept, in SQLite or PostgreSQL: every transition is a compare-and-set and every deadline is a column.
//!
//! There is one writing connection, so that writers queue here, and those of all replicas take turns; readers
//! have their own connections and see what is committed. Each writing transaction begins by writing down
//! which deadlines have passed, so nothing that follows can act on a lapsed ticket.

pub(crate) mod accounts;
pub(crate) mod answers;
pub(crate) mod asks;
pub(crate) mod attempts;
pub(crate) mod bells;
pub(crate) mod browsers;
pub(crate) mod ceremonies;
pub(crate) mod changes;
pub(crate) mod claims;
pub(crate) mod counts;
pub(crate) mod database;
pub(crate) mod evidence;
pub(crate) mod gateways;
pub(crate) mod history;
pub(crate) mod links;
pub(crate) mod lists;
mod news;
pub(crate) mod outbox;
pub(crate) mod outcomes;
pub(crate) mod own_sessions;
pub(crate) mod passkeys;
pub(crate) mod past;
pub(crate) mod readers;
mod rendered;
pub(crate) mod reviews;
pub(crate) mod sessions;
pub(crate) mod sweep;
pub(crate) mod tickets;
pub(crate) mod tokens;
pub(crate) mod visitors;
pub(crate) mod waiters;

use std::collections::BTreeSet;

use countersign_protocol::evidence::Chain;
use countersign_protocol::{Token, UnixMillis};
use sqlx::{Any, AnyConnection, AnyPool, Transaction};
use tokio::sync::watch;

use crate::channels::routes::Routes;
use crate::limits::Limits;
use bells::Bells;
use database::{Database, Pools};
use news::News;

/// Why something could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("database: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    #[error("evidence: record {0} of the service's own lane is kept with other bytes")]
    Evidence(u64),
    #[error("json: {0}")]
    Json(#[from] serde_json::Error),
    #[error("randomness: {0}")]
    Random(#[from] getrandom::Error),
    #[error(transparent)]
    File(#[from] crate::files::FileError),
    #[error(transparent)]
    Key(#[from] crate::signer::KeyError),
    #[error("cannot write metrics: {0}")]
    Metrics(#[from] std::fmt::Error),
    #[error("a task ended early: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl StoreError {
    /// Whether the database is away for a while: what was asked may be asked again.
    pub(crate) fn is_absence(&self) -> bool {
        let Self::Database(error) = self else { return false };
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::BeginFailed
            | sqlx::Error::WorkerCrashed => true,
            sqlx::Error::Database(error) => {
                let code = error.code().unwrap_or_default();
                ABSENT.iter().any(|class| code.starts_with(class)) || BUSY.contains(&code.as_ref())
            }
            _ => false,
        }
    }
}

/// PostgreSQL, appendix A, the codes that begin so: connection exceptions, insufficient resources, operator
/// intervention, lock not available, a transaction that was idle for too long, a server that takes no writes (yet).
const ABSENT: [&str; 6] = ["08", "53", "57", "55P03", "25P03", "25006"];
/// SQLite's result codes: another process writes all the time, recovers the file, or wrote in between; the disk is full.
const BUSY: [&str; 4] = ["5", "261", "517", "13"];

impl StoreError {
    /// Whether there was text that PostgreSQL does not take (appendix A, `character_not_in_repertoire`).
    pub(crate) fn is_unwritable(&self) -> bool {
        let Self::Database(sqlx::Error::Database(error)) = self else { return false };
        error.code().is_some_and(|code| code == "22021")
    }
}

/// The database and those who wait for it to change.
pub(crate) struct Store {
    database: Database,
    /// Whether it serves, or a command changes something beside services that do.
    serves: bool,
    /// What the service calls its own people and groups.
    issuer: String,
    limits: Limits,
    /// Who is told of what.
    routes: Routes,
    writer: AnyPool,
    reader: AnyPool,
    for_gateways: AnyPool,
    bells: Bells,
    changes: watch::Sender<u64>,
    /// Whether this replica is about to end.
    closing: watch::Sender<bool>,
}

/// A writing transaction: undone unless it is committed.
pub(crate) struct Tx<'a> {
    store: &'a Store,
    inner: Transaction<'static, Any>,
    /// The database's clock when the transaction began.
    pub(crate) now: UnixMillis,
    rings: BTreeSet<Token>,
    /// Whether people would see a difference.
    visible: bool,
    /// The lane of the service's own evidence, once there is something to add to it.
    chain: Option<Chain>,
}

impl Store {
    /// Opens the database, making or upgrading it where needed.
    pub(crate) async fn open(
        database: Database,
        issuer: &str,
        limits: Limits,
        routes: Routes,
    ) -> Result<Self, StoreError> {
        let Pools { writer, reader, gateways: for_gateways } = database.open().await?;
        let (bells, changes) = (Bells::default(), watch::Sender::new(0));
        let (issuer, closing) = (issuer.into(), watch::Sender::new(false));
        let serves = false;
        Ok(Self {
            database,
            serves,
            issuer,
            limits,
            routes,
            writer,
            reader,
            for_gateways,
            bells,
            changes,
            closing,
        })
    }

    /// From now on it serves: it writes down what lapses, and who is to be told of it. Whoever does not serve knows no
    /// channels, and so leaves it to those who do.
    pub(crate) async fn serve(mut self) -> Result<Self, StoreError> {
        self.serves = true;
        self.render_again().await?;
        Ok(self)
    }

    /// Begins to write.
    pub(crate) async fn write(&self) -> Result<Tx<'_>, StoreError> {
        let mut inner = self.database.begin(&self.writer).await?;
        let now = now(&mut inner).await?;
        let mut tx = Tx { store: self, inner, now, rings: BTreeSet::new(), visible: false, chain: None };
        if self.serves {
            tx.lapse().await?;
        }
        Ok(tx)
    }

    /// Tells when the history of any ticket has grown.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// How many long polls wait here.
    pub(crate) fn polls(&self) -> usize {
        self.bells.listening()
    }

    /// Ends all long polls with what there is: who waits asks another replica next.
    pub(crate) fn hand_over(&self) {
        self.closing.send_replace(true);
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Whether this replica is about to end.
    pub(crate) fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    /// Returns when this replica is about to end.
    pub(crate) async fn closes(&self) {
        let mut closing = self.closing.subscribe();
        // It cannot be gone: it is here.
        let _ = closing.wait_for(|closing| *closing).await;
    }

    /// The database's clock, when the database answers.
    pub(crate) async fn now(&self) -> Result<UnixMillis, StoreError> {
        now(&mut *self.reader.acquire().await?).await
    }

    /// Ends all connections once what is under way is done.
    pub(crate) async fn close(&self) {
        self.writer.close().await;
        self.reader.close().await;
        self.for_gateways.close().await;
    }
}

impl Tx<'_> {
    /// Keeps what was written and tells those who wait for it, at all replicas.
    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        let news = News { waiters: std::mem::take(&mut self.rings), visible: self.visible };
        self.end_chain().await?;
        self.store.database.send(&mut self.inner, &news).await?;
        self.inner.commit().await?;
        self.store.tell(&news);
        Ok(())
    }
}

/// The database's clock.
async fn now(connection: &mut AnyConnection) -> Result<UnixMillis, StoreError> {
    Ok(sqlx::query_scalar("SELECT now FROM clock").fetch_one(connection).await?)
}

/// The placeholders of `rows` rows of `columns` values each, from `$1` on, to stand behind `VALUES`.
fn values(rows: usize, columns: usize) -> String {
    let row = |row: usize| {
        let columns: Vec<_> = (1..=columns).map(|column| format!("${}", row * columns + column)).collect();
        format!("({})", columns.join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}
