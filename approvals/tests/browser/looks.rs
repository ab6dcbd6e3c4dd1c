//! Pictures of the pages, below `target/screenshots`, for people to look at; and that nothing is wider than a phone.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::approver::{glazed, high};
use crate::chromium::Browser;
use crate::harness::{code, question};
use crate::site::Site;

async fn picture(browser: &Browser, name: &str) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    for (width, height) in [(390, 844), (1440, 900)] {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
        browser.chromium("Emulation.setDeviceMetricsOverride", size).await;
        for scheme in ["light", "dark"] {
            let scheme_of = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
            browser.chromium("Emulation.setEmulatedMedia", scheme_of).await;
            let whole = json!({ "captureBeyondViewport": true });
            let shot = browser.chromium("Page.captureScreenshot", whole).await;
            let bytes = STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
            std::fs::write(folder.join(format!("{name}-{width}-{scheme}.png")), bytes).unwrap();
        }
        let wide = browser.run("return document.documentElement.scrollWidth;", vec![]).await;
        assert_eq!(wide, json!(width), "{name} scrolls sideways");
    }
    browser.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver, node and npm"]
async fn pages_fit_phones_and_desks_in_both_schemes() {
    let (site, browser) = tokio::join!(Site::with_provider(), Browser::open());
    browser.add_authenticator().await;
    browser.goto(&site.at("/login")).await;
    picture(&browser, "login").await;
    browser.log_in(&site, "cid", &code(0)).await;
    browser.add_passkey(&site, "a key with a rather long name that says where it is").await;
    browser.click("section:has(#tokens) summary").await;
    browser.fill("section:has(#tokens) input[name=name]", "the release pipeline").await;
    browser.click("input[name=read]").await;
    browser.click("input[name=answer]").await;
    picture(&browser, "account").await;
    browser.click("form[action='/account/tokens'] button").await;
    browser.reads("it is not shown again").await;
    picture(&browser, "account-token").await;
    site.service.sql("UPDATE sessions SET otp_at = NULL").await;
    browser.goto(&site.at("/account")).await;
    picture(&browser, "account-locked").await;
    let ticket = site.service.open(high(question())).await;
    browser.goto(&site.at(&format!("/inbox/{ticket}"))).await;
    picture(&browser, "request").await;
    let ticket = site.service.open(glazed()).await;
    browser.goto(&site.at(&format!("/inbox/{ticket}"))).await;
    browser.break_the_glass("The site is down and nobody else answers").await;
    picture(&browser, "glass").await;
    browser.goto(&site.at("/inbox")).await;
    picture(&browser, "queue").await;
    browser.goto(&site.at("/v1/openapi")).await;
    picture(&browser, "interface").await;
    site.service.sql("UPDATE accounts SET totp = NULL, totp_since = NULL WHERE subject = 'dan'").await;
    browser.goto(&site.at("/inbox")).await;
    browser.click("form[action='/logout'] button").await;
    browser.arrive("/login").await;
    browser.log_in(&site, "dan", "").await;
    browser.goto(&site.at("/account")).await;
    browser.click("form[action='/account/codes'] button").await;
    browser.find(".secret").await;
    picture(&browser, "codes").await;
}
