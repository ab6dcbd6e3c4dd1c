//! Evidence: kept as it came, acknowledged without gaps, never replaced.

use countersign_protocol::{Hash, Token};
use serde_json::{Value, json};

use crate::harness::{EDGE, OTHER, Reply, Service, line, token};

/// `count` lines of a lane that hang together.
fn lane(producer: Token, count: u64) -> Vec<String> {
    let mut prev = Hash::ZERO;
    let next = |seq| {
        let line = line(producer, "plain", seq, prev, &json!(seq));
        prev = Hash::of(line.as_bytes());
        line
    };
    (0..count).map(next).collect()
}

async fn deliver(service: &Service, gateway: &str, lines: &[String]) -> Reply {
    service.post("/v1/evidence", gateway, json!(lines.join("\n"))).await
}

async fn breaks(service: &Service) -> Value {
    let root = service.log_in("root").await;
    service.get("/v1/evidence/breaks", &root).await.body
}

#[tokio::test]
async fn what_is_kept_is_acknowledged_and_what_is_lost_is_named() {
    let service = Service::start().await;
    let producer = token();
    let lines = lane(producer, 5);
    let acked = |seq: u64| json!({ "acked": [{ "producer": producer, "lane": "plain", "seq": seq }] });
    assert_eq!(deliver(&service, EDGE, &lines[..2]).await.body, acked(1));
    // The filter goes on after what was acknowledged: the rest would be sent in vain.
    assert_eq!(deliver(&service, EDGE, &lines[3..]).await.body, acked(4));
    assert_eq!(
        breaks(&service).await,
        json!([{ "producer": producer, "lane": "plain", "seq": 3, "why": "missing" }])
    );
    assert_eq!(deliver(&service, EDGE, &lines).await.body, acked(4));
    assert_eq!(breaks(&service).await, json!([]));
    let root = service.log_in("root").await;
    let kept = service.get(&format!("/v1/evidence?producer={producer}&lane=plain"), &root).await.body;
    assert_eq!(kept, json!(lines.join("\n") + "\n"));
}

#[tokio::test]
async fn evidence_on_its_own_is_lines() {
    let service = Service::start().await;
    let reply = service.post("/v1/evidence", EDGE, json!({ "lines": lane(token(), 1) })).await;
    assert_eq!((reply.status.as_u16(), reply.body["code"].as_str()), (415, Some("unsupported_media_type")));
    let reply = service.post("/v1/evidence", EDGE, json!("no record\n")).await;
    assert_eq!((reply.status.as_u16(), reply.body["code"].as_str()), (422, Some("malformed_evidence")));
    assert_eq!(deliver(&service, EDGE, &[]).await.body, json!({ "acked": [] }));
}

#[tokio::test]
async fn other_bytes_under_a_taken_number_are_refused_and_kept_aside() {
    let service = Service::start().await;
    let producer = token();
    let lines = lane(producer, 2);
    deliver(&service, EDGE, &lines).await;
    let forged = line(producer, "plain", 1, Hash::of(lines[0].as_bytes()), &json!("forged"));
    let reply = deliver(&service, EDGE, &[forged]).await;
    assert_eq!((reply.status.as_u16(), reply.body["code"].as_str()), (409, Some("evidence_conflict")));
    assert_eq!(breaks(&service).await[0]["why"], "conflict");
    let root = service.log_in("root").await;
    let kept = service.get("/v1/evidence", &root).await.body;
    assert_eq!(kept, json!(lines.join("\n") + "\n"));
}

#[tokio::test]
async fn a_chain_that_does_not_fit_is_marked() {
    let service = Service::start().await;
    let producer = token();
    let first = line(producer, "held", 0, Hash::of(b"not zeros"), &json!(0));
    let second = line(producer, "held", 1, Hash::of(b"not the first"), &json!(1));
    assert_eq!(deliver(&service, EDGE, &[first, second]).await.body["acked"][0]["seq"], 1);
    let found = breaks(&service).await;
    assert_eq!((&found[0]["why"], &found[1]["why"]), (&json!("broken"), &json!("broken")));
}

#[tokio::test]
async fn a_producer_belongs_to_the_gateway_that_spoke_first() {
    let service = Service::start().await;
    let lines = lane(token(), 2);
    deliver(&service, EDGE, &lines[..1]).await;
    let reply = deliver(&service, OTHER, &lines[1..]).await;
    assert_eq!((reply.status.as_u16(), reply.body["code"].as_str()), (403, Some("foreign_producer")));
}

#[tokio::test]
async fn a_line_that_is_no_record_keeps_its_whole_batch_out() {
    let service = Service::start().await;
    let lines = lane(token(), 1);
    let reply = deliver(&service, EDGE, &[lines[0].clone(), "{}".into()]).await;
    assert_eq!((reply.status.as_u16(), reply.body["code"].as_str()), (422, Some("malformed_evidence")));
    let root = service.log_in("root").await;
    assert_eq!(service.get("/v1/evidence", &root).await.body, json!(""));
}

#[tokio::test]
async fn a_line_of_any_depth_stops_no_query() {
    let service = Service::start().await;
    let (about, producer) = (token(), token());
    let of = |producer: Token| {
        let line = line(producer, "plain", 0, Hash::ZERO, &json!(0));
        line.replacen('{', &format!("{{\"ticket\":\"{about}\","), 1)
    };
    let deep = format!("{}{}", "[".repeat(2000), "]".repeat(2000));
    let deep = of(token()).replace("\"extra\":0", &format!("\"extra\":{deep}"));
    assert_eq!(deliver(&service, EDGE, &[deep.clone(), of(producer)]).await.status, 200);
    let root = service.log_in("root").await;
    let found = service.get(&format!("/v1/evidence?ticket={about}"), &root).await;
    assert_eq!((found.status.as_u16(), found.body.as_str().unwrap().lines().count()), (200, 2));
    assert!(found.body.as_str().unwrap().contains(&deep));
    assert_eq!(service.get(&format!("/v1/evidence?ticket={}", token()), &root).await.body, "");
}

#[tokio::test]
async fn only_auditors_read_it() {
    let service = Service::start().await;
    let ada = service.log_in("ada").await;
    assert_eq!(service.get("/v1/evidence", &ada).await.body["code"], "not_an_auditor");
    assert_eq!(service.get("/v1/evidence", "").await.status, 401);
    assert_eq!(service.get("/v1/evidence", EDGE).await.status, 401);
}
