//! The program started while its database is away.

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use countersign_approvals::Database;
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use url::Url;

use crate::cli::{Serving, program, ready};
use crate::databases::fresh;

/// An address where nothing listens.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// From now on, whoever comes to `at` gets to that database.
async fn forward(at: SocketAddr, database: &Url) {
    let target = format!("{}:{}", database.host_str().unwrap(), database.port().unwrap_or(5432));
    let listener = tokio::net::TcpListener::bind(at).await.unwrap();
    tokio::spawn(async move {
        loop {
            let (mut one, _) = listener.accept().await.unwrap();
            let target = target.clone();
            tokio::spawn(async move {
                let mut other = tokio::net::TcpStream::connect(target).await.unwrap();
                copy_bidirectional(&mut one, &mut other).await.ok();
            });
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a PostgreSQL: `cargo xtask postgres` runs it"]
async fn it_waits_for_a_database_that_comes_later_and_opens_its_port_then() {
    let folder = TempDir::new().unwrap();
    let Database::Postgres(database) = fresh(&folder).await else { panic!("a PostgreSQL is needed") };
    let (database, at, listen) = (Url::parse(&database).unwrap(), free(), free());
    let mut behind = database.clone();
    behind.set_port(Some(at.port())).unwrap();
    let options = ["--listen", &listen.to_string(), "--database", behind.as_str()];
    let mut serving = Serving(program(&folder.path().join("data"), &options).spawn().unwrap());
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert!(TcpStream::connect(listen).is_err(), "nobody is there yet");
    forward(at, &database).await;
    let (said, mut serving) =
        tokio::task::spawn_blocking(move || (ready(&mut serving), serving)).await.unwrap();
    assert_eq!(said["listening"], listen.to_string());
    assert_eq!(reqwest::get(format!("http://{listen}/readyz")).await.unwrap().status(), 200);
    serving.0.kill().unwrap();
    let mut log = String::new();
    serving.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.matches("the database is away: it is tried again").count() >= 2, "{log}");
}

#[test]
fn it_gives_up_with_a_clear_word_when_nothing_comes() {
    let folder = TempDir::new().unwrap();
    let at = free();
    let database = format!("postgres://somebody:secret@{at}/countersign");
    let options = ["--listen", "127.0.0.1:0", "--database", &database, "--wait-for-database", "2s"];
    let begun = Instant::now();
    let ended = program(&folder.path().join("data"), &options).output().unwrap();
    let (took, said) = (begun.elapsed(), String::from_utf8(ended.stderr).unwrap());
    assert!(
        !ended.status.success() && took >= Duration::from_secs(2) && took < Duration::from_secs(30),
        "{took:?}"
    );
    let word = format!("the database `postgres://{at}/countersign` did not answer for 2s");
    assert!(said.contains(&word) && !said.contains("secret"), "{said}");
}
