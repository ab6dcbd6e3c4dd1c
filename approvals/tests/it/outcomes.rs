//! Outcomes: forwarded, grants that the gateway does not believe, clients that left.

use countersign_protocol::Token;
use countersign_protocol::grant::Grant;
use serde_json::{Value, json};

use crate::harness::{EDGE, OTHER, Service, ask, claim, gate, question, token, with_gates};

async fn report(service: &Service, gateway: &str, item: Value) {
    let reply = service.post("/v1/outcomes", gateway, json!({ "evidence": [], "items": [item] })).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
}

/// Asks, lets `people` approve, and returns the question and the grant.
async fn approved(service: &Service, question: Value, people: &[&str]) -> (Value, Grant) {
    let first = ask(question);
    let ticket = service.ask(&first).await["ticket"].as_str().unwrap().to_owned();
    for person in people {
        assert_eq!(service.answer(&service.log_in(person).await, &ticket, "approve").await.status, 200);
    }
    let grant = service.grant(&service.ask(&first).await["verdict"]);
    (first, grant)
}

#[tokio::test]
async fn what_the_upstream_said_is_kept_once() {
    let service = Service::start().await;
    let (_, grant) = approved(&service, question(), &["ada"]).await;
    let body = claim(&grant);
    service.post("/v1/claims", EDGE, body.clone()).await;
    for status in [201, 500] {
        let nonce = &body["items"][0]["nonce"];
        let item = json!({ "ticket": grant.ticket, "event": "forwarded", "nonce": nonce, "status": status });
        report(&service, EDGE, item).await;
    }
    let history = service.show(&grant.ticket.to_string()).await["history"].clone();
    let forwarded: Vec<_> =
        history.as_array().unwrap().iter().filter(|e| e["event"] == "forwarded").collect();
    assert_eq!((forwarded.len(), &forwarded[0]["code"]), (1, &json!("201")));
}

#[tokio::test]
async fn a_refused_grant_reopens_without_the_answers_that_do_not_count() {
    let service = Service::start().await;
    let (first, grant) = approved(&service, with_gates(&[gate("sre", 2)]), &["ada", "bob"]).await;
    let answers: Vec<Token> = grant
        .answers
        .iter()
        .filter(|answer| answer.person.subject == "ada")
        .map(|answer| answer.id)
        .collect();
    let refused = json!({
        "ticket": grant.ticket, "event": "grant_refused", "jti": grant.jti, "code": "not_in_group",
        "answers": answers, "remedy": "reopen",
    });
    report(&service, OTHER, refused.clone()).await;
    assert_eq!(service.show(&grant.ticket.to_string()).await["state"], "approved");
    report(&service, EDGE, refused.clone()).await;
    let shown = service.show(&grant.ticket.to_string()).await;
    assert_eq!((&shown["state"], &shown["missing"]), (&json!("pending"), &json!(1)));
    assert_eq!(service.post("/v1/claims", EDGE, claim(&grant)).await.body["items"][0]["result"], "lost");
    let cid = service.answer(&service.log_in("cid").await, &grant.ticket.to_string(), "approve").await;
    assert_eq!(cid.body["state"], "approved");
    // What was said about the first grant does not concern the second.
    report(&service, EDGE, refused).await;
    let second = service.grant(&service.ask(&first).await["verdict"]);
    assert_ne!(second.jti, grant.jti);
    assert_eq!(service.post("/v1/claims", EDGE, claim(&second)).await.body["items"][0]["result"], "won");
}

#[tokio::test]
async fn a_refusal_that_names_no_answer_drops_them_all_or_revokes() {
    let service = Service::start().await;
    for (remedy, state, missing) in [("reopen", "pending", 2), ("revoke", "revoked", 0)] {
        let (_, grant) = approved(&service, with_gates(&[gate("sre", 2)]), &["ada", "bob"]).await;
        let refused = json!({
            "ticket": grant.ticket, "event": "grant_refused", "jti": grant.jti, "code": "gates_changed",
            "answers": [], "remedy": remedy,
        });
        report(&service, EDGE, refused).await;
        let shown = service.show(&grant.ticket.to_string()).await;
        assert_eq!((&shown["state"], &shown["missing"]), (&json!(state), &json!(missing)));
    }
}

#[tokio::test]
async fn a_ticket_is_cancelled_after_the_last_client_left_unless_it_comes_again() {
    let service = Service::start().await;
    let (first, mut second) = (ask(question()), ask(question()));
    second["digest"] = first["digest"].clone();
    // At one worker, where both are told through one poll.
    second["waiter"] = first["waiter"].clone();
    let ticket = service.ask(&first).await["ticket"].as_str().unwrap().to_owned();
    service.ask(&second).await;
    let left = |nonce: &Value| json!({ "ticket": ticket, "event": "client_left", "nonce": nonce });
    let pass_two_minutes = "UPDATE tickets SET cancel_at = cancel_at - 120001";
    report(&service, EDGE, left(&first["nonce"])).await;
    report(&service, OTHER, left(&second["nonce"])).await;
    service.sql(pass_two_minutes).await;
    assert_eq!(service.show(&ticket).await["state"], "pending");
    report(&service, EDGE, left(&second["nonce"])).await;
    assert_eq!(service.show(&ticket).await["state"], "pending");
    // It comes again, so leaving has to begin anew.
    let mut again = ask(question());
    again["digest"] = first["digest"].clone();
    assert_eq!(service.ask(&again).await["ticket"], ticket.as_str());
    service.sql(pass_two_minutes).await;
    assert_eq!(service.show(&ticket).await["state"], "pending");
    report(&service, EDGE, left(&again["nonce"])).await;
    service.sql(pass_two_minutes).await;
    assert_eq!(service.show(&ticket).await["state"], "cancelled");
    again["nonce"] = json!(token());
    assert_ne!(service.ask(&again).await["ticket"], ticket.as_str());
}
