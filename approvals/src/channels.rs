//! Where people are: chats, mail and programs that are told of requests, as they happen.

mod config;
mod deliver;
mod mail;
pub(crate) mod message;
pub(crate) mod routes;
mod secrets;
pub(crate) mod slack;
mod teams;
pub(crate) mod text;
mod webhook;

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::{StatusCode, header};

pub use config::BadChannels;
pub(crate) use deliver::Deliveries;
use routes::Routes;

use crate::oidc::http::Http;
use crate::setup::clock;
use crate::store::outbox::settling::{Post, Tried};
use message::Message;

/// All channels that the operator named.
#[derive(Debug, Clone, Default)]
pub struct Channels {
    channels: BTreeMap<String, Channel>,
    pub(crate) routes: Routes,
}

/// One of them.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    pub(crate) name: String,
    kind: Kind,
}

/// What it is, and how it is reached.
#[derive(Debug, Clone)]
enum Kind {
    Slack(slack::Slack),
    Teams(teams::Teams),
    Webhook(webhook::Webhook),
    Mail(Box<mail::Mail>),
}

impl Channels {
    /// Names and kinds.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.channels.values().map(|channel| (channel.name.as_str(), channel.kind.name()))
    }

    /// The channel of that name, where it is one of Slack.
    pub(crate) fn slack(&self, name: &str) -> Option<&slack::Slack> {
        match &self.channels.get(name)?.kind {
            Kind::Slack(slack) => Some(slack),
            _ => None,
        }
    }
}

impl Kind {
    fn name(&self) -> &'static str {
        match self {
            Self::Slack(_) => "slack",
            Self::Teams(_) => "teams",
            Self::Webhook(_) => "webhook",
            Self::Mail(_) => "mail",
        }
    }

    /// How many messages may be under way at a time: chats and mail servers take few.
    fn at_once(&self) -> usize {
        if matches!(self, Self::Webhook(_)) { 16 } else { 4 }
    }

    /// Tries once to deliver; `post` is where the message about the request stands already.
    async fn deliver(&self, message: &Message, post: Option<Post>) -> Tried {
        match self {
            Self::Slack(slack) => slack.deliver(message, post).await,
            Self::Teams(teams) => teams.deliver(message).await,
            Self::Webhook(webhook) => webhook.deliver(message).await,
            Self::Mail(mail) => mail.deliver(message).await,
        }
    }
}

/// What other services see of us.
const AGENT: &str = concat!("countersign-approvals/", env!("CARGO_PKG_VERSION"));
/// The longest that a channel may ask us to wait.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

type Reply = axum::http::Response<Vec<u8>>;

/// What to do after a reply that is no success: wait as long as it says, or try again by our own time.
fn waits(reply: &Reply, error: &str) -> Tried {
    match retry_after(reply) {
        Some(wait) => Tried::Limited(wait, error.into()),
        None => Tried::Failed(error.into()),
    }
}

/// How long to wait (RFC 9110, section 10.2.3) where there were too many or nobody was there to take it.
fn retry_after(reply: &Reply) -> Option<Duration> {
    if !matches!(reply.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return None;
    }
    let text = reply.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_millisecond();
            Duration::from_millis(u64::try_from(at - clock()).unwrap_or(0))
        }
    };
    Some(wait.min(LONGEST_WAIT))
}
