//! A small world: one bundle, one gateway, one approval service that signs what a test tells it to.

use std::sync::{Arc, LazyLock};

use countersign_core::engine::Engine;
use countersign_core::facts::{Peer, RequestFacts};
use countersign_core::journal::Journal;
use countersign_core::life::{Claiming, Enquiry, Held, Moment, Next, Reply, Step, decide};
use countersign_protocol::approval::{AskAnswer, AskResult, Claim, ClaimAnswer, ClaimResult, State, Verdict};
use countersign_protocol::grant::{Answer, GRANT_TYPE, Grant, Membership, RECEIPT_TYPE, Receipt};
use countersign_protocol::jws::{self, Jwk};
use countersign_protocol::person::{GroupId, Person};
use countersign_protocol::{Token, UnixMillis};
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};

/// A Sunday at noon, UTC.
pub(crate) const NOW: UnixMillis = 1_795_348_800_000;
/// The ticket that the service gives to every question.
pub(crate) const TICKET: Token = Token([0x71; 16]);

pub(crate) const SCHEMA: &str = r#"
entity User;
entity Agent = { owner?: User };
entity Thing;
action read, write, deploy, wipe appliesTo {
    principal: [User, Agent], resource: Thing,
    context: { hour: Long, note?: String }
};
"#;

pub(crate) const POLICIES: &str = r#"
@id("members") permit (principal, action in [Action::"read", Action::"deploy", Action::"wipe"], resource);
@id("on-record") @audit("sync") permit (principal, action == Action::"read", resource == Thing::"ledger");
@id("no-secret") forbid (principal, action, resource == Thing::"secret");
@id("deploy-needs-sre") @approval("sre") @quorum("1") @hold("20s") @reason("deploys need a person")
forbid (principal, action == Action::"deploy", resource);
@id("wipe-needs-two") @approval("sre") @quorum("2") @severity("high")
forbid (principal, action == Action::"wipe", resource);
@id("brittle") forbid (principal, action == Action::"read", resource == Thing::"brittle")
when { context has note && context.hour + 9223372036854775807 > 0 };
"#;

pub(crate) const ROUTES: &str = r#"
routes:
  - match: { host: api.test, method: GET, path: "/things/{thing}" }
    action: Action::"read"
    resource: Thing::"{path.thing}"
    context: { note: { from: "header:x-note", type: String, optional: true } }
  - match: { host: api.test, method: PUT, path: "/things/{thing}" }
    action: Action::"write"
    resource: Thing::"{path.thing}"
  - match: { host: api.test, method: POST, path: "/things/{thing}/deploy" }
    action: Action::"deploy"
    resource: Thing::"{path.thing}"
  - match: { host: api.test, method: POST, path: "/things/{thing}/wipe" }
    action: Action::"wipe"
    resource: Thing::"{path.thing}"
"#;

pub(crate) const IDENTITIES: &str = r#"
people: { User: { issuer: local } }
agents: { Agent: { owner: owner } }
groups: { sre: { issuer: local, id: sre } }
same:
  - [ { issuer: elsewhere, subject: twin }, { issuer: local, subject: bo } ]
"#;

pub(crate) const ENTITIES: &str = r#"[
  { "uid": { "type": "Agent", "id": "robot" }, "attrs": { "owner": { "__entity": { "type": "User", "id": "ana" } } }, "parents": [] },
  { "uid": { "type": "Agent", "id": "stray" }, "attrs": {}, "parents": [] }
]"#;

pub(crate) fn key() -> SigningKey {
    SigningKey::from_bytes(&[9; 32])
}

/// The configuration, with changes merged into its top level.
pub(crate) fn configuration(changes: Value) -> Value {
    let mut whole = json!({
        "audience": "gateway",
        "bundle": { "v": 1, "files": {
            "a.cedarschema": SCHEMA, "a.cedar": POLICIES, "routes.yaml": ROUTES,
            "identities.yaml": IDENTITIES, "entities.json": ENTITIES,
        }},
        "approval": { "cluster": "c", "authority": "a", "token": "t", "keys": [Jwk::of("k", &key())] },
        "identity": [
            { "kind": "header", "name": "x-agent", "peers": ["127.0.0.0/8"], "type": "Agent" },
            { "kind": "header", "name": "x-user", "peers": ["127.0.0.0/8"], "type": "User" },
        ],
    });
    whole.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    whole
}

pub(crate) fn load(configuration: &Value) -> Arc<Engine> {
    Arc::new(Engine::load(configuration).unwrap())
}

/// One gateway worker, driven by hand.
pub(crate) struct World {
    pub(crate) engine: Arc<Engine>,
    pub(crate) journal: Journal,
    pub(crate) now: UnixMillis,
    fresh: u8,
}

impl World {
    pub(crate) fn new() -> Self {
        static PLAIN: LazyLock<Arc<Engine>> = LazyLock::new(|| load(&configuration(json!({}))));
        Self::of(PLAIN.clone())
    }

    pub(crate) fn with(changes: Value) -> Self {
        Self::of(load(&configuration(changes)))
    }

    pub(crate) fn of(engine: Arc<Engine>) -> Self {
        Self { engine, journal: Journal::new(Token([1; 16])), now: NOW, fresh: 0 }
    }

    pub(crate) fn at(&mut self) -> Moment {
        self.fresh = self.fresh.wrapping_add(1);
        Moment { now: self.now, fresh: Token([self.fresh; 16]) }
    }

    pub(crate) fn decide(&mut self, facts: RequestFacts) -> Step {
        let at = self.at();
        decide(&self.engine, &mut self.journal, facts, at)
    }

    /// Asks, and has the service take the question.
    pub(crate) fn hold(&mut self, facts: RequestFacts) -> (Enquiry, Held) {
        let Next::Ask(enquiry, asking) = self.decide(facts).next else { panic!("nothing was asked") };
        let answer = AskAnswer { nonce: enquiry.nonce, result: open(None) };
        let at = self.at();
        let step = asking.on_reply(&self.engine, &mut self.journal, Ok(answer), at);
        let Next::Wait(held) = step.next else { panic!("not held: {step:?}") };
        (*enquiry, held)
    }

    pub(crate) fn verdict(&mut self, held: Held, verdict: Verdict) -> Step {
        let at = self.at();
        held.on_verdict(&self.engine, &mut self.journal, verdict, at)
    }

    pub(crate) fn claimed(&mut self, claiming: Claiming, answer: ClaimAnswer) -> Step {
        let at = self.at();
        claiming.on_reply(&self.engine, &mut self.journal, Ok(answer), at)
    }

    /// The whole way from a question to the claim of a good grant.
    pub(crate) fn claim(&mut self, facts: RequestFacts) -> (Grant, Claim, Claiming) {
        let (enquiry, held) = self.hold(facts);
        let grant = self.grant(&enquiry, &["bo"]);
        match self.verdict(held, approved(&enquiry, &signed(&grant))).next {
            Next::Claim(claim, _, claiming) => (grant, claim, *claiming),
            other => panic!("not claimed: {other:?}"),
        }
    }

    /// A grant that holds: what was asked, answered by `people` of `sre` with a second factor.
    pub(crate) fn grant(&self, enquiry: &Enquiry, people: &[&str]) -> Grant {
        let seconds = self.now / 1000;
        let gates = enquiry.question.gates.iter().map(|gate| gate.gate.clone()).collect();
        Grant {
            iss: "local".into(),
            aud: "gateway".into(),
            iat: seconds,
            nbf: seconds,
            exp: seconds + 60,
            jti: Token([5; 16]),
            ticket: TICKET,
            digest: enquiry.digest,
            asked_at: self.now,
            uses: 1,
            gates,
            answers: people.iter().zip(1..).map(|(person, n)| answer(person, n, self.now)).collect(),
            flaggers: vec![],
        }
    }

    pub(crate) fn receipt(&self, grant: &Grant, claim: &Claim) -> Receipt {
        let seconds = self.now / 1000;
        Receipt {
            iss: "local".into(),
            aud: "gateway".into(),
            iat: seconds,
            exp: seconds + 60,
            jti: grant.jti,
            ticket: grant.ticket,
            digest: claim.digest,
            nonce: claim.nonce,
            record: claim.record,
        }
    }
}

pub(crate) fn answer(person: &str, id: u8, now: UnixMillis) -> Answer {
    let sre = GroupId { issuer: "local".into(), id: "sre".into() };
    Answer {
        id: Token([id; 16]),
        person: Person { issuer: "local".into(), subject: person.into() },
        at: now,
        account_since: 0,
        groups: vec![Membership { group: sre, since: 0 }],
        amr: vec!["pwd".into(), "otp".into()],
        break_glass: None,
    }
}

pub(crate) fn open(verdict: Option<Verdict>) -> AskResult {
    AskResult::Open { ticket: TICKET, capability: Token([8; 16]), answer_by: NOW + 3_600_000, verdict }
}

pub(crate) fn signed(grant: &Grant) -> String {
    jws::sign(GRANT_TYPE, "k", &key(), grant).unwrap()
}

pub(crate) fn won(claim: &Claim, receipt: &Receipt) -> ClaimAnswer {
    let receipt = jws::sign(RECEIPT_TYPE, "k", &key(), receipt).unwrap();
    ClaimAnswer { nonce: claim.nonce, result: ClaimResult::Won { receipt } }
}

pub(crate) fn verdict(enquiry: &Enquiry, state: State) -> Verdict {
    Verdict { ticket: TICKET, digest: enquiry.digest, state, grant: None, reason: None }
}

pub(crate) fn approved(enquiry: &Enquiry, grant: &str) -> Verdict {
    Verdict { grant: Some(grant.into()), ..verdict(enquiry, State::Approved) }
}

/// A request of the agent `robot`, whose owner is `ana`, with an empty body.
pub(crate) fn request(method: &str, path: &str) -> RequestFacts {
    request_of(("x-agent", "robot"), method, path)
}

pub(crate) fn request_of(who: (&str, &str), method: &str, path: &str) -> RequestFacts {
    let headers =
        [(":method", method), (":scheme", "https"), (":authority", "api.test"), (":path", path), who];
    RequestFacts {
        headers: headers
            .iter()
            .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect(),
        body: Some(Vec::new()),
        peer: Peer { address: Some([127, 0, 0, 1].into()), uri_san: None },
        ..RequestFacts::default()
    }
}

pub(crate) fn with_header(mut facts: RequestFacts, name: &str, value: &str) -> RequestFacts {
    facts.headers.push((name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    facts
}

pub(crate) fn reply(step: Step) -> Reply {
    match step.next {
        Next::Reply(reply) => reply,
        other => panic!("not answered: {other:?}"),
    }
}
