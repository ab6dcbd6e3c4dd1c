//! What happens to tickets is evidence that the service makes itself: one chain, whichever replica adds to it.

use countersign_protocol::evidence::{Lane, Record};
use countersign_protocol::{Hash, Token};
use serde_json::{Value, json};

use crate::authenticator::{HOST, Passkey, form};
use crate::harness::{
    EDGE, EDGE_2, OTHER, Service, ask, claim, gate, question, record, send, shown as shown_of, token,
    with_gates,
};
use crate::inbox::browse;
use crate::proof::verify;

/// Evidence as an auditor reads it.
pub(crate) async fn read(service: &Service, filter: &str) -> Vec<Record> {
    let root = service.log_in("root").await;
    let body = service.get(&format!("/v1/evidence?limit=1000000&{filter}"), &root).await.body;
    records(&body)
}

/// One line of JSON is read as what it is, several are text.
pub(crate) fn records(body: &Value) -> Vec<Record> {
    let text = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
    text.lines().map(|line| Record::parse(line.into()).unwrap()).collect()
}

/// All that the service made; it is one chain.
async fn own(service: &Service) -> Vec<Record> {
    let producer = read(service, "kind=ticket_asked").await[0].envelope.producer;
    let records = read(service, &format!("producer={producer}")).await;
    assert_chain(&records);
    let root = service.log_in("root").await;
    assert_eq!(service.get("/v1/evidence/breaks", &root).await.body, json!([]));
    assert_eq!(i64::try_from(records.len()).unwrap(), service.count("SELECT count(*) FROM history").await);
    records
}

/// Each record follows the one before, from the first of the held lane on.
pub(crate) fn assert_chain(records: &[Record]) {
    let (mut seq, mut prev) = (0, Hash::ZERO);
    for Record { envelope, line, hash } in records {
        assert_eq!((envelope.lane, envelope.seq, envelope.prev), (Lane::Held, seq, prev), "{line}");
        assert!(envelope.kind.starts_with("ticket_"), "{line}");
        (seq, prev) = (seq + 1, *hash);
    }
}

fn line(record: &Record) -> Value {
    serde_json::from_str(&record.line).unwrap()
}

fn high() -> Value {
    let mut high = question();
    high["terms"]["severity"] = json!("high");
    high
}

/// Approves in the browser, with a passkey.
async fn approve(service: &Service, session: &str, ticket: &str, passkey: &Passkey) {
    let page = browse(service, session, &format!("/inbox/{ticket}"), None).await;
    let (csrf, shown) = (page.field("csrf"), page.field("shown"));
    let proof = passkey.prove(service, session, ticket, json!({ "kind": "approve", "shown": shown })).await;
    let fields = [("csrf", &*csrf), ("kind", "approve"), ("shown", &shown), ("proof", &proof)];
    let send = format!("/inbox/{ticket}/answer");
    assert_eq!(browse(service, session, &send, Some(&form(&fields))).await.status, 303);
}

#[tokio::test]
async fn a_tickets_whole_life_is_one_chain_and_each_answer_is_in_it() {
    let service = Service::start().await;
    let ada = service.proven("ada").await;
    let passkey = Passkey::add(&service, &ada).await;
    let first = ask(high());
    let ticket = service.ask(&first).await["ticket"].as_str().unwrap().to_owned();
    service.answer(&service.log_in("oda").await, &ticket, "approve").await;
    approve(&service, &ada, &ticket, &passkey).await;
    let grant = service.grant(&service.ask(&first).await["verdict"]);
    let claimed = claim(&grant);
    service.post("/v1/claims", EDGE, claimed.clone()).await;
    let nonce = &claimed["items"][0]["nonce"];
    let item = json!({ "ticket": ticket, "event": "forwarded", "nonce": nonce, "status": 201 });
    service.post("/v1/outcomes", EDGE, json!({ "evidence": [], "items": [item] })).await;

    own(&service).await;
    let lines: Vec<_> = read(&service, &format!("ticket={ticket}")).await.iter().map(line).collect();
    let shown = service.show(&ticket).await;
    let history = shown["history"].as_array().unwrap();
    assert_eq!(lines.len(), history.len());
    for (line, entry) in lines.iter().zip(history) {
        assert_eq!(line["kind"], format!("ticket_{}", entry["event"].as_str().unwrap()));
        assert_eq!((&line["ts"], &line["ticket"]), (&entry["at"], &json!(ticket)));
        assert_eq!((&line["code"], &line["detail"]), (&entry["code"], &entry["detail"]));
        let person = [&line["person"]["issuer"], &line["person"]["subject"]];
        assert_eq!(person, [&entry["issuer"], &entry["subject"]]);
    }
    let kinds: Vec<_> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    let life = ["asked", "refused", "approve", "approved", "claimed", "forwarded"];
    assert_eq!(kinds, life.map(|event| format!("ticket_{event}")));
    let given = &lines[2];
    assert_eq!(given["answer"], json!(grant.answers[0]), "as the grant has it");
    assert_eq!(given["shown"], json!(shown_of(&first["question"])));
    assert_eq!(given["digest"], first["digest"]);
    assert_eq!(given["assertion"], shown["answers"][0]["assertion"]);
    verify(given, &given["assertion"], "approve", HOST);
    // That nothing happens for long is no silence.
    service.sql("UPDATE producers SET seen_at = seen_at - 180001 WHERE gateway = ''").await;
    own(&service).await;
}

#[tokio::test]
async fn an_answer_is_kept_with_its_terms_and_its_reason() {
    let service = Service::start().await;
    let mut glazed = gate("sre", 2);
    glazed["break_glass"] = json!({ "group": { "issuer": "local", "id": "dba" }, "group_name": "dba" });
    let mut asked = with_gates(&[glazed]);
    asked["terms"]["uses"] = json!(5);
    let ticket = service.open(asked).await;
    let (ada, bob, dan) =
        (service.log_in("ada").await, service.log_in("bob").await, service.proven("dan").await);
    let shown = service.show(&ticket).await["shown"].clone();
    for (session, answer) in [
        (&ada, json!({ "kind": "approve", "shown": shown, "uses": 3, "use_within_ms": 60_000 })),
        (&bob, json!({ "kind": "flag", "shown": shown, "reason": "odd\n\"hour\"" })),
        (&dan, json!({ "kind": "break_glass", "shown": shown, "reason": "the site is down" })),
    ] {
        let reply = service.post(&format!("/v1/requests/{ticket}/answers"), session, answer).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
    let lines: Vec<_> = own(&service).await.iter().map(line).collect();
    let of = |kind: &str| lines.iter().find(|line| line["kind"] == kind).unwrap();
    let (yes, flag, glass) = (of("ticket_approve"), of("ticket_flag"), of("ticket_broke_glass"));
    assert_eq!((&yes["uses"], &yes["use_within_ms"], &yes["shown"]), (&json!(3), &json!(60_000), &shown));
    assert_eq!((&flag["detail"], flag["answer"]["amr"].clone()), (&json!("odd\n\"hour\""), json!(["pwd"])));
    assert_eq!(glass["answer"]["break_glass"], "the site is down");
    assert_eq!(glass["answer"]["groups"][0]["group"]["id"], "dba");
    assert!([yes, flag, glass].iter().all(|line| line["answer"]["id"].is_string()));
}

#[tokio::test]
async fn no_gateway_speaks_for_the_service() {
    let service = Service::start().await;
    let first = ask(question());
    let ticket = service.ask(&first).await["ticket"].as_str().unwrap().to_owned();
    service.answer(&service.log_in("ada").await, &ticket, "approve").await;
    let grant = service.grant(&service.ask(&first).await["verdict"]);
    let before = own(&service).await;
    let last = before.last().unwrap();
    let (producer, end) = (last.envelope.producer, (last.envelope.seq + 1, last.hash));
    let said = |producer: Token, lane: &str, place, kind: &str| {
        record(producer, lane, place, kind, json!({ "ticket": ticket, "held_records": 99 }))
    };
    // What a gateway is told who names the producer of another one.
    let others = token();
    service.post("/v1/evidence", EDGE_2, json!(said(others, "held", (0, Hash::ZERO), "claim"))).await;
    let (own_kind, foreign) = ((422, "malformed_evidence"), (403, "foreign_producer"));
    for (lane, place, kind, (status, code)) in [
        ("held", end, "ticket_approve", own_kind),
        ("held", (0, Hash::ZERO), "ticket_asked", own_kind),
        ("held", end, "claim", foreign),
        ("plain", (0, Hash::ZERO), "stop", foreign),
    ] {
        for gateway in [EDGE, OTHER] {
            let (mine, theirs) = (said(producer, lane, place, kind), said(others, lane, place, kind));
            for (path, evidence) in [
                ("/v1/evidence", json!(mine)),
                ("/v1/requests", json!({ "evidence": [mine], "items": [ask(question())] })),
                ("/v1/claims", json!({ "evidence": [mine], "items": claim(&grant)["items"] })),
                ("/v1/outcomes", json!({ "evidence": [mine], "items": [] })),
            ] {
                let reply = service.post(path, gateway, evidence).await;
                assert_eq!((reply.status.as_u16(), &reply.body["code"]), (status, &json!(code)));
                let other = service.post("/v1/evidence", gateway, json!(theirs)).await.body.to_string();
                assert_eq!(reply.body.to_string(), other.replace(&others.to_string(), &producer.to_string()));
            }
        }
    }
    // A claim that is shown to be kept by the service's own record is not.
    let mut borrowed = claim(&grant);
    (borrowed["evidence"], borrowed["items"][0]["record"]) = (json!([]), json!(last.hash));
    let reply = service.post("/v1/claims", EDGE, borrowed).await.body;
    assert_eq!(reply["items"][0]["result"], "lost", "{reply}");
    let after = own(&service).await;
    let (old, new) = after.split_at(before.len());
    let kinds: Vec<_> = new.iter().map(|record| record.envelope.kind.as_str()).collect();
    assert_eq!((old, &kinds[..]), (&before[..], &["ticket_claim_refused"][..]), "that it tried is kept");
    // No gateway has a producer of its own that speaks so, either.
    let forged = said(token(), "held", (0, Hash::ZERO), "ticket_approve");
    assert_eq!(service.post("/v1/evidence", EDGE, json!(forged)).await.status, 422);
    let aside = "SELECT (SELECT count(*) FROM evidence_conflicts) + (SELECT count(*) FROM lanes)
                 + (SELECT count(*) FROM producers WHERE stopped_at IS NOT NULL)";
    assert_eq!(service.count(aside).await, 2, "a lane of each producer");
}

#[tokio::test]
async fn what_is_undone_leaves_no_hole() {
    let service = Service::start().await;
    let first = ask(question());
    service.ask(&first).await;
    let before = own(&service).await;
    let again =
        json!({ "nonce": token(), "waiter": token(), "digest": first["digest"], "question": question() });
    let batch = json!({ "evidence": [], "items": [again, ask(question())] });
    // The first of them joins, the second cannot be kept.
    service.sql("ALTER TABLE ticket_readers RENAME TO gone").await;
    assert_eq!(service.post("/v1/requests", EDGE, batch.clone()).await.status, 500);
    service.sql("ALTER TABLE gone RENAME TO ticket_readers").await;
    assert_eq!(own(&service).await, before);
    assert_eq!(service.post("/v1/requests", EDGE, batch).await.status, 200);
    let kinds: Vec<_> = own(&service).await.into_iter().map(|record| record.envelope.kind).collect();
    assert_eq!(kinds, ["ticket_asked", "ticket_joined", "ticket_asked"]);
    let service = service.restart().await;
    service.open(question()).await;
    assert_eq!(own(&service).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_services_on_one_database_make_one_chain() {
    let service = Service::start().await;
    let twin = service.twin().await;
    let asked = |at: usize| {
        let router = if at.is_multiple_of(2) { service.router.clone() } else { twin.router() };
        let batch = json!({ "evidence": [], "items": [ask(question()), ask(question())] });
        tokio::spawn(async move { send(router, "POST", "/v1/requests", EDGE, Some(batch)).await.status })
    };
    let asked: Vec<_> = (0..30).map(asked).collect();
    for status in asked {
        assert_eq!(status.await.unwrap(), 200);
    }
    assert_eq!(own(&service).await.len(), 60);
    assert_eq!(service.count("SELECT count(*) FROM producers").await, 1);
}
