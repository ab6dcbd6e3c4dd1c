//! A service in a folder of its own, and what tests say to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use countersign_approvals::{
    App, Channels, Database, GatewayProof, Limits, LoginSettings, NewUser, Settings,
};
use countersign_protocol::approval::EVIDENCE;
use countersign_protocol::grant::{GRANT_TYPE, Grant, RECEIPT_TYPE, Receipt};
use countersign_protocol::jws::{self, Jwk, KeySet};
use countersign_protocol::{Hash, Token};
use countersign_view::View;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::databases::{behind, data, fresh};

pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const TOTP: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
/// Where browsers reach the service.
pub(crate) const ORIGIN: &str = "http://localhost:8081";
/// The token of the gateway `edge`, audience `prod`.
pub(crate) const EDGE: &str = "edge-token-edge-token-edge-token-edge";
/// The token of the gateway `edge-2`, audience `prod` too.
pub(crate) const EDGE_2: &str = "edge2-token-edge2-token-edge2-token-";
/// The token of the gateway `other`, another audience.
pub(crate) const OTHER: &str = "other-token-other-token-other-token-";

/// A reply: status, headers, body as JSON (text where it is none).
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// A running service.
pub(crate) struct Service {
    pub(crate) app: Arc<App>,
    pub(crate) router: Router,
    pub(crate) folder: TempDir,
    pub(crate) database: Database,
    pub(crate) jwk: Jwk,
}

/// A fresh token: unlike any other in this process.
pub(crate) fn token() -> Token {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Token(u128::from(NEXT.fetch_add(1, Ordering::Relaxed)).to_be_bytes())
}

pub(crate) async fn open(folder: &TempDir, database: &Database) -> Arc<App> {
    open_at(folder, database, ORIGIN, LoginSettings::default()).await
}

/// Opens a service that browsers reach at `url` and people log in to like that.
pub(crate) async fn open_at(
    folder: &TempDir,
    database: &Database,
    url: &str,
    login: LoginSettings,
) -> Arc<App> {
    const MANY: u32 = 20_000;
    let limits = Limits {
        open: MANY,
        open_per_audience: MANY,
        open_per_principal: MANY,
        open_per_gate: MANY,
        asked_per_minute: u32::MAX,
        ..Limits::default()
    };
    open_with(folder, database, (url, login), limits, &Channels::default()).await
}

/// Opens a service that has these channels.
pub(crate) async fn open_told(folder: &TempDir, database: &Database, channels: &Channels) -> Arc<App> {
    let limits = Limits { asked_per_minute: u32::MAX, ..Limits::default() };
    open_with(folder, database, (ORIGIN, LoginSettings::default()), limits, channels).await
}

async fn open_with(
    folder: &TempDir,
    database: &Database,
    (url, login): (&str, LoginSettings),
    limits: Limits,
    channels: &Channels,
) -> Arc<App> {
    let (silent_after, url) = (Duration::from_secs(180), url.parse().unwrap());
    let (data, database, issuer) = (data(folder), database.clone(), "local".into());
    let channels = channels.clone();
    App::open(Settings { data, database, issuer, url, login, silent_after, limits, channels }).await.unwrap()
}

/// Adds the gateways and people that every test has.
pub(crate) async fn prepare(app: &App) {
    for (name, audience, token) in
        [("edge", "prod", EDGE), ("edge-2", "prod", EDGE_2), ("other", "test", OTHER)]
    {
        app.add_gateway(&name.parse().unwrap(), audience, GatewayProof::Token(Some(token.into())))
            .await
            .unwrap();
    }
    for (name, groups) in [
        ("ada", vec!["sre"]),
        ("bob", vec!["sre"]),
        ("cid", vec!["sre", "dba"]),
        ("dan", vec!["dba"]),
        ("oda", vec!["sre"]),
        ("eve", vec![]),
        ("root", vec!["admins"]),
    ] {
        let groups = groups.into_iter().map(|group| group.parse().unwrap()).collect();
        let (password, totp) = (Some(PASSWORD.into()), Some(TOTP.into()));
        app.add_user(NewUser { subject: name.parse().unwrap(), name: None, groups, password, totp })
            .await
            .unwrap();
    }
}

impl Service {
    /// A service with three gateways and, by group, ada and bob (sre), cid (sre, dba), dan (dba), oda (sre;
    /// she owns the agent), eve (no group), root (admins).
    pub(crate) async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let database = fresh(&folder).await;
        Self::start_in(folder, database).await
    }

    /// The same, with other limits.
    pub(crate) async fn limited(limits: Limits) -> Self {
        let folder = TempDir::new().unwrap();
        let database = fresh(&folder).await;
        let app =
            open_with(&folder, &database, (ORIGIN, LoginSettings::default()), limits, &Channels::default())
                .await;
        prepare(&app).await;
        Self { router: app.router(), jwk: app.jwk().await.unwrap(), app, folder, database }
    }

    /// The same, on a database where something lies already.
    pub(crate) async fn start_in(folder: TempDir, database: Database) -> Self {
        let app = open(&folder, &database).await;
        prepare(&app).await;
        Self { router: app.router(), jwk: app.jwk().await.unwrap(), app, folder, database }
    }

    /// The same, where people log in like that.
    pub(crate) async fn start_with(login: LoginSettings) -> Self {
        let folder = TempDir::new().unwrap();
        let database = fresh(&folder).await;
        let app = open_at(&folder, &database, ORIGIN, login).await;
        prepare(&app).await;
        Self { router: app.router(), jwk: app.jwk().await.unwrap(), app, folder, database }
    }

    /// The same folder, opened by a new service.
    pub(crate) async fn restart(self) -> Self {
        self.app.close().await;
        let app = open(&self.folder, &self.database).await;
        Self { router: app.router(), app, ..self }
    }

    /// A second service on the same database, as another process would be.
    pub(crate) async fn twin(&self) -> Arc<App> {
        open(&self.folder, &self.database).await
    }

    /// Changes the database behind the service's back: how tests move a deadline.
    pub(crate) async fn sql(&self, sql: &'static str) {
        let pool = behind(&self.database).await;
        sqlx::query(sql).execute(&pool).await.unwrap();
        pool.close().await;
    }

    /// A number out of the database.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        let pool = behind(&self.database).await;
        let count = sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap();
        pool.close().await;
        count
    }

    pub(crate) async fn call(&self, method: &str, path: &str, token: &str, body: Option<Value>) -> Reply {
        send(self.router.clone(), method, path, token, body).await
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: Value) -> Reply {
        self.call("POST", path, token, Some(body)).await
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Reply {
        self.call("GET", path, token, None).await
    }

    /// Logs in with the password alone.
    pub(crate) async fn log_in(&self, user: &str) -> String {
        let reply = self.post("/v1/sessions", "", json!({ "user": user, "password": PASSWORD })).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        reply.body["session"].as_str().unwrap().to_owned()
    }

    /// Logs in and proves the second factor: once in a test for each person, because a code counts once.
    pub(crate) async fn proven(&self, user: &str) -> String {
        let session = self.log_in(user).await;
        let stepped = self.post("/v1/sessions/totp", &session, json!({ "totp": code(0) })).await;
        assert_eq!(stepped.status, 200, "{}", stepped.body);
        session
    }

    /// Asks one question through `edge` and returns the reply to it.
    pub(crate) async fn ask(&self, ask: &Value) -> Value {
        self.ask_as(EDGE, ask).await
    }

    pub(crate) async fn ask_as(&self, gateway: &str, ask: &Value) -> Value {
        let reply = self.post("/v1/requests", gateway, json!({ "evidence": [], "items": [ask] })).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body["items"][0].clone()
    }

    /// Asks [`question`] anew and returns its ticket.
    pub(crate) async fn open(&self, question: Value) -> String {
        let reply = self.ask(&ask(question)).await;
        assert_eq!(reply["result"], "open", "{reply}");
        reply["ticket"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn answer(&self, session: &str, ticket: &str, kind: &str) -> Reply {
        let shown = self.get(&format!("/v1/requests/{ticket}"), session).await.body["shown"].clone();
        let body = json!({ "kind": kind, "reason": "because", "shown": shown });
        self.post(&format!("/v1/requests/{ticket}/answers"), session, body).await
    }

    /// What an administrator sees of a request.
    pub(crate) async fn show(&self, ticket: &str) -> Value {
        let root = self.log_in("root").await;
        self.get(&format!("/v1/requests/{ticket}"), &root).await.body
    }

    pub(crate) async fn wait(&self, gateway: &str, waiter: Token, cursor: u64, timeout_ms: u64) -> Reply {
        let body = json!({ "waiter": waiter, "cursor": cursor, "timeout_ms": timeout_ms });
        self.post("/v1/wait", gateway, body).await
    }

    /// The grant of an approved ticket, verified, as a new ask of the same request would get it.
    pub(crate) fn grant(&self, verdict: &Value) -> Grant {
        let keys = KeySet::new(std::slice::from_ref(&self.jwk)).unwrap();
        jws::verify(verdict["grant"].as_str().unwrap(), GRANT_TYPE, &keys).unwrap()
    }

    pub(crate) fn receipt(&self, won: &Value) -> Receipt {
        let keys = KeySet::new(std::slice::from_ref(&self.jwk)).unwrap();
        jws::verify(won["receipt"].as_str().unwrap(), RECEIPT_TYPE, &keys).unwrap()
    }
}

/// A body that is a string is lines of evidence, everything else is JSON.
pub(crate) async fn send(
    router: Router,
    method: &str,
    path: &str,
    token: &str,
    body: Option<Value>,
) -> Reply {
    let mut request = Request::builder().method(method).uri(path);
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let body = match body {
        Some(Value::String(lines)) => {
            request = request.header("content-type", EVIDENCE);
            Body::from(lines)
        }
        Some(body) => {
            request = request.header("content-type", "application/json");
            Body::from(body.to_string())
        }
        None => Body::empty(),
    };
    let response = router.oneshot(request.body(body).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
    let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| text());
    Reply { status: parts.status, headers: parts.headers, body }
}

/// A gate that `quorum` of `group` can open.
pub(crate) fn gate(group: &str, quorum: u8) -> Value {
    json!({
        "id": format!("needs-{group}"), "hash": Hash::of(group.as_bytes()), "quorum": quorum,
        "group": { "issuer": "local", "id": group }, "group_name": group,
        "reason": "Production needs a second look", "channel": null,
    })
}

/// An agent of oda's deploys to production: one of sre may open it.
pub(crate) fn question() -> Value {
    json!({
        "cedar": {
            "principal": "Agent::\"deployer\"", "action": "Deploy::Action::\"create\"",
            "resource": "Deploy::Environment::\"production\"", "context": { "build": 42 },
        },
        "involved": [
            { "role": "agent", "entity": "Agent::\"deployer\"", "names": [] },
            { "role": "owner", "entity": "User::\"oda\"", "names": [{ "issuer": "local", "subject": "oda" }] },
        ],
        "gates": [gate("sre", 1)],
        "terms": {
            "hold_ms": 25_000, "expires_ms": 3_600_000, "use_within_ms": 600_000, "uses": 1,
            "severity": "medium",
        },
        "request": {
            "method": "POST", "scheme": "https", "authority": "deploy.example", "path": "/deployments?env=production",
            "headers": [{ "name": "content-type", "value": { "text": "application/json" }, "bound": true }],
            "body": { "text": "{\"build\":42}" }, "body_sha256": Hash::of(b"{\"build\":42}"), "trailers": [],
        },
        "justification": "Release 42 fixes the login page",
    })
}

/// `question`, with other gates.
pub(crate) fn with_gates(gates: &[Value]) -> Value {
    let mut question = question();
    question["gates"] = gates.into();
    question
}

/// Asks `question` for a request nobody has asked for before, through a waiter of its own.
pub(crate) fn ask(question: Value) -> Value {
    let digest = Hash::of(&token().0);
    json!({ "nonce": token(), "waiter": token(), "digest": digest, "question": question })
}

/// The hash of what people are shown of a question.
pub(crate) fn shown(question: &Value) -> Hash {
    let raw = question.to_string();
    View::of(&serde_json::from_str(&raw).unwrap(), raw.as_bytes()).hash()
}

/// The next line of a lane.
pub(crate) fn line(producer: Token, lane: &str, seq: u64, prev: Hash, extra: &Value) -> String {
    record(producer, lane, (seq, prev), "claim", json!({ "extra": extra }))
}

/// The next line of a lane, of any kind; `place` is its number and the hash of the line before it.
pub(crate) fn record(
    producer: Token,
    lane: &str,
    place: (u64, Hash),
    kind: &str,
    mut members: Value,
) -> String {
    let (seq, prev) = place;
    let mut record = json!({
        "v": 1, "producer": producer, "lane": lane, "seq": seq, "prev": prev, "ts": 1_700_000_000_000_u64,
        "kind": kind,
    });
    record.as_object_mut().unwrap().append(members.as_object_mut().unwrap());
    record.to_string()
}

/// A claim, the evidence record that it needs, and the batch that carries both.
pub(crate) fn claim(grant: &Grant) -> Value {
    let record = line(token(), "held", 0, Hash::ZERO, &json!(grant.ticket));
    json!({ "evidence": [record], "items": [{
        "nonce": token(), "ticket": grant.ticket, "jti": grant.jti, "digest": grant.digest,
        "record": Hash::of(record.as_bytes()),
    }] })
}

/// This machine's clock, seconds.
pub(crate) fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The code of [`TOTP`] that many steps from now.
pub(crate) fn code(steps: i64) -> String {
    let secret = totp_rs::Secret::try_from_base32(TOTP).unwrap();
    let totp = totp_rs::Builder::new().with_secret(secret).with_account_name("test").build().unwrap();
    totp.generate(seconds().saturating_add_signed(steps * 30)).to_string()
}
