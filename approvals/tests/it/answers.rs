//! Answers: quorum, flags, refusals, races and deadlines.

use countersign_protocol::approval::State;
use serde_json::{Value, json};

use crate::harness::{Service, ask, code, gate, question, send, token, with_gates};

fn state(reply: &Value) -> State {
    serde_json::from_value(reply["state"].clone()).unwrap()
}

#[tokio::test]
async fn one_yes_of_the_right_group_is_a_grant() {
    let service = Service::start().await;
    let first = ask(question());
    let ticket = service.ask(&first).await["ticket"].as_str().unwrap().to_owned();
    let reply = service.answer(&service.log_in("ada").await, &ticket, "approve").await;
    assert_eq!((reply.status.as_u16(), state(&reply.body)), (200, State::Approved), "{}", reply.body);
    let grant = service.grant(&service.ask(&first).await["verdict"]);
    assert_eq!(grant.iss, "local");
    assert_eq!(grant.aud, "prod");
    assert_eq!(json!(grant.digest), first["digest"]);
    assert_eq!(grant.exp - grant.iat, 600);
    assert_eq!(grant.answers.len(), 1);
    assert_eq!(grant.answers[0].person.subject, "ada");
    assert_eq!(grant.answers[0].amr, ["pwd"]);
    assert!(grant.answers[0].account_since <= grant.asked_at);
    assert_eq!(grant.gates.len(), 1);
}

#[tokio::test]
async fn two_gates_need_two_people() {
    let service = Service::start().await;
    let ticket = service.open(with_gates(&[gate("sre", 1), gate("dba", 1)])).await;
    let cid = service.answer(&service.log_in("cid").await, &ticket, "approve").await;
    assert_eq!((state(&cid.body), cid.body["missing"].as_u64()), (State::Pending, Some(1)));
    // Whichever slot cid seemed to fill, dan can only fill the one for dba.
    let dan = service.answer(&service.log_in("dan").await, &ticket, "approve").await;
    assert_eq!(state(&dan.body), State::Approved);
}

#[tokio::test]
async fn the_same_answer_again_changes_nothing_and_another_is_refused() {
    let service = Service::start().await;
    let ticket = service.open(with_gates(&[gate("sre", 2)])).await;
    let ada = service.log_in("ada").await;
    for _ in 0..2 {
        let reply = service.answer(&ada, &ticket, "approve").await;
        assert_eq!((reply.status.as_u16(), reply.body["missing"].as_u64()), (200, Some(1)));
        assert_eq!(reply.body["answers"].as_array().unwrap().len(), 1);
    }
    assert_eq!(service.answer(&ada, &ticket, "reject").await.body["code"], "already_answered");
}

#[tokio::test]
async fn a_flag_needs_one_more_and_its_maker_fills_no_slot() {
    let service = Service::start().await;
    let first = ask(question());
    let ticket = service.ask(&first).await["ticket"].as_str().unwrap().to_owned();
    let ada = service.log_in("ada").await;
    let flagged = service.answer(&ada, &ticket, "flag").await;
    assert_eq!((state(&flagged.body), flagged.body["missing"].as_u64()), (State::Pending, Some(2)));
    assert_eq!(service.get("/v1/requests?state=pending", &ada).await.body["items"][0]["flags"], 1);
    assert!(service.get("/inbox", &ada).await.body.as_str().unwrap().contains("flagged"));
    assert_eq!(service.answer(&ada, &ticket, "approve").await.body["code"], "already_answered");
    let bob = service.answer(&service.log_in("bob").await, &ticket, "approve").await;
    assert_eq!(state(&bob.body), State::Pending);
    let cid = service.answer(&service.log_in("cid").await, &ticket, "approve").await;
    assert_eq!(state(&cid.body), State::Approved);
    let grant = service.grant(&service.ask(&first).await["verdict"]);
    assert_eq!(grant.flaggers.len(), 1);
    assert_eq!(grant.flaggers[0].subject, "ada");
    assert_eq!(grant.answers.len(), 2);
}

#[tokio::test]
async fn who_may_not_approve_is_refused_and_that_is_kept() {
    let service = Service::start().await;
    let ticket = service.open(question()).await;
    for (user, expected) in [("oda", "self_approval"), ("root", "not_in_group")] {
        let reply = service.answer(&service.log_in(user).await, &ticket, "approve").await;
        assert_eq!(reply.status, 403);
        assert_eq!(reply.body["code"], expected);
        assert_eq!(reply.headers["content-type"], "application/problem+json");
    }
    let shown = service.show(&ticket).await;
    assert_eq!(state(&shown), State::Pending);
    let refused: Vec<_> =
        shown["history"].as_array().unwrap().iter().filter(|entry| entry["event"] == "refused").collect();
    assert_eq!(refused.len(), 2);
    assert_eq!((&refused[0]["subject"], &refused[0]["code"]), (&json!("oda"), &json!("self_approval")));
    // Who has nothing to do with it does not even learn that it exists.
    let eve = service.log_in("eve").await;
    assert_eq!(service.get(&format!("/v1/requests/{ticket}"), &eve).await.status, 404);
    assert_eq!(service.answer(&eve, &ticket, "approve").await.status, 404);
}

#[tokio::test]
async fn an_account_younger_than_the_request_does_not_count() {
    let service = Service::start().await;
    let ticket = service.open(question()).await;
    service.sql("UPDATE tickets SET asked_at = asked_at - 3600000").await;
    let reply = service.answer(&service.log_in("ada").await, &ticket, "approve").await;
    assert_eq!(reply.body["code"], "account_too_young");
}

#[tokio::test]
async fn high_severity_needs_the_second_factor() {
    let service = Service::start().await;
    let mut high = question();
    high["terms"]["severity"] = json!("high");
    let ticket = service.open(high).await;
    let ada = service.log_in("ada").await;
    assert_eq!(service.answer(&ada, &ticket, "approve").await.body["code"], "second_factor_missing");
    let stepped = service.post("/v1/sessions/totp", &ada, json!({ "totp": code(0) })).await;
    assert_eq!(stepped.body["amr"], json!(["pwd", "otp"]), "{}", stepped.body);
    assert_eq!(state(&service.answer(&ada, &ticket, "approve").await.body), State::Approved);
}

#[tokio::test]
async fn only_what_was_shown_is_answered_and_a_no_has_a_reason() {
    let service = Service::start().await;
    let ticket = service.open(question()).await;
    let ada = service.log_in("ada").await;
    let path = format!("/v1/requests/{ticket}/answers");
    let other = json!({ "kind": "approve", "shown": "00".repeat(32) });
    assert_eq!(service.post(&path, &ada, other).await.body["code"], "other_shown");
    let shown = service.show(&ticket).await["shown"].clone();
    for kind in ["reject", "flag"] {
        let silent = json!({ "kind": kind, "shown": shown, "reason": "  " });
        assert_eq!(service.post(&path, &ada, silent).await.body["code"], "malformed_body");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_yes_and_a_no_at_once_exactly_one_wins() {
    let service = Service::start().await;
    let (ada, bob) = (service.log_in("ada").await, service.log_in("bob").await);
    for _ in 0..10 {
        let ticket = service.open(question()).await;
        let shown = service.get(&format!("/v1/requests/{ticket}"), &ada).await.body["shown"].clone();
        let path = format!("/v1/requests/{ticket}/answers");
        let race = |session: &str, kind: &str| {
            let body = json!({ "kind": kind, "reason": "because", "shown": shown });
            let (router, path, session) = (service.router.clone(), path.clone(), session.to_owned());
            tokio::spawn(async move { send(router, "POST", &path, &session, Some(body)).await })
        };
        let (yes, no) = (race(&ada, "approve"), race(&bob, "reject"));
        let (yes, no) = (yes.await.unwrap(), no.await.unwrap());
        let won = [yes.status.as_u16(), no.status.as_u16()];
        let end = state(&service.get(&format!("/v1/requests/{ticket}"), &ada).await.body);
        match end {
            State::Approved => {
                assert_eq!((won, no.body["code"].as_str()), ([200, 409], Some("already_approved")))
            }
            State::Rejected => {
                assert_eq!((won, yes.body["code"].as_str()), ([409, 200], Some("already_rejected")))
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_deadline_holds_although_nothing_sweeps() {
    let service = Service::start().await;
    let first = ask(question());
    let reply = service.ask(&first).await;
    let (ticket, capability) = (reply["ticket"].as_str().unwrap(), reply["capability"].as_str().unwrap());
    let link = format!("/v1/tickets/{capability}");
    let pending = service.get(&link, "").await;
    assert_eq!(
        (pending.body["status"].as_str(), pending.headers.contains_key("retry-after")),
        (Some("pending"), true)
    );
    service.sql("UPDATE tickets SET answer_by = 1").await;
    let lapsed = service.get(&link, "").await;
    assert_eq!(
        (lapsed.body["status"].as_str(), lapsed.headers.contains_key("retry-after")),
        (Some("expired"), false)
    );
    let late = service.answer(&service.log_in("ada").await, ticket, "approve").await;
    assert_eq!(late.body["code"], "already_expired");
    assert_eq!(service.get(&format!("/v1/tickets/{}", token()), "").await.status, 404);
}

#[tokio::test]
async fn a_yes_is_taken_back_before_it_is_used() {
    let service = Service::start().await;
    let ticket = service.open(question()).await;
    let ada = service.log_in("ada").await;
    let path = format!("/v1/requests/{ticket}/revoke");
    let why = json!({ "reason": "wrong build" });
    assert_eq!(service.post(&path, &ada, why.clone()).await.body["code"], "already_pending");
    service.answer(&ada, &ticket, "approve").await;
    assert_eq!(service.post(&path, &service.log_in("eve").await, why.clone()).await.status, 404);
    assert_eq!(state(&service.post(&path, &ada, why.clone()).await.body), State::Revoked);
    assert_eq!(service.post(&path, &ada, why).await.body["code"], "already_revoked");
}
