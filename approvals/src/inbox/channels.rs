//! How the channels do, for administrators: what waits, what was given up, and a button to try it again.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use countersign_protocol::Token;
use serde::Deserialize;

use super::forms::genuine;
use super::page::{LoggedIn, Trouble, Viewer};
use super::text::Visible;
use super::{html, words};
use crate::api::extract::Form;
use crate::api::problem::Problem;
use crate::app::App;
use crate::auth::Session;
use crate::code::Code;
use crate::people::Role;
use crate::store::StoreError;
use crate::store::outbox::standing::{Dead, Standing};

#[derive(Template)]
#[template(path = "channels.html")]
struct ChannelsPage {
    viewer: Viewer,
    channels: Vec<Row>,
    /// How many open requests no channel reached anybody about.
    unreached: i64,
}

/// One channel.
struct Row {
    name: String,
    /// What it is; nothing where the file does not name it any more.
    kind: Option<&'static str>,
    queued: i64,
    oldest: Option<String>,
    sent: Option<String>,
    failed: Option<String>,
    error: Option<String>,
    dead: i64,
    letters: Vec<Letter>,
}

/// A message that was given up.
struct Letter {
    seq: i64,
    ticket: Token,
    what: &'static str,
    at: String,
    attempts: i64,
    error: String,
}

#[derive(Deserialize)]
pub(super) struct Again {
    csrf: String,
    channel: String,
    /// One message; all of the channel's where it is left out.
    #[serde(default)]
    seq: Option<i64>,
}

fn administrator(session: &Session) -> Result<(), Problem> {
    let admin = session.member.has(&[Role::Admin]);
    admin.then_some(()).ok_or_else(|| Problem::new(Code::NotAnAdmin, "only administrators see this"))
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    LoggedIn(session): LoggedIn,
) -> Result<Response, Trouble> {
    administrator(&session)?;
    let mut standings = app.store.standings().await?;
    for (name, _) in app.deliveries.channels.kinds() {
        if !standings.iter().any(|standing| standing.channel == name) {
            standings.push(Standing { channel: name.into(), ..Standing::default() });
        }
    }
    standings.sort_by(|one, other| one.channel.cmp(&other.channel));
    let mut channels = Vec::with_capacity(standings.len());
    for standing in standings {
        channels.push(row(&app, standing).await?);
    }
    let unreached = app.store.count_unreached().await?;
    Ok(html(
        StatusCode::OK,
        &ChannelsPage { viewer: Viewer::of(&session, "/inbox/channels"), channels, unreached },
    ))
}

async fn row(app: &App, standing: Standing) -> Result<Row, StoreError> {
    let dead = if standing.dead > 0 { app.store.dead(&standing.channel).await? } else { Vec::new() };
    let mut kinds = app.deliveries.channels.kinds();
    Ok(Row {
        kind: kinds.find(|(name, _)| *name == standing.channel).map(|(_, kind)| kind),
        queued: standing.queued,
        oldest: standing.oldest.map(words::utc),
        sent: standing.sent_at.map(words::utc),
        failed: standing.failed_at.map(words::utc),
        error: standing.error,
        dead: standing.dead,
        letters: dead.into_iter().map(Letter::from).collect(),
        name: standing.channel,
    })
}

impl From<Dead> for Letter {
    fn from(dead: Dead) -> Self {
        Self {
            seq: dead.seq,
            ticket: dead.ticket,
            what: words::event(&dead.event, None),
            at: words::utc(dead.at),
            attempts: dead.attempts,
            error: dead.error.unwrap_or_default(),
        }
    }
}

pub(super) async fn try_again(
    State(app): State<Arc<App>>,
    LoggedIn(session): LoggedIn,
    Form(form): Form<Again>,
) -> Result<Response, Trouble> {
    genuine(&session, &form.csrf)?;
    administrator(&session)?;
    app.store.try_again(&form.channel, form.seq, &session.member).await?;
    Ok(Redirect::to("/inbox/channels").into_response())
}
