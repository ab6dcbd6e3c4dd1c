//! A gateway of one worker that calls the service, and what it asks.

use std::time::Duration;

use countersign_host_test::approvals::{Approvals, Key, Script};
use countersign_host_test::{Answer, Call, CallId, Cluster, Response, Sent};
use countersign_protocol::grant::{GRANT_TYPE, Grant, RECEIPT_TYPE, Receipt};
use countersign_protocol::jws::{self, JwsError, KeySet};
use countersign_protocol::recording::{Act, Fault, Operation, Trouble};
use countersign_protocol::{Hash, Token};
use serde_json::{Value, json};

/// A Sunday at noon, UTC, in milliseconds.
pub(crate) const AT: u64 = 1_795_348_800_000;

/// A service, the moment, and all that it ever said.
pub(crate) struct Bench {
    pub(crate) service: Approvals,
    /// Milliseconds since [`AT`].
    pub(crate) now: u64,
    calls: u64,
    tokens: u8,
    pub(crate) said: Vec<(CallId, Answer)>,
    pub(crate) waiter: Token,
    seq: u64,
    prev: Hash,
}

/// What came of a call so far.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(Approvals::new(1))
    }

    pub(crate) fn with(service: Approvals) -> Self {
        let mut bench = Self {
            service,
            now: 0,
            calls: 0,
            tokens: 0,
            said: Vec::new(),
            waiter: Token([0xee; 16]),
            seq: 0,
            prev: Hash::ZERO,
        };
        bench.service.advance(bench.time());
        bench
    }

    /// A service with one script for [`question`]: acts and troubles as in a recording.
    pub(crate) fn scripted(acts: Value) -> Self {
        let mut bench = Self::new();
        bench.expect(acts, json!([]));
        bench
    }

    pub(crate) fn expect(&mut self, acts: Value, troubles: Value) {
        let people: Vec<Act> = serde_json::from_value(acts).unwrap();
        let service: Vec<Trouble> = serde_json::from_value(troubles).unwrap();
        self.service.expect(key(), Script { people, service }, self.time());
    }

    pub(crate) fn fail(&mut self, is: Fault, on: &[Operation], from: &str, to: &str) {
        self.expect(json!([]), json!([{ "is": is, "on": on, "from": from, "to": to }]));
    }

    pub(crate) fn time(&self) -> Duration {
        Duration::from_millis(AT + self.now)
    }

    pub(crate) fn fresh(&mut self) -> Token {
        self.tokens += 1;
        Token([self.tokens; 16])
    }

    /// Sends a call and does not wait.
    pub(crate) fn send(&mut self, path: &str, kind: &str, token: &str, body: Vec<u8>) -> (CallId, Sent) {
        self.calls += 1;
        let id = CallId(self.calls);
        let field = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        let headers = vec![
            field(":method", "POST"),
            field(":path", path),
            field(":authority", "approvals"),
            field("content-type", kind),
            field("authorization", &format!("Bearer {token}")),
        ];
        let call = Call { headers, body, trailers: Vec::new(), timeout: Duration::from_secs(30) };
        let sent = self.service.call(id, &call, self.time());
        self.listen();
        (id, sent)
    }

    pub(crate) fn begin(&mut self, path: &str, body: &Value) -> CallId {
        let token = self.service.token().to_owned();
        self.send(path, "application/json", &token, body.to_string().into_bytes()).0
    }

    fn listen(&mut self) {
        let said = self.service.answers(self.time());
        self.said.extend(said);
    }

    /// What was answered to a call, if anything was.
    pub(crate) fn heard(&self, id: CallId) -> Option<&Answer> {
        self.said.iter().find(|(call, _)| *call == id).map(|(_, answer)| answer)
    }

    pub(crate) fn reply(&self, id: CallId) -> Reply {
        match self.heard(id) {
            Some(Answer::Response(response)) => read(response),
            other => panic!("{other:?}"),
        }
    }

    /// Goes on to `now`, listening whenever the service has something to say.
    pub(crate) fn until(&mut self, now: u64) {
        while let Some(due) = self.service.due().filter(|due| due.as_millis() <= u128::from(AT + now)) {
            let due = u64::try_from(due.as_millis()).unwrap() - AT;
            assert!(due >= self.now, "it wants to be asked in the past");
            self.now = due;
            self.listen();
        }
        self.now = now;
        self.listen();
    }

    pub(crate) fn post(&mut self, path: &str, body: &Value) -> Reply {
        let id = self.begin(path, body);
        self.reply(id)
    }

    /// Asks and gives the answer to the one question.
    pub(crate) fn ask_again(&mut self, digest: u8, question: &Value) -> Value {
        let (nonce, waiter) = (self.fresh(), self.waiter);
        let ask =
            json!({ "nonce": nonce, "waiter": waiter, "digest": digest_of(digest), "question": question });
        self.post("/v1/requests", &json!({ "evidence": [], "items": [ask] })).body["items"][0].clone()
    }

    /// Asks about the request of every test; gives the ticket.
    pub(crate) fn ask(&mut self) -> String {
        let answer = self.ask_again(1, &question());
        assert_eq!(answer["result"], "open", "{answer}");
        answer["ticket"].as_str().unwrap().to_owned()
    }

    pub(crate) fn wait(&mut self, cursor: u64) -> CallId {
        let wait = json!({ "waiter": self.waiter, "cursor": cursor, "timeout_ms": 20_000 });
        self.begin("/v1/wait", &wait)
    }

    /// The verdict that a poll from the beginning gives within its time.
    pub(crate) fn verdict(&mut self) -> Value {
        let id = self.wait(0);
        self.until(self.now + 20_000);
        self.reply(id).body["verdicts"][0].clone()
    }

    /// The next line of a producer's held lane.
    pub(crate) fn line(&mut self) -> String {
        let line = line("held", self.seq, self.prev, "claim", json!({}));
        self.seq += 1;
        self.prev = Hash::of(line.as_bytes());
        line
    }

    /// A batch with the one claim of `grant`, and the record that it needs.
    pub(crate) fn claim(&mut self, grant: &Grant) -> Value {
        let (nonce, record) = (self.fresh(), self.line());
        json!({ "evidence": [record], "items": [{
            "nonce": nonce, "ticket": grant.ticket, "jti": grant.jti, "digest": grant.digest,
            "record": Hash::of(record.as_bytes()),
        }] })
    }

    pub(crate) fn grant(&self, verdict: &Value) -> Result<Grant, JwsError> {
        let keys = KeySet::new(std::slice::from_ref(self.service.jwk())).unwrap();
        jws::verify(verdict["grant"].as_str().unwrap(), GRANT_TYPE, &keys)
    }

    pub(crate) fn receipt(&self, won: &Value) -> Receipt {
        let keys = KeySet::new(std::slice::from_ref(self.service.jwk())).unwrap();
        jws::verify(won["receipt"].as_str().unwrap(), RECEIPT_TYPE, &keys).unwrap()
    }

    /// Asks, waits and gives the grant.
    pub(crate) fn approved(&mut self) -> Grant {
        self.ask();
        let verdict = self.verdict();
        self.grant(&verdict).unwrap()
    }

    /// What happened to tickets and calls: events, with their codes where they have one.
    pub(crate) fn events(&self) -> Vec<String> {
        let word = |happened: &countersign_host_test::approvals::Happened| match &happened.code {
            Some(code) => format!("{} {code}", happened.event),
            None => happened.event.to_owned(),
        };
        self.service.happened().iter().map(word).collect()
    }
}

fn read(response: &Response) -> Reply {
    let length: Vec<u8> = response.body.len().to_string().into_bytes();
    assert!(response.headers.contains(&(b"content-length".to_vec(), length)), "{response:?}");
    let body = serde_json::from_slice(&response.body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&response.body).into_owned()));
    Reply { status: response.status(), body }
}

pub(crate) fn digest_of(number: u8) -> Hash {
    Hash::of(&[number])
}

/// A line of the producer of every test.
pub(crate) fn line(lane: &str, seq: u64, prev: Hash, kind: &str, members: Value) -> String {
    let mut line = json!({
        "v": 1, "producer": Token([0xaa; 16]), "lane": lane, "seq": seq, "prev": prev, "ts": AT, "kind": kind,
    });
    line.as_object_mut().unwrap().append(members.clone().as_object_mut().unwrap());
    line.to_string()
}

/// A gate that `quorum` of `group` can open.
pub(crate) fn gate(group: &str, quorum: u8) -> Value {
    json!({
        "id": format!("needs-{group}"), "hash": Hash::of(group.as_bytes()), "quorum": quorum,
        "group": { "issuer": "https://people.test", "id": format!("g-{group}") }, "group_name": group,
        "reason": null, "channel": null,
    })
}

/// A deployment by somebody's agent: one of `sre` may open it.
pub(crate) fn question() -> Value {
    json!({
        "cedar": {
            "principal": "Agent::\"deployer\"", "action": "Deploy::Action::\"create\"",
            "resource": "Deploy::Environment::\"production\"", "context": {},
        },
        "involved": [
            { "role": "agent", "entity": "Agent::\"deployer\"", "names": [] },
            { "role": "owner", "entity": "User::\"oda\"",
              "names": [{ "issuer": "https://people.test", "subject": "oda" }] },
        ],
        "gates": [gate("sre", 1)],
        "terms": {
            "hold_ms": 25_000, "expires_ms": 3_600_000, "use_within_ms": 600_000, "uses": 1, "severity": "medium",
        },
        "request": {
            "method": "POST", "scheme": "https", "authority": "deploy.test", "path": "/deployments?env=production",
            "headers": [], "body": { "text": "{}" }, "body_sha256": Hash::of(b"{}"), "trailers": [],
        },
        "justification": null,
    })
}

/// The key of [`question`].
pub(crate) fn key() -> Key {
    let question: countersign_protocol::request::Question = serde_json::from_value(question()).unwrap();
    Key::of(&question.request)
}
