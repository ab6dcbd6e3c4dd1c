//! What became of tries to deliver: taken, to be tried again later, or given up.

use std::time::Duration;

use countersign_protocol::{Token, UnixMillis};
use serde_json::json;

use super::Due;
use crate::people::Member;
use crate::random;
use crate::store::{Store, StoreError, Tx};

/// The most tries to deliver a message. The pauses between them add up to 510 s for the first 8 and 300 s for each of the other 23: to
/// 123.5 min at most, and to half of that, 61.75 min, when all turn out as short as they can. So a chat that is away
/// for an hour loses nothing that people are still asked about, for a request waits for an hour where no policy says
/// otherwise.
pub const MOST_ATTEMPTS: i64 = 32;
/// The pause after the first try, milliseconds; each is twice as long as the one before.
const FIRST_PAUSE: i64 = 2000;
/// The longest pause, milliseconds.
const LONGEST_PAUSE: i64 = 5 * 60 * 1000;
/// After how long it is given up to wait for a channel that says it is told too much, milliseconds.
const LONGEST_WAIT: UnixMillis = 24 * 60 * 60 * 1000;
/// How long it is known what was delivered about a request that is closed, milliseconds; four times as long what was
/// not.
const KEPT: UnixMillis = 7 * LONGEST_WAIT;
/// The longest that is kept of why a try failed, characters.
const LONGEST_ERROR: usize = 500;

/// What became of one try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tried {
    /// The channel has it; where its message stands, when that can be written anew.
    Sent(Option<Post>),
    /// It may work later.
    Failed(String),
    /// The channel is told too much, and says for how long to wait. That is no failure.
    Limited(Duration, String),
    /// It will never work without somebody who changes something.
    Refused(String),
}

/// Where a message stands that can be written anew.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct Post {
    pub(crate) place: String,
    pub(crate) ts: String,
    /// Of what it says.
    pub(crate) hash: String,
}

impl Store {
    /// Writes down what became of tries. One whose lease was lost to somebody else changes nothing.
    pub(crate) async fn settle_due(&self, tried: &[(Due, Tried)]) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        for (due, tried) in tried {
            match tried {
                Tried::Sent(post) => tx.sent(due, post.as_ref()).await?,
                Tried::Failed(error) if due.attempts < MOST_ATTEMPTS => {
                    tx.again(due, pause(due.attempts)?, error, 0).await?;
                }
                Tried::Limited(wait, error) if tx.now - due.at < LONGEST_WAIT => {
                    let wait = i64::try_from(wait.as_millis()).unwrap_or(LONGEST_WAIT).clamp(1, LONGEST_WAIT);
                    tx.again(due, wait, error, 1).await?;
                }
                Tried::Failed(error) | Tried::Limited(_, error) | Tried::Refused(error) => {
                    tx.give_up(due, error).await?;
                }
            }
        }
        tx.commit().await
    }

    /// Where a channel's message about a request stands.
    pub(crate) async fn post(&self, channel: &str, ticket: Token) -> Result<Option<Post>, StoreError> {
        let query = sqlx::query_as("SELECT place, ts, hash FROM posts WHERE channel = $1 AND ticket = $2");
        Ok(query.bind(channel).bind(ticket.to_string()).fetch_optional(&self.reader).await?)
    }

    /// Has one message that was given up tried again, or all of a channel's; how many there were.
    pub(crate) async fn try_again(
        &self,
        channel: &str,
        seq: Option<i64>,
        by: &Member,
    ) -> Result<u64, StoreError> {
        let mut tx = self.write().await?;
        // Not the first try: what was delivered and not written down is looked for where that can be.
        let again = sqlx::query(
            "UPDATE outbox SET state = 'queued', attempts = 1, ready = 0, due_at = $1, settled_at = NULL
             WHERE channel = $2 AND state = 'dead' AND ($3 IS NULL OR seq = $3)",
        );
        let again = again.bind(tx.now).bind(channel).bind(seq).execute(&mut *tx.inner).await?;
        let count = again.rows_affected();
        if count > 0 {
            tx.release(channel, None).await?;
            let detail = json!({ "channel": channel, "messages": count });
            tx.note("messages_tried_again", Some(&by.person), detail).await?;
            tx.visible = true;
        }
        tx.commit().await?;
        Ok(count)
    }
}

impl Tx<'_> {
    async fn sent(&mut self, due: &Due, post: Option<&Post>) -> Result<(), StoreError> {
        let sent = sqlx::query(
            "UPDATE outbox SET state = 'sent', settled_at = $1, error = NULL, lease = NULL
             WHERE seq = $2 AND lease = $3 AND state = 'queued'",
        );
        let sent = sent.bind(self.now).bind(due.seq).bind(&due.lease).execute(&mut *self.inner).await?;
        if let Some(Post { place, ts, hash }) = post {
            sqlx::query(
                "INSERT INTO posts (channel, ticket, place, ts, hash) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (channel, ticket) DO UPDATE
                 SET place = excluded.place, ts = excluded.ts, hash = excluded.hash",
            )
            .bind(&due.channel)
            .bind(due.ticket.to_string())
            .bind(place)
            .bind(ts)
            .bind(hash)
            .execute(&mut *self.inner)
            .await?;
        }
        if sent.rows_affected() == 1 {
            self.release(&due.channel, Some(due.ticket)).await?;
            self.health(&due.channel, None).await?;
            self.reached(due.ticket).await?;
        }
        Ok(())
    }

    /// To be tried after a pause; `uncounted` tries are as if they had not been.
    async fn again(&mut self, due: &Due, pause: i64, error: &str, uncounted: i64) -> Result<(), StoreError> {
        let again = sqlx::query(
            "UPDATE outbox SET due_at = $1, attempts = attempts - $2, error = $3, lease = NULL
             WHERE seq = $4 AND lease = $5 AND state = 'queued'",
        );
        let again = again.bind(self.now + pause).bind(uncounted).bind(cut(error));
        let again = again.bind(due.seq).bind(&due.lease).execute(&mut *self.inner).await?;
        if again.rows_affected() == 1 {
            self.health(&due.channel, Some(error)).await?;
            self.notice(due.ticket).await?;
        }
        Ok(())
    }

    /// Gives up what brought down all who tried it: nobody ever wrote down what came of it.
    pub(super) async fn give_up_all(&mut self, endless: Vec<Due>) -> Result<(), StoreError> {
        for due in endless {
            self.give_up(&due, "no try ever came to an end").await?;
        }
        Ok(())
    }

    async fn give_up(&mut self, due: &Due, error: &str) -> Result<(), StoreError> {
        let dead = sqlx::query(
            "UPDATE outbox SET state = 'dead', settled_at = $1, error = $2, lease = NULL
             WHERE seq = $3 AND lease = $4 AND state = 'queued'",
        );
        let dead = dead.bind(self.now).bind(cut(error)).bind(due.seq).bind(&due.lease);
        if dead.execute(&mut *self.inner).await?.rows_affected() == 1 {
            tracing::error!(channel = due.channel, ticket = %due.ticket, error, "a message was given up");
            self.release(&due.channel, Some(due.ticket)).await?;
            self.health(&due.channel, Some(error)).await?;
            self.notice(due.ticket).await?;
            self.visible = true;
        }
        Ok(())
    }

    /// Has the next message of a request tried, or of every request that has none that is; one at a time, in order.
    async fn release(&mut self, channel: &str, ticket: Option<Token>) -> Result<(), StoreError> {
        let next = sqlx::query(
            "UPDATE outbox SET ready = 1 WHERE seq IN
                 (SELECT min(seq) FROM outbox WHERE channel = $1 AND state = 'queued' AND ($2 IS NULL OR ticket = $2)
                  GROUP BY ticket HAVING max(ready) = 0)",
        );
        let ticket = ticket.map(|ticket| ticket.to_string());
        next.bind(channel).bind(ticket).execute(&mut *self.inner).await?;
        Ok(())
    }

    /// Forgets what was delivered about requests that are closed, and clicks that are too old to be taken again.
    pub(in crate::store) async fn forget_messages(&mut self) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM outbox WHERE ((state = 'sent' AND settled_at < $1) OR (state = 'dead' AND settled_at < $2))
             AND ticket IN (SELECT id FROM tickets WHERE lapses_at IS NULL)
             AND ticket NOT IN (SELECT ticket FROM reviews WHERE closed_at IS NULL)",
        )
        .bind(self.now - KEPT)
        .bind(self.now - 4 * KEPT)
        .execute(&mut *self.inner)
        .await?;
        sqlx::query("DELETE FROM clicks WHERE at < $1")
            .bind(self.now - LONGEST_WAIT)
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    async fn health(&mut self, channel: &str, error: Option<&str>) -> Result<(), StoreError> {
        let sql = match error {
            None => {
                "INSERT INTO channel_health (channel, sent_at, error) VALUES ($1, $2, $3)
                 ON CONFLICT (channel) DO UPDATE SET sent_at = excluded.sent_at, error = NULL"
            }
            Some(_) => {
                "INSERT INTO channel_health (channel, failed_at, error) VALUES ($1, $2, $3)
                 ON CONFLICT (channel) DO UPDATE SET failed_at = excluded.failed_at, error = excluded.error"
            }
        };
        let query = sqlx::query(sql).bind(channel).bind(self.now).bind(error.map(cut));
        query.execute(&mut *self.inner).await?;
        Ok(())
    }
}

/// How long to wait after so many tries: between half of it and all of it, so that replicas and channels that
/// failed together are not tried together.
fn pause(attempts: i64) -> Result<i64, StoreError> {
    let longest = longest_pause(attempts);
    let [random] = random::bytes::<1>()?;
    Ok(longest / 2 + longest / 2 * i64::from(random) / 255)
}

/// The longest that [`pause`] may be.
fn longest_pause(attempts: i64) -> i64 {
    let doublings = u32::try_from(attempts - 1).unwrap_or(0).min(20);
    FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE)
}

/// What other systems say is not kept without end, and PostgreSQL takes no U+0000.
fn cut(error: &str) -> String {
    error.chars().filter(|c| *c != '\0').take(LONGEST_ERROR).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_never_the_same_for_all() {
        for (attempts, longest) in
            [(1, 2000), (2, 4000), (5, 32_000), (10, LONGEST_PAUSE), (99, LONGEST_PAUSE)]
        {
            let pauses: Vec<_> = (0..64).map(|_| pause(attempts).unwrap()).collect();
            assert!(pauses.iter().all(|pause| (longest / 2..=longest).contains(pause)), "{pauses:?}");
            assert!(pauses.iter().any(|pause| *pause != pauses[0]));
        }
    }
    #[test]
    fn tries_go_on_for_as_long_as_a_request_waits_and_not_much_longer() {
        const MINUTE: i64 = 60 * 1000;
        let longest: i64 = (1..MOST_ATTEMPTS).map(longest_pause).sum();
        let shortest: i64 = (1..MOST_ATTEMPTS).map(|attempts| longest_pause(attempts) / 2).sum();
        assert!(shortest >= 60 * MINUTE, "{shortest} ms");
        assert!(longest <= 125 * MINUTE, "{longest} ms");
    }
}
