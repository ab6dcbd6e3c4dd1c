//! What people do to requests, from the page to what is kept: each button once.

use std::collections::BTreeSet;

use countersign_protocol::Hash;
use serde_json::{Value, json};

use crate::approver::{glazed, high};
use crate::chromium::Browser;
use crate::hands::{ENTER, TAB, press};
use crate::harness::{EDGE, code, question, token};
use crate::site::Site;

/// The page of a request that was just asked, in the hands of somebody.
async fn page_of(asked: Value, name: &str, code: &str) -> (Site, Browser, String) {
    let (site, browser) = tokio::join!(Site::open(), Browser::open());
    let ticket = site.service.open(asked).await;
    browser.log_in(&site, name, code).await;
    browser.goto(&site.at(&format!("/inbox/{ticket}"))).await;
    (site, browser, ticket)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver"]
async fn a_flag_asks_for_one_more() {
    let (site, browser, ticket) = page_of(question(), "ada", "").await;
    browser.click("summary.flag").await;
    browser.fill("details.say[open] textarea", "the branch is not merged").await;
    browser.click("button.flag").await;
    browser.reads("You have answered: flag.").await;
    browser.reads("0 of 2 approvals").await;
    let shown = site.service.show(&ticket).await;
    let said = &shown["answers"][0];
    assert_eq!((&said["kind"], &said["reason"]), (&json!("flag"), &json!("the branch is not merged")));
    browser.goto(&site.at("/inbox")).await;
    browser.find(".row .tag.flagged").await;
    browser.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver"]
async fn high_severity_is_approved_with_a_code_on_the_page() {
    let (site, browser, ticket) = page_of(high(question()), "ada", "").await;
    // The letter leads to the field.
    press(&browser, "a").await;
    press(&browser, &code(0)).await;
    press(&browser, ENTER).await;
    browser.reads("You have answered: approve.").await;
    let shown = site.service.show(&ticket).await;
    assert_eq!((&shown["state"], &shown["answers"][0]["amr"]), (&json!("approved"), &json!(["pwd", "otp"])));
    browser.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver"]
async fn an_approval_is_taken_back() {
    let (site, browser, ticket) = page_of(question(), "ada", "").await;
    browser.click("button.approve").await;
    browser.reads("approved, not used up yet").await;
    browser.click("summary.reject").await;
    browser.fill("details.say[open] textarea", "the window is over").await;
    browser.click("details.say[open] button").await;
    browser.reads("taken back").await;
    let shown = site.service.show(&ticket).await;
    let last = shown["history"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&shown["state"], &last["detail"]),
        (&json!("revoked"), &json!("the window is over")),
        "{shown}"
    );
    assert!(!browser.has(".choice form").await);
    browser.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver"]
async fn broken_glass_is_looked_at() {
    let (site, browser, ticket) = page_of(glazed(), "ada", "").await;
    let dan = site.service.proven("dan").await;
    let path = format!("/v1/requests/{ticket}/answers");
    let shown = site.service.show(&ticket).await["shown"].clone();
    let body = json!({ "kind": "break_glass", "reason": "the site is down", "shown": shown });
    assert_eq!(site.service.post(&path, &dan, body).await.status, 200);
    // The open page has the form by itself.
    browser.fill("textarea[name=note]", "it was an outage").await;
    browser.click("form[action$='/review'] button").await;
    browser.reads("looked at it").await;
    let shown = site.service.show(&ticket).await;
    assert_eq!(
        (&shown["review"]["closed_by"]["subject"], &shown["review"]["note"]),
        (&json!("ada"), &json!("it was an outage"))
    );
    browser.goto(&site.at("/inbox")).await;
    browser.reads("Waiting for you").await;
    assert!(!browser.has(".glass").await);
    browser.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver"]
async fn a_yes_is_to_as_many_uses_as_somebody_says() {
    let mut asked = question();
    asked["terms"]["uses"] = json!(5);
    let (site, browser, ticket) = page_of(asked, "ada", "").await;
    browser.find("input[name=uses]").await.clear().await.unwrap();
    browser.fill("input[name=uses]", "2").await;
    browser.click("button.approve").await;
    browser.reads("only 2 uses").await;
    let shown = site.service.show(&ticket).await;
    assert_eq!((&shown["state"], &shown["uses"]), (&json!("approved"), &json!(2)));
    browser.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver"]
async fn what_is_long_is_shown_in_full_and_then_approved() {
    let mut asked = question();
    asked["request"]["body"] = json!({ "text": format!("{} the end of it", "x".repeat(70_000)) });
    let (site, browser, ticket) = page_of(asked, "ada", "").await;
    assert!(!browser.has("button.approve").await && !browser.text().await.contains("the end of it"));
    browser.click(".choice a[href$='?full=yes']").await;
    browser.reads("the end of it").await;
    browser.click("button.approve").await;
    browser.reads("You have answered: approve.").await;
    assert_eq!(site.service.show(&ticket).await["state"], "approved");
    browser.is_clean().await;
}

/// Two messages that were given up.
const DEAD: &str =
    "INSERT INTO outbox (id, channel, ticket, event, at, state, attempts, ready, due_at, settled_at, error)
     SELECT 'dead ' || seq, 'sre-slack', ticket, seq, at, 'dead', 10, 0, at, at, 'no answer' FROM history
         WHERE event = 'asked'";
const FAILED: &str =
    "INSERT INTO channel_health (channel, failed_at, error) VALUES ('sre-slack', 1, 'no answer')";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver"]
async fn what_was_given_up_is_tried_again() {
    let (site, browser) = tokio::join!(Site::open(), Browser::open());
    for _ in 0..2 {
        site.service.open(question()).await;
    }
    for sql in [DEAD, FAILED] {
        site.service.sql(sql).await;
    }
    browser.log_in(&site, "root", "").await;
    browser.goto(&site.at("/inbox/channels")).await;
    let dead = "SELECT count(*) FROM outbox WHERE state = 'dead'";
    // One of them, and then all that are left.
    for (button, left) in [(".list button", 1), ("section > form button", 0)] {
        browser.click(button).await;
        browser.reads(&format!("given up\n{left}")).await;
        assert_eq!(site.service.count(dead).await, left);
    }
    browser.is_clean().await;
}

/// The tickets that a page lists.
async fn listed(browser: &Browser, section: &str) -> Vec<String> {
    let links =
        "return [...document.querySelectorAll(`${given[0]} .row a`)].map((row) => row.getAttribute('href'));";
    serde_json::from_value(browser.run(links, vec![json!(section)]).await).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver"]
async fn all_of_a_long_list_is_found_page_by_page() {
    let (site, browser) = tokio::join!(Site::open(), Browser::open());
    let item = |number: u8| json!({ "nonce": token(), "waiter": token(), "digest": Hash::of(&[number]), "question": question() });
    let items: Vec<_> = (0..120).map(item).collect();
    let reply = site.service.post("/v1/requests", EDGE, json!({ "evidence": [], "items": items })).await;
    let asked = reply.body["items"].as_array().unwrap().iter();
    let asked: BTreeSet<_> =
        asked.map(|item| format!("/inbox/{}", item["ticket"].as_str().unwrap())).collect();
    browser.log_in(&site, "ada", "").await;
    browser.reads("Waiting for you 100+").await;
    let mut seen = listed(&browser, "section").await;
    browser.click("p.more a").await;
    browser.reads("Waiting for you 20").await;
    seen.extend(listed(&browser, "section").await);
    assert_eq!((seen.len(), &seen.into_iter().collect::<BTreeSet<_>>()), (120, &asked));
    site.service.sql("UPDATE tickets SET answer_by = 1").await;
    browser.goto(&site.at("/inbox/history")).await;
    let mut seen = listed(&browser, ".past").await;
    for page in [50, 20] {
        browser.click("p.more a").await;
        let count = "while (document.querySelectorAll('.past .row').length !== given[0] || !location.search)
            await new Promise(requestAnimationFrame);";
        browser.run(count, vec![json!(page)]).await;
        seen.extend(listed(&browser, ".past").await);
    }
    assert_eq!((seen.len(), &seen.into_iter().collect::<BTreeSet<_>>()), (120, &asked));
    assert!(!browser.has("p.more a").await);
    browser.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver"]
async fn a_preset_is_reason_enough_without_a_script() {
    let (site, browser) = tokio::join!(Site::open(), Browser::open());
    browser.chromium("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
    let ticket = site.service.open(question()).await;
    browser.log_in(&site, "ada", "").await;
    browser.click(&format!("a[href='/inbox/{ticket}']")).await;
    browser.click("summary.reject").await;
    browser.click("details.say input[value='It is for the wrong target']").await;
    browser.click("details.say button.reject").await;
    browser.reads("You have answered: reject.").await;
    let said = site.service.show(&ticket).await["answers"][0].clone();
    assert_eq!((&said["kind"], &said["reason"]), (&json!("reject"), &json!("It is for the wrong target")));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver"]
async fn flags_glass_reviews_and_a_change_of_mind_need_no_script() {
    let (site, browser) = tokio::join!(Site::open(), Browser::open());
    browser.chromium("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
    let (odd, glass) = (site.service.open(question()).await, site.service.open(glazed()).await);
    let dan = site.service.proven("dan").await;
    let shown = site.service.show(&glass).await["shown"].clone();
    let body = json!({ "kind": "break_glass", "reason": "the site is down", "shown": shown });
    assert_eq!(site.service.post(&format!("/v1/requests/{glass}/answers"), &dan, body).await.status, 200);
    browser.log_in(&site, "ada", "").await;
    browser.goto(&site.at(&format!("/inbox/{odd}"))).await;
    browser.click("summary.flag").await;
    browser.fill("details.say[open] textarea", "the branch is not merged").await;
    browser.click("button.flag").await;
    browser.reads("You have answered: flag.").await;
    browser.goto(&site.at(&format!("/inbox/{glass}"))).await;
    browser.fill("textarea[name=note]", "it was an outage").await;
    browser.click("form[action$='/review'] button").await;
    browser.reads("looked at it").await;
    let other = site.service.open(question()).await;
    browser.goto(&site.at(&format!("/inbox/{other}"))).await;
    browser.click("button.approve").await;
    browser.reads("approved, not used up yet").await;
    browser.click("summary.reject").await;
    browser.fill("details.say[open] textarea", "the window is over").await;
    browser.click("details.say[open] button").await;
    browser.reads("taken back").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver"]
async fn time_runs_out_on_an_open_page() {
    let (site, browser) = tokio::join!(Site::open(), Browser::open());
    browser.log_in(&site, "ada", "").await;
    let mut asked = question();
    asked["terms"]["expires_ms"] = json!(12_000);
    let ticket = site.service.open(asked).await;
    browser.goto(&site.at(&format!("/inbox/{ticket}"))).await;
    browser.find("time.soon").await;
    browser.find("button.approve").await;
    let left = "return parseInt(document.querySelector('time[data-deadline]').textContent);";
    let before = browser.run(left, vec![]).await.as_i64().unwrap();
    let fewer = "while (parseInt(document.querySelector('time[data-deadline]')?.textContent) >= given[0])
        await new Promise(requestAnimationFrame); return true;";
    browser.run(fewer, vec![json!(before)]).await;
    browser.reads("expired").await;
    assert!(!browser.has("button.approve").await);
    browser.is_clean().await;
}

/// Presses Tab until that has the focus.
async fn tab_to(browser: &Browser, css: &str) {
    let there = "return document.activeElement.matches(given[0]);";
    for _ in 0..60 {
        if browser.run(there, vec![json!(css)]).await == json!(true) {
            return;
        }
        press(browser, TAB).await;
    }
    panic!("Tab does not lead to `{css}`");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver"]
async fn tab_and_enter_alone_decide() {
    let (site, browser) = tokio::join!(Site::open(), Browser::open());
    let (yes, no) = (site.service.open(question()).await, site.service.open(question()).await);
    browser.log_in(&site, "ada", "").await;
    tab_to(&browser, &format!("a[href='/inbox/{yes}']")).await;
    press(&browser, ENTER).await;
    browser.arrive(&format!("/inbox/{yes}")).await;
    tab_to(&browser, "button.approve").await;
    press(&browser, ENTER).await;
    browser.reads("You have answered: approve.").await;
    tab_to(&browser, "a[href='/inbox']:not(.brand)").await;
    press(&browser, ENTER).await;
    browser.arrive("/inbox").await;
    tab_to(&browser, &format!("a[href='/inbox/{no}']")).await;
    press(&browser, ENTER).await;
    browser.arrive(&format!("/inbox/{no}")).await;
    tab_to(&browser, "summary.reject").await;
    press(&browser, ENTER).await;
    tab_to(&browser, "details.say[open] textarea").await;
    press(&browser, "not on a Friday").await;
    tab_to(&browser, "details.say[open] button.reject").await;
    press(&browser, ENTER).await;
    browser.reads("You have answered: reject.").await;
    let shown = [site.service.show(&yes).await, site.service.show(&no).await];
    assert_eq!(shown.each_ref().map(|one| &one["state"]), [&json!("approved"), &json!("rejected")]);
    assert_eq!(shown[1]["answers"][0]["reason"], "not on a Friday");
    browser.is_clean().await;
}
