//! How many messages a second go through the outbox, to a receiver that takes each at once.

use std::time::Instant;

use serde_json::json;
use tempfile::TempDir;

use super::receiver::Receiver;
use super::webhooks::hooked;
use crate::databases::fresh;
use crate::harness::{EDGE, Service, ask, open_told, prepare, question};

/// Messages, and how many are asked for in one batch.
const MESSAGES: usize = 1000;
const BATCH: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures: `cargo xtask bench` runs it"]
async fn messages_per_second() {
    let receiver = Receiver::start().await;
    let configured = hooked(&receiver);
    let folder = TempDir::new().unwrap();
    let database = fresh(&folder).await;
    let app = open_told(&folder, &database, &configured.read()).await;
    prepare(&app).await;
    let service = Service { router: app.router(), jwk: app.jwk().await.unwrap(), app, folder, database };
    for batch in 0..MESSAGES / BATCH {
        let item = |number: usize| {
            let mut question = question();
            question["cedar"]["principal"] = json!(format!("Agent::\"{batch} {}\"", number % 16));
            ask(question)
        };
        let items: Vec<_> = (0..BATCH).map(item).collect();
        let reply = service.post("/v1/requests", EDGE, json!({ "evidence": [], "items": items })).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
    let begun = Instant::now();
    service.watch();
    assert_eq!(receiver.wait(MESSAGES).await.len(), MESSAGES);
    let rate =
        1000.0 * f64::from(u32::try_from(MESSAGES).unwrap()) / begun.elapsed().as_millis().max(1) as f64;
    // On a line of its own: a test runner with one processor has begun one.
    println!("\nfigures {}", json!({ "messages": rate }));
}
