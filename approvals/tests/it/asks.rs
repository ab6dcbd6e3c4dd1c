//! Asking and joining.

use countersign_protocol::Hash;
use countersign_view::View;
use serde_json::{Value, json};

use crate::harness::{EDGE, EDGE_2, OTHER, Service, ask, claim, gate, question, token, with_gates};

#[tokio::test]
async fn the_same_nonce_is_the_same_question() {
    let service = Service::start().await;
    let first = ask(question());
    let reply = service.ask(&first).await;
    assert_eq!(service.ask(&first).await, reply);
    let mut other = first.clone();
    other["digest"] = json!(Hash::of(b"another request"));
    assert_eq!(service.ask(&other).await["code"], "nonce_reused");
}

#[tokio::test]
async fn the_same_request_joins_the_open_ticket_of_its_audience() {
    let service = Service::start().await;
    let first = ask(question());
    let ticket = service.ask(&first).await["ticket"].clone();
    let again =
        json!({ "nonce": token(), "waiter": token(), "digest": first["digest"], "question": question() });
    assert_eq!(service.ask_as(EDGE_2, &again).await["ticket"], ticket);
    let elsewhere = service.ask_as(OTHER, &again).await;
    assert_eq!(elsewhere["result"], "open", "{elsewhere}");
    assert_ne!(elsewhere["ticket"], ticket);
    let mut somebody = again.clone();
    somebody["nonce"] = json!(token());
    somebody["question"]["cedar"]["principal"] = json!("Agent::\"other\"");
    assert_ne!(service.ask_as(EDGE_2, &somebody).await["ticket"], ticket);
}

#[tokio::test]
async fn an_approved_ticket_is_joined_until_it_is_used_and_asked_anew_after() {
    let service = Service::start().await;
    let first = ask(question());
    let ticket = service.ask(&first).await["ticket"].as_str().unwrap().to_owned();
    assert_eq!(service.answer(&service.log_in("ada").await, &ticket, "approve").await.status, 200);
    let again =
        || json!({ "nonce": token(), "waiter": token(), "digest": first["digest"], "question": question() });
    let joined = service.ask(&again()).await;
    assert_eq!(joined["ticket"], ticket.as_str());
    assert_eq!(joined["verdict"]["state"], "approved");
    let grant = service.grant(&joined["verdict"]);
    let won = service.post("/v1/claims", EDGE, claim(&grant)).await.body;
    assert_eq!(won["items"][0]["result"], "won", "{won}");
    let anew = service.ask(&again()).await;
    assert_ne!(anew["ticket"], ticket.as_str());
    assert_eq!(anew["verdict"], json!(null));
}

#[tokio::test]
async fn what_is_asked_for_another_audience_is_refused() {
    let service = Service::start().await;
    let mut asked = question();
    asked["audience"] = json!("staging");
    let refused = service.ask(&ask(asked.clone())).await;
    assert_eq!((&refused["result"], &refused["code"]), (&json!("refused"), &json!("other_audience")));
    asked["audience"] = json!("prod");
    let ticket = service.open(asked).await;
    let page =
        crate::inbox::browse(&service, &service.log_in("ada").await, &format!("/inbox/{ticket}"), None).await;
    let text = page.text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("<dt> audience </dt><dd> <code>prod</code>"), "{text}");
}

#[tokio::test]
async fn a_lapsed_ticket_is_not_joined() {
    let service = Service::start().await;
    let first = ask(question());
    let ticket = service.ask(&first).await["ticket"].clone();
    service.sql("UPDATE tickets SET answer_by = 1").await;
    let again =
        json!({ "nonce": token(), "waiter": token(), "digest": first["digest"], "question": question() });
    assert_ne!(service.ask(&again).await["ticket"], ticket);
}

#[tokio::test]
async fn a_group_that_means_other_people_now_is_asked_anew() {
    let service = Service::start().await;
    let first = ask(question());
    let ticket = service.ask(&first).await["ticket"].as_str().unwrap().to_owned();
    let mut corrected = question();
    corrected["gates"][0]["group"]["id"] = json!("dba");
    let again =
        json!({ "nonce": token(), "waiter": token(), "digest": first["digest"], "question": corrected });
    let anew = service.ask(&again).await;
    assert_eq!(anew["result"], "open");
    assert_ne!(anew["ticket"], ticket.as_str());
    assert_eq!(service.show(&ticket).await["state"], "cancelled");
}

#[tokio::test]
async fn what_nobody_could_approve_is_not_asked() {
    let service = Service::start().await;
    let code = async |question| service.ask(&ask(question)).await["code"].clone();
    assert_eq!(code(with_gates(&[gate("nobody", 1)])).await, "nobody_can_approve");
    // sre has ada, bob, cid and oda, but oda owns the agent.
    assert_eq!(code(with_gates(&[gate("sre", 3)])).await, json!(null));
    assert_eq!(code(with_gates(&[gate("sre", 4)])).await, "nobody_can_approve");
    // cid cannot stand in for two.
    assert_eq!(code(with_gates(&[gate("sre", 3), gate("dba", 1)])).await, json!(null));
    assert_eq!(code(with_gates(&[gate("sre", 3), gate("dba", 2)])).await, "nobody_can_approve");
    let mut foreign = gate("sre", 1);
    foreign["group"]["issuer"] = json!("https://elsewhere.example");
    assert_eq!(code(with_gates(&[foreign])).await, "nobody_can_approve");
}

#[tokio::test]
async fn a_question_out_of_range_answers_for_itself() {
    let service = Service::start().await;
    let mut endless = question();
    endless["terms"]["expires_ms"] = json!(i64::MAX);
    let items = [ask(endless), ask(with_gates(&[])), ask(json!({})), ask(question())];
    let reply = service.post("/v1/requests", EDGE, json!({ "evidence": [], "items": items })).await;
    let codes: Vec<_> = (0..4).map(|i| reply.body["items"][i]["code"].clone()).collect();
    assert_eq!(
        codes,
        [json!("terms_out_of_range"), json!("terms_out_of_range"), json!("malformed_question"), json!(null)]
    );
}

#[tokio::test]
async fn what_a_policy_may_ask_for_is_asked() {
    const LONGEST: i64 = 366 * 24 * 60 * 60 * 1000;
    let service = Service::start().await;
    for term in ["hold_ms", "expires_ms", "use_within_ms"] {
        let mut long = question();
        long["terms"][term] = json!(LONGEST);
        assert_eq!(service.ask(&ask(long.clone())).await["result"], "open", "{term}");
        long["terms"][term] = json!(LONGEST + 1);
        assert_eq!(service.ask(&ask(long)).await["code"], "terms_out_of_range", "{term}");
    }
}

#[tokio::test]
async fn gates_and_quorums_are_bounded() {
    let service = Service::start().await;
    let code = async |gates: Vec<Value>| service.ask(&ask(with_gates(&gates))).await["code"].clone();
    assert_eq!(code(vec![gate("sre", 16)]).await, "nobody_can_approve");
    assert_eq!(code(vec![gate("sre", 17)]).await, "terms_out_of_range");
    assert_eq!(code(vec![gate("sre", 1); 64]).await, "nobody_can_approve");
    assert_eq!(code(vec![gate("sre", 1); 65]).await, "terms_out_of_range");
}

#[tokio::test]
async fn the_question_is_kept_byte_for_byte() {
    let service = Service::start().await;
    let odd = question().to_string().replacen("{\"cedar\":", "{ \"cedar\" :\t", 1);
    let batch = format!(
        r#"{{"evidence":[],"items":[{{"nonce":"{}","waiter":"{}","digest":"{}","question":{odd}}}]}}"#,
        token(),
        token(),
        Hash::of(b"odd"),
    );
    let request = axum::http::Request::post("/v1/requests")
        .header("authorization", format!("Bearer {EDGE}"))
        .header("content-type", "application/json")
        .body(axum::body::Body::from(batch))
        .unwrap();
    let response = tower::ServiceExt::oneshot(service.router.clone(), request).await.unwrap();
    assert_eq!(response.status(), 200);
    let root = service.log_in("root").await;
    let list = service.get("/v1/requests?state=pending", &root).await.body;
    let ticket = list["items"][0]["ticket"].as_str().unwrap();
    let shown = View::of(&serde_json::from_str(&odd).unwrap(), odd.as_bytes()).hash();
    assert_eq!(service.show(ticket).await["shown"], json!(shown));
}

#[tokio::test]
async fn only_a_gateway_with_a_token_asks() {
    let service = Service::start().await;
    for token in ["", "wrong", &service.log_in("root").await] {
        let reply = service.post("/v1/requests", token, json!({ "evidence": [], "items": [] })).await;
        assert_eq!(reply.status, 401);
        assert_eq!(reply.headers["content-type"], "application/problem+json");
    }
}
