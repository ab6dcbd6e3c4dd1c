//! The database itself: SQLite in a file, or PostgreSQL for several replicas.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Once;
use std::time::{Duration, Instant};

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Any, AnyPool, ConnectOptions as _, Connection as _, Transaction};
use url::Url;

use super::StoreError;

/// How long to wait for a connection: through a restart of the database, but not for as long as a caller would.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one try to reach the database may take at the start, and how soon the next follows.
const TRY: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_secs(1);
/// Any number, the same in all replicas: the lock that makes them take turns to write.
const TURN: i64 = 0x636f_756e_7465_7273;

/// Where everything is kept.
#[derive(Clone, PartialEq, Eq)]
pub enum Database {
    /// In this file, for one process on one machine.
    Sqlite(PathBuf),
    /// At this address (`postgres://user:password@host/database`), for any number of replicas.
    Postgres(String),
}

/// An address that names no database.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is no database: write `postgres://user:password@host/database`, or `sqlite:` and a file's path"
)]
pub struct UnknownDatabase(String);

impl FromStr for Database {
    type Err = UnknownDatabase;

    fn from_str(text: &str) -> Result<Self, UnknownDatabase> {
        match text.split_once(':') {
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(text.into())),
            Some(("sqlite", path)) if !path.is_empty() => {
                Ok(Self::Sqlite(path.strip_prefix("//").unwrap_or(path).into()))
            }
            // What is wrong is most likely in front; what is secret comes behind.
            _ => Err(UnknownDatabase(text.split(['@', '?']).next_back().unwrap_or_default().into())),
        }
    }
}

/// Never with the password.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(url) => {
                // What cannot be read is not shown: nobody knows where in it the password is.
                let Ok(url) = Url::parse(url) else { return f.write_str("PostgreSQL") };
                let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
                write!(f, "postgres://{}{port}{}", url.host_str().unwrap_or_default(), url.path())
            }
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({self})")
    }
}

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// It was away all the time.
    #[error("the database `{address}` did not answer for {waited:?}: {error}")]
    Away {
        /// Which, without its password.
        address: String,
        /// For how long it was tried.
        waited: Duration,
        /// What happened the last time.
        error: sqlx::Error,
    },
    /// To wait would not help.
    #[error("the database `{address}` cannot be used: {error}")]
    Refused {
        /// Which, without its password.
        address: String,
        /// What it says.
        error: sqlx::Error,
    },
}

/// Connections: one that writes, so that writers queue here, and some that read. Gateways have their own: whatever
/// people look at keeps no request waiting.
pub(super) struct Pools {
    pub(super) writer: AnyPool,
    pub(super) reader: AnyPool,
    pub(super) gateways: AnyPool,
}

impl Database {
    /// Returns once the database answers: a machine that starts may have this service before its database.
    ///
    /// # Errors
    /// When it does not for as long as `patience`, or never will: its name or password is wrong, say.
    pub async fn reached(&self, patience: Duration) -> Result<(), Unreachable> {
        let Self::Postgres(url) = self else { return Ok(()) };
        let (begun, address) = (Instant::now(), self.to_string());
        loop {
            let error = match tried(url).await {
                Ok(()) => return Ok(()),
                Err(error) => StoreError::from(error),
            };
            let (away, waited) = (error.is_absence(), begun.elapsed());
            match error {
                StoreError::Database(error) if !away => return Err(Unreachable::Refused { address, error }),
                StoreError::Database(error) if waited >= patience => {
                    return Err(Unreachable::Away { address, waited: patience, error });
                }
                error => {
                    tracing::warn!(%error, database = address, "the database is away: it is tried again")
                }
            }
            tokio::time::sleep(AGAIN.min(patience.saturating_sub(waited))).await;
        }
    }

    /// Connects, and makes or upgrades the tables where needed.
    pub(super) async fn open(&self) -> Result<Pools, StoreError> {
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        let pools = match self {
            Self::Sqlite(path) => {
                crate::files::private_file(path)?;
                let file = SqliteConnectOptions::new().filename(path);
                let writer = connect(&file.clone().create_if_missing(true).to_url_lossy(), 1, SQLITE).await?;
                sqlx::migrate!("migrations/sqlite").run(&writer).await?;
                let file = file.read_only(true).to_url_lossy();
                let gateways = connect(&file, 2, SQLITE).await?;
                Pools { writer, reader: connect(&file, 4, SQLITE).await?, gateways }
            }
            Self::Postgres(url) => {
                let url = PgConnectOptions::from_str(url)?.to_url_lossy();
                let writer = connect(&url, 1, POSTGRES).await?;
                sqlx::migrate!("migrations/postgres").run(&writer).await?;
                let gateways = connect(&url, 2, POSTGRES).await?;
                Pools { writer, reader: connect(&url, 8, POSTGRES).await?, gateways }
            }
        };
        Ok(pools)
    }

    /// Begins to write. Only one transaction at a time does, over all processes and replicas: what it reads stays
    /// as it is until it ends, and numbers are given in the order in which transactions become visible.
    pub(super) async fn begin(&self, writer: &AnyPool) -> Result<Transaction<'static, Any>, sqlx::Error> {
        match self {
            Self::Sqlite(_) => writer.begin_with("BEGIN IMMEDIATE").await,
            Self::Postgres(_) => {
                let mut tx = writer.begin().await?;
                sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(TURN).execute(&mut *tx).await?;
                Ok(tx)
            }
        }
    }
}

/// Whether the server answers.
async fn tried(url: &str) -> Result<(), sqlx::Error> {
    let server = PgConnectOptions::from_str(url)?.disable_statement_logging();
    match tokio::time::timeout(TRY, server.connect()).await {
        Ok(connected) => connected?.close().await,
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}

/// FULL: a claim that was answered must survive a power cut, or it could be won twice.
const SQLITE: &str = "PRAGMA busy_timeout = 30000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
                      PRAGMA foreign_keys = ON;";
/// A replica that stops in the middle of writing must not stop the others for longer than this.
const POSTGRES: &str = "SET idle_in_transaction_session_timeout = '5s'; SET statement_timeout = '20s';
                        SET synchronous_commit = on;";

async fn connect(url: &Url, most: u32, settings: &'static str) -> Result<AnyPool, sqlx::Error> {
    let pool = AnyPoolOptions::new().max_connections(most).acquire_timeout(PATIENCE);
    let pool = pool.after_connect(move |connection, _| {
        Box::pin(async move { sqlx::raw_sql(settings).execute(connection).await.map(drop) })
    });
    pool.connect_with(AnyConnectOptions::from_url(url)?.disable_statement_logging()).await
}
