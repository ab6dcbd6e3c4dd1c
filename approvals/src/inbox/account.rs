//! One's own account: second factors, API tokens and sessions.

mod codes;
mod links;
mod passkeys;
mod tokens;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::forms::genuine;
use super::page::{LoggedIn, Trouble, Viewer};
use super::text::Visible;
use super::{html, words};
use crate::api::extract::Form;
use crate::api::problem::Problem;
use crate::app::App;
use crate::auth::Session;
use crate::auth::passkeys::Brought;
use crate::people::{Member, Role};
use crate::store::links::Link;
use crate::store::own_sessions::OwnSession;
use crate::store::passkeys::Passkey;
use tokens::{Offer, TokenRow};

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    viewer: Viewer,
    problem: Option<String>,
    /// A token that was just made, this once.
    made: Option<String>,
    subject: String,
    issuer: String,
    groups: Vec<Place>,
    roles: Vec<&'static str>,
    /// Since when there are one-time codes.
    codes: Option<String>,
    passkeys: Vec<Row>,
    /// Whether factors may be changed now.
    may_change: bool,
    tokens: Vec<TokenRow>,
    /// What a new token may be for.
    offers: Vec<Offer>,
    sessions: Vec<Row>,
    /// Who they are in chats.
    links: Vec<Chat>,
    /// Whether there is a chat whose clicks are taken.
    chats: bool,
}

/// Who somebody is in a chat.
struct Chat {
    link: Link,
    since: String,
}

/// What has just happened on the page.
enum News {
    Nothing,
    Wrong(Problem),
    /// A token was made.
    Token(String),
}

struct Place {
    id: String,
    issuer: String,
    since: String,
}

/// A passkey or a session.
struct Row {
    id: String,
    name: String,
    since: String,
    used: Option<String>,
    /// Whether it is the one that looks.
    own: bool,
}

#[derive(Deserialize)]
struct Confirmation {
    csrf: String,
    #[serde(default)]
    totp: String,
    #[serde(default)]
    proof: String,
}

#[derive(Deserialize)]
struct Ended {
    csrf: String,
    id: String,
}

/// The pages of an account.
pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/account", get(show))
        .route("/account/confirm", post(confirm))
        .route("/account/confirm/ask", post(passkeys::ask_confirmation))
        .route("/account/codes", post(codes::begin))
        .route("/account/codes/set", post(codes::set))
        .route("/account/links/{secret}", get(links::show).post(links::link))
        .route("/account/links/end", post(links::unlink))
        .route("/account/passkeys", post(passkeys::add))
        .route("/account/passkeys/ask", post(passkeys::ask))
        .route("/account/passkeys/remove", post(passkeys::remove))
        .route("/account/tokens", post(tokens::make))
        .route("/account/tokens/end", post(tokens::end))
        .route("/account/sessions/end", post(end_session))
}

async fn show(State(app): State<Arc<App>>, LoggedIn(session): LoggedIn) -> Result<Response, Trouble> {
    page(&app, &session, News::Nothing).await
}

/// The page, with what came of it when somebody just tried to change something.
async fn page(app: &App, session: &Session, news: News) -> Result<Response, Trouble> {
    let member = &session.member;
    let (status, problem, made) = match news {
        News::Nothing => (StatusCode::OK, None, None),
        News::Wrong(problem) => (problem.status, Some(problem.detail), None),
        News::Token(token) => (StatusCode::CREATED, None, Some(token)),
    };
    let page = AccountPage {
        viewer: Viewer::of(session, "/account"),
        problem,
        made,
        subject: member.person.subject.clone(),
        issuer: member.person.issuer.clone(),
        groups: places(member),
        roles: member.roles.iter().map(|role| role_name(*role)).collect(),
        codes: member.totp.as_ref().map(|factor| words::utc(factor.since)),
        passkeys: app.store.passkeys(&member.person).await?.into_iter().map(Row::from).collect(),
        may_change: app.auth.may_change(session).await?,
        tokens: app.store.tokens_of(&member.person).await?.into_iter().map(TokenRow::from).collect(),
        offers: tokens::offers(member),
        sessions: app.store.sessions_of(member).await?.iter().map(|one| Row::of(one, session)).collect(),
        links: app.store.links_of(&member.person).await?.into_iter().map(Chat::from).collect(),
        chats: app.deliveries.channels.kinds().any(|(_, kind)| kind == "slack"),
    };
    Ok(html(status, &page))
}

/// Back to the page when something worked, the page with what went wrong when it did not.
async fn done<E: Into<Problem>>(
    app: &App,
    session: &Session,
    done: Result<(), E>,
) -> Result<Response, Trouble> {
    match done {
        Ok(()) => Ok(Redirect::to("/account").into_response()),
        Err(error) => page(app, session, News::Wrong(error.into())).await,
    }
}

async fn confirm(
    State(app): State<Arc<App>>,
    LoggedIn(session): LoggedIn,
    Form(form): Form<Confirmation>,
) -> Result<Response, Trouble> {
    genuine(&session, &form.csrf)?;
    let confirmed = match form.proof.as_str() {
        "" => app.auth.step_up(&session, &form.totp).await.map_err(Problem::from),
        proof => match Brought::parse(proof) {
            Ok(brought) => app.auth.confirm(&session, &brought).await.map_err(Problem::from),
            Err(error) => Err(error.into()),
        },
    };
    done(&app, &session, confirmed).await
}

async fn end_session(
    State(app): State<Arc<App>>,
    LoggedIn(session): LoggedIn,
    Form(form): Form<Ended>,
) -> Result<Response, Trouble> {
    genuine(&session, &form.csrf)?;
    let mut tx = app.store.write().await?;
    tx.end_session_of(&session.member.person, &form.id).await?;
    tx.commit().await?;
    Ok(Redirect::to("/account").into_response())
}

impl From<Link> for Chat {
    fn from(link: Link) -> Self {
        Self { since: words::utc(link.linked_at), link }
    }
}

impl From<Passkey> for Row {
    fn from(passkey: Passkey) -> Self {
        Self {
            id: passkey.id,
            name: passkey.name,
            since: words::utc(passkey.created),
            used: passkey.used.map(words::utc),
            own: false,
        }
    }
}

impl Row {
    fn of(one: &OwnSession, session: &Session) -> Self {
        Self {
            id: one.id.clone(),
            name: if one.method == "oidc" { "at the provider" } else { "with a password" }.into(),
            since: words::utc(one.created),
            used: Some(words::utc(one.seen)),
            own: one.is(&session.secret),
        }
    }
}

fn places(member: &Member) -> Vec<Place> {
    let place = |place: &countersign_protocol::grant::Membership| Place {
        id: place.group.id.clone(),
        issuer: place.group.issuer.clone(),
        since: words::utc(place.since),
    };
    member.groups.iter().map(place).collect()
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Admin => "administrator",
        Role::Auditor => "auditor",
    }
}
