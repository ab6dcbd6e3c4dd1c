//! Whatever happens in whatever order: a ticket moves only along its states, a yes is enough people's, and no
//! use is won twice.

use countersign_protocol::Token;
use countersign_protocol::approval::State;
use countersign_protocol::quorum::missing;
use countersign_protocol::request::Gate;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::harness::{EDGE, Service, ask, claim, gate, token, with_gates};

const USES: usize = 2;
const PEOPLE: [&str; 5] = ["ada", "bob", "cid", "dan", "oda"];

#[derive(Debug, Clone, Copy)]
enum Event {
    Answer(usize, &'static str),
    Claim,
    Disbelieve(&'static str),
    Revoke(usize),
    Leave,
    AskAgain,
    Pass(&'static str),
}

fn event() -> impl Strategy<Value = Event> {
    let person = 0..PEOPLE.len();
    prop_oneof![
        8 => person.clone().prop_map(|who| Event::Answer(who, "approve")),
        1 => person.clone().prop_map(|who| Event::Answer(who, "flag")),
        1 => person.clone().prop_map(|who| Event::Answer(who, "reject")),
        6 => Just(Event::Claim),
        2 => prop_oneof![Just("reopen"), Just("revoke")].prop_map(Event::Disbelieve),
        1 => person.prop_map(Event::Revoke),
        1 => Just(Event::Leave),
        2 => Just(Event::AskAgain),
        1 => prop_oneof![
            Just("UPDATE tickets SET answer_by = 1"),
            Just("UPDATE tickets SET use_by = 1"),
            Just("UPDATE tickets SET cancel_at = 1 WHERE cancel_at IS NOT NULL"),
        ]
        .prop_map(Event::Pass),
    ]
}

fn moves(from: State, to: State) -> bool {
    use State::{Approved, Cancelled, Consumed, Expired, Pending, Rejected, Revoked};
    from == to
        || matches!(
            (from, to),
            (Pending, Approved | Rejected | Expired | Cancelled)
                | (Approved, Consumed | Expired | Revoked | Pending)
        )
}

/// One ticket and what is known of it from outside.
struct Case<'a> {
    service: &'a Service,
    sessions: &'a [String],
    asked: Value,
    ticket: String,
    /// The last grant that was seen.
    grant: Option<countersign_protocol::grant::Grant>,
    won: usize,
}

impl Case<'_> {
    async fn state(&self) -> State {
        let reply = self.service.get(&format!("/v1/requests/{}", self.ticket), &self.sessions[0]).await;
        serde_json::from_value(reply.body["state"].clone()).unwrap()
    }

    async fn outcome(&self, item: Value) {
        let batch = json!({ "evidence": [], "items": [item] });
        assert_eq!(self.service.post("/v1/outcomes", EDGE, batch).await.status, 200);
    }

    /// The same nonce again: what the gateway knows of the ticket.
    async fn look(&mut self) {
        let verdict = self.service.ask(&self.asked).await["verdict"].clone();
        if verdict["state"] == "approved" {
            let grant = self.service.grant(&verdict);
            let gates: Vec<Gate> = serde_json::from_value(self.asked["question"]["gates"].clone()).unwrap();
            assert_eq!(missing(&gates, grant.flaggers.len(), grant.asked_at, &grant.answers), 0);
            assert!(grant.answers.iter().all(|answer| answer.person.subject != "oda"));
            assert!(grant.answers.iter().all(|answer| !grant.flaggers.contains(&answer.person)));
            self.grant = Some(grant);
        }
    }

    async fn happen(&mut self, event: Event) {
        let before = self.state().await;
        match event {
            Event::Answer(who, kind) => {
                self.service.answer(&self.sessions[who], &self.ticket, kind).await;
            }
            Event::Claim => self.claim(before).await,
            Event::Disbelieve(remedy) => {
                let Some(jti) = self.grant.as_ref().map(|grant| grant.jti) else { return };
                let answers: [Token; 0] = [];
                self.outcome(json!({
                    "ticket": self.ticket, "event": "grant_refused", "jti": jti, "code": "test",
                    "answers": answers, "remedy": remedy,
                }))
                .await;
            }
            Event::Revoke(who) => {
                let path = format!("/v1/requests/{}/revoke", self.ticket);
                self.service.post(&path, &self.sessions[who], json!({ "reason": "because" })).await;
            }
            Event::Leave => {
                let nonce = &self.asked["nonce"];
                self.outcome(json!({ "ticket": self.ticket, "event": "client_left", "nonce": nonce })).await;
            }
            Event::AskAgain => {
                self.asked["nonce"] = json!(token());
                let joined = self.service.ask(&self.asked).await["ticket"] == self.ticket.as_str();
                assert_eq!(joined, matches!(before, State::Pending | State::Approved | State::Rejected));
            }
            Event::Pass(sql) => self.service.sql(sql).await,
        }
        let after = self.state().await;
        assert!(moves(before, after), "{event:?}: {before:?} to {after:?}");
        self.look().await;
    }

    async fn claim(&mut self, before: State) {
        let Some(grant) = &self.grant else { return };
        let reply = self.service.post("/v1/claims", EDGE, claim(grant)).await.body;
        if reply["items"][0]["result"] == "won" {
            assert_eq!(before, State::Approved);
            self.won += 1;
        }
        assert!(self.won <= USES);
    }
}

async fn live(service: &Service, sessions: &[String], events: Vec<Event>) {
    let mut question = with_gates(&[gate("sre", 1), gate("dba", 1)]);
    question["terms"]["uses"] = json!(USES);
    let asked = ask(question);
    let ticket = service.ask(&asked).await["ticket"].as_str().unwrap().to_owned();
    let mut case = Case { service, sessions, asked, ticket, grant: None, won: 0 };
    for event in events {
        case.happen(event).await;
    }
}

#[test]
fn a_ticket_keeps_its_rules_whatever_happens() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let service = runtime.block_on(Service::start());
    let log_in = async |name| service.log_in(name).await;
    let mut sessions = Vec::new();
    for name in PEOPLE {
        sessions.push(runtime.block_on(log_in(name)));
    }
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(40) });
    let lives = proptest::collection::vec(event(), 1..25);
    runner
        .run(&lives, |events| {
            runtime.block_on(live(&service, &sessions, events));
            Ok(())
        })
        .unwrap();
}
