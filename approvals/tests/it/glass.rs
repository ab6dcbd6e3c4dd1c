//! Gates that one person opens alone, and a yes to less than was asked for.

use countersign_protocol::approval::State;
use serde_json::{Value, json};

use crate::harness::{Reply, Service, ask, claim, gate, with_gates};
use crate::inbox::browse;

/// Two of sre, or one of dba alone.
fn glazed() -> Value {
    let mut gate = gate("sre", 2);
    gate["break_glass"] = json!({ "group": { "issuer": "local", "id": "dba" }, "group_name": "dba" });
    with_gates(&[gate])
}

async fn answer(service: &Service, session: &str, ticket: &str, more: Value) -> Reply {
    let path = format!("/v1/requests/{ticket}");
    let shown = service.get(&path, session).await.body["shown"].clone();
    let mut body = json!({ "kind": "approve", "shown": shown });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    service.post(&format!("{path}/answers"), session, body).await
}

async fn review(service: &Service, session: &str, ticket: &str) -> Reply {
    service
        .post(&format!("/v1/requests/{ticket}/review"), session, json!({ "note": "It was an outage" }))
        .await
}

async fn on_the_list(service: &Service, session: &str) -> usize {
    service.get("/v1/reviews", session).await.body["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn one_opens_it_alone_and_another_looks_at_it() {
    let service = Service::start().await;
    let first = ask(glazed());
    let ticket = service.ask(&first).await["ticket"].as_str().unwrap().to_owned();
    let dan = service.proven("dan").await;
    let broken =
        answer(&service, &dan, &ticket, json!({ "kind": "break_glass", "reason": "The site is down" })).await;
    assert_eq!(broken.status, 200, "{}", broken.body);
    assert_eq!((&broken.body["state"], &broken.body["missing"]), (&json!("approved"), &json!(0)));
    let said = &broken.body["answers"][0];
    assert_eq!((&said["kind"], &said["break_glass"]), (&json!("approve"), &json!(true)));
    let grant = service.grant(&service.ask(&first).await["verdict"]);
    assert_eq!(grant.answers[0].break_glass.as_deref(), Some("The site is down"));
    assert_eq!(
        (on_the_list(&service, &dan).await, review(&service, &dan, &ticket).await.status.as_u16()),
        (1, 403)
    );
    let oda = service.log_in("oda").await;
    assert_eq!(review(&service, &oda, &ticket).await.body["code"], "not_reviewer", "she owns the agent");
    let eve = service.log_in("eve").await;
    assert_eq!(
        (on_the_list(&service, &eve).await, review(&service, &eve, &ticket).await.status.as_u16()),
        (0, 404)
    );
    let ada = service.log_in("ada").await;
    assert_eq!(review(&service, &ada, &ticket).await.status, 204);
    assert_eq!(on_the_list(&service, &dan).await, 0);
    assert_eq!(review(&service, &ada, &ticket).await.body["code"], "nothing_to_review");
    let shown = service.show(&ticket).await;
    assert_eq!(shown["review"]["closed_by"]["subject"], "ada");
    let events: Vec<_> = shown["history"].as_array().unwrap().iter().map(|entry| &entry["event"]).collect();
    assert!(
        ["broke_glass", "approved", "reviewed"].iter().all(|event| events.contains(&&json!(event))),
        "{events:?}"
    );
}

#[tokio::test]
async fn glass_is_not_broken_lightly() {
    let service = Service::start().await;
    let ticket = service.open(glazed()).await;
    let because = json!({ "kind": "break_glass", "reason": "The site is down" });
    let refused = async |session: &str, more: &Value| {
        answer(&service, session, &ticket, more.clone()).await.body["code"].clone()
    };
    let dan = service.log_in("dan").await;
    assert_eq!(refused(&dan, &because).await, "second_factor_missing");
    let dan = service.proven("dan").await;
    assert_eq!(refused(&dan, &json!({ "kind": "break_glass" })).await, "malformed_body");
    assert_eq!(refused(&dan, &json!({ "kind": "flag", "uses": 1, "reason": "no" })).await, "malformed_body");
    assert_eq!(
        refused(&dan, &json!({})).await,
        "not_in_group",
        "he is in no group that approves with others"
    );
    let ada = service.proven("ada").await;
    assert_eq!(refused(&ada, &because).await, "not_in_group", "she may not open it alone");
    assert_eq!(service.show(&ticket).await["state"], "pending");
}

#[tokio::test]
async fn a_page_breaks_it_with_a_kind_of_its_own() {
    let service = Service::start().await;
    let ticket = service.open(glazed()).await;
    let (dan, path) = (service.proven("dan").await, format!("/inbox/{ticket}"));
    let page = browse(&service, &dan, &path, None).await;
    let (csrf, shown) = (page.field("csrf"), page.field("shown"));
    let form = |words: &str| format!("csrf={csrf}&shown={shown}&reason=An+outage&{words}");
    let send =
        async |words: &str| browse(&service, &dan, &format!("{path}/answer"), Some(&form(words))).await;
    // A page of an earlier version must not be taken for one that approves with others.
    assert_eq!(send("kind=approve&break_glass=yes").await.status, 422);
    assert_eq!(send("kind=break_glass").await.status, 303);
    assert_eq!(service.show(&ticket).await["state"], "approved");
    let page = browse(&service, &dan, &path, None).await;
    assert!(page.text.contains("broke the glass") && page.text.contains("You have answered: approve."));
}

#[tokio::test]
async fn who_approved_with_others_may_still_open_it_alone() {
    let service = Service::start().await;
    let ticket = service.open(glazed()).await;
    let cid = service.proven("cid").await;
    assert_eq!(answer(&service, &cid, &ticket, json!({})).await.body["missing"], 1);
    let alone =
        answer(&service, &cid, &ticket, json!({ "kind": "break_glass", "reason": "Nobody answers" })).await;
    assert_eq!(alone.body["state"], "approved", "{}", alone.body);
    assert_eq!(alone.body["answers"][0]["dropped"], "replaced");
}

#[tokio::test]
async fn a_gate_that_only_glass_can_open_is_asked_all_the_same() {
    let service = Service::start().await;
    let mut gate = glazed()["gates"][0].clone();
    gate["quorum"] = json!(9);
    assert_eq!(service.ask(&ask(with_gates(&[gate.clone()]))).await["result"], "open");
    gate["break_glass"]["group"]["id"] = json!("nobody");
    assert_eq!(service.ask(&ask(with_gates(&[gate]))).await["code"], "nobody_can_approve");
}

#[tokio::test]
async fn a_yes_may_be_to_fewer_uses_and_for_less_time() {
    let service = Service::start().await;
    let mut question = with_gates(&[gate("sre", 2)]);
    question["terms"]["uses"] = json!(5);
    let first = ask(question);
    let ticket = service.ask(&first).await["ticket"].as_str().unwrap().to_owned();
    let (ada, bob) = (service.log_in("ada").await, service.log_in("bob").await);
    for more in [
        json!({ "uses": 6 }),
        json!({ "uses": 0 }),
        json!({ "use_within_ms": 600_001 }),
        json!({ "use_within_ms": 0 }),
    ] {
        assert_eq!(answer(&service, &ada, &ticket, more.clone()).await.body["code"], "bad_terms", "{more}");
    }
    assert_eq!(
        answer(&service, &ada, &ticket, json!({ "uses": 3, "use_within_ms": 60_000 })).await.status,
        200
    );
    assert_eq!(answer(&service, &bob, &ticket, json!({ "uses": 2 })).await.body["state"], "approved");
    let grant = service.grant(&service.ask(&first).await["verdict"]);
    assert_eq!((grant.uses, grant.exp - grant.iat), (2, 60));
    let mut won = Vec::new();
    for _ in 0..3 {
        let reply = service.post("/v1/claims", crate::harness::EDGE, claim(&grant)).await.body;
        won.push(reply["items"][0]["result"] == "won");
    }
    assert_eq!(won, [true, true, false]);
    let state: State = serde_json::from_value(service.show(&ticket).await["state"].clone()).unwrap();
    assert_eq!(state, State::Consumed);
}
