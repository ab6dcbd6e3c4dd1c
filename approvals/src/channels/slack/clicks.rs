//! Clicks in Slack: believed when Slack signed them, answered at once, and worked on after that, once each.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use countersign_protocol::Hash;
use serde_json::json;

use super::modal::{Target, view};
use super::payload::{Click, Sent, What};
use super::{Slack, blocks, signature};
use crate::api::extract::Path;
use crate::api::problem::{Failed, Problem};
use crate::app::App;
use crate::channels::message::fits_a_click;
use crate::code::Code;
use crate::people::Member;
use crate::random;
use crate::reason::Reason;
use crate::setup::clock;
use crate::store::StoreError;
use crate::store::answers::giving::{Given, Refused};
use crate::store::answers::{Kind, Narrowed};
use crate::store::readers::may_see;

/// Take what people do in Slack
#[utoipa::path(post, path = "/channels/slack/{channel}/interactions", tag = "chats",
    params(("channel" = String, Path, description = "The channel's name in the file of channels")),
    request_body(content = String, content_type = "application/x-www-form-urlencoded",
        description = "As Slack sends it: a field `payload` of JSON, signed (`x-slack-signature`)"),
    responses((status = 200, description = "It was taken, or is one that was taken before"), Failed))]
pub(crate) async fn interact(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let slack = app.deliveries.channels.slack(&name).cloned().ok_or_else(Problem::not_found)?;
    let now = clock();
    let signature = signature::check(&slack.signing_secret, &headers, &body, now)
        .map_err(|error| Problem::new(Code::NotSlack, error.to_string()))?;
    let sent = Sent::parse(&body, &slack.app())
        .ok_or_else(|| Problem::new(Code::MalformedInteraction, "this is nothing that Slack sends"))?;
    match sent {
        Sent::Nothing => Ok(StatusCode::OK.into_response()),
        Sent::NoReason => {
            let errors = json!({ "reason": "Choose a reason or write one" });
            Ok(Json(json!({ "response_action": "errors", "errors": errors })).into_response())
        }
        Sent::Click(click) => {
            let id = Hash::of(&signature.0);
            let worker = Arc::clone(&app);
            let taken = app.deliveries.spawn(async move { slack.work(&worker, *click, id).await });
            let busy = || Problem::new(Code::TooManyClicks, "too much is clicked at once");
            taken.then(|| StatusCode::OK.into_response()).ok_or_else(busy)
        }
    }
}

impl Slack {
    /// Does what somebody wants, and tells them when it is not done.
    async fn work(&self, app: &Arc<App>, click: Click, id: Hash) {
        let (place, user) = (click.place.clone(), click.user.id.clone());
        let said = self.done(app, click, id).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a click in Slack came to nothing");
            Some(blocks::aside("Something went wrong here, and nothing was done. Try again.", None))
        });
        let Some(said) = said else { return };
        if let Err(error) = self.tell(&place, &user, &said).await {
            tracing::warn!(?error, "cannot tell somebody in Slack what came of a click");
        }
    }

    /// What to tell them, if anything: what is done shows in the message itself.
    async fn done(
        &self,
        app: &Arc<App>,
        click: Click,
        id: Hash,
    ) -> Result<Option<serde_json::Value>, StoreError> {
        let member = app.store.linked(&click.user).await?;
        if let (Some(_), What::Ask { kind, target, trigger }) = (&member, &click.what) {
            // No later than this: Slack lets it be opened for three seconds.
            let body = json!({ "trigger_id": trigger, "view": view(*kind, *target, &click.place) });
            let opened = self.call("views.open", &body).await;
            let error = opened.err();
            return Ok(error.map(|error| {
                tracing::warn!(?error, "cannot open a window in Slack");
                let link = link(app, *target);
                blocks::aside("The window did not open. Try again, or", Some(("answer in the inbox", &link)))
            }));
        }
        if !app.store.take_click(&id.to_string()).await? {
            return Ok(None);
        }
        match (member, click.what) {
            (None, _) => {
                let secret = random::secret()?;
                app.store.begin_link(&secret, &click.user).await?;
                let url = format!("{}/account/links/{secret}", app.origin);
                let said = "Nothing was done: nobody here knows who you are. Link this Slack account to yours within \
                            ten minutes, and press the button again:";
                Ok(Some(blocks::aside(said, Some(("link it", &url)))))
            }
            (Some(member), What::Answer { kind, target, reason }) => {
                answer(app, &member, kind, target, reason).await
            }
            (Some(_), What::Ask { .. }) => Ok(None),
        }
    }
}

fn link(app: &App, target: Target) -> String {
    format!("{}/inbox/{}", app.origin, target.ticket)
}

/// Gives an answer in somebody's name as the inbox does. A click in a chat proves no factor.
async fn answer(
    app: &Arc<App>,
    member: &Member,
    kind: Kind,
    target: Target,
    reason: Option<Reason>,
) -> Result<Option<serde_json::Value>, StoreError> {
    let Target { ticket: id, shown } = target;
    let refused = |why: &str| {
        let said = format!("It was not taken: {why}.");
        Ok(Some(blocks::aside(&said, Some(("Open it in the inbox", &link(app, target))))))
    };
    let Some(ticket) = app.store.ticket(id).await? else { return refused("there is no such request") };
    if !may_see(&ticket, member) {
        app.store.note_refusal(id, member, Code::NotInGroup, kind.name()).await?;
        return refused("there is no such request");
    }
    if kind == Kind::Approve && !fits_a_click(&ticket) {
        app.store.note_refusal(id, member, Code::NotInChat, kind.name()).await?;
        return refused("this one is approved in the inbox only");
    }
    let given =
        Given { kind, reason, shown, amr: Vec::new(), narrowed: Narrowed::default(), assertion: None };
    let taken = app.store.answer(id, member, given, &app.signer).await;
    app.metrics.answered(kind, taken.is_ok());
    match taken {
        Ok(()) => Ok(None),
        Err(Refused::Store(error)) => Err(error),
        Err(error) => refused(&error.to_string()),
    }
}
