//! What clients want: requests with paths of their own, and what may come of each.

use anyhow::Result;
use fastrand::Rng;
use serde_json::json;

use crate::example::Call;
use crate::stack::agents::DEMO;
use crate::stack::client::Prepared;

/// What policy says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nobody is asked.
    Allowed,
    /// It never goes on.
    Denied,
    /// So many people must approve.
    Gated(usize),
}

/// One request that a client wants to be done, with a path that no other has.
#[derive(Debug, Clone)]
pub(super) struct Intent {
    pub(super) kind: Kind,
    pub(super) request: Prepared,
}

impl Intent {
    /// The next of a client's intents; `tag` is new for each, `token` is the agent's.
    pub(super) fn new(rng: &mut Rng, tag: &str, token: &str) -> Result<Self> {
        let (kind, call) = match rng.u32(0..100) {
            0..30 => (Kind::Allowed, get(&format!("/v1/builds?run={tag}"))),
            30..42 => (Kind::Denied, denied(rng, tag)),
            42..70 => (Kind::Gated(1), rotation(tag)),
            70..84 => (Kind::Gated(1), deployment("production", tag)),
            84..92 => (Kind::Gated(1), role("report-bot", tag)),
            _ => (Kind::Gated(2), export("s3://exports.example/", tag)),
        };
        Ok(Self { kind, request: Prepared::new(&call, Some(token))? })
    }
}

fn denied(rng: &mut Rng, tag: &str) -> Call {
    match rng.u32(0..4) {
        0 => deployment("frozen", tag),
        1 => role(DEMO, tag),
        2 => export("s3://elsewhere.example/", tag),
        _ => get(&format!("/v1/nothing?run={tag}")),
    }
}

fn get(path: &str) -> Call {
    Call { method: "GET".into(), path: path.into(), justification: None, body: None }
}

fn rotation(tag: &str) -> Call {
    let path = format!("/v1/keys/{tag}/rotations");
    let justification = Some(format!("{tag} is due"));
    Call { method: "POST".into(), path, justification, body: None }
}

fn deployment(environment: &str, tag: &str) -> Call {
    let path = format!("/v1/environments/{environment}/deployments?run={tag}");
    let body = json!({ "service": "checkout", "version": tag });
    Call { method: "POST".into(), path, justification: None, body: Some(body) }
}

fn role(agent: &str, tag: &str) -> Call {
    let path = format!("/v1/agents/{agent}/role?run={tag}");
    Call { method: "PUT".into(), path, justification: None, body: Some(json!({ "role": "viewer" })) }
}

fn export(to: &str, tag: &str) -> Call {
    let body = json!({ "table": "orders", "row_limit": 10, "destination": format!("{to}{tag}/") });
    let path = format!("/v1/exports?run={tag}");
    Call { method: "POST".into(), path, justification: None, body: Some(body) }
}
