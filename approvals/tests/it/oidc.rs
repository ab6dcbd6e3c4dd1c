//! Logging in at a provider: what is believed, what is not, and that it never stands in the way of passwords.

pub(crate) mod provider;

use axum::body::Body;
use axum::http::Request;
use countersign_approvals::{LoginSettings, OidcSettings};
use serde_json::json;

use crate::harness::{Service, question, with_gates};
use crate::inbox::{Page, browse, load};
use provider::{CLIENT, Provider, SECRET};

/// A browser that is away at the provider.
struct Away {
    /// The cookie that it holds.
    cookie: String,
    /// The state that it was given.
    state: String,
}

fn settings(provider: &Provider) -> OidcSettings {
    OidcSettings {
        issuer: provider.issuer.parse().unwrap(),
        client_id: CLIENT.into(),
        client_secret: Some(openidconnect::ClientSecret::new(SECRET.into())),
        scopes: vec!["profile".into()],
        groups_claim: "groups".into(),
        name_claim: "name".into(),
        admin_group: Some("ops".into()),
        auditor_group: Some("audit".into()),
    }
}

async fn start(provider: &Provider) -> Service {
    Service::start_with(LoginSettings { no_passwords: false, oidc: Some(settings(provider)) }).await
}

async fn leave(service: &Service, provider: &Provider, next: &str) -> Away {
    let page = browse(service, "", &format!("/login/oidc?next={next}"), None).await;
    assert_eq!(page.status, 303, "{}", page.text);
    let to: url::Url = page.location().parse().unwrap();
    let sent = |name: &str| to.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
    assert_eq!((sent("code_challenge_method"), sent("response_type")), ("S256".into(), "code".into()));
    assert_eq!(sent("redirect_uri"), "http://localhost:8081/login/oidc/callback");
    provider.expect(&sent("nonce"), &sent("code_challenge"));
    let cookie = page.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600"), "{cookie}");
    Away { cookie: cookie.split(';').next().unwrap().to_owned(), state: sent("state") }
}

async fn back(service: &Service, cookie: &str, query: &str) -> Page {
    let request = Request::get(format!("/login/oidc/callback?{query}")).header("cookie", cookie);
    load(service, request.header("sec-fetch-site", "cross-site").body(Body::empty()).unwrap()).await
}

async fn come_back(service: &Service, away: &Away) -> Page {
    back(service, &away.cookie, &format!("code=the-code&state={}", away.state)).await
}

/// The secret of the session that a page begins.
fn session(page: &Page) -> String {
    assert_eq!(page.status, 303, "{}", page.text);
    let cookies = page.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
    let mut ours = cookies.filter_map(|cookie| cookie.strip_prefix("__Host-countersign_session="));
    ours.next().unwrap().split(';').next().unwrap().to_owned()
}

async fn log_in(service: &Service, provider: &Provider) -> String {
    let away = leave(service, provider, "/inbox").await;
    session(&come_back(service, &away).await)
}

/// Another member of these groups, so that a gate has somebody who can open it.
async fn colleague(service: &Service, provider: &Provider, groups: &[&str]) {
    provider.claims(json!({ "sub": "ivo-2", "groups": groups }));
    log_in(service, provider).await;
}

/// A gate that `group` of the provider can open.
fn gated(provider: &Provider, group: &str) -> serde_json::Value {
    let mut gate = crate::harness::gate(group, 1);
    gate["group"]["issuer"] = json!(provider.issuer);
    let mut question = with_gates(&[gate]);
    // Who owns the agent has to be comparable with who approves.
    question["involved"][1]["names"] = json!([{ "issuer": provider.issuer, "subject": "somebody else" }]);
    question
}

#[tokio::test]
async fn whoever_the_provider_knows_approves_for_its_groups_and_no_longer_than_it_says() {
    let provider = Provider::start().await;
    let service = start(&provider).await;
    colleague(&service, &provider, &["deployers"]).await;
    provider.claims(json!({ "groups": ["deployers", "audit"], "name": "Ida", "amr": ["otp", "hwk"] }));
    let ida = log_in(&service, &provider).await;
    let asked = service.open(gated(&provider, "deployers")).await;
    let shown = service.get(&format!("/v1/requests/{asked}"), &ida).await;
    assert_eq!(shown.status, 200);
    let approved = service.answer(&ida, &asked, "approve").await;
    assert_eq!(approved.body["state"], "approved", "{}", approved.body);
    let answer = &approved.body["answers"][0];
    assert_eq!(answer["person"], json!({ "issuer": provider.issuer, "subject": "ida-1" }));
    assert_eq!(answer["amr"], json!(["oidc"]), "whatever the provider says");
    // A member of `audit` sees everything; an older session learns at once that a group is gone.
    let other = service.open(question()).await;
    assert_eq!(service.get(&format!("/v1/requests/{other}"), &ida).await.status, 200);
    provider.claims(json!({ "groups": ["ops"], "name": "Ida" }));
    let again = log_in(&service, &provider).await;
    let asked = service.open(gated(&provider, "deployers")).await;
    for session in [&ida, &again] {
        assert_eq!(service.answer(session, &asked, "approve").await.body["code"], "not_in_group");
    }
    // An administrator of the service, by the provider's group.
    assert_eq!(service.answer(&again, &other, "reject").await.status, 200);
    // The claim is not what it should be: no groups.
    for claims in [json!({ "groups": "ops" }), json!({ "groups": ["ops", 1] }), json!({})] {
        provider.claims(claims);
        let nobody = log_in(&service, &provider).await;
        assert_eq!(service.get("/v1/requests?state=pending", &nobody).await.body["items"], json!([]));
    }
}

#[tokio::test]
async fn whose_account_was_removed_logs_in_no_more_until_they_are_admitted() {
    let provider = Provider::start().await;
    let service = start(&provider).await;
    provider.claims(json!({ "groups": ["deployers"] }));
    let ida = log_in(&service, &provider).await;
    service.app.forget_user("ida-1", Some(&provider.issuer)).await.unwrap();
    assert_eq!(service.get("/v1/requests", &ida).await.status, 401, "at once");
    let away = leave(&service, &provider, "/inbox").await;
    let page = come_back(&service, &away).await;
    assert_eq!(page.status, 403);
    assert!(page.text.contains("your account was removed here"), "{}", page.text);
    assert_eq!(service.count("SELECT count(*) FROM accounts WHERE subject = 'ida-1'").await, 0);
    service.app.admit_user("nobody", &provider.issuer).await.unwrap_err();
    service.app.admit_user("ida-1", &provider.issuer).await.unwrap();
    let ida = log_in(&service, &provider).await;
    assert_eq!(service.get("/v1/requests", &ida).await.status, 200);
}

#[tokio::test]
async fn a_group_counts_for_what_is_asked_after_it_was_seen() {
    let provider = Provider::start().await;
    let service = start(&provider).await;
    colleague(&service, &provider, &["deployers", "dba"]).await;
    let before = service.open(gated(&provider, "deployers")).await;
    provider.claims(json!({ "groups": ["deployers"] }));
    let ida = log_in(&service, &provider).await;
    assert_eq!(service.answer(&ida, &before, "approve").await.body["code"], "account_too_young");
    let asked = service.open(gated(&provider, "dba")).await;
    provider.claims(json!({ "groups": ["deployers", "dba"] }));
    let ida = log_in(&service, &provider).await;
    assert_eq!(service.answer(&ida, &asked, "approve").await.body["code"], "not_in_group");
    // To log in again makes nothing younger.
    log_in(&service, &provider).await;
    let asked = service.open(gated(&provider, "dba")).await;
    assert_eq!(service.answer(&ida, &asked, "approve").await.status, 200);
}

#[tokio::test]
async fn claims_that_only_the_user_info_has_are_read_there() {
    let provider = Provider::start().await;
    let service = start(&provider).await;
    provider.claims(json!({}));
    provider.user_info(json!({ "sub": "ida-1", "groups": ["audit"], "name": "Ida" }));
    let ida = log_in(&service, &provider).await;
    assert!(browse(&service, &ida, "/account", None).await.text.contains("auditor"));
    // Somebody else's, or none although there should be: nobody is logged in rather than left without groups.
    for wrong in [json!({ "sub": "other", "groups": ["ops"] }), json!("no object")] {
        provider.user_info(wrong);
        let away = leave(&service, &provider, "/inbox").await;
        assert_eq!(come_back(&service, &away).await.status, 502);
    }
}

#[tokio::test]
async fn who_was_sent_to_a_request_lands_there_and_nowhere_else() {
    let provider = Provider::start().await;
    let service = start(&provider).await;
    provider.claims(json!({ "groups": ["deployers"] }));
    let ticket = service.open(question()).await;
    let page = browse(&service, "", &format!("/inbox/{ticket}"), None).await;
    assert_eq!(page.location(), format!("/login?next=/inbox/{ticket}"));
    let login = browse(&service, "", page.location(), None).await;
    assert!(login.text.contains(&format!("href=\"/login/oidc?next=/inbox/{ticket}\"")), "{}", login.text);
    for (next, on) in [
        (format!("/inbox/{ticket}"), format!("/inbox/{ticket}")),
        ("https://evil.example".into(), "/inbox".into()),
        ("//evil.example".into(), "/inbox".into()),
        ("/%5cevil.example".into(), "/inbox".into()),
    ] {
        let away = leave(&service, &provider, &next).await;
        let page = come_back(&service, &away).await;
        assert_eq!(page.location(), format!("/login/done?next={on}"));
        let landing = browse(&service, "", page.location(), None).await;
        assert!(landing.text.contains(&format!("content=\"0;url={on}\"")), "{}", landing.text);
    }
    // From a link in a chat, a browser keeps the session back: a page of our own has to come between.
    let link = Request::get(format!("/inbox/{ticket}"))
        .header("sec-fetch-site", "cross-site")
        .header("accept", "text/html");
    let page = load(&service, link.body(Body::empty()).unwrap()).await;
    assert_eq!(page.location(), format!("/login/done?next=/inbox/{ticket}"));
}

#[tokio::test]
async fn only_the_browser_that_left_comes_back_and_once() {
    let provider = Provider::start().await;
    let service = start(&provider).await;
    provider.claims(json!({ "groups": [] }));
    let (one, two) = (leave(&service, &provider, "/inbox").await, leave(&service, &provider, "/inbox").await);
    let refused = |page: Page| {
        assert_eq!(page.status, 400);
        assert!(page.text.contains("was not begun in this browser"), "{}", page.text);
        assert!(!page.headers.contains_key("set-cookie"));
    };
    refused(back(&service, "", &format!("code=c&state={}", one.state)).await);
    refused(back(&service, &one.cookie, &format!("code=c&state={}", two.state)).await);
    refused(back(&service, &one.cookie, "code=c").await);
    refused(back(&service, "__Host-countersign_login=forged", "code=c&state=forged").await);
    session(&come_back(&service, &two).await);
    refused(come_back(&service, &two).await);
    service.sql("UPDATE ceremonies SET expires_at = expires_at - 600000").await;
    refused(come_back(&service, &one).await);
}

#[tokio::test]
async fn strangers_who_begin_to_log_in_do_not_fill_the_database() {
    let provider = Provider::start().await;
    let service = start(&provider).await;
    let all = "INSERT INTO ceremonies (id, kind, state, expires_at)
         WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 10000)
         SELECT 'stranger ' || i, 'log_in', '{}', now + 1000 + i FROM numbers, clock";
    service.sql(all).await;
    provider.claims(json!({ "groups": [] }));
    log_in(&service, &provider).await;
    assert_eq!(service.count("SELECT count(*) FROM ceremonies").await, 9000);
    service.sql("UPDATE ceremonies SET expires_at = 1").await;
    log_in(&service, &provider).await;
    assert_eq!(service.count("SELECT count(*) FROM ceremonies").await, 0, "what is over goes");
}

#[tokio::test]
async fn a_token_that_does_not_hold_logs_nobody_in() {
    let provider = Provider::start().await;
    let service = start(&provider).await;
    let wrong = [
        ("nonce", json!("another")),
        ("aud", json!("another-client")),
        ("aud", json!([CLIENT, "another-client"])),
        ("iss", json!("https://another.example")),
        ("exp", json!(1)),
        ("sub", json!("a".repeat(256))),
        ("at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA")),
    ];
    for (name, value) in wrong {
        provider.claims(json!({ name: value, "groups": ["ops"] }));
        let away = leave(&service, &provider, "/inbox").await;
        let page = come_back(&service, &away).await;
        assert_eq!(page.status, 502, "{name}");
        assert!(page.text.contains("does not hold") && page.text.contains("Log in"), "{name}: {}", page.text);
        assert!(!page.headers.contains_key("set-cookie"), "{name}");
    }
    provider.claims(json!({ "groups": ["ops"] }));
    let away = leave(&service, &provider, "/inbox").await;
    let query = format!("code=c&state={}&iss=https://another.example", away.state);
    assert_eq!(back(&service, &away.cookie, &query).await.status, 502, "another provider answers");
    provider.sign_with_the_secret();
    let away = leave(&service, &provider, "/inbox").await;
    assert_eq!(come_back(&service, &away).await.status, 502, "HS256");
    assert_eq!(service.count("SELECT count(*) FROM accounts WHERE issuer <> 'local'").await, 0);
}

#[tokio::test]
async fn a_key_that_is_new_is_looked_up_and_one_that_is_not_listed_is_not_believed() {
    let provider = Provider::start().await;
    let service = start(&provider).await;
    provider.claims(json!({ "groups": [] }));
    log_in(&service, &provider).await;
    provider.change_key(true);
    log_in(&service, &provider).await;
    provider.change_key(false);
    let away = leave(&service, &provider, "/inbox").await;
    assert_eq!(come_back(&service, &away).await.status, 502);
}

#[tokio::test]
async fn what_a_provider_refuses_is_said_without_its_words() {
    let provider = Provider::start().await;
    let service = start(&provider).await;
    for (error, said) in [("access_denied", "access_denied"), ("%3Cscript%3E", "it does not say why")] {
        let away = leave(&service, &provider, "/inbox").await;
        let query = format!("error={error}&error_description=%3Cb%3Eevil%3C/b%3E&state={}", away.state);
        let page = back(&service, &away.cookie, &query).await;
        assert_eq!(page.status, 403);
        assert!(page.text.contains(said) && !page.text.contains("evil"), "{}", page.text);
    }
    provider.refuse("invalid_grant");
    let away = leave(&service, &provider, "/inbox").await;
    let page = come_back(&service, &away).await;
    assert_eq!(page.status, 403, "a code that is too old");
    assert!(page.text.contains("the log-in provider refused: invalid_grant"));
}

#[tokio::test]
async fn a_provider_that_is_down_keeps_nobody_with_a_password_out() {
    let provider = Provider::start().await;
    let mut oidc = settings(&provider);
    oidc.issuer = "http://127.0.0.1:1".parse().unwrap();
    let service = Service::start_with(LoginSettings { no_passwords: false, oidc: Some(oidc) }).await;
    for _ in 0..2 {
        let page = browse(&service, "", "/login/oidc", None).await;
        assert_eq!(page.status, 502);
        assert!(
            page.text.contains("does not answer as it should") && page.text.contains("name=\"password\"")
        );
    }
    service.log_in("ada").await;
}

#[tokio::test]
async fn passwords_can_be_off() {
    let provider = Provider::start().await;
    let login = LoginSettings { no_passwords: true, oidc: Some(settings(&provider)) };
    let service = Service::start_with(login).await;
    let page = browse(&service, "", "/login", None).await;
    assert!(!page.text.contains("name=\"password\"") && page.text.contains("/login/oidc"));
    let credentials = json!({ "user": "ada", "password": crate::harness::PASSWORD });
    let reply = service.post("/v1/sessions", "", credentials).await;
    assert_eq!((reply.status.as_u16(), &reply.body["code"]), (403, &json!("no_passwords")));
    let form = format!("user=ada&password={}", crate::harness::PASSWORD.replace(' ', "+"));
    assert_eq!(browse(&service, "", "/login", Some(&form)).await.status, 403);
}
