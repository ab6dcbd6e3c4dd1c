//! Somebody's own API tokens.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use countersign_protocol::Token;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::callers::InPerson;
use super::extract::{Body, Path, whole_number};
use super::problem::{Failed, Problem};
use crate::app::App;
use crate::auth::Session;
use crate::code::Code;
use crate::store::tokens::{ApiToken, Scope};

/// The longest that a token may last, days.
const LONGEST: u16 = 366;
/// The longest name of a token, characters.
const LONGEST_NAME: usize = 100;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewToken {
    /// What it is for.
    #[schema(min_length = 1, max_length = 100)]
    pub(crate) name: String,
    #[schema(min_items = 1)]
    #[serde(deserialize_with = "each_once")]
    pub(crate) scopes: BTreeSet<Scope>,
    /// For how many days it lasts.
    #[schema(minimum = 1, maximum = 366)]
    #[serde(deserialize_with = "whole_number")]
    pub(crate) days: u16,
}

/// A set: nothing in it twice.
fn each_once<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeSet<Scope>, D::Error> {
    let scopes = Vec::<Scope>::deserialize(from)?;
    let set: BTreeSet<_> = scopes.iter().copied().collect();
    if set.len() == scopes.len() { Ok(set) } else { Err(D::Error::custom("a scope is there twice")) }
}

/// A token that was just made.
#[derive(Serialize, ToSchema)]
pub(crate) struct MadeToken {
    #[serde(flatten)]
    pub(crate) about: ApiToken,
    /// To send as `Authorization: Bearer`; it is not shown again.
    pub(crate) token: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Tokens {
    items: Vec<ApiToken>,
}

/// List one's tokens
#[utoipa::path(get, path = "/v1/tokens", tag = "people",
    responses((status = 200, description = "The latest first", body = Tokens), Failed))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    InPerson(session): InPerson,
) -> Result<Json<Tokens>, Problem> {
    Ok(Json(Tokens { items: app.store.tokens_of(&session.member.person).await? }))
}

/// Makes a token for whoever is logged in, who has to have proven a second factor if they have one.
pub(crate) async fn made(app: &App, session: &Session, new: NewToken) -> Result<MadeToken, Problem> {
    let name = new.name.trim();
    let named = (1..=LONGEST_NAME).contains(&name.chars().count()) && !name.contains('\0');
    if !named || new.scopes.is_empty() || !(1..=LONGEST).contains(&new.days) {
        let detail = "a token has a name of at most 100 characters, a scope, and 1 to 366 days";
        return Err(Problem::new(Code::BadToken, detail));
    }
    app.auth.must_change(session).await?;
    if new.scopes.contains(&Scope::Admin) && !app.auth.is_proven(session).await? {
        let detail = "a token for administration is made with a second factor, proven lately";
        return Err(Problem::new(Code::SecondFactorMissing, detail));
    }
    let (person, lasts) = (&session.member.person, i64::from(new.days) * 24 * 60 * 60 * 1000);
    let mut tx = app.store.write().await?;
    let (token, about) = tx.make_token(person, name, new.scopes, lasts).await?;
    let detail = json!({ "token": about.id, "name": about.name, "scopes": about.scopes });
    tx.note("token_made", Some(person), detail).await?;
    tx.commit().await?;
    Ok(MadeToken { about, token })
}

/// Ends a token of whoever is logged in.
pub(crate) async fn ended(app: &App, session: &Session, id: Token) -> Result<(), Problem> {
    let person = &session.member.person;
    let mut tx = app.store.write().await?;
    if !tx.end_token(person, id).await? {
        return Err(Problem::not_found());
    }
    tx.note("token_ended", Some(person), json!({ "token": id })).await?;
    Ok(tx.commit().await?)
}

/// Make a token
#[utoipa::path(post, path = "/v1/tokens", tag = "people",
    request_body = NewToken,
    responses((status = 201, description = "The token, this once", body = MadeToken), Failed))]
pub(crate) async fn make(
    State(app): State<Arc<App>>,
    InPerson(session): InPerson,
    Body(new): Body<NewToken>,
) -> Result<(StatusCode, Json<MadeToken>), Problem> {
    Ok((StatusCode::CREATED, Json(made(&app, &session, new).await?)))
}

/// End one of one's tokens
#[utoipa::path(delete, path = "/v1/tokens/{id}", tag = "people", params(("id" = Token, Path)),
    responses((status = 204, description = "It is over"), Failed))]
pub(crate) async fn end(
    State(app): State<Arc<App>>,
    InPerson(session): InPerson,
    Path(id): Path<Token>,
) -> Result<StatusCode, Problem> {
    ended(&app, &session, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
