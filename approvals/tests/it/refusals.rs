//! Every attempt at an answer that is refused is kept, in the history and in the evidence, and told as before.

use serde_json::{Value, json};

use crate::authenticator::form;
use crate::harness::{Reply, Service, code, gate, question, token, with_gates};
use crate::inbox::browse;
use crate::own_evidence::read;

/// What the history says of refused attempts: who, why, and at what.
async fn kept(service: &Service, ticket: &str) -> Vec<[String; 3]> {
    let shown = service.show(ticket).await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let refused = shown["history"].as_array().unwrap().iter().filter(|entry| entry["event"] == "refused");
    let entries: Vec<_> =
        refused.map(|entry| ["subject", "code", "detail"].map(|member| text(&entry[member]))).collect();
    let records = read(service, &format!("kind=ticket_refused&ticket={ticket}")).await;
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        [&line["person"]["subject"], &line["code"], &line["detail"]].map(text)
    };
    assert_eq!(records.iter().map(|record| line(&record.line)).collect::<Vec<_>>(), entries);
    entries
}

/// Sends the form of a request's page, with these fields beside those that it always has.
async fn send(service: &Service, session: &str, ticket: &str, fields: &[(&str, &str)]) -> u16 {
    let page = browse(service, session, &format!("/inbox/{ticket}"), None).await;
    let (csrf, shown) =
        (page.field("csrf"), service.show(ticket).await["shown"].as_str().unwrap().to_owned());
    let fields = [&[("csrf", &*csrf), ("shown", &shown)], fields].concat();
    browse(service, session, &format!("/inbox/{ticket}/answer"), Some(&form(&fields))).await.status.as_u16()
}

#[tokio::test]
async fn what_a_form_brings_that_proves_nothing_is_kept() {
    let service = Service::start().await;
    let mut high = question();
    high["terms"]["severity"] = json!("high");
    let ticket = service.open(high).await;
    let ada = service.log_in("ada").await;
    let assertion = json!({ "id": "", "client_data_json": "", "authenticator_data": "", "signature": "" });
    let nowhere = json!({ "ceremony": "none", "credential": assertion }).to_string();
    let mut expected = Vec::new();
    for (kind, field, status, code) in [
        ("approve", ("totp", "000000"), 401, "wrong_credentials"),
        ("approve", ("totp", ""), 403, "second_factor_missing"),
        ("reject", ("totp", "000000"), 401, "wrong_credentials"),
        ("approve", ("proof", "{}"), 403, "passkey_invalid"),
        ("approve", ("proof", &*nowhere), 409, "ceremony_over"),
        ("reject", ("reason", " "), 422, "bad_reason"),
        ("flag", ("reason", "\0"), 422, "bad_reason"),
        ("approve", ("uses", "7"), 409, "bad_terms"),
    ] {
        assert_eq!(send(&service, &ada, &ticket, &[("kind", kind), field]).await, status, "{code}");
        expected.push(["ada".to_owned(), code.into(), kind.into()]);
        // The same again within a minute is no second entry.
        send(&service, &ada, &ticket, &[("kind", kind), field]).await;
    }
    assert_eq!(kept(&service, &ticket).await, expected);
    let mut long = question();
    long["request"]["body"] = json!({ "text": "x".repeat(70_000) });
    let ticket = service.open(long).await;
    assert_eq!(send(&service, &ada, &ticket, &[("kind", "approve")]).await, 409);
    assert_eq!(kept(&service, &ticket).await, [["ada", "not_shown_in_full", "approve"]]);
    assert_eq!(send(&service, &ada, &ticket, &[("kind", "reject"), ("reason", "no")]).await, 303);
}

#[tokio::test]
async fn what_the_interface_refuses_is_kept() {
    let service = Service::start().await;
    let ticket = service.open(with_gates(&[gate("sre", 2)])).await;
    let (ada, eve) = (service.log_in("ada").await, service.log_in("eve").await);
    let shown = service.show(&ticket).await["shown"].clone();
    let because = json!({ "reason": "because" });
    let mut expected = Vec::new();
    for (session, path, body, status, code, what) in [
        (
            &ada,
            "answers",
            json!({ "kind": "approve", "shown": shown, "uses": 2 }),
            409,
            "bad_terms",
            "approve",
        ),
        (
            &ada,
            "answers",
            json!({ "kind": "approve", "shown": "00".repeat(32) }),
            409,
            "other_shown",
            "approve",
        ),
        (&ada, "revoke", because.clone(), 409, "already_pending", "revoke"),
        (&eve, "answers", json!({ "kind": "approve", "shown": shown }), 404, "not_in_group", "approve"),
        (&eve, "revoke", because, 404, "not_in_group", "revoke"),
        (&eve, "review", json!({ "note": "fine" }), 404, "not_in_group", "review"),
    ] {
        let reply = service.post(&format!("/v1/requests/{ticket}/{path}"), session, body).await;
        assert_eq!(reply.status.as_u16(), status, "{}", reply.body);
        expected.push([if *session == ada { "ada" } else { "eve" }.to_owned(), code.into(), what.into()]);
    }
    assert_eq!(kept(&service, &ticket).await, expected);
}

async fn scoped(service: &Service, user: &str) -> String {
    let session = service.log_in(user).await;
    service.post("/v1/sessions/totp", &session, json!({ "totp": code(0) })).await;
    let new = json!({ "name": "a dashboard", "scopes": ["read"], "days": 30 });
    service.post("/v1/tokens", &session, new).await.body["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_a_token_tries_that_is_not_for_it_is_kept_and_tells_nothing() {
    let service = Service::start().await;
    let ticket = service.open(question()).await;
    let (ada, eve) = (scoped(&service, "ada").await, scoped(&service, "eve").await);
    let told =
        |reply: Reply| (reply.status.as_u16(), reply.body["code"].clone(), reply.body["detail"].clone());
    let strange = token().to_string();
    for path in ["answers", "revoke", "review"] {
        let mut replies = Vec::new();
        for (token, ticket) in [(&ada, &*ticket), (&eve, &*ticket), (&ada, &*strange), (&ada, "no-ticket")] {
            let path = format!("/v1/requests/{ticket}/{path}");
            replies.push(told(service.post(&path, token, json!({ "kind": "approve" })).await));
        }
        assert_eq!((replies[0].0, replies[0].1.as_str()), (403, Some("scope_missing")));
        assert!(replies.windows(2).all(|pair| pair[0] == pair[1]), "{replies:?}");
    }
    let expected = ["answer", "revoke", "review"]
        .map(|what| ["ada", "eve"].map(|who| [who, "scope_missing", what].map(str::to_owned)));
    assert_eq!(kept(&service, &ticket).await, expected.concat());
}
