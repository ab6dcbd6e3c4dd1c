//! Delivers what the outbox holds: each channel by itself, so that one that is slow or away holds up no other.

use std::sync::Arc;
use std::time::Duration;

use countersign_protocol::UnixMillis;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::message::Message;
use super::{Channel, Channels};
use crate::app::App;
use crate::store::outbox::Due;
use crate::store::outbox::settling::Tried;

/// How long one try may take: the lease in the outbox is longer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How soon to look again when the database did not answer.
const RETRY: Duration = Duration::from_secs(1);
/// The longest sleep between two looks.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// How many channels and clicks may be worked on at a time.
const MOST_AT_WORK: usize = 256;
/// How long what is under way may take once the program is told to end.
const LAST: Duration = Duration::from_secs(5);

/// The channels of this replica, and how many of them are at work.
pub(crate) struct Deliveries {
    pub(crate) channels: Channels,
    at_work: watch::Sender<usize>,
}

/// One place among those at work, free again when it is dropped, however the work ended.
struct AtWork(watch::Sender<usize>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// One channel's work.
struct Worker {
    app: Arc<App>,
    channel: Channel,
    under_way: JoinSet<(Due, Tried)>,
    /// Until when the channel wants to hear nothing.
    quiet_until: Instant,
}

impl Deliveries {
    pub(crate) fn new(channels: Channels) -> Self {
        Self { channels, at_work: watch::Sender::new(0) }
    }

    /// Delivers until the replica is about to end.
    pub(crate) async fn run(app: &Arc<App>) {
        let deliveries = &app.deliveries;
        let mut workers = JoinSet::new();
        for channel in deliveries.channels.channels.values().cloned() {
            let app = Arc::clone(app);
            deliveries.at_work.send_modify(|count| *count += 1);
            let at_work = AtWork(deliveries.at_work.clone());
            workers.spawn(async move {
                let _at_work = at_work;
                Worker { app, channel, under_way: JoinSet::new(), quiet_until: Instant::now() }.work().await;
            });
        }
        while workers.join_next().await.is_some() {}
    }

    /// Works on something that was acknowledged already; `false` when there is too much of that.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> bool {
        let room = self.at_work.send_if_modified(|count| {
            let room = *count < MOST_AT_WORK;
            *count += usize::from(room);
            room
        });
        if room {
            let at_work = AtWork(self.at_work.clone());
            tokio::spawn(async move {
                let _at_work = at_work;
                work.await;
            });
        }
        room
    }

    /// Returns when nothing is under way any more, or it has taken too long. Nothing new is begun by a replica that
    /// is about to end.
    pub(crate) async fn finish(&self) {
        let mut at_work = self.at_work.subscribe();
        // What is cut off here is tried again by another replica, or after the next start.
        let _ = timeout(LAST, at_work.wait_for(|count| *count == 0)).await;
    }
}

impl Worker {
    async fn work(mut self) {
        let mut changes = self.app.store.changes();
        while !self.app.store.is_closing() {
            changes.mark_unchanged();
            let wake = self.begin().await;
            tokio::select! {
                Some(done) = self.under_way.join_next() => self.settle(done.ok()).await,
                () = sleep_until(wake) => {}
                _ = changes.changed() => {}
            }
        }
        while let Some(done) = self.under_way.join_next().await {
            self.settle(done.ok()).await;
        }
    }

    /// Begins what is due, and says when to look again.
    async fn begin(&mut self) -> Instant {
        let (now, free) = (Instant::now(), self.channel.kind.at_once().saturating_sub(self.under_way.len()));
        if free == 0 || self.quiet_until > now {
            return self.quiet_until.max(now + RETRY);
        }
        let taken = match self.app.store.until_due(&self.channel.name).await {
            Ok(Some(0)) => self.app.store.take_due(&self.channel.name, free).await,
            Ok(later) => return now + later.map_or(LONGEST_SLEEP, sleep),
            Err(error) => Err(error),
        };
        match taken {
            Ok(due) => {
                for due in due {
                    let (app, channel) = (Arc::clone(&self.app), self.channel.clone());
                    self.under_way.spawn(async move { attempt(&app, &channel, due).await });
                }
                now
            }
            Err(error) => {
                tracing::error!(%error, channel = self.channel.name, "cannot read what is to be delivered");
                now + RETRY
            }
        }
    }

    /// Writes down what has come of tries, all that have ended by now in one go.
    async fn settle(&mut self, first: Option<(Due, Tried)>) {
        let mut done: Vec<_> = first.into_iter().collect();
        while let Some(next) = self.under_way.try_join_next() {
            done.extend(next.ok());
        }
        for (_, tried) in &done {
            self.app.metrics.delivered(&self.channel.name, tried);
            if let Tried::Limited(wait, _) = tried {
                self.quiet_until = self.quiet_until.max(Instant::now() + *wait);
            }
        }
        if let Err(error) = self.app.store.settle_due(&done).await {
            // They are tried again when their lease is over.
            tracing::error!(%error, channel = self.channel.name, "cannot write down what was delivered");
        }
    }
}

fn sleep(later: UnixMillis) -> Duration {
    Duration::from_millis(later.unsigned_abs()).min(LONGEST_SLEEP)
}

async fn attempt(app: &App, channel: &Channel, due: Due) -> (Due, Tried) {
    let tried = timeout(PATIENCE, deliver(app, channel, &due)).await;
    let tried = tried.unwrap_or_else(|_| Tried::Failed(format!("no end within {} s", PATIENCE.as_secs())));
    if let Tried::Failed(error) | Tried::Limited(_, error) | Tried::Refused(error) = &tried {
        tracing::warn!(channel = channel.name, ticket = %due.ticket, attempt = due.attempts, error, "a message was not taken");
    }
    (due, tried)
}

async fn deliver(app: &App, channel: &Channel, due: &Due) -> Tried {
    let message = Message::of(&app.store, &app.origin, due).await;
    let post = app.store.post(&channel.name, due.ticket).await;
    match (message, post) {
        (Ok(Some(message)), Ok(post)) => channel.kind.deliver(&message, post).await,
        (Ok(None), _) => Tried::Refused("the request is not there any more".into()),
        (Err(error), _) | (_, Err(error)) => Tried::Failed(error.to_string()),
    }
}
