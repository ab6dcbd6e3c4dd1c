//! Live pages: they hear of changes for as long as their session lasts.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response};
use http_body_util::BodyExt as _;
use tokio::time::timeout;
use tower::ServiceExt as _;

use crate::harness::{Service, question};

async fn listen(service: &Service, session: &str) -> Body {
    let response = begin(service, session).await;
    assert_eq!(response.status(), 200);
    response.into_body()
}

async fn begin(service: &Service, session: &str) -> Response<Body> {
    let request = Request::get("/inbox/changes").header("accept", "text/event-stream");
    let request = request.header("cookie", format!("__Host-countersign_session={session}"));
    service.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

/// The next event; nothing when there are no more.
async fn next(events: &mut Body) -> Option<String> {
    let frame = timeout(Duration::from_secs(20), events.frame()).await.expect("neither an event nor an end");
    let data = frame?.unwrap().into_data().unwrap();
    Some(String::from_utf8(data.to_vec()).unwrap())
}

/// That it ends; what was told before may still come.
async fn ends(mut events: Body) {
    let mut told = 0;
    while next(&mut events).await.is_some() {
        told += 1;
        assert!(told < 3, "it goes on");
    }
}

#[tokio::test]
async fn an_open_page_hears_of_changes() {
    let service = Service::start().await;
    let mut events = listen(&service, &service.log_in("ada").await).await;
    service.open(question()).await;
    let event = next(&mut events).await.unwrap();
    assert!(event.starts_with("event: change\n"), "{event:?}");
}

#[tokio::test]
async fn a_page_hears_nothing_more_once_its_session_is_over() {
    let service = Service::start().await;
    let ada = service.log_in("ada").await;
    let events = listen(&service, &ada).await;
    service.call("DELETE", "/v1/sessions", &ada, None).await;
    ends(events).await;
    let events = listen(&service, &service.log_in("bob").await).await;
    service.app.reset_user(&"bob".parse().unwrap()).await.unwrap();
    ends(events).await;
    let events = listen(&service, &service.log_in("dan").await).await;
    service.app.forget_user("dan", None).await.unwrap();
    ends(events).await;
    // Nothing says that a session's time is over: it is looked at when something changes, and every 15 s.
    for sql in ["UPDATE sessions SET expires_at = 1", "UPDATE sessions SET seen_at = seen_at - 3600001"] {
        let events = listen(&service, &service.log_in("cid").await).await;
        service.sql(sql).await;
        service.open(question()).await;
        ends(events).await;
    }
    let events = listen(&service, &service.log_in("cid").await).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    service.sql("UPDATE sessions SET expires_at = 1").await;
    ends(events).await;
}

#[tokio::test]
async fn nobody_listens_so_often_that_others_are_not_heard() {
    let service = Service::start().await;
    let ada = service.log_in("ada").await;
    let mut streams = Vec::new();
    for _ in 0..32 {
        streams.push(listen(&service, &ada).await);
    }
    assert_eq!(begin(&service, &ada).await.status(), 429);
    let _bob = listen(&service, &service.log_in("bob").await).await;
    // One that is closed is room for another.
    streams.pop();
    let begun = std::time::Instant::now();
    while begin(&service, &ada).await.status() == 429 {
        assert!(begun.elapsed() < Duration::from_secs(10), "its place is never free");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn to_listen_keeps_no_session_alive() {
    let service = Service::start().await;
    let ada = service.log_in("ada").await;
    service.sql("UPDATE sessions SET seen_at = seen_at - 3500000").await;
    let _events = listen(&service, &ada).await;
    assert_eq!(
        service.count("SELECT count(*) FROM sessions, clock WHERE seen_at > now - 60000").await,
        0,
        "a page reconnects by itself"
    );
}
