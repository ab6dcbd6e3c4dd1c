//! Claims: as many as were approved, never one more.

use countersign_protocol::Hash;
use countersign_protocol::grant::Grant;
use serde_json::{Value, json};

use crate::harness::{EDGE, EDGE_2, OTHER, Service, ask, claim, question, send, token};

/// Asks, approves, and returns the grant.
async fn approved(service: &Service, question: Value) -> Grant {
    let first = ask(question);
    let ticket = service.ask(&first).await["ticket"].as_str().unwrap().to_owned();
    assert_eq!(service.answer(&service.log_in("ada").await, &ticket, "approve").await.status, 200);
    service.grant(&service.ask(&first).await["verdict"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_claims_at_once_each_use_is_won_once() {
    let service = Service::start().await;
    // Two processes on one database: what one of them knows must not be what decides.
    let twin = service.twin().await.router();
    for uses in [1_usize, 3] {
        let mut asked = question();
        asked["terms"]["uses"] = json!(uses);
        let grant = approved(&service, asked).await;
        let claims: Vec<_> = (0..50)
            .map(|i| {
                let body = claim(&grant);
                let gateway = if i % 2 == 0 { EDGE } else { EDGE_2 };
                let router = if i % 4 < 2 { service.router.clone() } else { twin.clone() };
                tokio::spawn(async move { send(router, "POST", "/v1/claims", gateway, Some(body)).await })
            })
            .collect();
        let mut results = Vec::new();
        for claim in claims {
            results.push(claim.await.unwrap().body["items"][0].clone());
        }
        let won: Vec<_> = results.iter().filter(|item| item["result"] == "won").collect();
        assert_eq!(won.len(), uses);
        assert!(results.iter().all(|item| item["result"] == "won" || item["state"] == "consumed"));
        assert_eq!(service.show(&grant.ticket.to_string()).await["state"], "consumed");
    }
}

#[tokio::test]
async fn a_receipt_names_the_use_and_the_same_nonce_gets_the_same_bytes() {
    let service = Service::start().await;
    let grant = approved(&service, question()).await;
    let body = claim(&grant);
    let first = service.post("/v1/claims", EDGE, body.clone()).await.body;
    let receipt = service.receipt(&first["items"][0]);
    assert_eq!((receipt.jti, receipt.ticket, receipt.digest), (grant.jti, grant.ticket, grant.digest));
    assert_eq!(json!(receipt.nonce), body["items"][0]["nonce"]);
    assert_eq!(json!(receipt.record), body["items"][0]["record"]);
    assert_eq!((receipt.aud.as_str(), receipt.exp - receipt.iat), ("prod", 60));
    assert_eq!(service.post("/v1/claims", EDGE, body.clone()).await.body, first);
    let mut changed = body;
    changed["items"][0]["digest"] = json!(Hash::of(b"another"));
    assert_eq!(service.post("/v1/claims", EDGE, changed).await.body["items"][0]["result"], "lost");
}

#[tokio::test]
async fn a_claim_that_does_not_fit_wins_nothing_and_uses_nothing() {
    let service = Service::start().await;
    let grant = approved(&service, question()).await;
    let changes: [(&str, Value); 4] = [
        ("digest", json!(Hash::of(b"another"))),
        ("jti", json!(token())),
        ("ticket", json!(token())),
        ("record", json!(Hash::of(b"a record that nobody sent"))),
    ];
    for (member, value) in changes {
        let mut body = claim(&grant);
        body["items"][0][member] = value;
        let reply = service.post("/v1/claims", EDGE, body).await.body;
        assert_eq!(reply["items"][0]["result"], "lost", "{member}");
    }
    let foreign = service.post("/v1/claims", OTHER, claim(&grant)).await.body;
    assert_eq!(
        (&foreign["items"][0]["result"], &foreign["items"][0]["state"]),
        (&json!("lost"), &json!("unknown"))
    );
    let good = service.post("/v1/claims", EDGE, claim(&grant)).await.body;
    assert_eq!(good["items"][0]["result"], "won");
}

#[tokio::test]
async fn a_record_stands_for_one_use() {
    let service = Service::start().await;
    let mut asked = question();
    asked["terms"]["uses"] = json!(2);
    let grant = approved(&service, asked).await;
    let mut body = claim(&grant);
    assert_eq!(service.post("/v1/claims", EDGE, body.clone()).await.body["items"][0]["result"], "won");
    body["items"][0]["nonce"] = json!(token());
    assert_eq!(service.post("/v1/claims", EDGE, body).await.body["items"][0]["result"], "lost");
    assert_eq!(service.post("/v1/claims", EDGE, claim(&grant)).await.body["items"][0]["result"], "won");
}

#[tokio::test]
async fn a_yes_that_was_not_used_in_time_is_worth_nothing() {
    let service = Service::start().await;
    let grant = approved(&service, question()).await;
    service.sql("UPDATE tickets SET use_by = 1").await;
    let late = service.post("/v1/claims", EDGE, claim(&grant)).await.body;
    assert_eq!(
        (&late["items"][0]["result"], &late["items"][0]["state"]),
        (&json!("lost"), &json!("expired"))
    );
}

#[tokio::test]
async fn everything_survives_a_restart() {
    let service = Service::start().await;
    let grant = approved(&service, question()).await;
    let waiting = service.open(question()).await;
    let body = claim(&grant);
    let first = service.post("/v1/claims", EDGE, body.clone()).await.body;
    let ada = service.log_in("ada").await;
    let service = service.restart().await;
    assert_eq!(service.post("/v1/claims", EDGE, body).await.body, first);
    service.receipt(&first["items"][0]);
    assert_eq!(service.answer(&ada, &waiting, "approve").await.body["state"], "approved");
}
