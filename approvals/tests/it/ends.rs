//! Evidence that ends without an end: producers that fell silent, lanes that were cut off.

use countersign_protocol::evidence::Record;
use countersign_protocol::{Hash, Token};
use serde_json::{Value, json};
use sqlx::AnyPool;
use tempfile::TempDir;

use crate::databases::as_before;
use crate::harness::{EDGE, Service, record, token};

/// Longer than the limit of three minutes.
const PASS_THE_LIMIT: &str = "UPDATE producers SET seen_at = seen_at - 180001";

/// One producer, as a gateway makes it.
struct Producer {
    id: Token,
    held: (u64, Hash),
    plain: (u64, Hash),
}

impl Producer {
    fn new() -> Self {
        Self { id: token(), held: (0, Hash::ZERO), plain: (0, Hash::ZERO) }
    }

    fn next(&mut self, lane: &str, kind: &str, members: Value) -> String {
        let place = if lane == "held" { &mut self.held } else { &mut self.plain };
        let line = record(self.id, lane, *place, kind, members);
        *place = (place.0 + 1, Hash::of(line.as_bytes()));
        line
    }

    fn held(&mut self) -> String {
        self.next("held", "claim", json!({}))
    }

    /// A heartbeat or a stop: it counts what was made before it.
    fn counting(&mut self, kind: &str) -> String {
        let members = json!({ "held_records": self.held.0, "plain_records": self.plain.0 });
        self.next("plain", kind, members)
    }

    fn found(&self, lane: &str, seq: u64, why: &str) -> Value {
        json!({ "producer": self.id, "lane": lane, "seq": seq, "why": why })
    }
}

async fn deliver(service: &Service, lines: &[String]) {
    let reply = service.post("/v1/evidence", EDGE, json!(lines.join("\n"))).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
}

async fn breaks(service: &Service) -> Value {
    let root = service.log_in("root").await;
    service.get("/v1/evidence/breaks", &root).await.body
}

#[tokio::test]
async fn who_was_killed_falls_silent_and_who_was_only_paused_comes_back() {
    let service = Service::start().await;
    let mut producer = Producer::new();
    deliver(&service, &[producer.counting("heartbeat"), producer.counting("heartbeat")]).await;
    service.sql("UPDATE producers SET seen_at = seen_at - 170000").await;
    assert_eq!(breaks(&service).await, json!([]));
    service.sql(PASS_THE_LIMIT).await;
    assert_eq!(breaks(&service).await, json!([producer.found("plain", 2, "silent")]));
    let held = producer.held();
    deliver(&service, &[held]).await;
    assert_eq!(breaks(&service).await, json!([]));
}

#[tokio::test]
async fn who_stopped_in_good_order_is_never_silent() {
    let service = Service::start().await;
    let mut producer = Producer::new();
    deliver(&service, &[producer.held(), producer.counting("heartbeat"), producer.counting("stop")]).await;
    service.sql(PASS_THE_LIMIT).await;
    assert_eq!(breaks(&service).await, json!([]));
}

#[tokio::test]
async fn a_lane_whose_end_never_came_was_cut_off_but_not_while_it_may_still_come() {
    let service = Service::start().await;
    let mut producer = Producer::new();
    let (first, lost) = (producer.held(), producer.held());
    deliver(&service, &[first, producer.counting("heartbeat")]).await;
    assert_eq!(breaks(&service).await, json!([]));
    service.sql(PASS_THE_LIMIT).await;
    let cut_off = producer.found("held", 1, "cut_off");
    assert_eq!(breaks(&service).await, json!([cut_off, producer.found("plain", 1, "silent")]));
    deliver(&service, &[producer.counting("stop")]).await;
    assert_eq!(breaks(&service).await, json!([cut_off]));
    // Late is not lost.
    deliver(&service, &[lost]).await;
    assert_eq!(breaks(&service).await, json!([]));
}

#[tokio::test]
async fn a_lane_of_which_nothing_came_was_cut_off_at_its_first_record() {
    let service = Service::start().await;
    let mut producer = Producer::new();
    producer.held();
    deliver(&service, &[producer.counting("stop")]).await;
    assert_eq!(breaks(&service).await, json!([producer.found("held", 0, "cut_off")]));
}

#[tokio::test]
async fn numbers_that_nobody_can_mean_stop_nothing() {
    let service = Service::start().await;
    let (mut most, mut none) = (Producer::new(), Producer::new());
    let counted = json!({ "held_records": u64::MAX, "plain_records": "many" });
    let far = record(most.id, "plain", (u64::MAX, Hash::ZERO), "note", json!({}));
    deliver(&service, &[most.next("plain", "stop", json!({ "held_records": u64::MAX })), far]).await;
    deliver(&service, &[none.next("plain", "stop", counted)]).await;
    let found = breaks(&service).await;
    let why: Vec<_> = found.as_array().unwrap().iter().map(|found| &found["why"]).collect();
    assert_eq!(why, ["cut_off", "missing"]);
}

async fn keep(pool: &AnyPool, line: String) {
    let Record { envelope, line, hash } = Record::parse(line).unwrap();
    let lane = serde_json::to_value(envelope.lane).unwrap();
    for sql in [
        "INSERT OR IGNORE INTO producers (id, gateway) VALUES ($1, 'edge')",
        "INSERT OR IGNORE INTO lanes (producer, lane) VALUES ($1, $2)",
        "INSERT INTO evidence (producer, lane, seq, prev, hash, ts, kind, line, kept_at)
         VALUES ($1, ?2, ?3, ?4, ?5, 1, ?6, ?7, CAST(round(unixepoch('subsec') * 1000) AS INTEGER))",
    ] {
        let query = sqlx::query(sql).bind(envelope.producer.to_string()).bind(lane.as_str());
        let query = query.bind(i64::try_from(envelope.seq).unwrap()).bind(envelope.prev.to_string());
        let query = query.bind(hash.to_string()).bind(&envelope.kind).bind(&line);
        query.execute(pool).await.unwrap();
    }
}

#[tokio::test]
async fn evidence_from_before_is_held_to_the_same() {
    let folder = TempDir::new().unwrap();
    let (database, pool) = as_before(&folder, 3).await;
    let [mut alive, mut stopped, mut odd] = [Producer::new(), Producer::new(), Producer::new()];
    stopped.held();
    let deep = format!("{}{}", "[".repeat(2000), "]".repeat(2000));
    let deep = odd.counting("heartbeat").replace("\"kind\"", &format!("\"x\":{deep},\"kind\""));
    odd.plain.1 = Hash::of(deep.as_bytes());
    let lines = [
        deep,
        alive.held(),
        alive.counting("heartbeat"),
        stopped.counting("heartbeat"),
        stopped.counting("stop"),
        odd.next("plain", "stop", json!({ "held_records": u64::MAX, "plain_records": "many" })),
    ];
    for line in lines {
        keep(&pool, line).await;
    }
    pool.close().await;
    let service = Service::start_in(folder, database).await;
    assert_eq!(breaks(&service).await, json!([stopped.found("held", 0, "cut_off")]));
    service.sql(PASS_THE_LIMIT).await;
    let found = json!([alive.found("plain", 1, "silent"), stopped.found("held", 0, "cut_off")]);
    assert_eq!(breaks(&service).await, found);
}
