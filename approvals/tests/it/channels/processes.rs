//! The program itself: what it was to tell when it was killed is told after it, and two of them tell it once.

use std::collections::BTreeMap;
use std::process::Command;

use super::receiver::Receiver;
use super::{Configured, SECRET, until};
use crate::fire::replicas::{Replica, Site};
use crate::harness::{Service, ask, question};

fn configured(receiver: &Receiver) -> Configured {
    let text = format!(
        "[channels.hook]\nkind = \"webhook\"\ngroups = [\"sre\"]\nurl = \"{}\"\nsecrets = [{{ file = \"s\" }}]\n",
        receiver.url
    );
    Configured::new(&text, &[("s", SECRET)])
}

fn told(site: &Site, configured: &Configured) -> Command {
    let mut command = site.command();
    command.arg("--channels").arg(configured.file());
    command
}

/// How often each message came, by its name.
fn names(receiver: &Receiver) -> BTreeMap<String, usize> {
    receiver.got().iter().fold(BTreeMap::new(), |mut names, got| {
        *names.entry(got.header("webhook-id").to_owned()).or_default() += 1;
        names
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_committed_is_told_after_a_kill() {
    let site = Site::new().await;
    let away = Receiver::start().await;
    let configured = configured(&away);
    away.always(Some((503, &[])));
    let replica = Replica::of(told(&site, &configured));
    replica.caller.ask(&ask(question())).await;
    // It is killed while it tries, at whatever point that is.
    away.wait(1).await;
    drop(replica);
    away.always(None);
    sql(&site, "UPDATE outbox SET due_at = 0").await;
    let before = away.got().len();
    let _replica = Replica::of(told(&site, &configured));
    away.wait(before + 1).await;
    assert_eq!(names(&away).len(), 1, "the same message");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_was_killed_between_taking_and_telling_leaves_it_to_another() {
    let site = Site::new().await;
    let receiver = Receiver::start().await;
    let configured = configured(&receiver);
    let service = untold(&site, &configured).await;
    service.open(question()).await;
    service
        .sql("UPDATE outbox SET lease = 'dead', attempts = 1, due_at = (SELECT now FROM clock) + 2000")
        .await;
    service.app.close().await;
    let begun = std::time::Instant::now();
    let _replica = Replica::of(told(&site, &configured));
    receiver.wait(1).await;
    assert!(
        begun.elapsed() >= std::time::Duration::from_millis(1000),
        "{:?}: the lease was not over",
        begun.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ended_all_who_tried_it_is_given_up() {
    let site = Site::new().await;
    let receiver = Receiver::start().await;
    let configured = configured(&receiver);
    let service = untold(&site, &configured).await;
    service.open(question()).await;
    service.sql("UPDATE outbox SET lease = 'dead', attempts = 32, due_at = 0").await;
    service.app.close().await;
    let _replica = Replica::of(told(&site, &configured));
    until("it is given up", async || (queued(&site).await == 0).then_some(())).await;
    assert!(receiver.got().is_empty(), "one more try");
    assert_eq!(count(&site, "SELECT count(*) FROM history WHERE event = 'unreached'").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_tell_everything_once() {
    let site = Site::new().await;
    let receiver = Receiver::start().await;
    let configured = configured(&receiver);
    let replicas = [Replica::of(told(&site, &configured)), Replica::of(told(&site, &configured))];
    let ada = replicas[0].caller.log_in("ada").await;
    for n in 0..20 {
        let caller = &replicas[n % 2].caller;
        let ask = ask(question());
        let item = caller.ask(&ask).await;
        caller.answer(&ada, (&ask, item["ticket"].as_str().unwrap()), "reject").await;
    }
    receiver.wait(40).await;
    until("all is settled", async || (queued(&site).await == 0).then_some(())).await;
    assert_eq!(names(&receiver).len(), 40);
    assert!(names(&receiver).values().all(|count| *count == 1), "{:?}", names(&receiver));
}

#[test]
fn a_file_that_makes_no_sense_is_named() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("channels.toml");
    std::fs::write(&file, "[channels.x]\nkind = \"slack\"\nchanel = \"C0\"\n").unwrap();
    let file = file.display().to_string();
    let failed = crate::cli::program(folder.path(), &["--channels", &file]).output().unwrap();
    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(!failed.status.success() && said.contains(&file) && said.contains("chanel"), "{said}");
}

/// A service of this site with no channel at work: what it is to tell stays in the database.
async fn untold(site: &Site, configured: &Configured) -> Service {
    let app = crate::harness::open_told(&site.folder, &site.database, &configured.read()).await;
    Service {
        router: app.router(),
        jwk: app.jwk().await.unwrap(),
        app,
        folder: tempfile::TempDir::new().unwrap(),
        database: site.database.clone(),
    }
}

async fn sql(site: &Site, sql: &'static str) {
    let pool = crate::databases::behind(&site.database).await;
    sqlx::query(sql).execute(&pool).await.unwrap();
    pool.close().await;
}

async fn queued(site: &Site) -> i64 {
    count(site, "SELECT count(*) FROM outbox WHERE state = 'queued'").await
}

async fn count(site: &Site, sql: &'static str) -> i64 {
    let pool = crate::databases::behind(&site.database).await;
    let count = sqlx::query_scalar(sql).fetch_one(&pool).await;
    pool.close().await;
    count.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orderly_end_lets_what_is_under_way_be_delivered() {
    let site = Site::new().await;
    let receiver = Receiver::start().await;
    let configured = configured(&receiver);
    receiver.slow(std::time::Duration::from_secs(1));
    let mut replica = Replica::of(told(&site, &configured));
    replica.caller.ask(&ask(question())).await;
    receiver.wait(1).await;
    replica.signal("TERM");
    replica.ends();
    assert_eq!(queued(&site).await, 0, "it is written down that it was taken");
    assert_eq!(receiver.got().len(), 1);
}
