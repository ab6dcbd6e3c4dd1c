//! Long polls: nothing is lost, nobody hears what is not theirs.

use std::time::{Duration, Instant};

use countersign_protocol::Token;
use serde_json::{Value, json};

use crate::harness::{EDGE, EDGE_2, OTHER, Service, ask, question, send, token};

fn with_waiter(waiter: Token) -> Value {
    let mut ask = ask(question());
    ask["waiter"] = json!(waiter);
    ask
}

async fn asked(service: &Service, waiter: Token) -> String {
    service.ask(&with_waiter(waiter)).await["ticket"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_answer_between_two_polls_waits_for_the_next() {
    let service = Service::start().await;
    let waiter = token();
    let ticket = asked(&service, waiter).await;
    service.answer(&service.log_in("ada").await, &ticket, "approve").await;
    let reply = service.wait(EDGE, waiter, 0, 10_000).await.body;
    assert_eq!(
        (&reply["verdicts"][0]["ticket"], &reply["verdicts"][0]["state"]),
        (&json!(ticket), &json!("approved"))
    );
    service.grant(&reply["verdicts"][0]);
    // Until it is acknowledged it is told again.
    assert_eq!(service.wait(EDGE, waiter, 0, 10_000).await.body, reply);
    let cursor = reply["cursor"].as_u64().unwrap();
    let nothing = service.wait(EDGE, waiter, cursor, 0).await.body;
    assert_eq!(nothing, json!({ "cursor": cursor, "verdicts": [] }));
}

#[tokio::test]
async fn a_poll_in_flight_covers_what_is_asked_later() {
    let service = Service::start().await;
    let waiter = token();
    let (ada, body) =
        (service.log_in("ada").await, json!({ "waiter": waiter, "cursor": 0, "timeout_ms": 20_000 }));
    let router = service.router.clone();
    let started = Instant::now();
    let poll = tokio::spawn(async move { send(router, "POST", "/v1/wait", EDGE, Some(body)).await });
    let ticket = asked(&service, waiter).await;
    service.answer(&ada, &ticket, "reject").await;
    let reply = poll.await.unwrap().body;
    assert_eq!(
        (&reply["verdicts"][0]["state"], &reply["verdicts"][0]["reason"]),
        (&json!("rejected"), &json!("because"))
    );
    assert!(started.elapsed() < Duration::from_secs(15));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_answer_slips_between_reading_and_sleeping() {
    let service = Service::start().await;
    let ada = service.log_in("ada").await;
    for _ in 0..20 {
        let waiter = token();
        let ticket = asked(&service, waiter).await;
        let shown = service.get(&format!("/v1/requests/{ticket}"), &ada).await.body["shown"].clone();
        let (router, wait) =
            (service.router.clone(), json!({ "waiter": waiter, "cursor": 0, "timeout_ms": 20_000 }));
        let poll = tokio::spawn(async move { send(router, "POST", "/v1/wait", EDGE, Some(wait)).await });
        let answer = json!({ "kind": "approve", "shown": shown });
        service.post(&format!("/v1/requests/{ticket}/answers"), &ada, answer).await;
        let reply = tokio::time::timeout(Duration::from_secs(10), poll).await.unwrap().unwrap();
        assert_eq!(reply.body["verdicts"][0]["state"], "approved");
    }
}

#[tokio::test]
async fn a_cursor_that_was_never_given_hides_nothing() {
    let service = Service::start().await;
    let waiter = token();
    for cursor in [5, u64::MAX] {
        let nothing = service.wait(EDGE, waiter, cursor, 0).await.body;
        assert_eq!(nothing, json!({ "cursor": 0, "verdicts": [] }));
    }
    let ticket = asked(&service, waiter).await;
    service.answer(&service.log_in("ada").await, &ticket, "approve").await;
    for cursor in [1000, u64::MAX, 0] {
        let reply = service.wait(EDGE, waiter, cursor, 10_000).await.body;
        assert_eq!(reply["verdicts"][0]["ticket"], json!(ticket), "{cursor}");
    }
}

#[tokio::test]
async fn everybody_who_joined_is_told() {
    let service = Service::start().await;
    let (first, second) = (with_waiter(token()), token());
    let ticket = service.ask(&first).await["ticket"].as_str().unwrap().to_owned();
    let mut joined = with_waiter(second);
    joined["digest"] = first["digest"].clone();
    service.ask_as(EDGE_2, &joined).await;
    service.answer(&service.log_in("ada").await, &ticket, "approve").await;
    for (gateway, waiter) in [(EDGE, first["waiter"].clone()), (EDGE_2, json!(second))] {
        let body = json!({ "waiter": waiter, "cursor": 0, "timeout_ms": 5000 });
        assert_eq!(service.post("/v1/wait", gateway, body).await.body["verdicts"][0]["state"], "approved");
    }
}

#[tokio::test]
async fn a_waiter_is_its_gateways_own() {
    let service = Service::start().await;
    let waiter = token();
    let ticket = asked(&service, waiter).await;
    service.answer(&service.log_in("ada").await, &ticket, "reject").await;
    // What another gateway calls the same is another waiter, and is told nothing, not even that there is one.
    for gateway in [EDGE_2, OTHER] {
        let reply = service.wait(gateway, waiter, 0, 0).await;
        assert_eq!((reply.status.as_u16(), &reply.body["verdicts"]), (200, &json!([])));
    }
    let reply = service.wait(EDGE, waiter, 0, 0).await.body;
    assert_eq!(reply["verdicts"][0]["state"], "rejected");
}

#[tokio::test]
async fn the_sweeper_tells_of_deadlines() {
    let service = Service::start().await;
    let waiter = token();
    let app = service.app.clone();
    let sweeper = tokio::spawn(async move { app.keep_watch().await });
    let mut short = with_waiter(waiter);
    short["question"]["terms"]["expires_ms"] = json!(200);
    service.ask(&short).await;
    let reply = service.wait(EDGE, waiter, 0, 20_000).await.body;
    assert_eq!(reply["verdicts"][0]["state"], "expired");
    sweeper.abort();
}
