//! How much is asked of people at most.

use std::time::Duration;

use countersign_approvals::Limits;
use serde_json::{Value, json};

use crate::harness::{OTHER, Service, ask, gate, question, token, with_gates};

const MANY: Limits = Limits {
    open: 100,
    open_per_audience: 100,
    open_per_principal: 100,
    open_per_gate: 100,
    asked_per_minute: 100,
    longest_poll: Duration::from_secs(25),
    rejection_holds: Duration::from_secs(60),
};

fn of(principal: &str, group: &str) -> Value {
    let mut question = with_gates(&[gate(group, 1)]);
    question["cedar"]["principal"] = json!(principal);
    question
}

/// What becomes of asking each of these, in order.
async fn codes(service: &Service, questions: &[Value]) -> Vec<Value> {
    let mut codes = Vec::new();
    for question in questions {
        codes.push(service.ask(&ask(question.clone())).await["code"].clone());
    }
    codes
}

#[tokio::test]
async fn only_so_many_are_open_at_a_time() {
    let questions =
        [of("A::\"a\"", "sre"), of("A::\"a\"", "dba"), of("A::\"b\"", "dba"), of("A::\"c\"", "sre")];
    let (open, full) = (Value::Null, json!("too_many_open"));
    for (limits, expected) in [
        (Limits { open: 2, ..MANY }, [&open, &open, &full, &full]),
        (Limits { open_per_audience: 2, ..MANY }, [&open, &open, &full, &full]),
        (Limits { open_per_principal: 1, ..MANY }, [&open, &full, &open, &open]),
        (Limits { open_per_gate: 1, ..MANY }, [&open, &open, &full, &full]),
    ] {
        let service = Service::limited(limits).await;
        assert_eq!(codes(&service, &questions).await.iter().collect::<Vec<_>>(), expected, "{limits:?}");
    }
}

#[tokio::test]
async fn one_audience_leaves_room_for_another() {
    let service = Service::limited(Limits { open_per_audience: 1, ..MANY }).await;
    assert_eq!(codes(&service, &[question(), question()]).await, [Value::Null, json!("too_many_open")]);
    assert_eq!(service.ask_as(OTHER, &ask(question())).await["result"], "open");
}

#[tokio::test]
async fn what_is_answered_makes_room_and_what_joins_needs_none() {
    let service = Service::limited(Limits { open: 1, ..MANY }).await;
    let first = ask(question());
    let ticket = service.ask(&first).await["ticket"].as_str().unwrap().to_owned();
    assert_eq!(codes(&service, &[question()]).await, [json!("too_many_open")]);
    let again =
        json!({ "nonce": token(), "waiter": token(), "digest": first["digest"], "question": question() });
    assert_eq!(service.ask(&again).await["ticket"], ticket.as_str());
    service.answer(&service.log_in("ada").await, &ticket, "reject").await;
    assert_eq!(codes(&service, &[question()]).await, [Value::Null]);
}

#[tokio::test]
async fn what_is_open_is_counted_whatever_became_of_the_rest() {
    let service = Service::limited(MANY).await;
    let (ada, root) = (service.log_in("ada").await, service.log_in("root").await);
    let mut tickets = Vec::new();
    for _ in 0..6 {
        tickets.push(service.open(question()).await);
    }
    for (ticket, kinds) in
        [(0, &["reject"][..]), (1, &["approve"]), (2, &["approve", "revoke"]), (3, &["flag"])]
    {
        for kind in kinds {
            let reply = if *kind == "revoke" {
                let body = json!({ "reason": "no" });
                service.post(&format!("/v1/requests/{}/revoke", tickets[ticket]), &root, body).await
            } else {
                service.answer(&ada, &tickets[ticket], kind).await
            };
            assert_eq!(reply.status, 200, "{:?}", reply.body);
        }
    }
    service.sql("UPDATE tickets SET answer_by = 1 WHERE state = 'pending'").await;
    // Whoever writes next writes down what has lapsed.
    service.open(question()).await;
    let open = "SELECT count(*) FROM tickets WHERE state IN ('pending', 'approved')";
    assert_eq!(service.count(open).await, 2);
    assert_eq!(service.count("SELECT count FROM open_count").await, 2);
    assert_eq!(service.count("SELECT count(*) FROM open_gates").await, 2);
}

#[tokio::test]
async fn a_principal_asks_only_so_often() {
    let service = Service::limited(Limits { asked_per_minute: 2, ..MANY }).await;
    let asked = codes(&service, &[question(), question(), question(), of("A::\"b\"", "sre")]).await;
    assert_eq!(asked, [Value::Null, Value::Null, json!("asked_too_often"), Value::Null]);
    service.sql("UPDATE tickets SET asked_at = asked_at - 60000").await;
    assert_eq!(codes(&service, &[question()]).await, [Value::Null]);
}

#[tokio::test]
async fn a_rejection_is_remembered_for_a_while() {
    let service = Service::limited(MANY).await;
    let first = ask(question());
    let ticket = service.ask(&first).await["ticket"].as_str().unwrap().to_owned();
    service.answer(&service.log_in("ada").await, &ticket, "reject").await;
    let again =
        || json!({ "nonce": token(), "waiter": token(), "digest": first["digest"], "question": question() });
    let remembered = service.ask(&again()).await;
    assert_eq!(remembered["ticket"], ticket.as_str(), "{remembered}");
    assert_eq!(
        (&remembered["verdict"]["state"], &remembered["verdict"]["reason"]),
        (&json!("rejected"), &json!("because"))
    );
    service.sql("UPDATE tickets SET settled_at = settled_at - 60000").await;
    assert_ne!(service.ask(&again()).await["ticket"], ticket.as_str());
}

#[tokio::test]
async fn who_may_not_know_of_a_request_is_told_nothing_and_leaves_a_trace() {
    let service = Service::start().await;
    let ticket = service.open(question()).await;
    let body = json!({ "kind": "approve", "shown": "00".repeat(32) });
    for who in ["eve", "dan"] {
        let session = service.log_in(who).await;
        let there = service.post(&format!("/v1/requests/{ticket}/answers"), &session, body.clone()).await;
        let nowhere =
            service.post(&format!("/v1/requests/{}/answers", token()), &session, body.clone()).await;
        assert_eq!((there.status.as_u16(), &there.body), (404, &nowhere.body));
    }
    let shown = service.show(&ticket).await;
    let refused = shown["history"].as_array().unwrap().iter().filter(|entry| entry["event"] == "refused");
    let who: Vec<_> = refused.map(|entry| (&entry["subject"], &entry["code"])).collect();
    assert_eq!(who, [(&json!("eve"), &json!("not_in_group")), (&json!("dan"), &json!("not_in_group"))]);
}
