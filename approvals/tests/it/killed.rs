//! The program, killed at any moment under load and started again on the same data: all that it acknowledged is
//! there, nothing counts twice.

mod caller;
mod lane;
mod life;

use std::fs::OpenOptions;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use countersign_approvals::Database;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::{Serving, program, ready};
use crate::databases::{address, fresh};
use crate::harness::{PASSWORD, open, prepare};
use caller::Caller;
use life::Life;

const ROUNDS: usize = 10;
const LIVES: usize = 6;
/// A gateway that is killed itself, and never stops in good order.
const KILLED_GATEWAY: usize = 0;

/// Where it keeps what it keeps.
struct Place {
    folder: TempDir,
    database: Database,
}

/// Starts the program; what it says to people goes to a file beside its data.
fn start(Place { folder, database }: &Place) -> Serving {
    let folder = folder.path();
    let log = OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
    let options = ["--listen", "127.0.0.1:0", "--silent-after", "1s"];
    let mut program = program(&folder.join("data"), &options);
    Serving(program.arg("--database").arg(address(database)).stderr(log).spawn().unwrap())
}

/// Kills it while it starts, on some days, and then lets it start.
fn start_again(place: &Place, rng: &mut fastrand::Rng) -> (Serving, Caller) {
    if rng.bool() {
        let starting = start(place);
        std::thread::sleep(Duration::from_millis(rng.u64(0..40)));
        drop(starting);
    }
    let mut serving = start(place);
    let ready = ready(&mut serving);
    (serving, Caller::new(&ready))
}

async fn log_in(caller: &Caller, user: &str) -> String {
    let body = json!({ "user": user, "password": PASSWORD });
    let reply = caller.post("/v1/sessions", "", &body).await.unwrap();
    reply["session"].as_str().unwrap().to_owned()
}

/// Lets all lives go on until the program is killed, and returns them as they are then.
async fn under_load(
    lives: Vec<Life>,
    caller: &Caller,
    people: &[String; 2],
    serving: Serving,
    load: Duration,
) -> Vec<Life> {
    let go_on = |mut life: Life| {
        let (caller, people) = (caller.clone(), people.clone());
        tokio::spawn(async move {
            life.live(&caller, &people).await;
            life
        })
    };
    let living: Vec<_> = lives.into_iter().map(go_on).collect();
    tokio::time::sleep(load).await;
    caller.killed.store(true, Ordering::SeqCst);
    drop(serving);
    let mut lives = Vec::new();
    for life in living {
        lives.push(life.await.unwrap());
    }
    lives
}

async fn breaks(caller: &Caller, root: &str) -> Vec<Value> {
    caller.get("/v1/evidence/breaks", root).await.unwrap().as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_acknowledged_is_lost_and_nothing_counts_twice() {
    let seed = std::env::var("COUNTERSIGN_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("COUNTERSIGN_SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let folder = TempDir::new().unwrap();
    let database = fresh(&folder).await;
    let app = open(&folder, &database).await;
    prepare(&app).await;
    app.close().await;
    let place = Place { folder, database };

    let (mut serving, mut caller) = start_again(&place, &mut rng);
    let people = [log_in(&caller, "ada").await, log_in(&caller, "bob").await];
    let root = log_in(&caller, "root").await;
    let mut lives: Vec<_> = (0..LIVES).map(|_| Life::new(rng.fork())).collect();
    for _ in 0..ROUNDS {
        let load = Duration::from_millis(rng.u64(30..300));
        lives = under_load(lives, &caller, &people, serving, load).await;
        (serving, caller) = start_again(&place, &mut rng);
        for life in &mut lives {
            life.check_recent(&caller, &root).await;
        }
        assert!(breaks(&caller, &root).await.iter().all(|found| found["why"] == "silent"));
    }
    let killed = lives[KILLED_GATEWAY].producer;
    for (at, life) in lives.iter_mut().enumerate() {
        life.finish(&caller, &people, at != KILLED_GATEWAY).await;
        life.check_all(&caller, &root).await;
    }
    let silent = |found: &Value| found["why"] == "silent" && found["producer"] == json!(killed);
    let since = Instant::now();
    while !matches!(&breaks(&caller, &root).await[..], [found] if silent(found)) {
        assert!(since.elapsed() < Duration::from_secs(10), "{:?}", breaks(&caller, &root).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let used: usize = lives.iter().map(Life::used).sum();
    println!("{used} approvals were used, {ROUNDS} kills survived");
    let log = std::fs::read_to_string(place.folder.path().join("log")).unwrap();
    assert!(used >= LIVES && !log.contains("ERROR"), "{used} {log}");
}
