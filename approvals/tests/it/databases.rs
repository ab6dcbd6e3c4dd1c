//! The database of each test: SQLite in its folder, or one of its own in the PostgreSQL that
//! `COUNTERSIGN_TEST_POSTGRES` names.

use std::str::FromStr as _;
use std::sync::atomic::{AtomicU64, Ordering};

use countersign_approvals::{Data, Database};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AnyPool, ConnectOptions as _};
use tempfile::TempDir;
use url::Url;

pub(crate) const POSTGRES: &str = "COUNTERSIGN_TEST_POSTGRES";

pub(crate) fn data(folder: &TempDir) -> Data {
    Data::at(&folder.path().join("data")).unwrap()
}

/// A new database for the service in that folder.
pub(crate) async fn fresh(folder: &TempDir) -> Database {
    match std::env::var(POSTGRES) {
        Ok(cluster) => Database::Postgres(fresh_in(&cluster).await),
        Err(_) => data(folder).database(),
    }
}

/// The address of a new database in that PostgreSQL.
async fn fresh_in(cluster: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let options = PgConnectOptions::from_str(cluster).unwrap().disable_statement_logging();
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&pool).await.unwrap();
    pool.close().await;
    let mut url = Url::parse(cluster).unwrap();
    url.set_path(&name);
    url.into()
}

/// A database as the command line names it.
pub(crate) fn address(database: &Database) -> String {
    match database {
        Database::Postgres(url) => url.clone(),
        Database::Sqlite(path) => format!("sqlite://{}", path.display()),
    }
}

/// A way past the service: how tests move deadlines and count rows.
pub(crate) async fn behind(database: &Database) -> AnyPool {
    sqlx::any::install_default_drivers();
    sqlx::any::AnyPoolOptions::new().max_connections(1).connect(&address(database)).await.unwrap()
}

/// SQLite as it was after that migration.
pub(crate) async fn as_before(folder: &TempDir, migration: i64) -> (Database, AnyPool) {
    let database = data(folder).database();
    let Database::Sqlite(path) = &database else { panic!("no database was named") };
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    sqlx::any::install_default_drivers();
    let pool = AnyPool::connect(options.to_url_lossy().as_str()).await.unwrap();
    sqlx::migrate!("migrations/sqlite").run_to(migration, &pool).await.unwrap();
    (database, pool)
}

/// The database of a test as it was before lists came by page.
pub(crate) async fn before_lists(folder: &TempDir) -> (Database, AnyPool) {
    let Ok(cluster) = std::env::var(POSTGRES) else { return as_before(folder, 7).await };
    let database = Database::Postgres(fresh_in(&cluster).await);
    let pool = behind(&database).await;
    sqlx::migrate!("migrations/postgres").run_to(1, &pool).await.unwrap();
    (database, pool)
}
