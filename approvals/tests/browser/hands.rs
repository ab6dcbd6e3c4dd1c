//! The inbox by keyboard alone, without a script, and while others answer.

use serde_json::json;

use crate::chromium::Browser;
use crate::harness::{code, question};
use crate::site::Site;

/// Types keys at whatever has the focus.
pub(crate) async fn press(browser: &Browser, keys: &str) {
    browser.client.active_element().await.unwrap().send_keys(keys).await.unwrap();
}

pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const TAB: &str = "\u{e004}";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver"]
async fn keys_alone_find_open_and_answer_a_request() {
    let (site, browser) = tokio::join!(Site::open(), Browser::open());
    let first = site.service.open(question()).await;
    let second = site.service.open(question()).await;
    browser.log_in(&site, "ada", &code(0)).await;
    // The first key goes to the first row; one goes on from there, back, and not over an end.
    for (key, row) in [("j", &first), ("j", &second), ("j", &second), ("k", &first), ("k", &first)] {
        press(&browser, key).await;
        let at = browser.run("return document.activeElement.getAttribute('href');", vec![]).await;
        assert_eq!(at, json!(format!("/inbox/{row}")), "{key}");
    }
    press(&browser, "jjk").await;
    press(&browser, ENTER).await;
    browser.arrive(&format!("/inbox/{first}")).await;
    // A letter brings one to the button, and a second key decides.
    press(&browser, "a").await;
    assert_eq!(site.service.show(&first).await["state"], "pending");
    press(&browser, ENTER).await;
    browser.reads("approved, not used up yet").await;
    press(&browser, "u").await;
    browser.arrive("/inbox").await;
    press(&browser, "j").await;
    press(&browser, ENTER).await;
    browser.arrive(&format!("/inbox/{second}")).await;
    press(&browser, "r").await;
    press(&browser, "not now").await;
    press(&browser, &format!("{TAB}{ENTER}")).await;
    browser.reads("rejected").await;
    assert_eq!(site.service.show(&second).await["answers"][0]["reason"], "not now");
    // Letters do nothing once somebody has turned them off.
    let third = site.service.open(question()).await;
    browser.goto(&site.at(&format!("/inbox/{third}"))).await;
    browser.click("[data-toggle=shortcuts]").await;
    press(&browser, "u").await;
    browser.goto(&site.at(&format!("/inbox/{third}"))).await;
    press(&browser, "u").await;
    assert_eq!(browser.client.current_url().await.unwrap().path(), format!("/inbox/{third}"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver"]
async fn without_a_script_everything_is_there() {
    let (site, browser) = tokio::join!(Site::open(), Browser::open());
    browser.chromium("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
    let tickets = [
        site.service.open(question()).await,
        site.service.open(question()).await,
        site.service.open(question()).await,
    ];
    browser.log_in(&site, "ada", &code(0)).await;
    browser.click(&format!("a[href='/inbox/{}']", tickets[0])).await;
    browser.click("button.approve").await;
    browser.reads("approved, not used up yet").await;
    browser.goto(&site.at("/inbox")).await;
    for ticket in &tickets[1..] {
        browser.click(&format!("input[value^='{ticket}']")).await;
    }
    browser.click("details.bulk summary").await;
    browser.click("details.bulk input[value='Talk to us first']").await;
    browser.click("details.bulk button").await;
    browser.reads("2 rejected.").await;
    browser.fill("input[name=words]", "production").await;
    browser.click("form.filter button").await;
    browser.reads("Show all").await;
    browser.goto(&site.at("/inbox/mine")).await;
    browser.reads("Talk to us first").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver"]
async fn what_others_do_is_seen_and_takes_nothing_out_of_ones_hands() {
    let (site, browser) = tokio::join!(Site::open(), Browser::open());
    let mut asked = question();
    asked["gates"][0]["quorum"] = json!(2);
    let ticket = site.service.open(asked).await;
    browser.log_in(&site, "ada", &code(0)).await;
    browser.goto(&site.at(&format!("/inbox/{ticket}"))).await;
    press(&browser, "r").await;
    press(&browser, "because").await;
    site.service.answer(&site.service.log_in("bob").await, &ticket, "approve").await;
    browser.reads("1 of 2 approvals").await;
    let kept = "const field = document.activeElement; return [field.name, field.value, field.closest('details').open];";
    assert_eq!(browser.run(kept, vec![]).await, json!(["reason", "because", true]));
    // Once it is closed there is nothing left to say.
    site.service.answer(&site.service.log_in("cid").await, &ticket, "reject").await;
    browser.reads("rejected").await;
    browser
        .run(
            "while (document.querySelector('.choice form')) await new Promise(requestAnimationFrame);",
            vec![],
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver"]
async fn what_changes_is_said_by_an_element_that_stays() {
    let (site, browser) = tokio::join!(Site::open(), Browser::open());
    let mut asked = question();
    asked["gates"][0]["quorum"] = json!(2);
    let ticket = site.service.open(asked).await;
    browser.log_in(&site, "ada", &code(0)).await;
    for page in ["/inbox".to_owned(), format!("/inbox/{ticket}")] {
        browser.goto(&site.at(&page)).await;
        assert!(!browser.has("[data-live] [role=status]").await, "a screen reader may miss what is replaced");
    }
    browser.run("window.said = document.querySelector('[role=status]');", vec![]).await;
    let says =
        "while (!said.isConnected || said.innerText !== given[0]) await new Promise(requestAnimationFrame);";
    browser.run(says, vec![json!("waiting for approval, 0 of 2 approvals")]).await;
    site.service.answer(&site.service.log_in("bob").await, &ticket, "flag").await;
    browser.run(says, vec![json!("waiting for approval, 0 of 3 approvals, flagged by 1")]).await;
    site.service.answer(&site.service.log_in("cid").await, &ticket, "reject").await;
    browser.run(says, vec![json!("rejected, 0 of 3 approvals, flagged by 1")]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver"]
async fn the_queue_grows_under_ones_hands() {
    let (site, browser) = tokio::join!(Site::open(), Browser::open());
    let first = site.service.open(question()).await;
    browser.log_in(&site, "ada", &code(0)).await;
    press(&browser, "j").await;
    let second = site.service.open(question()).await;
    browser.find(&format!("a[href='/inbox/{second}']")).await;
    let focus = "return document.activeElement.getAttribute('href');";
    assert_eq!(browser.run(focus, vec![]).await, json!(format!("/inbox/{first}")), "one stays where one was");
    assert_eq!(
        browser.run("return document.querySelector('[role=status][data-live]').innerText;", vec![]).await,
        "2 wait for you"
    );
}
