//! What the buttons of a request's page send.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use countersign_protocol::{Hash, Token};
use serde::Deserialize;
use subtle::ConstantTimeEq as _;

use super::page::{LoggedIn, Trouble};
use super::request::{self, Extent};
use super::typed::Typed;
use crate::api::callers::InPerson;
use crate::api::extract::{Body, Form, Path};
use crate::api::people::{give, heard, seen, seen_to, seen_to_answer, take_back};
use crate::api::problem::Problem;
use crate::app::App;
use crate::auth::Session;
use crate::auth::passkeys::{Ask, Brought};
use crate::code::Code;
use crate::reason::Reason;
use crate::store::answers::giving::Given;
use crate::store::answers::{Kind, Narrowed};
use crate::store::tickets::Ticket;
use crate::webauthn::challenge::Meant;

/// A page of an earlier version, which says the same in other fields, is not understood.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswerForm {
    csrf: String,
    kind: Kind,
    #[serde(default)]
    reason: String,
    /// One of [`request::PRESETS`], before what they say in their own words.
    #[serde(default)]
    preset: String,
    shown: Hash,
    /// A one-time code, where the request needs one and the session has none.
    #[serde(default)]
    totp: String,
    #[serde(default)]
    uses: Option<i64>,
    /// [`Session::saw_all`], from a page that showed all of it.
    #[serde(default)]
    saw_all: String,
    /// What a passkey made of [`ask_passkey`]'s question.
    #[serde(default)]
    proof: String,
}

/// An answer that a passkey is to prove.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Proving {
    kind: Kind,
    shown: Hash,
    #[serde(default)]
    uses: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct RevokeForm {
    csrf: String,
    reason: String,
}

impl AnswerForm {
    /// What of it is shown again when it is refused: no code, which counts once, and no proof.
    fn typed(&self) -> Typed {
        let Self { kind, preset, reason, uses, .. } = self;
        Typed { form: kind.name(), preset: preset.clone(), words: reason.clone(), uses: *uses }
    }
}

impl Proving {
    fn meant(&self, ticket: &Ticket) -> Meant {
        let Self { kind, shown, uses } = *self;
        Meant { kind, ticket: ticket.id, digest: ticket.digest, shown, uses }
    }
}

/// Asks for a passkey over an answer; whether the answer may be given is seen when it is.
pub(super) async fn ask_passkey(
    State(app): State<Arc<App>>,
    InPerson(session): InPerson,
    Path(id): Path<Token>,
    Body(proving): Body<Proving>,
) -> Result<Json<Ask>, Problem> {
    let ticket = seen(&app, &session, id).await?;
    Ok(Json(app.auth.ask_answer(&session, proving.meant(&ticket), ticket.asked_at).await?))
}

/// What somebody picked, and what they say in their own words.
pub(super) fn reason(preset: String, own: &str) -> Result<Option<Reason>, Problem> {
    let own = own.trim();
    let both = if preset.is_empty() || own.is_empty() { preset + own } else { format!("{preset}: {own}") };
    Ok(Reason::in_field(both)?)
}

/// Whether a form comes from a page that this session was given.
pub(super) fn genuine(session: &Session, csrf: &str) -> Result<(), Problem> {
    let same = bool::from(session.csrf().as_bytes().ct_eq(csrf.as_bytes()));
    same.then_some(()).ok_or_else(|| Problem::new(Code::Csrf, "this form is out of date: go back and reload"))
}

pub(super) async fn answer(
    State(app): State<Arc<App>>,
    LoggedIn(session): LoggedIn,
    Path(id): Path<Token>,
    Form(form): Form<AnswerForm>,
) -> Result<Response, Trouble> {
    genuine(&session, &form.csrf)?;
    let ticket = seen_to_answer(&app, &session, id, form.kind).await?;
    let (kind, typed) = (form.kind, form.typed());
    let saw_all = form.saw_all == session.saw_all(id, ticket.shown);
    let extent = if saw_all { Extent::Full } else { Extent::Folded };
    let ready = match kind {
        kind if kind.is_yes() && request::is_folded(&ticket, extent) => {
            Err(Problem::new(Code::NotShownInFull, "look at all of it before you approve it"))
        }
        _ => proven(&app, &session, &ticket, form).await,
    };
    let answered = match heard(&app, &session, id, (kind.name(), ready)).await {
        Ok((proven, given)) => give(&app, proven, id, given).await,
        Err(problem) => Err(problem),
    };
    done(&app, &session, id, (extent, typed), answered).await
}

/// Back to the request when something worked; its page with what went wrong and what was typed when it did not.
async fn done(
    app: &App,
    session: &Session,
    id: Token,
    (extent, typed): (Extent, Typed),
    done: Result<(), Problem>,
) -> Result<Response, Trouble> {
    match done {
        Ok(()) => Ok(Redirect::to(&format!("/inbox/{id}")).into_response()),
        Err(problem) => request::page(app, session, id, extent, (problem, typed)).await,
    }
}

/// The answer that a form gives, and the session with the second factor that came along, if one did.
async fn proven(
    app: &App,
    session: &Session,
    ticket: &Ticket,
    form: AnswerForm,
) -> Result<(Session, Given), Problem> {
    let mut session = session.clone();
    let mut assertion = None;
    if !form.proof.is_empty() {
        let meant = Proving { kind: form.kind, shown: form.shown, uses: form.uses };
        let brought = Brought::parse(&form.proof)?;
        assertion =
            Some(app.auth.prove_answer(&session, meant.meant(ticket), ticket.asked_at, &brought).await?);
    }
    if !form.totp.trim().is_empty() {
        app.auth.step_up(&session, &form.totp).await?;
        let stepped = app.auth.session(&session.secret).await?;
        session = stepped.ok_or_else(|| Problem::unauthorized("log in first"))?;
    }
    let reason = reason(form.preset, &form.reason)?;
    let given = Given {
        kind: form.kind,
        reason,
        shown: form.shown,
        amr: session.amr.clone(),
        narrowed: Narrowed { uses: form.uses, use_within_ms: None },
        assertion,
    };
    Ok((session, given))
}

pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    LoggedIn(session): LoggedIn,
    Path(id): Path<Token>,
    Form(form): Form<RevokeForm>,
) -> Result<Response, Trouble> {
    genuine(&session, &form.csrf)?;
    seen_to(&app, &session, id, "revoke").await?;
    let typed = Typed::words("revoke", &form.reason);
    let taken = match Reason::try_from(form.reason) {
        Ok(reason) => take_back(&app, session.clone(), id, reason).await,
        Err(error) => heard(&app, &session, id, ("revoke", Err(error.into()))).await,
    };
    done(&app, &session, id, (Extent::Folded, typed), taken).await
}

#[derive(Deserialize)]
pub(super) struct ReviewForm {
    csrf: String,
    note: String,
}

pub(super) async fn review(
    State(app): State<Arc<App>>,
    LoggedIn(session): LoggedIn,
    Path(id): Path<Token>,
    Form(form): Form<ReviewForm>,
) -> Result<Response, Trouble> {
    genuine(&session, &form.csrf)?;
    seen_to(&app, &session, id, "review").await?;
    let typed = Typed::words("review", &form.note);
    let closed = match Reason::try_from(form.note) {
        Ok(note) => app.store.close_review(id, &session.member, &note).await.map_err(Problem::from),
        Err(error) => heard(&app, &session, id, ("review", Err(error.into()))).await,
    };
    done(&app, &session, id, (Extent::Folded, typed), closed).await
}
