//! An answer that one replica takes frees a request that is held through another, at once.

use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::AnyPool;
use tokio::task::JoinHandle;

use super::caller::Caller;
use super::replicas::{Replica, Site};
use crate::databases::behind;
use crate::harness::{ask, question};

const ROUNDS: usize = 60;
/// What half of the answers must do with, from being sent to being heard of elsewhere.
const SOON: Duration = Duration::from_millis(100);
/// What any must do with.
const LATE: Duration = Duration::from_secs(10);

/// Waits until the replica says that so many polls wait there.
async fn polls(replica: &Caller, count: usize) {
    let since = Instant::now();
    let line = format!("countersign_approvals_polls {count}");
    loop {
        let metrics = replica.get("/metrics", "").await.unwrap();
        if metrics.as_str().unwrap().lines().any(|said| said == line) {
            return;
        }
        assert!(since.elapsed() < LATE, "{metrics}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A request that is held through one replica while somebody reads it.
struct Held {
    asked: Value,
    ticket: String,
    poll: JoinHandle<(Value, Instant)>,
}

impl Held {
    async fn at(replica: &Caller) -> Self {
        let asked = ask(question());
        let ticket = replica.ask(&asked).await["ticket"].as_str().unwrap().to_owned();
        let (caller, waiting) = (replica.clone(), asked.clone());
        let poll = tokio::spawn(async move {
            let reply = caller.wait(&waiting, 0, 20_000).await;
            (reply, Instant::now())
        });
        polls(replica, 1).await;
        Self { asked, ticket, poll }
    }

    /// Somebody says yes at another replica; returns how long after that it was heard of.
    async fn freed_by(self, other: &Caller, session: &str) -> Duration {
        let begun = Instant::now();
        let (status, body) = other.answer(session, (&self.asked, &self.ticket), "approve").await;
        assert!(status.is_success(), "{body}");
        let (reply, heard) = self.poll.await.unwrap();
        assert_eq!(reply["verdicts"][0]["state"], "approved", "{reply}");
        heard - begun
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "one SQLite is for one process: `cargo xtask postgres` runs it"]
async fn an_answer_at_one_replica_is_heard_at_the_other_within_100_ms() {
    let site = Site::new().await;
    let [here, there] = site.pair();
    let ada = there.caller.log_in("ada").await;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        times.push(Held::at(&here.caller).await.freed_by(&there.caller, &ada).await);
    }
    times.sort();
    let (median, p99) = (times[ROUNDS / 2], times[ROUNDS * 99 / 100]);
    println!("from an answer to the other replica's reply: median {median:?}, 99th percentile {p99:?}");
    assert!(median < SOON && p99 < LATE, "{times:?}");
}

/// Ends the connections on which replicas listen, and returns how many there were.
async fn deafen(behind: &AnyPool) -> usize {
    let ended: Vec<i32> = sqlx::query_scalar(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'LISTEN%'
         AND pg_terminate_backend(pid)",
    )
    .fetch_all(behind)
    .await
    .unwrap();
    ended.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "one SQLite is for one process: `cargo xtask postgres` runs it"]
async fn an_answer_is_heard_though_the_connection_to_listen_on_is_lost() {
    let site = Site::new().await;
    let [here, there]: [Replica; 2] = site.pair();
    let behind = behind(&site.database).await;
    let ada = there.caller.log_in("ada").await;
    for _ in 0..5 {
        let held = Held::at(&here.caller).await;
        let since = Instant::now();
        // They listen again soon after the last time.
        while deafen(&behind).await < 1 {
            assert!(since.elapsed() < LATE, "nobody listens");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let took = held.freed_by(&there.caller, &ada).await;
        assert!(took < LATE, "{took:?}");
    }
    behind.close().await;
}
