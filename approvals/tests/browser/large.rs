//! A request of many megabytes on a phone: all of it can be seen, and is seen before it is approved.

use std::time::Instant;

use serde_json::{Value, json};

use crate::chromium::Browser;
use crate::harness::{code, question};
use crate::site::Site;

/// A tool call with five megabytes of arguments, and five hundred pairs of headers.
fn large() -> Value {
    let items: Vec<_> = (0..250_000).map(|n| format!("item {n:09}")).collect();
    let params = json!({ "name": "load", "arguments": { "items": items } });
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let mut asked = question();
    asked["request"]["body"] = json!({ "text": call.to_string() });
    let header =
        |n| json!({ "name": format!("x-{n}"), "value": { "text": format!("value {n}") }, "bound": true });
    asked["request"]["headers"] = (1..=500).map(header).collect();
    asked
}

/// Sends a yes as the page's form would, but says nothing of what was shown.
const UNSEEN: &str =
    "const fields = new URLSearchParams(new FormData(document.querySelector('form:has([value=approve])')));
    fields.delete('saw_all');
    const reply = await fetch(location.pathname + '/answer', { method: 'POST', body: fields });
    return [reply.status, (await reply.text()).includes('look at all of it before you approve it')];";

/// Whether somebody who scrolls there sees that text.
const SEES: &str = "const texts = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
    for (let text = texts.nextNode(); text; text = texts.nextNode()) {
        if (!text.data.includes(given[0])) continue;
        const element = text.parentElement;
        element.scrollIntoView();
        const { width, height, left } = element.getBoundingClientRect();
        if (element.checkVisibility() && width > 0 && height > 0 && left >= 0 && left < innerWidth) return true;
    }
    return false;";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver"]
async fn five_megabytes_on_a_phone_are_approved_once_they_were_shown() {
    let (site, browser) = tokio::join!(Site::open(), Browser::open());
    let ticket = site.service.open(large()).await;
    let size = json!({ "width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": true });
    browser.chromium("Emulation.setDeviceMetricsOverride", size).await;
    browser.log_in(&site, "ada", &code(0)).await;
    browser.goto(&site.at(&format!("/inbox/{ticket}"))).await;
    browser.reads("Not all of it is shown").await;
    assert!(!browser.has("button.approve").await);
    browser.click("a.jump").await;
    let begun = Instant::now();
    browser.click(".choice a[href$='?full=yes']").await;
    browser.find("button.approve").await;
    println!("all of 5 MB was there after {:?}", begun.elapsed());
    for text in ["item 000000000", "item 000249999", "value 1", "value 500"] {
        assert_eq!(browser.run(SEES, vec![json!(text)]).await, json!(true), "{text}");
    }
    let wide = browser.run("return document.documentElement.scrollWidth;", vec![]).await;
    assert!(wide.as_i64().unwrap() <= 390, "it scrolls sideways: {wide}");
    assert_eq!(browser.run(UNSEEN, vec![]).await, json!([409, true]));
    assert_eq!(site.service.show(&ticket).await["state"], "pending");
    let begun = Instant::now();
    browser.click("button.approve").await;
    browser.reads("You have answered: approve.").await;
    println!("and approved {:?} later", begun.elapsed());
    assert_eq!(site.service.show(&ticket).await["state"], "approved");
}
