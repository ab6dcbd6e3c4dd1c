//! Adding and removing passkeys.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::{done, genuine};
use crate::api::callers::InPerson;
use crate::api::extract::Form;
use crate::api::problem::Problem;
use crate::app::App;
use crate::auth::passkeys::{Ask, Brought};
use crate::inbox::page::{LoggedIn, Trouble};

#[derive(Deserialize)]
pub(super) struct Adding {
    csrf: String,
    name: String,
    proof: String,
}

#[derive(Deserialize)]
pub(super) struct Removing {
    csrf: String,
    id: String,
}

pub(super) async fn ask(
    State(app): State<Arc<App>>,
    InPerson(session): InPerson,
) -> Result<Json<Ask>, Problem> {
    Ok(Json(app.auth.ask_new(&session).await?))
}

pub(super) async fn ask_confirmation(
    State(app): State<Arc<App>>,
    InPerson(session): InPerson,
) -> Result<Json<Ask>, Problem> {
    Ok(Json(app.auth.ask_confirmation(&session).await?))
}

pub(super) async fn add(
    State(app): State<Arc<App>>,
    LoggedIn(session): LoggedIn,
    Form(form): Form<Adding>,
) -> Result<Response, Trouble> {
    genuine(&session, &form.csrf)?;
    let added = match Brought::parse(&form.proof) {
        Ok(brought) => app.auth.add_passkey(&session, &form.name, &brought).await,
        Err(error) => Err(error),
    };
    done(&app, &session, added).await
}

pub(super) async fn remove(
    State(app): State<Arc<App>>,
    LoggedIn(session): LoggedIn,
    Form(form): Form<Removing>,
) -> Result<Response, Trouble> {
    genuine(&session, &form.csrf)?;
    let removed = app.auth.remove_passkey(&session, &form.id).await;
    done(&app, &session, removed).await
}
