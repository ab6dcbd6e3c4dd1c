//! API tokens: whom they speak for, and what they cannot do.

use serde_json::{Value, json};

use crate::harness::{Service, code, gate, question, with_gates};
use crate::inbox::browse;

async fn token(service: &Service, user: &str, scopes: &[&str]) -> (String, String) {
    let session = service.log_in(user).await;
    // A code counts once, and some have several tokens here.
    service.sql("DELETE FROM totp_steps").await;
    let stepped = service.post("/v1/sessions/totp", &session, json!({ "totp": code(0) })).await;
    assert_eq!(stepped.status, 200, "{}", stepped.body);
    let new = json!({ "name": "a pipeline", "scopes": scopes, "days": 30 });
    let made = service.post("/v1/tokens", &session, new).await;
    assert_eq!(made.status, 201, "{}", made.body);
    (made.body["token"].as_str().unwrap().to_owned(), made.body["id"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_token_does_what_its_scopes_say_and_no_more() {
    let service = Service::start().await;
    let ticket = service.open(question()).await;
    let (read, _) = token(&service, "ada", &["read"]).await;
    assert_eq!(service.get("/v1/requests?state=pending", &read).await.body["items"][0]["ticket"], ticket);
    assert_eq!(service.answer(&read, &ticket, "approve").await.body["code"], "scope_missing");
    assert_eq!(service.get("/v1/evidence", &read).await.body["code"], "scope_missing");
    let (audit, _) = token(&service, "ada", &["audit", "admin"]).await;
    assert_eq!(
        service.get("/v1/evidence", &audit).await.body["code"],
        "not_an_auditor",
        "she is none herself"
    );
    assert_eq!(service.get("/v1/users", &audit).await.body["code"], "not_an_auditor");
    assert_eq!(service.get("/v1/requests", &audit).await.body["code"], "scope_missing");
    let (answer, _) = token(&service, "ada", &["read", "answer"]).await;
    let answered = service.answer(&answer, &ticket, "approve").await;
    assert_eq!(
        (&answered.body["state"], &answered.body["answers"][0]["amr"]),
        (&json!("approved"), &json!(["api_token"]))
    );
}

#[tokio::test]
async fn a_token_approves_neither_its_owners_own_nor_what_needs_a_second_factor() {
    let service = Service::start().await;
    let ticket = service.open(question()).await;
    let (oda, _) = token(&service, "oda", &["read", "answer"]).await;
    assert_eq!(service.answer(&oda, &ticket, "approve").await.body["code"], "self_approval");
    let mut high = with_gates(&[gate("sre", 1)]);
    high["terms"]["severity"] = json!("high");
    let ticket = service.open(high).await;
    let (ada, _) = token(&service, "ada", &["read", "answer"]).await;
    assert_eq!(service.answer(&ada, &ticket, "approve").await.body["code"], "second_factor_missing");
    let ticket = service.open(question()).await;
    let (root, _) = token(&service, "root", &["read", "answer", "admin"]).await;
    assert_eq!(
        service.answer(&root, &ticket, "approve").await.body["code"],
        "not_in_group",
        "an admin is no approver"
    );
}

#[tokio::test]
async fn a_token_makes_no_tokens_and_proves_nothing() {
    let service = Service::start().await;
    let (all, _) = token(&service, "root", &["read", "answer", "audit", "admin"]).await;
    let new = json!({ "name": "another", "scopes": ["read"], "days": 1 });
    for reply in [
        service.post("/v1/tokens", &all, new).await,
        service.get("/v1/tokens", &all).await,
        service.post("/v1/sessions/totp", &all, json!({ "totp": "000000" })).await,
        service.call("DELETE", "/v1/sessions", &all, None).await,
        service.get("/inbox", &all).await,
    ] {
        assert!(reply.status == 403, "{} {}", reply.status, reply.body);
    }
}

#[tokio::test]
async fn a_token_ends_when_it_is_ended_when_its_time_is_over_and_with_its_account() {
    let service = Service::start().await;
    let (ended, id) = token(&service, "ada", &["read"]).await;
    let session = service.log_in("ada").await;
    let bob = service.log_in("bob").await;
    assert_eq!(
        service.call("DELETE", &format!("/v1/tokens/{id}"), &bob, None).await.status,
        404,
        "it is not his"
    );
    assert_eq!(service.call("DELETE", &format!("/v1/tokens/{id}"), &session, None).await.status, 204);
    assert_eq!(service.get("/v1/me", &ended).await.status, 401);
    let (over, _) = token(&service, "bob", &["read"]).await;
    service.sql("UPDATE api_tokens SET expires_at = 1").await;
    assert_eq!(service.get("/v1/me", &over).await.status, 401);
    let (reset, _) = token(&service, "cid", &["read"]).await;
    service.app.reset_user(&"cid".parse().unwrap()).await.unwrap();
    assert_eq!(service.get("/v1/me", &reset).await.status, 401);
    let (gone, _) = token(&service, "dan", &["read"]).await;
    assert_eq!(service.get("/v1/me", &gone).await.body["person"]["subject"], "dan");
    service.app.forget_user("dan", None).await.unwrap();
    assert_eq!(service.get("/v1/me", &gone).await.status, 401);
}

#[tokio::test]
async fn nothing_keeps_a_token_but_its_hash() {
    let service = Service::start().await;
    let (secret, _) = token(&service, "ada", &["read"]).await;
    let listed = service.get("/v1/tokens", &service.log_in("ada").await).await.body;
    assert!(
        !listed.to_string().contains(&secret) && listed["items"][0]["used_at"] == Value::Null,
        "{listed}"
    );
    service.get("/v1/me", &secret).await;
    let kept = "SELECT count(*) FROM api_tokens WHERE used_at IS NOT NULL AND length(hash) = 64
                AND hash NOT LIKE 'countersign%'";
    assert_eq!(service.count(kept).await, 1);
}

#[tokio::test]
async fn a_token_needs_a_name_a_scope_and_an_end() {
    let service = Service::start().await;
    let session = service.log_in("ada").await;
    for days in [json!(1), json!(1.0)] {
        let good = json!({ "name": "x", "scopes": ["read"], "days": days });
        assert_eq!(service.post("/v1/tokens", &session, good).await.body["code"], "second_factor_missing");
    }
    for new in [
        json!({ "name": " ", "scopes": ["read"], "days": 1 }),
        json!({ "name": "x", "scopes": [], "days": 1 }),
        json!({ "name": "x", "scopes": ["read"], "days": 0 }),
        json!({ "name": "x", "scopes": ["read"], "days": 367 }),
        json!({ "name": "x", "scopes": ["everything"], "days": 1 }),
        json!({ "name": "x", "scopes": ["read", "read"], "days": 1 }),
        json!({ "name": "x", "scopes": ["read"], "days": 1.5 }),
        json!({ "name": "x", "scopes": ["read"], "days": 1e300 }),
    ] {
        assert_eq!(service.post("/v1/tokens", &session, new.clone()).await.status, 422, "{new}");
    }
}

#[tokio::test]
async fn a_page_makes_tokens_shows_each_once_and_ends_them() {
    let service = Service::start().await;
    let ada = service.log_in("ada").await;
    let page = browse(&service, &ada, "/account", None).await;
    let csrf = page.field("csrf");
    assert!(!page.text.contains("Make a token") && page.text.contains("Prove a second factor above"));
    let new = format!("csrf={csrf}&name=+a+pipeline+&days=30&read=yes&answer=yes");
    let make = async |form: &str| browse(&service, &ada, "/account/tokens", Some(form)).await;
    let early = make(&new).await;
    assert_eq!(early.status, 403);
    assert!(early.text.contains("prove a second factor"), "{}", early.text);
    service.post("/v1/sessions/totp", &ada, json!({ "totp": code(0) })).await;
    let page = browse(&service, &ada, "/account", None).await;
    assert!(page.text.contains("name=\"answer\"") && !page.text.contains("name=\"admin\""), "she is none");
    for (form, status) in [
        (new.replace(&csrf, "0"), 403),
        (new.replace("read=yes&answer=yes", ""), 422),
        (new.replace("days=30", "days=367"), 422),
        (new.replace("+a+pipeline+", "+"), 422),
        (new.replace("answer", "everything"), 422),
    ] {
        assert_eq!(make(&form).await.status, status, "{form}");
    }
    let made = make(&new).await;
    assert_eq!((made.status.as_u16(), &made.headers["cache-control"]), (201, &"no-store".parse().unwrap()));
    let (_, rest) = made.text.split_once("countersign_").unwrap();
    let secret = format!("countersign_{}", rest.split('<').next().unwrap());
    let me = service.get("/v1/me", &secret).await.body;
    assert_eq!((&me["person"]["subject"], &me["scopes"]), (&json!("ada"), &json!(["read", "answer"])));
    let page = browse(&service, &ada, "/account", None).await;
    assert!(page.text.contains("<b>a pipeline</b>") && !page.text.contains(&secret));
    let (_, rest) = page.text.split_once("action=\"/account/tokens/end\"").unwrap();
    let id = rest.split("name=\"id\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let bob = service.log_in("bob").await;
    let his = browse(&service, &bob, "/account", None).await.field("csrf");
    for (who, csrf, status) in [(&bob, &his, 404), (&ada, &his, 403), (&ada, &csrf, 303)] {
        let form = format!("csrf={csrf}&id={id}");
        assert_eq!(browse(&service, who, "/account/tokens/end", Some(&form)).await.status, status);
    }
    assert_eq!(service.get("/v1/me", &secret).await.status, 401);
    assert!(!browse(&service, &ada, "/account", None).await.text.contains("a pipeline"));
}

#[tokio::test]
async fn a_token_of_somebody_whom_the_provider_has_not_seen_for_long_is_worth_nothing() {
    let service = Service::start().await;
    let (ada, _) = token(&service, "ada", &["read"]).await;
    service
        .sql("UPDATE accounts SET password = NULL, login_at = (SELECT now FROM clock) WHERE subject = 'ada'")
        .await;
    assert_eq!(service.get("/v1/me", &ada).await.status, 200);
    service.sql("UPDATE accounts SET login_at = login_at - 2592000001 WHERE subject = 'ada'").await;
    assert_eq!(service.get("/v1/me", &ada).await.status, 401);
}
