//! Open pages while much happens: they fetch themselves seldom, lose nothing that changed, and take nothing away.

use serde_json::json;

use crate::chromium::Browser;
use crate::harness::{code, question};
use crate::site::Site;

/// When the page began to fetch itself, in milliseconds, each time so far.
const FETCHED: &str = "return performance.getEntriesByType('resource')
    .filter((entry) => entry.initiatorType === 'fetch').map((entry) => entry.startTime);";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver"]
async fn a_page_fetches_itself_once_a_second_at_most_and_misses_nothing() {
    let (site, browser) = tokio::join!(Site::open(), Browser::open());
    let ticket = site.service.open(question()).await;
    let bob = site.service.log_in("bob").await;
    browser.log_in(&site, "ada", "").await;
    browser.goto(&site.at(&format!("/inbox/{ticket}"))).await;
    // What happens to others is news to every page.
    let (mut fetched, mut changes) = (Vec::new(), 0);
    while fetched.len() < 4 {
        site.service.open(question()).await;
        changes += 1;
        fetched = serde_json::from_value::<Vec<f64>>(browser.run(FETCHED, vec![]).await).unwrap();
    }
    site.service.answer(&bob, &ticket, "approve").await;
    browser.reads("approved, not used up yet").await;
    assert!(changes > fetched.len(), "only {changes} changes");
    let fetched: Vec<f64> = serde_json::from_value(browser.run(FETCHED, vec![]).await).unwrap();
    let gaps: Vec<_> = fetched.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(gaps.iter().all(|gap| *gap >= 1000.0), "{gaps:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium-driver"]
async fn the_queue_is_live_while_requests_of_it_are_chosen() {
    let (site, browser) = tokio::join!(Site::open(), Browser::open());
    let first = site.service.open(question()).await;
    let other = site.service.open(question()).await;
    let bob = site.service.log_in("bob").await;
    browser.log_in(&site, "ada", &code(0)).await;
    let (one, two) = (format!("[value^='{first}']"), format!("[value^='{other}']"));
    browser.click(&one).await;
    browser.click(&two).await;
    let second = site.service.open(question()).await;
    browser.find(&format!("[value^='{second}']")).await;
    let kept = "return [document.activeElement.value?.split(':')[0],
        new Set([...document.querySelectorAll('[name=request]:checked')].map((box) => box.value.split(':')[0]))
            .isSupersetOf(new Set(given[0])), document.querySelectorAll('[name=request]:checked').length];";
    let both = vec![json!([first, other])];
    assert_eq!(browser.run(kept, both).await, json!([other, true, 2]), "what is chosen and where one was");
    // What is typed stays as well, and what somebody else was faster with goes.
    browser.click("details.bulk summary").await;
    browser.click("details.bulk input[value='Talk to us first']").await;
    browser.fill("details.bulk textarea", "not tonight").await;
    site.service.answer(&bob, &first, "approve").await;
    browser.find(&format!("section:has(#approved) a[href='/inbox/{first}']")).await;
    assert_eq!(browser.run(kept, vec![json!([other])]).await, json!(["not tonight", true, 1]));
    browser.click("details.bulk button").await;
    browser.reads("1 rejected.").await;
    let shown = site.service.show(&other).await;
    assert_eq!(shown["answers"][0]["reason"], "Talk to us first: not tonight");
    assert_eq!(site.service.show(&second).await["state"], "pending");
    browser.is_clean().await;
}
