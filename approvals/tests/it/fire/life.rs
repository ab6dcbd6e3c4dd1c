//! A gateway's worker that asks, waits, claims and reports, one request after the other, across kills: what was
//! answered is remembered, what was not is sent again as it was.

use std::sync::atomic::{AtomicBool, Ordering};

use countersign_protocol::Token;
use serde_json::{Value, json};

use super::caller::{Caller, Gone};
use super::lane::Lane;
use crate::harness::{EDGE, ask, gate, shown, token, with_gates};

pub(crate) struct Life {
    rng: fastrand::Rng,
    pub(crate) producer: Token,
    held: Lane,
    plain: Lane,
    waiter: Token,
    cursor: u64,
    request: Request,
    done: Vec<Request>,
    checked: usize,
}

/// One request, and what the service has acknowledged about it.
struct Request {
    ask: Value,
    opened: Option<Value>,
    answered: [bool; 2],
    /// The verdict, and the cursor with which it was waited for.
    verdict: Option<(u64, Value)>,
    /// Two claims that race for the one use.
    claims: Vec<Value>,
    results: [Option<Value>; 2],
    reported: bool,
}

impl Request {
    fn new(waiter: Token) -> Self {
        let mut ask = ask(with_gates(&[gate("sre", 2)]));
        ask["waiter"] = json!(waiter);
        let (claims, results) = (Vec::new(), [None, None]);
        Self { ask, opened: None, answered: [false; 2], verdict: None, claims, results, reported: false }
    }

    fn ticket(&self) -> &str {
        self.opened.as_ref().unwrap()["ticket"].as_str().unwrap()
    }

    /// The claim that won, and its result.
    fn won(&self) -> Option<(&Value, &Value)> {
        let known = self.claims.iter().zip(&self.results);
        let mut known = known.filter_map(|(claim, result)| Some((claim, result.as_ref()?)));
        known.find(|(_, result)| result["result"] == "won")
    }

    async fn answer(&self, caller: &Caller, person: &str, answered: bool) -> Result<(), Gone> {
        if answered {
            return Ok(());
        }
        let shown = shown(&self.ask["question"]);
        let path = format!("/v1/requests/{}/answers", self.ticket());
        caller.post(&path, person, &json!({ "kind": "approve", "shown": shown })).await.map(drop)
    }
}

impl Life {
    pub(crate) fn new(rng: fastrand::Rng) -> Self {
        let (producer, waiter) = (token(), token());
        let (held, plain) = (Lane::new(producer, "held"), Lane::new(producer, "plain"));
        let request = Request::new(waiter);
        Self { rng, producer, held, plain, waiter, cursor: 0, request, done: Vec::new(), checked: 0 }
    }

    /// Goes on until the program is killed, or to the end of the first request that begins after `enough`.
    pub(crate) async fn live(
        &mut self,
        caller: &Caller,
        people: &[String; 2],
        enough: &AtomicBool,
    ) -> Result<(), Gone> {
        while !enough.load(Ordering::SeqCst) {
            self.go_on(caller, people).await?;
        }
        self.go_on(caller, people).await
    }

    /// Brings the last request to its end; in good order the stop is the last record.
    pub(crate) async fn finish(&mut self, caller: &Caller, people: &[String; 2], in_good_order: bool) {
        self.go_on(caller, people).await.unwrap();
        if in_good_order {
            self.beat(caller, "stop").await.unwrap();
        }
        assert!(self.held.unacked().is_empty() && self.plain.unacked().is_empty());
    }

    pub(crate) fn used(&self) -> usize {
        self.done.len()
    }

    /// Each step does what is not done yet.
    async fn go_on(&mut self, caller: &Caller, people: &[String; 2]) -> Result<(), Gone> {
        self.ask(caller).await?;
        self.be_answered(caller, people).await?;
        self.claim(caller).await?;
        self.report(caller).await?;
        self.beat(caller, "heartbeat").await?;
        let next = Request::new(self.waiter);
        self.done.push(std::mem::replace(&mut self.request, next));
        Ok(())
    }

    async fn ask(&mut self, caller: &Caller) -> Result<(), Gone> {
        if self.request.opened.is_none() {
            self.held.make("asked", json!({}));
            let body = json!({ "evidence": self.held.unacked(), "items": [self.request.ask] });
            let reply = caller.post("/v1/requests", EDGE, &body).await?;
            self.held.ack(&reply);
            self.request.opened = Some(reply["items"][0].clone());
        }
        Ok(())
    }

    /// Two people answer while the poll is in flight, or before it is.
    async fn be_answered(&mut self, caller: &Caller, people: &[String; 2]) -> Result<(), Gone> {
        let pause = std::time::Duration::from_millis(self.rng.u64(0..8));
        let (request, [first, second]) = (&self.request, self.request.answered);
        let (first, second, verdict) = tokio::join!(
            request.answer(caller, &people[0], first),
            request.answer(caller, &people[1], second),
            async {
                tokio::time::sleep(pause).await;
                self.verdict(caller).await
            }
        );
        self.request.answered[0] |= first.is_ok();
        self.request.answered[1] |= second.is_ok();
        if let Ok((cursor, verdict)) = &verdict {
            self.request.verdict.get_or_insert((self.cursor, verdict.clone()));
            self.cursor = *cursor;
        }
        first.and(second).and(verdict).map(drop)
    }

    /// The verdict, and the cursor after it.
    async fn verdict(&self, caller: &Caller) -> Result<(u64, Value), Gone> {
        if let Some((_, verdict)) = &self.request.verdict {
            return Ok((self.cursor, verdict.clone()));
        }
        let body = json!({ "waiter": self.waiter, "cursor": self.cursor, "timeout_ms": 20_000 });
        let reply = caller.post("/v1/wait", EDGE, &body).await?;
        let [verdict] = &reply["verdicts"].as_array().unwrap()[..] else { panic!("{reply}") };
        assert_eq!(
            (&verdict["state"], &verdict["ticket"]),
            (&json!("approved"), &json!(self.request.ticket()))
        );
        Ok((reply["cursor"].as_u64().unwrap(), verdict.clone()))
    }

    async fn claim(&mut self, caller: &Caller) -> Result<(), Gone> {
        if self.request.claims.is_empty() {
            let (_, verdict) = self.request.verdict.as_ref().unwrap();
            let grant = caller.grant(verdict);
            for _ in 0..2 {
                let record = self.held.make("claim", json!({ "ticket": grant.ticket }));
                self.request.claims.push(json!({
                    "nonce": token(), "ticket": grant.ticket, "jti": grant.jti, "digest": grant.digest,
                    "record": record,
                }));
            }
        }
        let body = |at: usize| json!({ "evidence": self.held.unacked(), "items": [self.request.claims[at]] });
        let (first, second) = (body(0), body(1));
        let (first, second) =
            tokio::join!(caller.post("/v1/claims", EDGE, &first), caller.post("/v1/claims", EDGE, &second));
        for (at, reply) in [&first, &second].into_iter().enumerate() {
            let Ok(reply) = reply else { continue };
            self.held.ack(reply);
            let known = self.request.results[at].get_or_insert_with(|| reply["items"][0].clone());
            assert_eq!(*known, reply["items"][0], "the same claim has the same reply");
        }
        first.and(second)?;
        let won = self.request.results.iter().flatten().filter(|result| result["result"] == "won");
        assert_eq!(won.count(), 1, "{:?}", self.request.results);
        Ok(())
    }

    async fn report(&mut self, caller: &Caller) -> Result<(), Gone> {
        if !self.request.reported {
            self.held.make("outcome", json!({}));
            let nonce = self.request.won().unwrap().0["nonce"].clone();
            let ticket = self.request.ticket();
            let item = json!({ "ticket": ticket, "event": "forwarded", "nonce": nonce, "status": 201 });
            let body = json!({ "evidence": self.held.unacked(), "items": [item] });
            let reply = caller.post("/v1/outcomes", EDGE, &body).await?;
            self.held.ack(&reply);
            self.request.reported = true;
        }
        Ok(())
    }

    /// A heartbeat or a stop.
    async fn beat(&mut self, caller: &Caller, kind: &str) -> Result<(), Gone> {
        let counted = json!({ "held_records": self.held.len(), "plain_records": self.plain.len() });
        self.plain.make(kind, counted);
        let reply = caller.deliver(EDGE, self.plain.unacked()).await?;
        self.plain.ack(&reply);
        Ok(())
    }

    /// Checks what happened since it was last checked, and that whoever waited may go on waiting.
    pub(crate) async fn check_recent(&mut self, caller: &Caller, root: &str) {
        self.held.check(caller, root).await;
        self.plain.check(caller, root).await;
        for request in self.done[self.checked..].iter().chain([&self.request]) {
            check(request, caller, root).await;
        }
        self.checked = self.done.len();
        if let Some((cursor, _)) = &self.request.verdict {
            let body = json!({ "waiter": self.waiter, "cursor": cursor, "timeout_ms": 0 });
            let reply = caller.post("/v1/wait", EDGE, &body).await.unwrap();
            assert_eq!(reply["verdicts"][0]["ticket"], self.request.ticket(), "{reply}");
        }
    }

    pub(crate) async fn check_all(&mut self, caller: &Caller, root: &str) {
        self.checked = 0;
        self.check_recent(caller, root).await;
    }
}

/// Whether what was acknowledged about a request is still so, and nothing of it is there twice.
async fn check(request: &Request, caller: &Caller, root: &str) {
    let Some(opened) = &request.opened else { return };
    let shown = caller.get(&format!("/v1/requests/{}", request.ticket()), root).await.unwrap();
    let again = json!({ "evidence": [], "items": [request.ask] });
    let again = &caller.post("/v1/requests", EDGE, &again).await.unwrap()["items"][0];
    assert_eq!((&again["ticket"], &again["capability"]), (&opened["ticket"], &opened["capability"]));
    for (person, answered) in ["ada", "bob"].into_iter().zip(request.answered) {
        let of = |answer: &&Value| answer["person"]["subject"] == person && answer["kind"] == "approve";
        let count = shown["answers"].as_array().unwrap().iter().filter(of).count();
        assert!(count == 1 || (count == 0 && !answered), "{shown}");
    }
    let happened = |event: &str| {
        shown["history"].as_array().unwrap().iter().filter(|entry| entry["event"] == event).count()
    };
    for event in ["asked", "approved", "claimed", "forwarded"] {
        assert!(happened(event) <= 1, "{shown}");
    }
    if request.verdict.is_some() {
        assert_eq!(happened("approved"), 1, "{shown}");
    }
    if let Some((claim, result)) = request.won() {
        assert_eq!((happened("claimed"), shown["used"].as_u64()), (1, Some(1)), "{shown}");
        let again = json!({ "evidence": [], "items": [claim] });
        assert_eq!(&caller.post("/v1/claims", EDGE, &again).await.unwrap()["items"][0], result);
    }
    assert!(happened("forwarded") == 1 || !request.reported, "{shown}");
}
