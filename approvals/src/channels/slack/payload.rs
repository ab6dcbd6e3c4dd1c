//! What Slack sends when somebody presses a button or sends a window.

use serde::Deserialize;
use serde_json::Value;

use super::modal::{Target, reason};
use crate::channels::text::line;
use crate::reason::Reason;
use crate::store::answers::Kind;
use crate::store::links::ChatUser;

/// What somebody did.
#[derive(Debug)]
pub(super) struct Click {
    pub(super) user: ChatUser,
    /// The channel that they did it in.
    pub(super) place: String,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// Asks for the window to give a reason in; `trigger` opens it, within three seconds.
    Ask {
        kind: Kind,
        target: Target,
        trigger: String,
    },
    Answer {
        kind: Kind,
        target: Target,
        reason: Option<Reason>,
    },
}

/// What a request of Slack's holds.
#[derive(Debug)]
pub(super) enum Sent {
    Click(Box<Click>),
    /// A window without a reason.
    NoReason,
    /// A link was followed, or something that this version has no use for.
    Nothing,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Payload {
    BlockActions(Actions),
    ViewSubmission(Submission),
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Actions {
    user: User,
    team: Option<Team>,
    trigger_id: String,
    container: Container,
    actions: Vec<Action>,
}

#[derive(Deserialize)]
struct Submission {
    user: User,
    team: Option<Team>,
    view: View,
}

#[derive(Deserialize)]
struct User {
    id: String,
    /// The workspace that the account is of: another one's, in a shared channel.
    team_id: Option<String>,
    username: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Team {
    id: String,
}

#[derive(Deserialize)]
struct Container {
    channel_id: Option<String>,
}

#[derive(Deserialize)]
struct Action {
    action_id: String,
    value: Option<String>,
}

#[derive(Deserialize)]
struct View {
    callback_id: String,
    private_metadata: String,
    state: State,
}

#[derive(Deserialize)]
struct State {
    values: Value,
}

impl Sent {
    /// Reads a body that `app` signed: a form with one field of JSON. `None` when it is none.
    pub(super) fn parse(body: &[u8], app: &str) -> Option<Self> {
        let (_, json) = url::form_urlencoded::parse(body).find(|(name, _)| name == "payload")?;
        match serde_json::from_str(&json).ok()? {
            Payload::BlockActions(actions) => Some(actions.click(app).map_or(Self::Nothing, Self::click)),
            Payload::ViewSubmission(submission) => submission.sent(app),
            Payload::Other => Some(Self::Nothing),
        }
    }

    fn click(click: Click) -> Self {
        Self::Click(Box::new(click))
    }
}

impl Actions {
    fn click(self, app: &str) -> Option<Click> {
        let action = self.actions.into_iter().next()?;
        let target = Target::parse(&action.value?)?;
        let what = match action.action_id.as_str() {
            "approve" => What::Answer { kind: Kind::Approve, target, reason: None },
            "reject" => What::Ask { kind: Kind::Reject, target, trigger: self.trigger_id },
            "flag" => What::Ask { kind: Kind::Flag, target, trigger: self.trigger_id },
            _ => return None,
        };
        Some(Click { user: self.user.known(app, self.team)?, place: self.container.channel_id?, what })
    }
}

impl Submission {
    fn sent(self, app: &str) -> Option<Sent> {
        let kind = match self.view.callback_id.as_str() {
            "reject" => Kind::Reject,
            "flag" => Kind::Flag,
            _ => return Some(Sent::Nothing),
        };
        let (place, target) = self.view.private_metadata.split_once(' ')?;
        let Some(reason) = reason(&self.view.state.values) else { return Some(Sent::NoReason) };
        let what = What::Answer { kind, target: Target::parse(target)?, reason: Some(reason) };
        Some(Sent::click(Click { user: self.user.known(app, self.team)?, place: place.into(), what }))
    }
}

impl User {
    fn known(self, app: &str, team: Option<Team>) -> Option<ChatUser> {
        let team = self.team_id.or_else(|| team.map(|team| team.id))?;
        let name = self.username.or(self.name).unwrap_or_default();
        (!self.id.is_empty() && !team.is_empty()).then(|| ChatUser {
            app: app.into(),
            team,
            id: self.id,
            name: line(&name, 80),
        })
    }
}
