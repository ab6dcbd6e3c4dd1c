//! Requests of many megabytes and many fields: all of it can be seen, and nothing is approved unseen.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Service, question};
use crate::inbox::browse;

/// A tool call with five megabytes of arguments, and five hundred pairs of headers.
pub(crate) fn large() -> Value {
    let items: Vec<_> = (0..250_000).map(|n| format!("\"item {n:09}\"")).collect();
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"load","arguments":{{"items":[{}]}}}}}}"#,
        items.join(",")
    );
    let mut asked = question();
    asked["request"]["body"] = json!({ "text": body });
    asked["request"]["headers"] = (0..500)
        .map(|n| json!({ "name": format!("x-{n}"), "value": { "text": format!("<b>{n}\u{202e}") }, "bound": n % 2 == 0 }))
        .collect();
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn five_megabytes_and_five_hundred_headers_are_approved_only_when_all_was_shown() {
    let service = Service::start().await;
    let ticket = service.open(large()).await;
    let ada = service.log_in("ada").await;
    let path = format!("/inbox/{ticket}");
    let folded = browse(&service, &ada, &path, None).await;
    assert!(folded.text.len() < 100_000 && folded.text.contains("Not all of it is shown"));
    assert!(!folded.text.contains("value=\"approve\""));
    let full = browse(&service, &ada, &format!("{path}?full=yes"), None).await.text;
    // Too many to be taken apart: once in the tree, and once as it was sent.
    assert_eq!(full.matches("item ").count(), 2 * 250_000);
    let folded = folded.text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(folded.contains("<dt> tool </dt><dd> <code>load</code>"), "{folded}");
    assert_eq!(full.matches("&lt;b&gt;").count(), 500);
    assert_eq!(full.matches(">U+202E</span>").count(), 500);
    assert_eq!(full.matches("not bound: it may differ").count(), 250);
    assert!(!full.contains("<b>0<span") && full.contains("value=\"approve\""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_looks_at_much_holds_up_nobody() {
    let service = Service::start().await;
    let ticket = service.open(large()).await;
    let ada = service.log_in("ada").await;
    let looking: Vec<_> = (0..4)
        .map(|_| {
            let (router, ada, path) =
                (service.router.clone(), ada.clone(), format!("/inbox/{ticket}?full=yes"));
            tokio::spawn(async move {
                let cookie = format!("__Host-countersign_session={ada}");
                let request = axum::http::Request::get(path).header("cookie", cookie);
                tower::ServiceExt::oneshot(router, request.body(axum::body::Body::empty()).unwrap()).await
            })
        })
        .collect();
    // While one is rendered and three wait, somebody asks.
    let begun = Instant::now();
    service.open(question()).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    for look in looking {
        assert_eq!(look.await.unwrap().unwrap().status(), 200);
    }
}
