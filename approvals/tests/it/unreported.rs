//! Uses whose outcome the gateway does not report: said after five minutes, and taken back by a late report.

use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::databases::as_before;
use crate::harness::{EDGE, Service, ask, claim, question};

const PASS_FIVE_MINUTES: &str = "UPDATE claims SET report_by = report_by - 300001";

/// Asks, lets ada approve, claims every use, and returns the ticket and the nonces of the claims.
async fn used(service: &Service, uses: usize) -> (String, Vec<Value>) {
    let mut asked = question();
    asked["terms"]["uses"] = json!(uses);
    let first = ask(asked);
    let ticket = service.ask(&first).await["ticket"].as_str().unwrap().to_owned();
    service.answer(&service.log_in("ada").await, &ticket, "approve").await;
    let grant = service.grant(&service.ask(&first).await["verdict"]);
    let mut nonces = Vec::new();
    for _ in 0..uses {
        let body = claim(&grant);
        let reply = service.post("/v1/claims", EDGE, body.clone()).await.body;
        assert_eq!(reply["items"][0]["result"], "won");
        nonces.push(body["items"][0]["nonce"].clone());
    }
    (ticket, nonces)
}

async fn report(service: &Service, ticket: &str, nonce: &Value) {
    let item = json!({ "ticket": ticket, "event": "forwarded", "nonce": nonce, "status": 201 });
    let reply = service.post("/v1/outcomes", EDGE, json!({ "evidence": [], "items": [item] })).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
}

/// What happened after the first use.
fn ends(shown: &Value) -> Vec<&str> {
    let events = shown["history"].as_array().unwrap().iter().map(|entry| entry["event"].as_str().unwrap());
    events.skip_while(|event| *event != "claimed").filter(|event| *event != "claimed").collect()
}

fn outcomes(shown: &Value) -> Vec<&str> {
    shown["claims"].as_array().unwrap().iter().map(|claim| claim["outcome"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn silence_is_written_down_once_and_a_late_report_is_heard() {
    let service = Service::start().await;
    let (ticket, nonces) = used(&service, 1).await;
    service.sql("UPDATE claims SET report_by = report_by - 290000").await;
    let shown = service.show(&ticket).await;
    assert_eq!((outcomes(&shown), &shown["outcomes_unknown"]), (vec!["awaited"], &json!(0)));
    service.sql(PASS_FIVE_MINUTES).await;
    for _ in 0..2 {
        let shown = service.show(&ticket).await;
        assert_eq!((outcomes(&shown), ends(&shown)), (vec!["unknown"], vec!["outcome_unknown"]));
        assert_eq!((&shown["outcomes_unknown"], &shown["state"]), (&json!(1), &json!("consumed")));
    }
    report(&service, &ticket, &nonces[0]).await;
    report(&service, &ticket, &nonces[0]).await;
    let shown = service.show(&ticket).await;
    assert_eq!((outcomes(&shown), ends(&shown)), (vec!["forwarded"], vec!["outcome_unknown", "forwarded"]));
    assert_eq!((&shown["outcomes_unknown"], &shown["claims"][0]["status"]), (&json!(0), &json!(201)));
}

#[tokio::test]
async fn each_use_counts_by_itself() {
    let service = Service::start().await;
    let (ticket, nonces) = used(&service, 3).await;
    report(&service, &ticket, &nonces[1]).await;
    service.sql(PASS_FIVE_MINUTES).await;
    let shown = service.show(&ticket).await;
    assert_eq!(shown["outcomes_unknown"], 2);
    assert_eq!(ends(&shown), ["forwarded", "outcome_unknown", "outcome_unknown"]);
    report(&service, &ticket, &nonces[2]).await;
    assert_eq!(service.show(&ticket).await["outcomes_unknown"], 1);
}

#[tokio::test]
async fn the_sweeper_wakes_for_it() {
    let service = Service::start().await;
    used(&service, 1).await;
    service.sql("UPDATE claims SET report_by = report_by - 299000").await;
    let app = service.app.clone();
    let sweeper = tokio::spawn(async move { app.keep_watch().await });
    let written = async {
        while service.count("SELECT count(*) FROM history WHERE event = 'outcome_unknown'").await == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), written).await.unwrap();
    sweeper.abort();
}

#[tokio::test]
async fn uses_from_before_have_an_end_too() {
    let folder = TempDir::new().unwrap();
    let (database, pool) = as_before(&folder, 4).await;
    sqlx::raw_sql(
        r#"INSERT INTO tickets (id, capability, audience, principal, digest, question, shown, asked_at, answer_by,
             use_within, uses, used, state)
         VALUES ('00000000000000000000000000000001', 'c', 'prod', 'p', 'd',
             '{"gates":[{"group":{"issuer":"local","id":"sre"}},
                        {"group":{"issuer":"local","id":"sre"},"break_glass":{"group":{"issuer":"local","id":"oncall"}}}],
               "involved":[{"names":[]},{"names":[{"issuer":"local","subject":"oda"}]}]}', 's', 1, 2, 3, 2, 2, 'consumed');
         INSERT INTO claims (audience, nonce, ticket, jti, digest, record, receipt, at, forwarded_at)
         VALUES ('prod', 'n1', '00000000000000000000000000000001', 'j', 'd', 'r1', 'x', 1, NULL),
                ('prod', 'n2', '00000000000000000000000000000001', 'j', 'd', 'r2', 'x', 1, 2)"#,
    )
    .execute(&pool)
    .await
    .unwrap();
    pool.close().await;
    let service = Service::start_in(folder, database).await;
    service.log_in("root").await;
    assert_eq!(service.count("SELECT count(*) FROM history WHERE event = 'outcome_unknown'").await, 1);
    let readers = "SELECT count(*) FROM ticket_readers WHERE issuer = 'local' AND kind || ' ' || id IN
         ('group sre', 'group oncall', 'person oda')";
    assert_eq!(service.count(readers).await, 3, "lists find them");
    assert_eq!(service.count("SELECT count(*) FROM ticket_readers").await, 3);
}
