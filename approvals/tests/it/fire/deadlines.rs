//! Deadlines go by the database's clock: whatever the clocks of replicas say, and though no replica runs as they pass.

use std::process::Command;
use std::time::{Duration, Instant};

use countersign_protocol::UnixMillis;
use serde_json::{Value, json};
use sqlx::AnyPool;

use super::caller::Caller;
use super::replicas::{Replica, Site};
use crate::databases::behind;
use crate::harness::{EDGE, ask, claim, question};

/// What a busy machine may add.
const LATE: Duration = Duration::from_secs(10);
/// How far a replica's clock is off.
const OFF: &str = "120s";

fn asked(expires_ms: UnixMillis, use_within_ms: UnixMillis) -> Value {
    let mut asked = ask(question());
    asked["question"]["terms"]["expires_ms"] = json!(expires_ms);
    asked["question"]["terms"]["use_within_ms"] = json!(use_within_ms);
    asked
}

/// The database's clock.
async fn clock(behind: &AnyPool) -> UnixMillis {
    sqlx::query_scalar("SELECT now FROM clock").fetch_one(behind).await.unwrap()
}

/// Returns once the database's clock has come to that time.
async fn passes(behind: &AnyPool, time: &Value) {
    let time = time.as_i64().unwrap();
    while clock(behind).await < time {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn approve(caller: &Caller, session: &str, asked: &Value, opened: &Value) -> Value {
    let ticket = opened["ticket"].as_str().unwrap();
    let (status, body) = caller.answer(session, (asked, ticket), "approve").await;
    assert!(status.is_success(), "{body}");
    caller.ask(asked).await["verdict"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deadlines_pass_while_nothing_runs() {
    let site = Site::new().await;
    let (first, behind) = (site.start(), behind(&site.database).await);
    let ada = first.caller.log_in("ada").await;
    let (unanswered, unused) = (asked(4000, 4000), asked(600_000, 4000));
    let opened = first.caller.ask(&unanswered).await;
    let used_late = first.caller.ask(&unused).await;
    let verdict = approve(&first.caller, &ada, &unused, &used_late).await;
    let late = claim(&first.caller.grant(&verdict));
    let cursor = first.caller.wait(&unused, 0, 10_000).await["cursor"].as_u64().unwrap();
    drop(first);
    passes(&behind, &opened["answer_by"]).await;
    let use_by: i64 = sqlx::query_scalar("SELECT max(use_by) FROM tickets").fetch_one(&behind).await.unwrap();
    passes(&behind, &json!(use_by)).await;
    let states: Vec<String> =
        sqlx::query_scalar("SELECT state FROM tickets ORDER BY state").fetch_all(&behind).await.unwrap();
    assert_eq!(states, ["approved", "pending"], "nobody has written anything down");

    let again = site.start();
    for (waiting, cursor) in [(&unanswered, 0), (&unused, cursor)] {
        let reply = again.caller.wait(waiting, cursor, 20_000).await;
        assert_eq!(reply["verdicts"][0]["state"], "expired", "{reply}");
    }
    let ticket = opened["ticket"].as_str().unwrap();
    let (status, body) = again.caller.answer(&ada, (&unanswered, ticket), "approve").await;
    assert_eq!((status.as_u16(), &body["code"]), (409, &json!("already_expired")), "{body}");
    let lost = again.caller.post("/v1/claims", EDGE, &late).await.unwrap();
    assert_eq!(
        (&lost["items"][0]["result"], &lost["items"][0]["state"]),
        (&json!("lost"), &json!("expired"))
    );
    behind.close().await;
}

/// A replica whose clock is off. Debian's `faketime` says where its library lies; it is not run around the program,
/// because what is started must be what is ended.
fn with_clock(site: &Site, off: &str) -> Replica {
    let said = Command::new("faketime").args(["-f", "+0", "env"]).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let library = said.lines().find_map(|line| line.strip_prefix("LD_PRELOAD=")).unwrap().to_owned();
    let mut command = site.command();
    command.env("LD_PRELOAD", library).env("FAKETIME", off).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    Replica::of(command)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "SQLite's clock is its process's: `cargo xtask postgres` runs it"]
async fn replicas_whose_clocks_are_minutes_apart_agree() {
    let site = Site::new().await;
    let replicas = [with_clock(&site, &format!("+{OFF}")), with_clock(&site, &format!("-{OFF}"))];
    let behind = behind(&site.database).await;
    for (at, replica) in replicas.iter().enumerate() {
        let (here, there) = (&replica.caller, &replicas[1 - at].caller);
        let ada = there.log_in("ada").await;
        let before = clock(&behind).await;
        // Both times are shorter than the clocks are off.
        let long = asked(60_000, 60_000);
        let opened = here.ask(&long).await;
        let verdict = approve(there, &ada, &long, &opened).await;
        let grant = here.grant(&verdict);
        let after = clock(&behind).await;
        let within = |time: i64, plus: i64| (before + plus..=after + plus).contains(&time);
        assert!(within(grant.asked_at, 0) && within(grant.answers[0].at, 0), "{grant:?}");
        let seconds = |time: i64, plus: i64| ((before + plus) / 1000..=(after + plus) / 1000).contains(&time);
        assert!(seconds(grant.iat, 0) && seconds(grant.nbf, 0) && seconds(grant.exp, 60_000), "{grant:?}");
        assert!(within(opened["answer_by"].as_i64().unwrap(), 60_000), "{opened}");
        let path = format!("/v1/requests/{}", grant.ticket);
        assert_eq!(here.get(&path, &ada).await.unwrap(), there.get(&path, &ada).await.unwrap());
        let won = here.post("/v1/claims", EDGE, &claim(&grant)).await.unwrap();
        assert_eq!(won["items"][0]["result"], "won", "{won}");

        // Not before its time, and not long after.
        let short = asked(700, 1000);
        let opened = here.ask(&short).await;
        let begun = Instant::now();
        let reply = there.wait(&short, 0, 20_000).await;
        assert_eq!(reply["verdicts"][0]["state"], "expired", "{reply}");
        assert!(clock(&behind).await >= opened["answer_by"].as_i64().unwrap() && begun.elapsed() < LATE);
    }
    behind.close().await;
}
