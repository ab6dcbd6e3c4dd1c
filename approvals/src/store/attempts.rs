//! Guesses at passwords and codes, counted so that each must wait longer than the one before.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use countersign_protocol::{Hash, UnixMillis};
use sqlx::{AnyConnection, FromRow};

use super::{Store, StoreError, Tx};

/// Failures in a row that cost nothing.
const FREE_FAILURES: i64 = 5;
/// The longest lock, milliseconds: long enough against guessing, short enough for the person who was locked
/// out by somebody else.
const LONGEST_LOCK: UnixMillis = 5 * 60 * 1000;
/// The most names without an account to remember guesses at: more than can be hashed within the longest lock.
const MOST_STRANGERS: usize = 10_000;
/// The one row that stands for all of them.
const STRANGER: &str = "nobody";

/// Whether what is guessed at exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// An account.
    Account,
    /// A name that nobody has.
    Stranger,
}

/// The failures in a row so far.
#[derive(Debug, Clone, Copy, Default, FromRow)]
struct Failures {
    failures: i64,
    locked_until: UnixMillis,
}

/// Guesses at names that nobody has, in memory: they get the same answers as guesses at accounts, but a
/// flood of them fills no disk.
#[derive(Default)]
pub(crate) struct Strangers(Mutex<HashMap<String, Failures>>);

impl Failures {
    fn and_one(self, now: UnixMillis) -> Self {
        let failures = self.failures.saturating_add(1);
        Self { failures, locked_until: now + penalty(failures) }
    }

    fn free(self, now: UnixMillis) -> Result<Self, UnixMillis> {
        if self.locked_until > now { Err(self.locked_until - now) } else { Ok(self) }
    }
}

impl Strangers {
    fn before(&self, key: &str) -> Failures {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).copied().unwrap_or_default()
    }

    fn remember(&self, key: String, failures: Failures, now: UnixMillis) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_STRANGERS {
            known.retain(|_, failures| failures.locked_until > now);
        }
        if known.len() < MOST_STRANGERS {
            known.insert(key, failures);
        }
    }
}

impl Store {
    /// Counts an attempt before it is looked at, so that many at once cannot share one look; the time until
    /// which there must be none when there were too many. One that must wait writes nothing.
    pub(crate) async fn begin_attempt(
        &self,
        what: &str,
        target: Target,
    ) -> Result<Result<(), UnixMillis>, StoreError> {
        let key = key(what);
        let now = super::now(&mut *self.reader.acquire().await?).await?;
        if let Err(wait) = self.failures(&mut *self.reader.acquire().await?, &key, target).await?.free(now) {
            return Ok(Err(wait));
        }
        let mut tx = self.write().await?;
        // Again: another attempt may have been counted since.
        let before = match self.failures(&mut tx.inner, &key, target).await?.free(tx.now) {
            Ok(before) => before,
            Err(wait) => return Ok(Err(wait)),
        };
        let after = before.and_one(tx.now);
        match target {
            Target::Account => tx.keep_failures(&key, after).await?,
            Target::Stranger => {
                self.strangers.remember(key, after, tx.now);
                // Takes as long as for an account.
                tx.keep_failures(STRANGER, Failures::default()).await?;
            }
        }
        tx.commit().await?;
        Ok(Ok(()))
    }

    async fn failures(
        &self,
        db: &mut AnyConnection,
        key: &str,
        target: Target,
    ) -> Result<Failures, StoreError> {
        let query = sqlx::query_as("SELECT failures, locked_until FROM attempts WHERE key = $1").bind(key);
        let kept = query.fetch_optional(db).await?.unwrap_or_default();
        Ok(if target == Target::Account { kept } else { self.strangers.before(key) })
    }
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
