//! One of two replicas, killed at any moment under load and started again: the other goes on, all that either
//! acknowledged is there, nothing counts twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::caller::{Caller, Gone};
use super::life::Life;
use super::replicas::{Replica, Site, rounds, seeded};
use crate::cli::Serving;
use crate::databases::behind;
use crate::own_evidence::{assert_chain, records};

const LIVES: usize = 4;
/// A gateway that is killed itself, and never stops in good order.
const KILLED_GATEWAY: usize = 0;

/// Kills it while it starts, on some days, and then lets it start.
fn start_again(site: &Site, rng: &mut fastrand::Rng) -> Replica {
    if rng.bool() {
        let starting = Serving(site.command().spawn().unwrap());
        std::thread::sleep(Duration::from_millis(rng.u64(0..40)));
        drop(starting);
    }
    site.start()
}

/// Lets each life go on through a replica, kills one of them, and returns the lives as they are once it runs again.
async fn under_load(
    lives: Vec<Life>,
    people: &[String; 2],
    site: &Site,
    replicas: [Replica; 2],
    rng: &mut fastrand::Rng,
) -> (Vec<Life>, [Replica; 2]) {
    let enough = Arc::new(AtomicBool::new(false));
    let go_on = |(at, mut life): (usize, Life)| {
        let (caller, people) = (replicas[at % 2].caller.clone(), people.clone());
        let enough = Arc::clone(&enough);
        tokio::spawn(async move {
            let lived = life.live(&caller, &people, &enough).await;
            (life, lived)
        })
    };
    let living: Vec<_> = lives.into_iter().enumerate().map(go_on).collect();
    tokio::time::sleep(Duration::from_millis(rng.u64(30..200))).await;
    let [victim, other] = replicas;
    victim.caller.killed.store(true, Ordering::SeqCst);
    drop(victim);
    // Whoever goes on does so while the other is dead, for at least one more request.
    enough.store(true, Ordering::SeqCst);
    let again = tokio::task::block_in_place(|| start_again(site, rng));
    let mut lives = Vec::new();
    for (at, life) in living.into_iter().enumerate() {
        let (life, lived) = life.await.unwrap();
        assert!(matches!((at % 2, lived), (0, Err(Gone)) | (1, Ok(()))));
        lives.push(life);
    }
    // The next one to be killed is any of them, for any of the lives.
    rng.shuffle(&mut lives);
    (lives, if rng.bool() { [again, other] } else { [other, again] })
}

async fn breaks(caller: &Caller, root: &str) -> Vec<Value> {
    caller.get("/v1/evidence/breaks", root).await.unwrap().as_array().unwrap().clone()
}

/// What the service made itself is one chain over both replicas and all kills, and says what the history says.
async fn check_own(site: &Site, caller: &Caller, root: &str) {
    let asked = records(&caller.get("/v1/evidence?kind=ticket_asked&limit=1", root).await.unwrap());
    let path = format!("/v1/evidence?producer={}&limit=1000000", asked[0].envelope.producer);
    let own = records(&caller.get(&path, root).await.unwrap());
    assert_chain(&own);
    let behind = behind(&site.database).await;
    let told: Vec<String> = sqlx::query_scalar("SELECT 'ticket_' || event FROM history ORDER BY seq")
        .fetch_all(&behind)
        .await
        .unwrap();
    behind.close().await;
    assert!(own.iter().map(|record| &record.envelope.kind).eq(&told), "{} of {}", own.len(), told.len());
}

/// Kills so often, and checks after each.
async fn play(rounds: usize, mut rng: fastrand::Rng) -> usize {
    let site = Site::new().await;
    let mut replicas = site.pair();
    let caller = &replicas[0].caller;
    let people = [caller.log_in("ada").await, caller.log_in("bob").await];
    let root = caller.log_in("root").await;
    let mut lives: Vec<_> = (0..LIVES).map(|_| Life::new(rng.fork())).collect();
    let killed = lives[KILLED_GATEWAY].producer;
    for _ in 0..rounds {
        (lives, replicas) = under_load(lives, &people, &site, replicas, &mut rng).await;
        for life in &mut lives {
            life.check_recent(&replicas[0].caller, &root).await;
        }
        let found = breaks(&replicas[1].caller, &root).await;
        assert!(found.iter().all(|found| found["why"] == "silent"), "{found:?}");
    }
    let caller = &replicas[0].caller;
    for life in &mut lives {
        life.finish(caller, &people, life.producer != killed).await;
        life.check_all(caller, &root).await;
    }
    let silent = |found: &Value| found["why"] == "silent" && found["producer"] == json!(killed);
    let since = Instant::now();
    while !matches!(&breaks(caller, &root).await[..], [found] if silent(found)) {
        assert!(since.elapsed() < Duration::from_secs(10), "{:?}", breaks(caller, &root).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    check_own(&site, caller, &root).await;
    let (used, log) = (lives.iter().map(Life::used).sum::<usize>(), site.log());
    assert!(used >= LIVES && !log.contains("ERROR"), "{used} {log}");
    used
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_acknowledged_is_lost_and_nothing_counts_twice() {
    let mut rng = seeded();
    let used = play(rounds(), rng.fork()).await;
    println!("{used} approvals were used, {} kills survived", rounds());
}
