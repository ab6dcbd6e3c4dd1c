//! Commits whose replies are lost on the way from the database: whether they happened is not known to the service,
//! and whoever asks again gets what was given.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign_approvals::Database;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::AnyPool;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use url::Url;

use super::caller::Caller;
use super::replicas::{Replica, Site};
use crate::databases::behind;
use crate::harness::{EDGE, ask, claim, question};

/// Stands between a replica and its database, and loses one reply when it is told to.
struct Line {
    database: Database,
    lose: Arc<AtomicBool>,
}

impl Line {
    async fn to(database: &Database) -> Self {
        let Database::Postgres(url) = database else { panic!("{database} has no line to it") };
        let mut url = Url::parse(url).unwrap();
        let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_ip_host("127.0.0.1".parse().unwrap()).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let lose = Arc::new(AtomicBool::new(false));
        let losing = Arc::clone(&lose);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(carry(client, server, Arc::clone(&losing)));
            }
        });
        Self { database: Database::Postgres(url.into()), lose }
    }
}

/// Carries bytes both ways, until the reply to a commit that is to be lost has come.
async fn carry(mut client: TcpStream, mut server: TcpStream, lose: Arc<AtomicBool>) {
    let (mut asked, mut answered) = ([0; 16 * 1024], [0; 16 * 1024]);
    let mut last = false;
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(length @ 1..) = read else { return };
                let commits = asked[..length].windows(7).any(|bytes| bytes == b"COMMIT\0");
                last |= commits && lose.swap(false, Ordering::SeqCst);
                if server.write_all(&asked[..length]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Ok(length @ 1..) = read else { return };
                if last || client.write_all(&answered[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}

struct Scene {
    lose: Arc<AtomicBool>,
    replica: Replica,
    behind: AnyPool,
}

impl Scene {
    fn caller(&self) -> &Caller {
        &self.replica.caller
    }

    /// Says it twice: the first time the reply of the database is lost.
    async fn twice(&self, path: &str, token: &str, body: &Value) -> Value {
        self.lose.store(true, Ordering::SeqCst);
        let (status, put_off) = self.caller().attempt(path, token, body).await.unwrap();
        let expected = (StatusCode::SERVICE_UNAVAILABLE, &json!("database_unavailable"));
        assert_eq!((status, &put_off["code"]), expected, "{path} {put_off}");
        assert!(!self.lose.load(Ordering::SeqCst), "nothing was committed");
        self.caller().post(path, token, body).await.unwrap()
    }

    /// Holds the request, and returns once the poll has written what it writes.
    async fn hold(&self, asked: &Value) -> JoinHandle<Value> {
        sqlx::query("UPDATE waiters SET seen_at = 0").execute(&self.behind).await.unwrap();
        let (caller, waiting) = (self.caller().clone(), asked.clone());
        let poll = tokio::spawn(async move { caller.wait(&waiting, 0, 20_000).await });
        let seen = "SELECT count(*) FROM waiters WHERE seen_at > 0";
        while sqlx::query_scalar::<_, i64>(seen).fetch_one(&self.behind).await.unwrap() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        poll
    }

    async fn history(&self, ticket: &str) -> Vec<String> {
        let query = sqlx::query_scalar("SELECT event FROM history WHERE ticket = $1 ORDER BY seq");
        query.bind(ticket.to_owned()).fetch_all(&self.behind).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "there is no line to SQLite: `cargo xtask postgres` runs it"]
async fn what_was_committed_unheard_is_done_once() {
    let mut site = Site::new().await;
    let behind = behind(&site.database).await;
    let line = Line::to(&site.database).await;
    site.database = line.database;
    let scene = Scene { lose: line.lose, replica: site.start(), behind };
    let (ada, asked) = (scene.caller().log_in("ada").await, ask(question()));

    let asking = json!({ "evidence": [], "items": [asked] });
    let opened = scene.twice("/v1/requests", EDGE, &asking).await["items"][0].clone();
    let ticket = opened["ticket"].as_str().unwrap();
    assert_eq!((&opened["result"], scene.history(ticket).await), (&json!("open"), vec!["asked".into()]));

    // The one who holds the request hears of it, though the service does not know what it did.
    let poll = scene.hold(&asked).await;
    let shown = scene.caller().get(&format!("/v1/requests/{ticket}"), &ada).await.unwrap()["shown"].clone();
    let answer = json!({ "kind": "approve", "shown": shown });
    scene.twice(&format!("/v1/requests/{ticket}/answers"), &ada, &answer).await;
    assert_eq!(poll.await.unwrap()["verdicts"][0]["state"], "approved");
    assert_eq!(scene.history(ticket).await, ["asked", "approve", "approved"]);

    let grant = scene.caller().grant(&scene.caller().ask(&asked).await["verdict"]);
    let claiming = claim(&grant);
    let won = scene.twice("/v1/claims", EDGE, &claiming).await;
    assert_eq!(won["items"][0]["result"], "won", "{won}");
    assert_eq!(won, scene.caller().post("/v1/claims", EDGE, &claiming).await.unwrap());

    let nonce = &claiming["items"][0]["nonce"];
    let item = json!({ "ticket": ticket, "event": "forwarded", "nonce": nonce, "status": 201 });
    scene.twice("/v1/outcomes", EDGE, &json!({ "evidence": [], "items": [item] })).await;
    assert_eq!(scene.history(ticket).await, ["asked", "approve", "approved", "claimed", "forwarded"]);
    scene.behind.close().await;
}
