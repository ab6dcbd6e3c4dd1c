//! PostgreSQL restarted under load: requests wait or are put off with a clear word, the service recovers by itself,
//! and what was acknowledged is kept. These tests come alone: others would be tripped by them.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::caller::Caller;
use super::life::Life;
use super::replicas::{Replica, Site, rounds, seeded};
use crate::harness::{ask, question};

/// The command line behind which `restart` and the like go, as `cargo xtask postgres` gives it.
const CONTROL: &str = "COUNTERSIGN_TEST_POSTGRES_CONTROL";
const LIVES: usize = 6;
/// How soon the service must be itself again.
const SOON: Duration = Duration::from_secs(10);

/// Has the server do something, and returns when it is done.
fn control(words: &[&str]) {
    let line = std::env::var(CONTROL).expect("this restarts a PostgreSQL: `cargo xtask postgres` runs it");
    let mut line = line.split(' ');
    let mut command = Command::new(line.next().unwrap());
    // What it starts would hold on to what this prints to.
    command.args(line).args(words).arg("--wait").arg("--silent").stdout(Stdio::null()).stderr(Stdio::null());
    assert!(command.status().unwrap().success(), "{words:?}");
}

fn tolerant(replicas: &[Replica; 2]) -> [Caller; 2] {
    replicas.each_ref().map(|replica| {
        replica.caller.away.store(true, Ordering::SeqCst);
        replica.caller.clone()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it restarts a PostgreSQL: `cargo xtask postgres` runs it"]
async fn nothing_is_lost_and_nothing_counts_twice() {
    let mut rng = seeded();
    let site = Site::new().await;
    let replicas = site.pair();
    let callers = tolerant(&replicas);
    let people = [callers[0].log_in("ada").await, callers[1].log_in("bob").await];
    let root = callers[0].log_in("root").await;
    let enough = Arc::new(AtomicBool::new(false));
    let live = |at: usize| {
        let (caller, people) = (callers[at % 2].clone(), people.clone());
        let (mut life, enough) = (Life::new(rng.fork()), Arc::clone(&enough));
        tokio::spawn(async move {
            life.live(&caller, &people, &enough).await.unwrap();
            life
        })
    };
    let living: Vec<_> = (0..LIVES).map(live).collect();
    let restarts = rounds().div_ceil(10);
    for at in 0..restarts {
        tokio::time::sleep(Duration::from_millis(rng.u64(100..1000))).await;
        let mode = if at % 2 == 0 { "immediate" } else { "fast" };
        tokio::task::block_in_place(|| control(&["restart", "--mode", mode]));
    }
    enough.store(true, Ordering::SeqCst);
    let mut used = 0;
    for life in living {
        let mut life = life.await.unwrap();
        life.finish(&callers[0], &people, true).await;
        life.check_all(&callers[1], &root).await;
        used += life.used();
    }
    let breaks = callers[0].get("/v1/evidence/breaks", &root).await.unwrap();
    assert_eq!(breaks, json!([]));
    println!("{used} approvals were used, {restarts} restarts of PostgreSQL survived");
    assert!(used >= LIVES);
    let log = site.log();
    assert!(!log.contains("request failed"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it restarts a PostgreSQL: `cargo xtask postgres` runs it"]
async fn while_it_is_away_callers_are_told_and_afterwards_the_held_are_freed() {
    let site = Site::new().await;
    let replicas = site.pair();
    let callers = replicas.each_ref().map(|replica| replica.caller.clone());
    let ada = callers[0].log_in("ada").await;
    let mut short = ask(question());
    short["question"]["terms"]["expires_ms"] = json!(500);
    let long = ask(question());
    let ticket = callers[0].ask(&long).await["ticket"].as_str().unwrap().to_owned();
    callers[0].ask(&short).await;

    tokio::task::block_in_place(|| control(&["stop", "--mode", "immediate"]));
    let (status, body) = callers[1].answer(&ada, (&long, &ticket), "approve").await;
    assert_eq!((status.as_u16(), &body["code"]), (503, &json!("database_unavailable")), "{body}");
    // Its deadline passes while nobody can write it down.
    tokio::time::sleep(Duration::from_millis(600)).await;
    tokio::task::block_in_place(|| control(&["start"]));

    let since = Instant::now();
    let callers = tolerant(&replicas);
    let (freed, (status, body), expired) = tokio::join!(
        callers[0].wait(&long, 0, 20_000),
        callers[1].answer(&ada, (&long, &ticket), "approve"),
        callers[1].wait(&short, 0, 20_000),
    );
    assert!(status.is_success(), "{body}");
    let state = |reply: &Value| reply["verdicts"][0]["state"].as_str().map(str::to_owned);
    assert_eq!((state(&freed).as_deref(), state(&expired).as_deref()), (Some("approved"), Some("expired")));
    println!("all were told {:?} after the restart", since.elapsed());
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
}
