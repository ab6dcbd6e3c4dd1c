//! Guesses at passwords and codes, counted so that each must wait longer than the one before.

use countersign_protocol::{Hash, UnixMillis};
use sqlx::{AnyConnection, FromRow};

use super::{Store, StoreError, Tx};

/// Failures in a row that cost nothing.
const FREE_FAILURES: i64 = 5;
/// The longest lock, milliseconds.
const LONGEST_LOCK: UnixMillis = 5 * 60 * 1000;
/// How long failures are remembered after the last of them and its lock, milliseconds. Guesses at names that nobody has
/// are kept just like others, or it would show; as each costs a hash of a password, they fill no disk in that time.
pub(super) const REMEMBERED: UnixMillis = 60 * 60 * 1000;

/// The failures in a row so far.
#[derive(Debug, Clone, Copy, Default, FromRow)]
struct Failures {
    failures: i64,
    locked_until: UnixMillis,
}

impl Failures {
    fn and_one(self, now: UnixMillis) -> Self {
        let failures = self.failures.saturating_add(1);
        Self { failures, locked_until: now + penalty(failures) }
    }

    fn free(self, now: UnixMillis) -> Result<Self, UnixMillis> {
        if self.locked_until > now { Err(self.locked_until - now) } else { Ok(self) }
    }
}

impl Store {
    /// Counts an attempt before it is looked at, so that many at once cannot share one look; the time until
    /// which there must be none when there were too many. One that must wait writes nothing.
    pub(crate) async fn begin_attempt(&self, what: &str) -> Result<Result<(), UnixMillis>, StoreError> {
        let key = key(what);
        let now = super::now(&mut *self.reader.acquire().await?).await?;
        if let Err(wait) = failures(&mut *self.reader.acquire().await?, &key).await?.free(now) {
            return Ok(Err(wait));
        }
        let mut tx = self.write().await?;
        // Again: another attempt may have been counted since.
        let before = match failures(&mut tx.inner, &key).await?.free(tx.now) {
            Ok(before) => before,
            Err(wait) => return Ok(Err(wait)),
        };
        tx.keep_failures(&key, before.and_one(tx.now)).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }
}

async fn failures(db: &mut AnyConnection, key: &str) -> Result<Failures, StoreError> {
    let query = sqlx::query_as("SELECT failures, locked_until FROM attempts WHERE key = $1").bind(key);
    Ok(query.fetch_optional(db).await?.unwrap_or_default())
}

impl Tx<'_> {
    async fn keep_failures(&mut self, key: &str, after: Failures) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO attempts (key, failures, locked_until) VALUES ($1, $2, $3) ON CONFLICT (key)
             DO UPDATE SET failures = excluded.failures, locked_until = excluded.locked_until",
        )
        .bind(key)
        .bind(after.failures)
        .bind(after.locked_until)
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Forgets the failures before a success.
    pub(crate) async fn attempt_succeeded(&mut self, what: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM attempts WHERE key = $1").bind(key(what)).execute(&mut *self.inner).await?;
        Ok(())
    }
}

/// How a name of any length is kept: as its hash.
fn key(what: &str) -> String {
    Hash::of(what.as_bytes()).to_string()
}

/// How long to lock after so many failures in a row: doubling from one second.
fn penalty(failures: i64) -> UnixMillis {
    match failures - FREE_FAILURES {
        extra @ 1..=20 => LONGEST_LOCK.min(1000 << (extra - 1)),
        extra if extra > 20 => LONGEST_LOCK,
        _ => 0,
    }
}
