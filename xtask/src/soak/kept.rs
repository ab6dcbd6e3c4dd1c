//! What the service keeps, read from its database: also what its interfaces do not tell, such as when a record
//! was kept.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, FromRow, SqliteConnection};

/// A ticket, in the words of the service.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Ticket {
    pub(super) id: String,
    pub(super) path: String,
    pub(super) state: String,
    pub(super) uses: i64,
    pub(super) used: i64,
    pub(super) use_by: Option<i64>,
}

/// A use of an approval. Times are Unix, milliseconds.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Claim {
    pub(super) ticket: String,
    pub(super) at: i64,
    /// `forwarded`, `awaited` or `unknown`.
    pub(super) outcome: String,
    pub(super) status: Option<i64>,
    /// The record that it was made with, when it is kept: by whom, what, since when.
    pub(super) producer: Option<String>,
    pub(super) record_kind: Option<String>,
    pub(super) record_ticket: Option<String>,
    pub(super) kept_at: Option<i64>,
    /// Whether that producer says later that the ticket's client left.
    pub(super) left: bool,
}

/// An answer that somebody gave.
#[derive(Debug, Clone, FromRow, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Answer {
    pub(super) ticket: String,
    pub(super) subject: String,
    pub(super) kind: String,
}

/// A producer of evidence, at a gateway.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Producer {
    pub(super) id: String,
    pub(super) gateway: String,
    /// When its first record was made.
    pub(super) first: Option<i64>,
    /// Records that say that something was allowed.
    pub(super) allowed: i64,
}

/// A lane, by what the service says of it and by what is there.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Lane {
    pub(super) producer: String,
    pub(super) lane: String,
    pub(super) next: i64,
    pub(super) ends: i64,
    pub(super) records: i64,
}

/// All of it at one moment.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) tickets: Vec<Ticket>,
    pub(super) claims: Vec<Claim>,
    pub(super) answers: BTreeSet<Answer>,
    pub(super) producers: Vec<Producer>,
    pub(super) lanes: Vec<Lane>,
}

const TICKETS: &str =
    "SELECT id, question ->> '$.request.path' AS path, state_now AS state, uses, used, use_by
    FROM current ORDER BY asked_at";

const CLAIMS: &str = "SELECT c.ticket, c.at, c.outcome, c.status, e.producer, e.kind AS record_kind,
        e.ticket AS record_ticket, e.kept_at,
        EXISTS (SELECT 1 FROM evidence AS later WHERE later.producer = e.producer AND later.lane = e.lane
            AND later.kind = 'client_left' AND later.ticket = c.ticket AND later.seq > e.seq) AS left
    FROM claims_now AS c LEFT JOIN evidence AS e ON e.hash = c.record ORDER BY c.at";

const ANSWERS: &str = "SELECT ticket, subject, kind FROM answers";

const PRODUCERS: &str = "SELECT id, gateway,
        (SELECT min(ts) FROM evidence WHERE producer = id) AS first,
        (SELECT count(*) FROM evidence WHERE producer = id AND kind = 'allowed') AS allowed
    FROM producers WHERE own = 0";

const LANES: &str = "SELECT producer, lane, next, ends,
        (SELECT count(*) FROM evidence AS e WHERE e.producer = l.producer AND e.lane = l.lane) AS records
    FROM lanes AS l";

/// Opened for one look: a connection that stays would do the service's recovery for it.
async fn open(database: &Path) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(database).read_only(true);
    Ok(options.busy_timeout(Duration::from_secs(30)).connect().await?)
}

impl Kept {
    /// As it is now, all of one moment.
    pub(super) async fn read(database: &Path) -> Result<Self> {
        let mut connection = open(database).await?;
        sqlx::query("BEGIN").execute(&mut connection).await?;
        Ok(Self {
            tickets: sqlx::query_as(TICKETS).fetch_all(&mut connection).await?,
            claims: sqlx::query_as(CLAIMS).fetch_all(&mut connection).await?,
            answers: sqlx::query_as(ANSWERS).fetch_all(&mut connection).await?.into_iter().collect(),
            producers: sqlx::query_as(PRODUCERS).fetch_all(&mut connection).await?,
            lanes: sqlx::query_as(LANES).fetch_all(&mut connection).await?,
        })
    }

    /// The claims that were won for each path, in order.
    pub(super) fn claims_by_path(&self) -> BTreeMap<&str, Vec<&Claim>> {
        let paths: BTreeMap<_, _> =
            self.tickets.iter().map(|ticket| (ticket.id.as_str(), ticket.path.as_str())).collect();
        let mut by_path = BTreeMap::<&str, Vec<&Claim>>::new();
        for claim in &self.claims {
            if let Some(path) = paths.get(claim.ticket.as_str()) {
                by_path.entry(path).or_default().push(claim);
            }
        }
        by_path
    }
}

/// Fails unless the database is sound.
pub(super) async fn sound(database: &Path) -> Result<()> {
    let mut connection = open(database).await?;
    let said: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&mut connection).await?;
    ensure!(said == ["ok"], "the database is not sound: {said:?}");
    Ok(())
}

/// How far each lane is acknowledged, and how many tickets, answers and claims there are.
#[derive(Debug, Default)]
pub(super) struct Reach(BTreeMap<String, i64>);

impl Reach {
    pub(super) async fn read(database: &Path) -> Result<Self> {
        let sql = "SELECT producer || ' ' || lane, next FROM lanes
            UNION ALL SELECT 'tickets', count(*) FROM tickets
            UNION ALL SELECT 'answers', count(*) FROM answers
            UNION ALL SELECT 'claims', count(*) FROM claims";
        let mut connection = open(database).await?;
        let rows: Vec<(String, i64)> = sqlx::query_as(sql).fetch_all(&mut connection).await?;
        Ok(Self(rows.into_iter().collect()))
    }

    /// What was there and is not any more.
    pub(super) fn lost_in(&self, after: &Self) -> Vec<String> {
        let shrunk = |(name, before): (&String, &i64)| {
            let after = after.0.get(name).copied().unwrap_or_default();
            (after < *before).then(|| format!("{name}: {after} of {before}"))
        };
        self.0.iter().filter_map(shrunk).collect()
    }
}
