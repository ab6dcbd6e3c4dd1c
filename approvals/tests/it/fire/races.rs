//! People, gateways and deadlines race through two replicas: whoever comes first wins, nobody else does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_protocol::UnixMillis;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::caller::Caller;
use super::replicas::{Replica, Site, rounds, seeded};
use crate::databases::POSTGRES;
use crate::harness::{EDGE, EDGE_2, ask, claim, gate, question, with_gates};

/// How long a request may be held after its last deadline.
const PATIENCE: Duration = Duration::from_secs(20);
/// Races at the same time.
const LANES: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_claims_through_two_processes_one_wins() {
    let site = Site::new().await;
    let replicas = site.pair();
    let callers = replicas.each_ref().map(|replica| replica.caller.clone());
    let (ada, asked) = (callers[0].log_in("ada").await, ask(question()));
    let ticket = callers[0].ask(&asked).await["ticket"].as_str().unwrap().to_owned();
    let (status, body) = callers[1].answer(&ada, (&asked, &ticket), "approve").await;
    assert!(status.is_success(), "{body}");
    let grant = callers[0].grant(&callers[0].ask(&asked).await["verdict"]);
    let mut claims = JoinSet::new();
    for i in 0..50 {
        let (caller, body) = (callers[i % 2].clone(), claim(&grant));
        let gateway = if i % 4 < 2 { EDGE } else { EDGE_2 };
        claims.spawn(async move { caller.post("/v1/claims", gateway, &body).await.unwrap() });
    }
    let results: Vec<_> =
        claims.join_all().await.into_iter().map(|reply| reply["items"][0].clone()).collect();
    assert_eq!(results.iter().filter(|result| result["result"] == "won").count(), 1, "{results:?}");
    let lost = |result: &&Value| result["result"] == "lost" && result["state"] == "consumed";
    assert_eq!(results.iter().filter(lost).count(), 49, "{results:?}");
}

/// Who takes part in all races.
struct Players {
    callers: [Caller; 2],
    people: [String; 3],
    root: String,
}

/// One request, and what came of it so far.
struct Race {
    players: Arc<Players>,
    rng: fastrand::Rng,
    ask: Value,
    ticket: String,
    answer_by: UnixMillis,
    /// Milliseconds to answer, then to use.
    times: [u64; 2],
}

/// What was said to those who took part.
#[derive(Default)]
struct Said {
    answers: Vec<(StatusCode, Value)>,
    /// The verdict that freed the held request.
    verdict: Value,
    claims: Vec<Value>,
    revoked: Option<(StatusCode, Value)>,
}

impl Race {
    async fn open(players: Arc<Players>, mut rng: fastrand::Rng) -> Self {
        let times = [rng.u64(40..400), rng.u64(40..400)];
        let mut asked = with_gates(&[gate("sre", 2)]);
        asked["terms"]["expires_ms"] = json!(times[0]);
        asked["terms"]["use_within_ms"] = json!(times[1]);
        asked["terms"]["uses"] = json!(rng.u32(1..=5));
        let ask = ask(asked);
        let opened = players.callers[rng.usize(0..2)].ask(&ask).await;
        let ticket = opened["ticket"].as_str().unwrap().to_owned();
        let answer_by = opened["answer_by"].as_i64().unwrap();
        Self { players, rng, ask, ticket, answer_by, times }
    }

    fn any(&mut self) -> Caller {
        self.players.callers[self.rng.usize(0..2)].clone()
    }

    /// Before, at, or after a deadline that is so far away.
    fn moment(&mut self, deadline: u64) -> Duration {
        Duration::from_millis(self.rng.u64(0..=deadline * 5 / 4))
    }

    /// Everybody answers, and the request is held meanwhile; what follows a yes follows.
    async fn run(&mut self) -> Said {
        let mut answers = JoinSet::new();
        for person in self.players.people.clone() {
            let (caller, moment) = (self.any(), self.moment(self.times[0]));
            let kind = if self.rng.u8(0..8) == 0 { "reject" } else { "approve" };
            let (ask, ticket) = (self.ask.clone(), self.ticket.clone());
            answers.spawn(async move {
                sleep(moment).await;
                let (status, mut body) = caller.answer(&person, (&ask, &ticket), kind).await;
                body["kind"] = json!(kind);
                (status, body)
            });
        }
        let verdict = self.held().await;
        let mut said = Said { verdict, ..Said::default() };
        if said.verdict["state"] == "approved" {
            (said.claims, said.revoked) = self.used().await;
        }
        said.answers = answers.join_all().await;
        said
    }

    /// Holds the request until it is told its end.
    async fn held(&mut self) -> Value {
        // Processes on one SQLite are not told of each other: a poll that ends asks again.
        let timeout = if std::env::var(POSTGRES).is_ok() { 20_000 } else { 50 };
        let (caller, since) = (self.any(), Instant::now());
        loop {
            let reply = caller.wait(&self.ask, 0, timeout).await;
            if let [verdict] = &reply["verdicts"].as_array().unwrap()[..] {
                return verdict.clone();
            }
            assert!(since.elapsed() < PATIENCE, "held for ever: {reply}");
        }
    }

    /// Claims, at least as many as there are uses, and somebody takes the yes back at some moment, perhaps.
    async fn used(&mut self) -> (Vec<Value>, Option<(StatusCode, Value)>) {
        let opened = self.any().ask(&self.ask).await;
        let Some(verdict) = opened.get("verdict").filter(|verdict| verdict["grant"].is_string()) else {
            return (Vec::new(), None);
        };
        let grant = self.players.callers[0].grant(verdict);
        let mut claims = JoinSet::new();
        for _ in 0..5 {
            let (caller, moment, body) = (self.any(), self.moment(self.times[1]), claim(&grant));
            claims.spawn(async move {
                sleep(moment).await;
                caller.post("/v1/claims", EDGE, &body).await.unwrap()["items"][0].clone()
            });
        }
        let mut revoked = None;
        if self.rng.u8(0..4) > 0 {
            let (caller, moment) = (self.any(), self.moment(self.times[1]));
            sleep(moment).await;
            let path = format!("/v1/requests/{}/revoke", self.ticket);
            let body = json!({ "reason": "second thoughts" });
            revoked = Some(caller.attempt(&path, &self.players.people[0], &body).await.unwrap());
        }
        (claims.join_all().await, revoked)
    }

    /// The request as it is at both replicas once nothing can change any more.
    async fn settled(&self) -> Value {
        let (path, since) = (format!("/v1/requests/{}", self.ticket), Instant::now());
        loop {
            let [here, there] = self.players.callers.each_ref().map(|caller| {
                let path = &path;
                async move { caller.get(path, &self.players.root).await.unwrap() }
            });
            let (here, there) = (here.await, there.await);
            let events =
                here["history"].as_array().unwrap().iter().map(|entry| entry["event"].as_str().unwrap());
            let last = events.rev().find(|event| *event != "claim_refused").unwrap();
            if !["pending", "approved"].contains(&here["state"].as_str().unwrap()) && here == there {
                let written = ["expired", "revoked", "claimed", "reject", "refused"].contains(&last);
                assert!(written || since.elapsed() < PATIENCE, "{here}");
                if written {
                    return here;
                }
            }
            assert!(since.elapsed() < PATIENCE, "{here}\n{there}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn end(mut self) -> Value {
        let said = self.run().await;
        let shown = self.settled().await;
        check(&self, &said, &shown);
        // Who asks again, with the same nonce, is told the same end.
        assert_eq!(self.any().ask(&self.ask).await["verdict"]["state"], shown["state"]);
        shown["state"].clone()
    }
}

/// Whether the history is a path through the state machine, and everybody was told what it says.
fn check(race: &Race, said: &Said, shown: &Value) {
    let history = shown["history"].as_array().unwrap();
    let uses = shown["uses"].as_u64().unwrap();
    let (mut state, mut used, mut yes) = ("", 0, Vec::new());
    for entry in history {
        let (event, at) = (entry["event"].as_str().unwrap(), entry["at"].as_i64().unwrap());
        state = match (state, event) {
            ("", "asked") => "pending",
            (same, "refused" | "claim_refused") => same,
            ("pending", "approve") => {
                assert!(!yes.contains(&&entry["subject"]), "nobody counts twice: {shown}");
                yes.push(&entry["subject"]);
                "pending"
            }
            ("pending", "approved") => {
                assert!(yes.len() == 2 && at < race.answer_by, "{shown}");
                "approved"
            }
            ("pending", "reject") => "rejected",
            ("pending", "expired") => {
                assert!(at >= race.answer_by, "{shown}");
                "expired"
            }
            ("approved", "claimed") => {
                used += 1;
                assert!(at < shown["use_by"].as_i64().unwrap(), "{shown}");
                if used == uses { "consumed" } else { "approved" }
            }
            ("approved", "expired") => {
                assert!(at >= shown["use_by"].as_i64().unwrap(), "{shown}");
                "expired"
            }
            ("approved", "revoked") => "revoked",
            (state, event) => panic!("`{event}` in state `{state}`: {shown}"),
        };
    }
    assert_eq!((shown["state"].as_str(), shown["used"].as_u64()), (Some(state), Some(used)), "{shown}");
    let won = said.claims.iter().filter(|claim| claim["result"] == "won").count();
    assert_eq!(u64::try_from(won).unwrap(), used, "{:?} {shown}", said.claims);
    told(said, history, shown);
}

/// Whether what people were told is what happened.
fn told(said: &Said, history: &[Value], shown: &Value) {
    let count = |event: &str| history.iter().filter(|entry| entry["event"] == event).count();
    let taken = |kind: &str| {
        said.answers.iter().filter(|(status, body)| status.is_success() && body["kind"] == kind).count()
    };
    assert_eq!((taken("approve"), taken("reject")), (count("approve"), count("reject")), "{shown}");
    assert!(said.answers.iter().all(|(status, body)| {
        let closed = body["code"].as_str().is_some_and(|code| code.starts_with("already_"));
        status.is_success() || (*status == StatusCode::CONFLICT && closed)
    }));
    let revoked = said.revoked.iter().filter(|(status, _)| status.is_success()).count();
    assert_eq!(revoked, count("revoked"), "{shown}");
    let states = ["approved", "rejected", "expired", "consumed"];
    assert!(states.contains(&said.verdict["state"].as_str().unwrap()), "{}", said.verdict);
}

async fn players(replicas: &[Replica; 2]) -> Arc<Players> {
    let callers = replicas.each_ref().map(|replica| replica.caller.clone());
    let [ada, bob, cid, root] = ["ada", "bob", "cid", "root"].map(|user| callers[0].log_in(user));
    let people = [ada.await, bob.await, cid.await];
    let root = root.await;
    Arc::new(Players { callers, people, root })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn approvals_rejections_deadlines_claims_and_revocations_race() {
    let mut rng = seeded();
    let site = Site::new().await;
    let replicas = site.pair();
    let players = players(&replicas).await;
    let mut lanes = JoinSet::new();
    for lane in 0..LANES {
        let (players, mut rng) = (Arc::clone(&players), rng.fork());
        let rounds = (rounds() + LANES - 1 - lane) / LANES;
        lanes.spawn(async move {
            let mut ends = Vec::new();
            for _ in 0..rounds {
                ends.push(Race::open(Arc::clone(&players), rng.fork()).await.end().await);
            }
            ends
        });
    }
    let ends = lanes.join_all().await.concat();
    let count = |state: &str| ends.iter().filter(|end| **end == state).count();
    let counts = ["consumed", "expired", "rejected", "revoked"].map(|state| (state, count(state)));
    println!("{} races: {counts:?}", ends.len());
    assert_eq!(counts.iter().map(|(_, count)| count).sum::<usize>(), rounds());
    // One in twenty-five is used up: of fifty there may be none.
    assert!(
        rounds() < 1000 || counts.iter().all(|(_, count)| *count > 0),
        "each wins some races: {counts:?}"
    );
    assert!(!site.log().contains("ERROR"), "{}", site.log());
}
