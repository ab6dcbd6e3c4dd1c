//! Logging in at a real provider, and what other sites can do with a browser that is logged in.

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use serde_json::json;

use crate::approver::gated;
use crate::chromium::Browser;
use crate::site::Site;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver, node and npm"]
async fn whoever_follows_a_link_logs_in_lands_there_and_approves_until_the_provider_says_otherwise() {
    let (site, browser, other) = tokio::join!(Site::with_provider(), Browser::open(), Browser::open());
    for name in ["ida", "ivo"] {
        site.provider().groups(name, json!(["deployers"])).await;
    }
    // A request needs somebody who may approve it, so both log in before there is one.
    other.log_in_at_the_provider(&site, "ivo").await;
    browser.log_in_at_the_provider(&site, "ida").await;
    browser.click("form[action='/logout'] button").await;
    browser.arrive("/login").await;
    let ticket = site.service.open(gated(&site, "deployers")).await;
    let path = format!("/inbox/{ticket}");
    browser.goto(&site.at(&path)).await;
    browser.arrive("/login").await;
    browser.is_clean().await;
    browser.click("a[href^='/login/oidc']").await;
    browser.arrive(&path).await;
    browser.reads("ida of the provider").await;
    browser.click("button.approve").await;
    browser.reads("You have answered: approve.").await;
    assert_eq!(site.service.show(&ticket).await["state"], "approved");
    browser.is_clean().await;
    let cookies = browser.chromium("Network.getCookies", json!({ "urls": [site.url] })).await;
    let cookies = cookies["cookies"].as_array().unwrap();
    assert_eq!(cookies.len(), 1, "the cookie of the way to the provider is gone: {cookies:?}");
    let of = |name: &str| cookies[0][name].clone();
    assert_eq!(of("name"), "__Host-countersign_session");
    assert_eq!((of("secure"), of("httpOnly"), of("sameSite")), (json!(true), json!(true), json!("Strict")));
    assert_eq!((of("path"), of("domain")), (json!("/"), json!("localhost")));

    site.provider().groups("ida", json!([])).await;
    browser.goto(&site.at("/account")).await;
    browser.reads("deployers").await;
    browser.click("form[action='/logout'] button").await;
    browser.arrive("/login").await;
    browser.click("a[href^='/login/oidc']").await;
    browser.arrive("/inbox").await;
    let next = site.service.open(gated(&site, "deployers")).await;
    browser.goto(&site.at(&format!("/inbox/{next}"))).await;
    browser.reads("there is nothing here").await;
    browser.goto(&site.at("/account")).await;
    assert!(!browser.text().await.contains("deployers"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver, node and npm"]
async fn what_one_browser_brings_back_is_nothing_in_another_and_nothing_twice() {
    let (site, victim, attacker) = tokio::join!(Site::with_provider(), Browser::open(), Browser::open());
    // The attacker takes the cookie away to have an address that nobody has come back with, and puts it to the victim.
    let held = "__Host-countersign_login";
    attacker.goto(&site.at("/login")).await;
    attacker.click("a[href^='/login/oidc']").await;
    attacker.find("input[name=login]").await;
    attacker.chromium("Network.deleteCookies", json!({ "name": held, "url": site.url })).await;
    attacker.at_the_provider("mallory").await;
    attacker.reads("was not begun in this browser").await;
    let back = attacker.client.current_url().await.unwrap();
    assert!(back.query_pairs().any(|(name, _)| name == "code"), "{back}");
    victim.goto(back.as_str()).await;
    victim.reads("was not begun in this browser").await;
    victim.goto(&site.at("/inbox")).await;
    victim.arrive("/login").await;
    // Nor does it work where it was begun, with a state that is made up.
    let mut forged = back.clone();
    forged.set_query(Some(&format!("code=c&state={}", "0".repeat(64))));
    let state = back.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let cookie = json!({ "name": held, "value": state, "url": site.url, "path": "/", "secure": true });
    assert_eq!(attacker.chromium("Network.setCookie", cookie).await["success"], true);
    attacker.goto(forged.as_str()).await;
    attacker.reads("was not begun in this browser").await;
    attacker.goto(back.as_str()).await;
    attacker.arrive("/inbox").await;
    attacker.goto(back.as_str()).await;
    attacker.reads("was not begun in this browser").await;
    victim.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver, node and npm"]
async fn without_the_provider_there_are_passwords() {
    let (mut site, browser) = tokio::join!(Site::with_provider(), Browser::open());
    site.provider = None;
    browser.goto(&site.at("/login")).await;
    browser.click("a[href^='/login/oidc']").await;
    browser.reads("the log-in provider does not answer as it should").await;
    browser.is_clean().await;
    browser.log_in(&site, "ada", "").await;
    browser.is_clean().await;
}

/// A page of another site, with a link to the service and a form that would approve there.
async fn other_site(site: &Site, ticket: &str, shown: &str) -> String {
    let (url, action) = (site.at(&format!("/inbox/{ticket}")), site.at(&format!("/inbox/{ticket}/answer")));
    let page = format!(
        "<!doctype html><title>elsewhere</title><a href='{url}'>see</a><form method=post action='{action}'>
         <input name=kind value=approve><input name=shown value='{shown}'><input name=csrf value=''>
         <button>go</button></form>"
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/", get(move || async { Html(page) }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver"]
async fn another_site_may_link_but_not_send() {
    let (site, browser) = tokio::join!(Site::open(), Browser::open());
    let ticket = site.service.open(crate::harness::question()).await;
    let shown = site.service.show(&ticket).await["shown"].as_str().unwrap().to_owned();
    let elsewhere = other_site(&site, &ticket, &shown).await;
    browser.log_in(&site, "ada", "").await;
    browser.goto(&elsewhere).await;
    browser.click("form button").await;
    // The browser keeps the session back, and the service sends whoever has none to log in.
    browser.arrive("/login").await;
    assert_eq!(site.service.show(&ticket).await["state"], "pending");
    browser.goto(&elsewhere).await;
    browser.click("a").await;
    browser.arrive(&format!("/inbox/{ticket}")).await;
    browser.click("button.approve").await;
    browser.reads("You have answered: approve.").await;
    // A script of another site cannot even ask.
    browser.goto(&elsewhere).await;
    let tried = browser.run(
        "const reply = await fetch(given[0], { credentials: 'include' }); return reply.status;",
        vec![json!(site.at("/v1/requests"))],
    );
    assert!(tried.await.as_str().unwrap().starts_with("failed: TypeError"));
}
