//! A Slack workspace: takes the calls of an app as Slack does, checks what they hold, and clicks.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use axum::{Json, Router};
use countersign_protocol::Hash;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{Configured, until};
use crate::harness::{Service, seconds};
use crate::inbox::{Page, load};
use crate::oidc::provider::hmac_sha256;

pub(crate) const TOKEN: &str = "xoxb-token";
pub(crate) const SIGNING: &str = "8f742231b10e8888abcd99yyyzzz85a5";

/// What goes wrong with the next call of a method.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trouble {
    /// 429 and how long to wait, seconds.
    Limited(&'static str),
    /// `ok: false`.
    Error(&'static str),
    /// It is done, and nobody learns of it.
    Lost,
    /// It takes longer than Slack would wait.
    Slow,
}

#[derive(Default)]
struct Plan {
    calls: Vec<(String, Value)>,
    /// Messages by their time stamp.
    messages: BTreeMap<String, Value>,
    trouble: BTreeMap<&'static str, VecDeque<Trouble>>,
}

#[derive(Clone)]
pub(crate) struct Workspace {
    url: String,
    plan: Arc<Mutex<Plan>>,
}

impl Workspace {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api", listener.local_addr().unwrap());
        let plan = Arc::new(Mutex::new(Plan::default()));
        let router = Router::new().route("/api/{method}", any(call)).with_state(Arc::clone(&plan));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, plan }
    }

    /// A channel `sre` in it for the group of that name, and whatever else the file is to say.
    pub(crate) fn configured(&self, more: &str) -> Configured {
        let text = format!("[channels.sre]\ngroups = [\"sre\"]\n{}\n{more}", self.keys("C0SRE"));
        self.file(&text)
    }

    /// What makes a channel one of this workspace.
    pub(crate) fn keys(&self, place: &str) -> String {
        format!(
            "kind = \"slack\"\nchannel = \"{place}\"\napi = \"{}\"\ntoken = {{ file = \"token\" }}\n\
             signing_secret = {{ file = \"signing\" }}",
            self.url
        )
    }

    pub(crate) fn file(&self, text: &str) -> Configured {
        Configured::new(text, &[("token", TOKEN), ("signing", SIGNING)])
    }

    pub(crate) fn trouble(&self, method: &'static str, trouble: &[Trouble]) {
        self.plan.lock().unwrap().trouble.entry(method).or_default().extend(trouble);
    }

    /// All calls of a method.
    pub(crate) fn calls(&self, method: &str) -> Vec<Value> {
        let plan = self.plan.lock().unwrap();
        plan.calls.iter().filter(|(called, _)| called == method).map(|(_, body)| body.clone()).collect()
    }

    /// Once a method was called so often.
    pub(crate) async fn called(&self, method: &str, count: usize) -> Vec<Value> {
        until(&format!("{count} calls of {method}"), async || {
            Some(self.calls(method)).filter(|calls| calls.len() >= count)
        })
        .await
    }

    /// The messages as they are now.
    pub(crate) fn messages(&self) -> Vec<Value> {
        self.plan.lock().unwrap().messages.values().cloned().collect()
    }

    /// The only message, once there is something in it.
    pub(crate) async fn message(&self, with: &str) -> Value {
        until(&format!("a message with {with}"), async || {
            let messages = self.messages();
            assert!(messages.len() < 2, "{messages:?}");
            messages.into_iter().find(|message| message.to_string().contains(with))
        })
        .await
    }

    pub(crate) fn delete_messages(&self) {
        self.plan.lock().unwrap().messages.clear();
    }
}

/// Somebody in the workspace.
pub(crate) struct Clicker {
    pub(crate) id: &'static str,
    pub(crate) team: &'static str,
}

pub(crate) const U_ADA: Clicker = Clicker { id: "U0ADA", team: "T0ONE" };

impl Clicker {
    fn payload(&self, kind: &str, more: Value) -> Value {
        let mut payload = json!({
            "type": kind, "team": { "id": "T0ONE", "domain": "one" }, "api_app_id": "A0",
            "user": { "id": self.id, "username": "somebody", "team_id": self.team }, "trigger_id": "13345224609.738474920.8088930838d88f008e0",
        });
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        payload
    }

    /// Presses a button of a message.
    pub(crate) fn press(&self, message: &Value, action: &str) -> Value {
        let button = button(message, action).unwrap_or_else(|| panic!("no {action} in {message}"));
        self.payload(
            "block_actions",
            json!({
                "container": { "type": "message", "channel_id": "C0SRE", "message_ts": message["ts"] },
                "actions": [{ "type": "button", "block_id": "x", "action_id": action, "value": button["value"] }],
            }),
        )
    }

    /// Sends a window that was opened.
    pub(crate) fn submit(&self, view: &Value, preset: Option<&str>, text: Option<&str>) -> Value {
        let preset = preset.map(|value| json!({ "value": value }));
        self.payload(
            "view_submission",
            json!({ "view": {
                "callback_id": view["callback_id"], "private_metadata": view["private_metadata"],
                "state": { "values": {
                    "preset": { "preset": { "type": "static_select", "selected_option": preset } },
                    "reason": { "reason": { "type": "plain_text_input", "value": text } },
                } },
            } }),
        )
    }
}

/// A button of a message.
pub(crate) fn button<'a>(message: &'a Value, action: &str) -> Option<&'a Value> {
    let blocks = message["blocks"].as_array().unwrap();
    let actions = blocks.iter().find(|block| block["type"] == "actions").unwrap();
    actions["elements"].as_array().unwrap().iter().find(|element| element["action_id"] == action)
}

/// A click as it comes in: its bytes, when it was signed, and its signature.
pub(crate) struct Signed {
    pub(crate) body: String,
    pub(crate) at: String,
    pub(crate) signature: String,
}

/// Signs a payload as Slack does.
pub(crate) fn sign(payload: &Value, ago: u64) -> Signed {
    let body =
        form_urlencoded::Serializer::new(String::new()).append_pair("payload", &payload.to_string()).finish();
    let at = (seconds() - ago).to_string();
    let mac = hmac_sha256(SIGNING.as_bytes(), format!("v0:{at}:{body}").as_bytes());
    Signed { body, at, signature: format!("v0={}", Hash(mac)) }
}

/// Sends a click to the channel of that name.
pub(crate) async fn send(service: &Service, name: &str, signed: &Signed) -> Page {
    let request = Request::builder()
        .method("POST")
        .uri(format!("/channels/slack/{name}/interactions"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-slack-request-timestamp", &signed.at)
        .header("x-slack-signature", &signed.signature);
    load(service, request.body(Body::from(signed.body.clone())).unwrap()).await
}

/// Clicks as Slack would.
pub(crate) async fn click(service: &Service, payload: &Value) {
    let page = send(service, "sre", &sign(payload, 0)).await;
    assert_eq!((page.status.as_u16(), page.text.as_str()), (200, ""), "an empty 200 at once");
}

async fn call(
    State(plan): State<Arc<Mutex<Plan>>>,
    Path(method): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let slow = {
        let mut plan = plan.lock().unwrap();
        let next = plan.trouble.get_mut(method.as_str());
        next.and_then(|next| next.pop_front_if(|trouble| matches!(trouble, Trouble::Slow))).is_some()
    };
    if slow {
        tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    }
    let mut plan = plan.lock().unwrap();
    if headers["authorization"] != format!("Bearer {TOKEN}") {
        return Json(json!({ "ok": false, "error": "invalid_auth" })).into_response();
    }
    let sent: Value = if body.is_empty() {
        let pairs: BTreeMap<String, String> =
            form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect();
        json!(pairs)
    } else {
        assert_eq!(headers["content-type"], "application/json; charset=utf-8");
        serde_json::from_slice(&body).unwrap()
    };
    plan.calls.push((method.clone(), sent.clone()));
    let trouble = plan.trouble.get_mut(method.as_str()).and_then(VecDeque::pop_front);
    match trouble {
        Some(Trouble::Limited(wait)) => {
            return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", wait)], "").into_response();
        }
        Some(Trouble::Error(error)) => return Json(json!({ "ok": false, "error": error })).into_response(),
        Some(Trouble::Lost | Trouble::Slow) | None => {}
    }
    let reply = plan.done(&method, sent);
    if matches!(trouble, Some(Trouble::Lost)) {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    Json(reply).into_response()
}

impl Plan {
    fn done(&mut self, method: &str, mut sent: Value) -> Value {
        match method {
            "chat.postMessage" => {
                check(&sent);
                let ts = format!("1700000000.{:06}", self.messages.len() + 1);
                sent["ts"] = json!(ts);
                let place = sent["channel"].clone();
                self.messages.insert(ts.clone(), sent);
                json!({ "ok": true, "channel": place, "ts": ts })
            }
            "chat.update" => {
                check(&sent);
                let ts = sent["ts"].as_str().unwrap().to_owned();
                let Some(message) = self.messages.get_mut(&ts) else {
                    return json!({ "ok": false, "error": "message_not_found" });
                };
                message["blocks"] = sent["blocks"].clone();
                message["text"] = sent["text"].clone();
                json!({ "ok": true, "channel": sent["channel"], "ts": ts })
            }
            "conversations.history" => {
                assert_eq!(sent["include_all_metadata"], "true");
                json!({ "ok": true, "messages": self.messages.values().rev().collect::<Vec<_>>() })
            }
            "chat.postEphemeral" => json!({ "ok": true, "message_ts": "1" }),
            "views.open" => {
                assert!(sent["view"]["title"]["text"].as_str().unwrap().len() <= 24);
                assert!(sent["view"]["private_metadata"].as_str().unwrap().len() <= 3000);
                json!({ "ok": true })
            }
            other => json!({ "ok": false, "error": format!("unknown_method {other}") }),
        }
    }
}

/// Block Kit's rules, as far as a message of ours could break them.
fn check(sent: &Value) {
    let blocks = sent["blocks"].as_array().unwrap();
    assert!((1..=50).contains(&blocks.len()), "{}", blocks.len());
    for block in blocks {
        match block["type"].as_str().unwrap() {
            "header" => {
                assert_eq!(block["text"]["type"], "plain_text");
                assert!(block["text"]["text"].as_str().unwrap().chars().count() <= 150);
            }
            "rich_text" => block["elements"].as_array().unwrap().iter().for_each(check_rich),
            "actions" => block["elements"].as_array().unwrap().iter().for_each(check_button),
            other => panic!("{other}"),
        }
    }
    assert!(sent["text"].as_str().unwrap().chars().count() <= 4000);
}

fn check_rich(element: &Value) {
    assert!(["rich_text_section", "rich_text_preformatted"].contains(&element["type"].as_str().unwrap()));
    for text in element["elements"].as_array().unwrap() {
        // Nothing but text: no user, no broadcast, no emoji, no link.
        assert_eq!(text["type"], "text", "{text}");
        assert!((1..=3000).contains(&text["text"].as_str().unwrap().chars().count()), "{text}");
    }
}

fn check_button(button: &Value) {
    assert_eq!(button["text"]["type"], "plain_text");
    assert!(button["text"]["text"].as_str().unwrap().chars().count() <= 75);
    assert!(button["value"].as_str().unwrap_or_default().len() <= 2000);
}
