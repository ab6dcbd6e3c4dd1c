//! Logging in: wrong guesses, used codes, locks, and the browser's cookie.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::harness::{ORIGIN, PASSWORD, Reply, Service, code};

async fn log_in(service: &Service, user: &str, password: &str, totp: Option<String>) -> Reply {
    let body = json!({ "user": user, "password": password, "totp": totp });
    service.post("/v1/sessions", "", body).await
}

#[tokio::test]
async fn a_wrong_name_password_or_code_is_one_and_the_same_error() {
    let service = Service::start().await;
    let wrong =
        [("nobody", PASSWORD, None), ("ada", "wrong", None), ("ada", PASSWORD, Some("000000".into()))];
    let mut bodies: Vec<Value> = Vec::new();
    for (user, password, totp) in wrong {
        let reply = log_in(&service, user, password, totp).await;
        assert_eq!(reply.status, 401);
        bodies.push(reply.body);
    }
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "{bodies:?}");
}

#[tokio::test]
async fn a_code_is_used_once() {
    let service = Service::start().await;
    let used = code(0);
    let first = log_in(&service, "ada", PASSWORD, Some(used.clone())).await;
    assert_eq!((first.status.as_u16(), &first.body["amr"]), (201, &json!(["pwd", "otp"])));
    assert_eq!(log_in(&service, "ada", PASSWORD, Some(used)).await.status, 401);
    let session = service.log_in("ada").await;
    let again = service.post("/v1/sessions/totp", &session, json!({ "totp": code(-1) })).await;
    assert_eq!(again.status, 401, "an older code than the last one used");
    let next = service.post("/v1/sessions/totp", &session, json!({ "totp": code(1) })).await;
    assert_eq!(next.body["amr"], json!(["pwd", "otp"]));
    // Somebody else's codes are their own, even where the secret is the same.
    assert_eq!(log_in(&service, "bob", PASSWORD, Some(code(1))).await.status, 201);
}

#[tokio::test]
async fn the_second_factor_wears_off() {
    let service = Service::start().await;
    let session = log_in(&service, "ada", PASSWORD, Some(code(0))).await.body["session"].clone();
    service.sql("UPDATE sessions SET otp_at = otp_at - 900001").await;
    let stepped =
        service.post("/v1/sessions/totp", session.as_str().unwrap(), json!({ "totp": "000000" })).await;
    assert_eq!(stepped.status, 401);
    let ticket = service.open({
        let mut high = crate::harness::question();
        high["terms"]["severity"] = json!("high");
        high
    });
    let ticket = ticket.await;
    let reply = service.answer(session.as_str().unwrap(), &ticket, "approve").await;
    assert_eq!(reply.body["code"], "second_factor_missing");
}

#[tokio::test]
async fn guessing_is_slowed_down_for_passwords_and_for_codes() {
    let service = Service::start().await;
    // Where one guess takes longer than the first lock, more of them make it longer.
    for guess in 0..9 {
        let status = log_in(&service, "ada", "wrong", None).await.status;
        assert!(status == 401 || (guess >= 6 && status == 429), "guess {guess}: {status}");
    }
    let locked = log_in(&service, "ada", PASSWORD, None).await;
    assert_eq!((locked.status.as_u16(), locked.headers.contains_key("retry-after")), (429, true));
    // A right password buys no new guesses at the code.
    for guess in 0..9 {
        let status = log_in(&service, "bob", PASSWORD, Some("000000".into())).await.status;
        assert!(status == 401 || (guess >= 6 && status == 429), "guess {guess}: {status}");
        service.log_in("bob").await;
    }
    assert_eq!(log_in(&service, "bob", PASSWORD, Some(code(0))).await.status, 429);
}

#[tokio::test]
async fn a_session_ends_with_its_cookie_its_account_or_its_time() {
    let service = Service::start().await;
    let reply = log_in(&service, "ada", PASSWORD, None).await;
    let cookie = reply.headers["set-cookie"].to_str().unwrap();
    let attributes = "; Path=/; Secure; HttpOnly; SameSite=Strict";
    assert!(cookie.starts_with("__Host-countersign_session=") && cookie.ends_with(attributes), "{cookie}");
    let ada = reply.body["session"].as_str().unwrap();
    assert_eq!(service.get("/v1/requests", ada).await.status, 200);
    assert_eq!(service.call("DELETE", "/v1/sessions", ada, None).await.status, 204);
    assert_eq!(service.get("/v1/requests", ada).await.status, 401);
    let bob = service.log_in("bob").await;
    service.sql("UPDATE sessions SET expires_at = 1").await;
    assert_eq!(service.get("/v1/requests", &bob).await.status, 401);
    let cid = service.log_in("cid").await;
    service.sql("UPDATE sessions SET seen_at = seen_at - 3600000").await;
    assert_eq!(service.get("/v1/requests", &cid).await.status, 401, "an hour without a use");
    let eve = service.log_in("eve").await;
    service.sql("UPDATE sessions SET seen_at = seen_at - 3500000").await;
    for _ in 0..2 {
        assert_eq!(service.get("/v1/requests", &eve).await.status, 200, "each use counts");
        service.sql("UPDATE sessions SET seen_at = seen_at - 3500000 WHERE seen_at > 3500000").await;
    }
    let dan = service.log_in("dan").await;
    service.app.forget_user("dan", None).await.unwrap();
    assert_eq!(service.get("/v1/requests", &dan).await.status, 401);
}

#[tokio::test]
async fn a_session_ends_when_password_or_second_factor_change() {
    let service = Service::start().await;
    let before: [&'static str; 3] = [
        "UPDATE accounts SET password = '$argon2id$v=19$m=19456,t=2,p=1$c29tZXRoaW5nIGVsc2U$c29tZXRoaW5nIGVsc2U'
         WHERE subject = 'ada'",
        "UPDATE accounts SET totp = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP' WHERE subject = 'bob'",
        "UPDATE accounts SET totp = NULL WHERE subject = 'cid'",
    ];
    let dan = service.log_in("dan").await;
    for (who, change) in ["ada", "bob", "cid"].into_iter().zip(before) {
        let session = service.log_in(who).await;
        service.sql(change).await;
        assert_eq!(service.get("/v1/requests", &session).await.status, 401, "{change}");
        assert_eq!(service.get("/v1/requests", &dan).await.status, 200, "{change}");
    }
}

#[tokio::test]
async fn a_cookie_changes_nothing_from_another_origin() {
    let service = Service::start().await;
    let (site, origin) = ("sec-fetch-site", "origin");
    for (headers, expected) in [
        (vec![(site, "same-site")], 401),
        (vec![(site, "cross-site"), (origin, ORIGIN)], 401),
        // A browser without Fetch Metadata.
        (vec![(origin, "https://evil.example")], 401),
        (vec![(origin, "null")], 401),
        (vec![], 401),
        (vec![(origin, ORIGIN)], 204),
        (vec![(site, "same-origin"), (origin, ORIGIN)], 204),
    ] {
        let ada = service.log_in("ada").await;
        let mut request = Request::delete("/v1/sessions");
        for (name, value) in &headers {
            request = request.header(*name, *value);
        }
        let request = request.header("cookie", format!("other=1; __Host-countersign_session={ada}"));
        let status =
            service.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status();
        assert_eq!(status, expected, "{headers:?}");
    }
}

#[tokio::test]
async fn an_open_page_by_itself_keeps_no_session_alive() {
    let service = Service::start().await;
    let ada = service.log_in("ada").await;
    let visit = async |refresh: bool| {
        let mut request = Request::get("/inbox")
            .header("accept", "text/html")
            .header("cookie", format!("__Host-countersign_session={ada}"));
        if refresh {
            request = request.header("countersign-refresh", "1");
        }
        service.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
    };
    let alive = "SELECT count(*) FROM sessions, clock WHERE seen_at > now - 60000";
    for (refresh, seen) in [(true, 0), (false, 1)] {
        service.sql("UPDATE sessions SET seen_at = seen_at - 3500000").await;
        assert_eq!((visit(refresh).await.as_u16(), service.count(alive).await), (200, seen));
        service.sql("UPDATE sessions SET seen_at = (SELECT now FROM clock)").await;
    }
    service.sql("UPDATE sessions SET seen_at = seen_at - 3600001").await;
    assert_eq!(visit(false).await, 303, "an hour without anybody is the end of it");
}

#[tokio::test]
async fn text_that_no_database_holds_is_refused_or_nobody_s() {
    let service = Service::start().await;
    let wrong = service.post("/v1/sessions", "", json!({ "user": "a\0a", "password": PASSWORD })).await;
    assert_eq!(wrong.status, 401);
    let root = service.proven("root").await;
    let reply = service.post("/v1/users", &root, json!({ "user": "x", "name": "a\0b" })).await;
    assert!(matches!(reply.status.as_u16(), 201 | 400), "{}", reply.body);
}
