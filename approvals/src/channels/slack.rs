//! Slack: one message for each request, which says at any time where it stands, with buttons for those whose Slack
//! identity is linked.

mod api;
mod blocks;
pub(crate) mod clicks;
mod modal;
mod payload;
mod signature;

use countersign_protocol::Hash;
use serde_json::{Value, json};

use super::Http;
use super::message::Message;
use crate::store::outbox::settling::{Post, Tried};
use api::NotDone;

/// What tells a message of ours in a channel's history.
const EVENT_TYPE: &str = "countersign_request";

/// Slack's answers when there is no message any more that could be written anew.
const NO_MESSAGE: [&str; 3] = ["message_not_found", "cant_update_message", "edit_window_closed"];

/// A channel of a workspace, and the app that is in it.
#[derive(Clone)]
pub(crate) struct Slack {
    pub(super) http: Http,
    /// The address that methods are below.
    pub(super) api: String,
    /// The channel's id.
    pub(super) place: String,
    /// The app's bot token.
    pub(super) token: String,
    /// What Slack signs clicks with.
    pub(super) signing_secret: String,
}

/// Never the secrets.
impl std::fmt::Debug for Slack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Slack({})", self.place)
    }
}

impl Slack {
    /// What tells the app from others, and nothing of its secret: another secret is another app.
    fn app(&self) -> String {
        Hash::of(format!("countersign slack app {}", self.signing_secret).as_bytes()).to_string()
    }

    pub(super) async fn deliver(&self, message: &Message, post: Option<Post>) -> Tried {
        let content = blocks::message(message);
        let hash = Hash::of(content.to_string().as_bytes()).to_string();
        let post = match post {
            Some(post) if post.hash == hash => return Tried::Sent(None),
            None if message.attempts > 1 => match self.posted_before(message).await {
                Ok(post) => post,
                Err(not_done) => return not_done.into(),
            },
            post => post,
        };
        let done = match &post {
            Some(post) => self.update(post, &content).await,
            None => self.post(message, &content).await,
        };
        let done = match done {
            Err(NotDone::Refused(code)) if post.is_some() && NO_MESSAGE.contains(&code.as_str()) => {
                // Somebody deleted it. Whoever still has to answer has to know.
                if !message.is_open() {
                    return Tried::Sent(None);
                }
                self.post(message, &content).await
            }
            done => done,
        };
        match done {
            Ok((place, ts)) => Tried::Sent(Some(Post { place, ts, hash })),
            Err(not_done) => not_done.into(),
        }
    }

    async fn post(&self, message: &Message, content: &Value) -> Result<(String, String), NotDone> {
        let mut body = json!({
            "channel": self.place, "mrkdwn": false, "parse": "none", "link_names": false,
            "unfurl_links": false, "unfurl_media": false,
            "metadata": { "event_type": EVENT_TYPE, "event_payload": { "ticket": message.ticket.id } },
        });
        with(&mut body, content);
        placed(&self.call("chat.postMessage", &body).await?)
    }

    async fn update(&self, post: &Post, content: &Value) -> Result<(String, String), NotDone> {
        let mut body = json!({ "channel": post.place, "ts": post.ts, "parse": "none", "link_names": false });
        with(&mut body, content);
        placed(&self.call("chat.update", &body).await?)
    }

    /// The message of a try whose end nobody wrote down. Slack has no other way to say a thing only once.
    async fn posted_before(&self, message: &Message) -> Result<Option<Post>, NotDone> {
        let oldest = (message.ticket.asked_at / 1000 - 60).to_string();
        let query = [
            ("channel", self.place.as_str()),
            ("oldest", &oldest),
            ("include_all_metadata", "true"),
            ("limit", "200"),
        ];
        let found = match self.read("conversations.history", &query).await {
            Ok(found) => found,
            // The app may not read there, so it cannot know: rather twice than not at all.
            Err(NotDone::Refused(_)) => return Ok(None),
            Err(not_done) => return Err(not_done),
        };
        let ticket = message.ticket.id.to_string();
        let ours = |one: &&Value| {
            let metadata = one.get("metadata");
            let is = |path: &str, text: &str| {
                metadata.and_then(|metadata| metadata.pointer(path)).and_then(Value::as_str) == Some(text)
            };
            is("/event_type", EVENT_TYPE) && is("/event_payload/ticket", &ticket)
        };
        let messages = found.get("messages").and_then(Value::as_array);
        let ts = messages.and_then(|all| all.iter().find(ours)?.get("ts")?.as_str());
        Ok(ts.map(|ts| Post { place: self.place.clone(), ts: ts.into(), hash: String::new() }))
    }

    /// Says something that only one person sees.
    async fn tell(&self, place: &str, user: &str, content: &Value) -> Result<(), NotDone> {
        let mut body = json!({ "channel": place, "user": user, "parse": "none", "link_names": false });
        with(&mut body, content);
        self.call("chat.postEphemeral", &body).await.map(drop)
    }
}

/// Puts what is said into a call.
fn with(body: &mut Value, content: &Value) {
    if let (Some(body), Some(content)) = (body.as_object_mut(), content.as_object()) {
        body.extend(content.clone());
    }
}

fn placed(reply: &Value) -> Result<(String, String), NotDone> {
    let text = |name: &str| reply.get(name).and_then(Value::as_str).map(str::to_owned);
    text("channel")
        .zip(text("ts"))
        .ok_or_else(|| NotDone::Later("Slack does not say where the message is".into()))
}
