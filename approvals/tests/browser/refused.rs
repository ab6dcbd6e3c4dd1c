//! Pages after a form that was refused, and after the session has ended: nothing typed is lost, and all of it is live.

use serde_json::json;

use crate::approver::{glazed, high};
use crate::chromium::Browser;
use crate::harness::{code, question};
use crate::site::Site;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver"]
async fn after_a_wrong_code_the_page_is_live_and_has_what_was_typed() {
    let (site, browser) = tokio::join!(Site::open(), Browser::open());
    let mut asked = high(question());
    asked["gates"][0]["quorum"] = json!(2);
    asked["terms"]["uses"] = json!(3);
    let ticket = site.service.open(asked).await;
    let path = format!("/inbox/{ticket}");
    browser.log_in(&site, "ada", "").await;
    browser.goto(&site.at(&path)).await;
    browser.find("input[name=uses]").await.clear().await.unwrap();
    browser.fill("input[name=uses]", "2").await;
    browser.fill("input[name=totp]", "000000").await;
    browser.click("button.approve").await;
    browser.reads("code is wrong").await;
    assert_eq!((browser.value("input[name=uses]").await, browser.path().await), ("2".into(), path));
    assert_eq!(browser.value("input[name=totp]").await, "", "a code counts once");
    let bob = site.service.proven("bob").await;
    assert_eq!(site.service.answer(&bob, &ticket, "approve").await.status, 200);
    browser.reads("1 of 2 approvals").await;
    assert_eq!(browser.value("input[name=uses]").await, "2", "what others do leaves it alone");
    browser.fill("input[name=totp]", &code(0)).await;
    browser.click("button.approve").await;
    browser.reads("You have answered: approve.").await;
    assert_eq!(site.service.show(&ticket).await["answers"][1]["uses"], 2);
    browser.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver"]
async fn after_a_wrong_code_the_glass_can_still_be_broken_for_the_reason_that_was_typed() {
    let (site, browser) = tokio::join!(Site::open(), Browser::open());
    let ticket = site.service.open(glazed()).await;
    browser.log_in(&site, "dan", "").await;
    browser.goto(&site.at(&format!("/inbox/{ticket}"))).await;
    browser.click("details:has([value=break_glass]) > summary").await;
    let form = "details[open] form:has([value=break_glass])";
    let why = "the site is down </textarea><img src=x onerror=window.hit=1>";
    browser.fill(&format!("{form} textarea"), why).await;
    browser.fill(&format!("{form} input[name=totp]"), "000000").await;
    browser.click(&format!("{form} button")).await;
    browser.reads("code is wrong").await;
    assert_eq!(browser.value(&format!("{form} textarea")).await, why);
    browser.fill(&format!("{form} input[name=totp]"), &code(0)).await;
    browser.click(&format!("{form} button")).await;
    browser.reads("The glass was broken").await;
    assert_eq!(site.service.show(&ticket).await["answers"][0]["reason"], why);
    assert_eq!(
        browser.run("return [window.hit ?? null, document.images.length];", vec![]).await,
        json!([null, 1])
    );
    browser.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver"]
async fn who_was_slower_sees_what_the_others_said_and_goes_on_seeing_it() {
    let (site, browser) = tokio::join!(Site::open(), Browser::open());
    let ticket = site.service.open(question()).await;
    browser.log_in(&site, "ada", &code(0)).await;
    browser.goto(&site.at(&format!("/inbox/{ticket}"))).await;
    browser.click("summary.reject").await;
    browser.fill("details.say[open] textarea", "the window is <b>closed</b>").await;
    site.service.answer(&site.service.log_in("bob").await, &ticket, "approve").await;
    // The form in her hands stays, though there is nothing to reject any more.
    browser.reads("approved, not used up yet").await;
    browser.click("details.say button.reject").await;
    browser.reads("What you wrote, which nobody has got").await;
    browser.reads("the window is <b>closed</b>").await;
    assert!(browser.has("[role=alert]").await && browser.has("form[action$='/revoke']").await);
    let cid = site.service.log_in("cid").await;
    let why = json!({ "reason": "it was the wrong branch" });
    let revoked = site.service.post(&format!("/v1/requests/{ticket}/revoke"), &cid, why).await;
    assert_eq!(revoked.status, 200, "{}", revoked.body);
    browser.reads("it was the wrong branch").await;
    browser.find(".headline .state-no").await;
    browser.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver"]
async fn whoever_s_session_ends_logs_in_and_is_where_they_were() {
    let (site, browser) = tokio::join!(Site::open(), Browser::open());
    let ticket = site.service.open(question()).await;
    let path = format!("/inbox/{ticket}");
    browser.log_in(&site, "ada", "").await;
    browser.goto(&site.at(&path)).await;
    // Too long, whatever the field lets through.
    let long = "const field = document.querySelector('form:has([value=flag]) textarea');
        field.maxLength = 2000; field.closest('details').open = true; field.value = 'x'.repeat(1001);";
    browser.run(long, vec![]).await;
    browser.click("button.flag").await;
    browser.reads("at most 1000 characters").await;
    assert_eq!(browser.value("details[open] form:has([value=flag]) textarea").await, "x".repeat(1001));
    // An open page leaves by itself as soon as the session is over.
    site.service.sql("UPDATE sessions SET expires_at = 1").await;
    site.service.open(question()).await;
    browser.arrive("/login").await;
    browser.give_password("ada", "").await;
    browser.arrive(&path).await;
    // So does whoever has no script and sends a form too late.
    browser.chromium("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
    browser.goto(&site.at(&path)).await;
    browser.click("summary.flag").await;
    browser.fill("details.say[open] textarea", "who is that?").await;
    site.service.sql("UPDATE sessions SET expires_at = 1").await;
    browser.click("button.flag").await;
    browser.arrive("/login").await;
    browser.give_password("ada", "").await;
    browser.arrive(&path).await;
    browser.reads("waiting for approval").await;
}
