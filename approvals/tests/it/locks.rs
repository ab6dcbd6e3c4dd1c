//! Too many guesses: who has to wait, and that it is never whoever is guessed at.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use crate::harness::{PASSWORD, Reply, Service, send};

/// Logs in with a browser that holds `browser`.
async fn log_in(router: &axum::Router, user: &str, password: &str, browser: &str) -> Reply {
    let body = json!({ "user": user, "password": password }).to_string();
    let request = Request::post("/v1/sessions").header("content-type", "application/json");
    let request = request.header("cookie", format!("__Host-countersign_browser={browser}"));
    let response = router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Reply { status: parts.status, headers: parts.headers, body: serde_json::from_slice(&bytes).unwrap() }
}

/// What a browser holds after a log-in.
fn held(reply: &Reply) -> String {
    let mut cookies = reply.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
    let cookie = cookies.find_map(|cookie| cookie.strip_prefix("__Host-countersign_browser="));
    let (secret, attributes) = cookie.unwrap().split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=7776000");
    secret.to_owned()
}

/// Guesses until there is a lock, and makes it last.
async fn guess(service: &Service, user: &str, browser: &str) {
    for _ in 0..40 {
        if log_in(&service.router, user, "wrong", browser).await.status == 429 {
            return service.sql("UPDATE attempts SET locked_until = locked_until + 600000").await;
        }
    }
    panic!("nothing stops the guesses");
}

#[tokio::test]
async fn guesses_of_others_keep_nobody_from_a_browser_of_their_own() {
    let service = Service::start().await;
    let mine = held(&log_in(&service.router, "ada", PASSWORD, "").await);
    guess(&service, "ada", "").await;
    assert_eq!(log_in(&service.router, "ada", PASSWORD, "").await.status, 429, "from anywhere else");
    let again = log_in(&service.router, "ada", PASSWORD, &mine).await;
    assert_eq!((again.status.as_u16(), held(&again)), (201, mine.clone()));
    // It opens the way to nobody else's account, and not to the guesser.
    guess(&service, "bob", "").await;
    assert_eq!(log_in(&service.router, "bob", PASSWORD, &mine).await.status, 429);
    assert_eq!(log_in(&service.router, "ada", PASSWORD, "").await.status, 429);
    // Whoever has the browser may not guess for ever.
    guess(&service, "ada", &mine).await;
    assert_eq!(log_in(&service.router, "ada", PASSWORD, &mine).await.status, 429);
    let kept = "SELECT count(*) FROM browsers WHERE length(id) = 64";
    assert_eq!(service.count(kept).await, 1);
}

#[tokio::test]
async fn a_browser_is_known_for_its_own_account_and_not_for_ever() {
    let service = Service::start().await;
    let ada = held(&log_in(&service.router, "ada", PASSWORD, "").await);
    let bob = held(&log_in(&service.router, "bob", PASSWORD, &ada).await);
    assert_ne!(ada, bob, "what somebody else has held is not taken over");
    assert_ne!(held(&log_in(&service.router, "ada", PASSWORD, "made up").await), "made up");
    for _ in 0..25 {
        service.sql("UPDATE browsers SET used_at = used_at - 1000").await;
        log_in(&service.router, "ada", PASSWORD, "").await;
    }
    assert_eq!(service.count("SELECT count(*) FROM browsers WHERE subject = 'ada'").await, 20);
    guess(&service, "bob", "").await;
    service.sql("UPDATE browsers SET used_at = used_at - 7776000000").await;
    assert_eq!(log_in(&service.router, "bob", PASSWORD, &bob).await.status, 429);
    service.app.reset_user(&"ada".parse().unwrap()).await.unwrap();
    assert_eq!(service.count("SELECT count(*) FROM browsers WHERE subject = 'ada'").await, 0);
}

#[tokio::test]
async fn a_name_that_nobody_has_is_answered_like_an_account_at_every_replica() {
    let service = Service::start().await;
    let twin = service.twin().await.router();
    let ada = held(&log_in(&service.router, "ada", PASSWORD, "").await);
    for round in 0..8 {
        if round == 5 {
            // The next one locks for long.
            service.sql("UPDATE attempts SET failures = 25").await;
        }
        let router = if round % 2 == 0 { &service.router } else { &twin };
        let mut replies: Vec<(u16, Value)> = Vec::new();
        for user in ["bob", "nobody"] {
            // Somebody else's browser is no better than none.
            let reply = log_in(router, user, "wrong", &ada).await;
            replies.push((reply.status.as_u16(), reply.body));
        }
        assert_eq!(replies[0], replies[1], "round {round}");
        assert_eq!(replies[0].0, if round < 6 { 401 } else { 429 }, "round {round}");
    }
    let kept = "SELECT count(*) FROM attempts";
    assert_eq!(service.count(kept).await, 2);
    service.sql("UPDATE attempts SET locked_until = locked_until - 4000000").await;
    let app = service.app.clone();
    let watch = tokio::spawn(async move { app.keep_watch().await });
    while service.count(kept).await > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    watch.abort();
}

#[tokio::test]
async fn a_session_begins_few_ceremonies_at_a_time() {
    let service = Service::start().await;
    let eve = service.log_in("eve").await;
    service.sql("UPDATE accounts SET totp = NULL, totp_since = NULL WHERE subject = 'eve'").await;
    service.call("DELETE", "/v1/sessions", &eve, None).await;
    let sessions = [service.log_in("eve").await, service.log_in("eve").await];
    let mut first = String::new();
    for session in &sessions {
        let csrf = crate::inbox::browse(&service, session, "/account", None).await.field("csrf");
        for round in 0..12 {
            let form = format!("csrf={csrf}");
            let page = crate::inbox::browse(&service, session, "/account/codes", Some(&form)).await;
            if round == 0 {
                first = page.field("ceremony");
            }
            service.sql("UPDATE ceremonies SET expires_at = expires_at - 1").await;
        }
    }
    assert_eq!(service.count("SELECT count(*) FROM ceremonies").await, 16);
    let csrf = crate::inbox::browse(&service, &sessions[1], "/account", None).await.field("csrf");
    let form = format!("csrf={csrf}&ceremony={first}&totp=000000");
    let over = crate::inbox::browse(&service, &sessions[1], "/account/codes/set", Some(&form)).await;
    assert_eq!(over.status, 409, "the first is over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_flood_of_log_ins_waits_and_stops_nobody_whose_browser_is_known() {
    let service = Service::start().await;
    let browser = held(&log_in(&service.router, "ada", PASSWORD, "").await);
    let mut flood = JoinSet::new();
    for number in 0..600 {
        let (router, user) = (service.router.clone(), format!("nobody-{number}"));
        let body = json!({ "user": user, "password": "wrong" });
        flood.spawn(async move { send(router, "POST", "/v1/sessions", "", Some(body)).await });
    }
    // The first of them is through, and the others wait.
    let mut replies = vec![flood.join_next().await.unwrap().unwrap()];
    service.open(crate::harness::question()).await;
    assert_eq!(log_in(&service.router, "ada", PASSWORD, &browser).await.status, 201);
    assert!(!flood.is_empty(), "they are still there");
    replies.extend(flood.join_all().await);
    let tried = replies.iter().filter(|reply| reply.status == 401).count();
    for reply in replies.iter().filter(|reply| reply.status != 401) {
        assert_eq!((reply.status.as_u16(), &reply.body["code"]), (429, &json!("busy")));
        assert_eq!(reply.headers["retry-after"], "1");
    }
    assert!(tried > 0, "some of them have had their turn");
    service.log_in("ada").await;
}
