//! Databases of earlier versions: what waits in them goes on, and what was released stays as it is.

use std::path::Path;

use countersign_protocol::Hash;
use serde_json::json;
use tempfile::TempDir;

use crate::databases::before_lists;
use crate::harness::{Service, gate, question, shown, with_gates};

#[tokio::test]
async fn what_waited_before_is_listed_rendered_counted_and_answered() {
    let folder = TempDir::new().unwrap();
    let (database, pool) = before_lists(&folder).await;
    let mut question = with_gates(&[gate("sre", 1), gate("dba", 1)]);
    question["justification"] = json!("with \u{0} and \\u0000 in it");
    let (ticket, zeros) = ("0".repeat(31) + "1", "0".repeat(64));
    sqlx::query(
        "INSERT INTO tickets (id, capability, audience, principal, digest, question, shown, asked_at, answer_by,
             use_within, uses) VALUES ($1, $2, 'prod', 'Agent::\"deployer\"', $3, $4, $3, 1, 9000000000000, 1000, 1)",
    )
    .bind(&ticket)
    .bind("0".repeat(31) + "2")
    .bind(&zeros)
    .bind(question.to_string())
    .execute(&pool)
    .await
    .unwrap();
    let gates = "INSERT INTO ticket_gates (ticket, gate) VALUES ($1, 'needs-sre'), ($1, 'needs-dba')";
    sqlx::query(gates).bind(&ticket).execute(&pool).await.unwrap();
    pool.close().await;
    let service = Service::start_in(folder, database).await;
    assert_eq!(service.count("SELECT count FROM open_count").await, 1);
    assert_eq!(service.count("SELECT count(*) FROM open_gates").await, 2);
    for (user, sees) in [("ada", true), ("dan", true), ("oda", true), ("eve", false)] {
        let session = service.log_in(user).await;
        let found = service.get("/v1/requests?state=pending&words=production", &session).await.body;
        assert_eq!(found["items"].as_array().unwrap().len(), usize::from(sees), "{user}");
    }
    // What was kept as shown is nothing that this version shows.
    assert_eq!(service.show(&ticket).await["shown"], json!(shown(&question)));
    let reply = service.answer(&service.log_in("dan").await, &ticket, "reject").await;
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    assert_eq!(service.count("SELECT count FROM open_count").await, 0);
    assert_eq!(service.count("SELECT count(*) FROM open_gates").await, 0);
}

/// A migration that somebody has run must not change: the service would not start on their database. Add another.
#[test]
fn what_was_released_stays_as_it_is() {
    let mut lines = Vec::new();
    for kind in ["postgres", "sqlite"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(kind);
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let hash = Hash::of(&std::fs::read(&path).unwrap());
            lines.push(format!("{kind}/{} {hash}", path.file_name().unwrap().to_str().unwrap()));
        }
    }
    lines.sort();
    insta::assert_snapshot!(lines.join("\n"));
}

#[tokio::test]
async fn an_open_database_is_opened_again_as_it_is() {
    let service = Service::start().await;
    let ticket = service.open(question()).await;
    let before = service.show(&ticket).await;
    let service = service.restart().await;
    assert_eq!(service.show(&ticket).await, before);
}
