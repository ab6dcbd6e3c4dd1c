//! What a transaction changed, told to those who wait: here at once, at other replicas by PostgreSQL's NOTIFY.

use std::collections::BTreeSet;
use std::time::Duration;

use countersign_protocol::Token;
use sqlx::AnyConnection;
use sqlx::postgres::{PgListener, PgPoolOptions};

use super::database::Database;
use super::{Store, StoreError};

/// The channel that replicas listen to.
const CHANNEL: &str = "countersign";
/// The most waiters in one message: PostgreSQL takes less than 8,000 bytes, and each is 32.
const MOST: usize = 240;
/// How soon to look again while there is no connection to listen on.
const RETRY: Duration = Duration::from_millis(250);
/// For how long to try to connect before looking again. The pool's own pauses between tries grow with it.
const PATIENCE: Duration = Duration::from_secs(1);

/// What happened.
pub(super) struct News {
    /// Whose tickets have changed.
    pub(super) waiters: BTreeSet<Token>,
    /// Whether people would see a difference.
    pub(super) visible: bool,
}

impl News {
    /// As messages: `1` or `0` for what people see, then the waiters, all in hexadecimal.
    fn messages(&self) -> Vec<String> {
        let waiters: Vec<String> = self.waiters.iter().map(Token::to_string).collect();
        let first = if self.visible { "1" } else { "0" };
        if waiters.is_empty() {
            return if self.visible { vec![first.into()] } else { Vec::new() };
        }
        waiters.chunks(MOST).map(|some| format!("{first}{}", some.concat())).collect()
    }

    /// One that cannot be read tells that anything may have changed.
    fn read(message: &str) -> Option<Self> {
        let (visible, waiters) = message.split_at_checked(1)?;
        let waiters = waiters.as_bytes().chunks(32).map(|one| std::str::from_utf8(one).ok()?.parse().ok());
        Some(Self { visible: visible == "1", waiters: waiters.collect::<Option<_>>()? })
    }
}

impl Database {
    /// Has other replicas told once the transaction is committed.
    pub(super) async fn send(&self, tx: &mut AnyConnection, news: &News) -> Result<(), StoreError> {
        if let Self::Postgres(_) = self {
            for message in news.messages() {
                sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(message).execute(&mut *tx).await?;
            }
        }
        Ok(())
    }
}

impl Store {
    /// Wakes who waits here.
    pub(super) fn tell(&self, news: &News) {
        self.bells.ring(&news.waiters);
        if news.visible {
            self.changes.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    fn tell_all(&self) {
        self.bells.ring_all();
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Listens for what other replicas change, for as long as the service runs.
    pub(crate) async fn listen_forever(&self) {
        let Database::Postgres(url) = &self.database else { return std::future::pending().await };
        loop {
            if let Err(error) = self.listen(url).await {
                tracing::warn!(%error, "cannot listen for changes of other replicas, looking for them instead");
            }
            self.tell_all();
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Until the connection is lost.
    async fn listen(&self, url: &str) -> Result<(), sqlx::Error> {
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE);
        let pool = pool.max_lifetime(None).idle_timeout(None).connect_lazy(url)?;
        let mut listener = PgListener::connect_with(&pool).await?;
        // What was missed is looked for below, and not after another silent wait in there.
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        // What happened while nobody listened.
        self.tell_all();
        while let Some(message) = listener.try_recv().await? {
            match News::read(message.payload()) {
                Some(news) => self.tell(&news),
                None => self.tell_all(),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_read() {
        let waiters: BTreeSet<_> = (0..500_u128).map(|n| Token(n.to_be_bytes())).collect();
        let messages = News { waiters: waiters.clone(), visible: true }.messages();
        assert!(messages.len() == 3 && messages.iter().all(|message| message.len() < 8000));
        let read: Vec<_> = messages.iter().map(|message| News::read(message).unwrap()).collect();
        assert!(read.iter().all(|news| news.visible));
        assert_eq!(read.into_iter().flat_map(|news| news.waiters).collect::<BTreeSet<_>>(), waiters);
        assert!(News { waiters: BTreeSet::new(), visible: false }.messages().is_empty());
        assert_eq!(News { waiters: BTreeSet::new(), visible: true }.messages(), ["1"]);
        assert!(News::read("").is_none() && News::read("1abc").is_none());
    }
}
