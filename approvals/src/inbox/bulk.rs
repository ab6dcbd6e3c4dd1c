//! Many requests rejected at once. There is no such thing for a yes.

use std::sync::Arc;

use axum::extract::{RawForm, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use countersign_protocol::{Hash, Token};

use super::forms::{genuine, reason};
use super::page::{LoggedIn, Trouble};
use crate::api::people::{give, seen_to_answer};
use crate::api::problem::Problem;
use crate::app::App;
use crate::auth::Session;
use crate::code::Code;
use crate::reason::Reason;
use crate::store::answers::giving::Given;
use crate::store::answers::{Kind, Narrowed};

/// The most requests in one form: as many as a page lists.
const MOST: usize = 100;

/// The requests that were chosen, each with the hash of what is shown of it.
#[derive(Default)]
struct Chosen {
    csrf: String,
    preset: String,
    reason: String,
    requests: Vec<(Token, Hash)>,
}

impl Chosen {
    /// A field that repeats is not what `serde` reads from a form.
    fn parse(form: &[u8]) -> Result<Self, Problem> {
        let mut chosen = Self::default();
        for (name, value) in form_urlencoded::parse(form) {
            match &*name {
                "csrf" => chosen.csrf = value.into_owned(),
                "preset" => chosen.preset = value.into_owned(),
                "reason" => chosen.reason = value.into_owned(),
                "request" => chosen.requests.push(request(&value)?),
                _ => return Err(Problem::new(Code::MalformedForm, format!("there is no field `{name}`"))),
            }
        }
        if chosen.requests.is_empty() || chosen.requests.len() > MOST {
            return Err(Problem::new(Code::MalformedForm, format!("choose 1 to {MOST} requests")));
        }
        Ok(chosen)
    }
}

fn request(value: &str) -> Result<(Token, Hash), Problem> {
    let parts = value.split_once(':').and_then(|(id, shown)| Some((id.parse().ok()?, shown.parse().ok()?)));
    parts.ok_or_else(|| Problem::new(Code::MalformedForm, "a request is its id, a colon and a hash"))
}

pub(super) async fn reject(
    State(app): State<Arc<App>>,
    LoggedIn(session): LoggedIn,
    RawForm(form): RawForm,
) -> Result<Response, Trouble> {
    let chosen = Chosen::parse(&form)?;
    genuine(&session, &chosen.csrf)?;
    let why = reason(chosen.preset, &chosen.reason)?.ok_or(Problem::from(crate::reason::BadReason))?;
    let (mut rejected, mut failed) = (0, 0);
    for (id, shown) in chosen.requests {
        match reject_one(&app, &session, id, shown, why.clone()).await {
            Ok(()) => rejected += 1,
            Err(problem) if problem.status.is_client_error() => failed += 1,
            Err(problem) => return Err(problem.into()),
        }
    }
    Ok(Redirect::to(&format!("/inbox?rejected={rejected}&failed={failed}")).into_response())
}

async fn reject_one(
    app: &Arc<App>,
    session: &Session,
    id: Token,
    shown: Hash,
    reason: Reason,
) -> Result<(), Problem> {
    seen_to_answer(app, session, id, Kind::Reject).await?;
    let given = Given {
        kind: Kind::Reject,
        reason: Some(reason),
        shown,
        amr: session.amr.clone(),
        narrowed: Narrowed::default(),
        assertion: None,
    };
    give(app, session.clone(), id, given).await
}
