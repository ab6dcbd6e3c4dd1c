//! A replica that stops in the middle of writing, while all others wait for it: it is cut off, and has done nothing.

use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::AnyPool;

use super::replicas::Site;
use crate::databases::behind;
use crate::harness::{EDGE, ask, claim, question};

/// The service cuts itself off after 5 s of silence in a transaction.
const CUT_OFF: Duration = Duration::from_secs(5);
/// What a busy machine may add.
const LATE: Duration = Duration::from_secs(10);

/// Waits until a replica waits for a row, which it does while it holds the lock that lets it write.
async fn stuck(behind: &AnyPool) {
    let since = Instant::now();
    let query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                 AND wait_event_type = 'Lock' AND query LIKE 'UPDATE tickets SET used%'";
    while sqlx::query_scalar::<_, i64>(query).fetch_one(behind).await.unwrap() != 1 {
        assert!(since.elapsed() < LATE, "it does not come to claim");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn history(behind: &AnyPool, ticket: &str) -> Vec<String> {
    let query = sqlx::query_scalar("SELECT event FROM history WHERE ticket = $1 ORDER BY seq");
    query.bind(ticket.to_owned()).fetch_all(behind).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it stalls between statements of PostgreSQL: `cargo xtask postgres` runs it"]
async fn a_stopped_replica_holds_nobody_up_for_long_and_does_no_half_thing() {
    let site = Site::new().await;
    let [stalled, other] = site.pair();
    let (ada, asked) = (other.caller.log_in("ada").await, ask(question()));
    let ticket = other.caller.ask(&asked).await["ticket"].as_str().unwrap().to_owned();
    other.caller.answer(&ada, (&asked, &ticket), "approve").await;
    let claimed = claim(&other.caller.grant(&other.caller.ask(&asked).await["verdict"]));
    let (behind, holder) = (behind(&site.database).await, behind(&site.database).await);

    // Its claim has to wait for this row; when it gets it, it is not there to go on.
    let mut row = holder.begin().await.unwrap();
    let lock = sqlx::query("SELECT id FROM tickets WHERE id = $1 FOR UPDATE").bind(ticket.clone());
    lock.execute(&mut *row).await.unwrap();
    let (caller, body) = (stalled.caller.clone(), claimed.clone());
    let claiming = tokio::spawn(async move { caller.attempt("/v1/claims", EDGE, &body).await.unwrap() });
    stuck(&behind).await;
    stalled.signal("STOP");
    row.rollback().await.unwrap();

    let begun = Instant::now();
    let next = ask(question());
    let opened = other.caller.ask(&next).await;
    let waited = begun.elapsed();
    println!("a stalled replica held the other up for {waited:?}");
    assert!(waited < CUT_OFF + LATE, "{waited:?}");
    let second = opened["ticket"].as_str().unwrap();
    assert_eq!(other.caller.answer(&ada, (&next, second), "approve").await.1["state"], "approved");
    assert_eq!(history(&behind, &ticket).await, ["asked", "approve", "approved"]);

    stalled.signal("CONT");
    let (status, refused): (_, Value) = claiming.await.unwrap();
    assert_eq!((status.as_u16(), &refused["code"]), (503, &"database_unavailable".into()), "{refused}");
    assert_eq!(history(&behind, &ticket).await, ["asked", "approve", "approved"]);
    let kept: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM claims) + (SELECT count(*) FROM evidence WHERE kind = 'claim')",
    )
    .fetch_one(&behind)
    .await
    .unwrap();
    assert_eq!(kept, 0, "neither the claim nor its record");
    // Asked again, as it was, it wins.
    let won = stalled.caller.post("/v1/claims", EDGE, &claimed).await.unwrap();
    assert_eq!(won["items"][0]["result"], "won", "{won}");
    assert_eq!(history(&behind, &ticket).await, ["asked", "approve", "approved", "claimed"]);
    holder.close().await;
    behind.close().await;
}
