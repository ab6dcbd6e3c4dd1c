//! How long a person waits for pages with 10,000 open requests. `cargo xtask bench` runs this and prints the figures.

use std::time::{Duration, Instant};

use countersign_protocol::Hash;
use serde_json::{Value, json};

use crate::chromium::Browser;
use crate::harness::{EDGE, code, question, token};
use crate::site::Site;

/// Open requests.
const OPEN: usize = 10_000;
/// Asked in one batch.
const BATCH: usize = 250;
/// How often each is measured.
const TIMES: usize = 15;
/// How long an open page has been quiet before an answer is given.
const PAUSE: Duration = Duration::from_millis(1500);

/// Asks for very much, of as many principals as the usual limits leave room for; gives the last ticket.
async fn fill(site: &Site) -> String {
    let mut last = String::new();
    for batch in 0..OPEN / BATCH {
        let item = |number: usize| {
            let (mut question, number) = (question(), batch * BATCH + number);
            question["cedar"]["principal"] = json!(format!("Agent::\"deployer {}\"", number % 128));
            question["request"]["body"] = json!({ "text": format!("{{\"build\":{number}}}") });
            json!({ "nonce": token(), "waiter": token(), "digest": Hash::of(&number.to_be_bytes()), "question": question })
        };
        let items: Vec<_> = (0..BATCH).map(item).collect();
        let reply = site.service.post("/v1/requests", EDGE, json!({ "evidence": [], "items": items })).await;
        let asked = &reply.body["items"][BATCH - 1];
        assert_eq!(asked["result"], "open", "{asked}");
        last = asked["ticket"].as_str().unwrap().to_owned();
    }
    last
}

/// The median of what a script gives on a page that is loaded anew each time, milliseconds.
async fn median(browser: &Browser, url: &str, script: &str) -> f64 {
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        browser.goto(url).await;
        times.push(browser.run(script, vec![]).await.as_f64().unwrap());
    }
    times.sort_by(f64::total_cmp);
    times[TIMES / 2]
}

/// From the start of the navigation until something is painted (Paint Timing, `first-contentful-paint`).
const PAINT: &str = "while (true) {
    const paint = performance.getEntriesByName('first-contentful-paint')[0];
    if (paint) return paint.startTime;
    await new Promise(requestAnimationFrame);
}";

/// From a key until the frame after what it does.
const KEY: &str = "const key = document.body.dataset.page === 'queue' ? 'j' : 'r';
    const begun = performance.now();
    document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
    await new Promise(requestAnimationFrame);
    await new Promise((done) => setTimeout(done));
    return performance.now() - begun;";

/// From an answer in one browser until the page in another shows it.
async fn seen_elsewhere(site: &Site, browser: &Browser) -> f64 {
    let other = Browser::open().await;
    other.log_in(site, "bob", &code(0)).await;
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let ticket = site.service.open(question()).await;
        browser.goto(&site.at(&format!("/inbox/{ticket}"))).await;
        browser.reads("waiting for approval").await;
        other.goto(&site.at(&format!("/inbox/{ticket}"))).await;
        other.click("summary.reject").await;
        other.click("details.say input[value='Talk to us first']").await;
        // An open page that has just fetched itself pauses before it does so again.
        tokio::time::sleep(PAUSE).await;
        let begun = Instant::now();
        other.click("details.say button.reject").await;
        let text = "while (!document.querySelector('[data-live=headline]').innerText.includes('rejected'))
            await new Promise(requestAnimationFrame);";
        browser.run(text, vec![]).await;
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    times[TIMES / 2]
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures: `cargo xtask bench` runs it"]
async fn figures() {
    let (site, browser) = tokio::join!(Site::open(), Browser::open());
    let last = fill(&site).await;
    // May see none of them: every one is looked at in vain.
    let stranger = Browser::open().await;
    stranger.log_in(&site, "dan", &code(0)).await;
    let none_paint = median(&stranger, &site.at("/inbox"), PAINT).await;
    browser.log_in(&site, "ada", &code(0)).await;
    let (queue, request) = (site.at("/inbox"), site.at(&format!("/inbox/{last}")));
    let figures: Value = json!({
        "open": OPEN,
        "none_paint": none_paint,
        "queue_paint": median(&browser, &queue, PAINT).await,
        "queue_key": median(&browser, &queue, KEY).await,
        "request_paint": median(&browser, &request, PAINT).await,
        "request_key": median(&browser, &request, KEY).await,
        "elsewhere": seen_elsewhere(&site, &browser).await,
    });
    // On a line of its own: a test runner with one processor has begun one.
    println!("\nfigures {figures}");
}
