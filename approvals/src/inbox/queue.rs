//! The queue: what waits for people, what lapses first on top.

use std::sync::Arc;

use askama::Template;
use axum::extract::State as AppState;
use axum::http::StatusCode;
use axum::response::Response;
use countersign_protocol::approval::State;
use countersign_protocol::{Token, UnixMillis};

use super::html;
use super::page::{LoggedIn, Trouble, Viewer};
use super::text::Visible;
use super::words::{self, Deadline, Named};
use crate::api::people::may_see;
use crate::app::App;
use crate::auth::Session;
use crate::store::StoreError;
use crate::store::answers::{asked, counting, lacking, needed};
use crate::store::reviews::may_close;
use crate::store::tickets::Ticket;

/// How many closed requests to look through and to list.
const CLOSED: u32 = 50;

#[derive(Template)]
#[template(path = "queue.html")]
struct QueuePage {
    viewer: Viewer,
    now: UnixMillis,
    /// What somebody opened alone and nobody has looked at.
    glass: Vec<Broken>,
    /// What the viewer can approve.
    yours: Vec<Row>,
    /// What others have to approve.
    others: Vec<Row>,
    /// What was approved and is not used yet.
    approved: Vec<Row>,
    closed: Vec<Row>,
}

/// A request that somebody opened alone.
struct Broken {
    ticket: Token,
    opener: String,
    action: Named,
    resource: Named,
    at: String,
    yours: bool,
}

/// One request in a list.
struct Row {
    ticket: Token,
    who: Named,
    action: Named,
    resource: Named,
    method: String,
    target: String,
    severity: &'static str,
    deadline: Option<Deadline>,
    state: &'static str,
    asked: String,
    have: usize,
    need: usize,
    held: bool,
    /// How many people asked for one more to look at it.
    flags: usize,
    /// Whether nobody knows what became of a use.
    open_end: bool,
}

pub(super) async fn show(
    AppState(app): AppState<Arc<App>>,
    LoggedIn(session): LoggedIn,
) -> Result<Response, Trouble> {
    let mut page = QueuePage {
        viewer: Viewer::of(&session),
        now: 0,
        glass: broken(&app, &session).await?,
        yours: Vec::new(),
        others: Vec::new(),
        approved: Vec::new(),
        closed: Vec::new(),
    };
    let open = app.store.open_tickets().await?;
    let closed = app.store.closed_tickets(CLOSED).await?;
    for ticket in open.into_iter().chain(closed).filter(|ticket| may_see(ticket, &session.member)) {
        page.now = ticket.now;
        let (row, answered) = row(&app, &ticket, &session).await?;
        let list = match ticket.state {
            State::Pending if answered || !could_approve(&ticket, &session) => &mut page.others,
            State::Pending => &mut page.yours,
            State::Approved => &mut page.approved,
            _ => &mut page.closed,
        };
        list.push(row);
    }
    Ok(html(StatusCode::OK, &page))
}

/// What somebody opened alone, and the viewer may see.
async fn broken(app: &App, session: &Session) -> Result<Vec<Broken>, StoreError> {
    let mut glass = Vec::new();
    for review in app.store.open_reviews().await? {
        let ticket = app.store.ticket(review.ticket).await?;
        let Some(ticket) = ticket.filter(|ticket| may_see(ticket, &session.member)) else { continue };
        glass.push(Broken {
            ticket: ticket.id,
            action: Named::of(&ticket.question.cedar.action),
            resource: Named::of(&ticket.question.cedar.resource),
            at: words::utc(review.opened_at),
            yours: may_close(&ticket, &review, &session.member),
            opener: review.opener.subject,
        });
    }
    Ok(glass)
}

/// Whether the viewer's yes would count, with the second factor where that is needed.
fn could_approve(ticket: &Ticket, session: &Session) -> bool {
    let factors = session.member.factors_for(ticket.asked_at);
    let answer = session.member.answer(ticket.id, ticket.now, factors);
    countersign_protocol::quorum::eligible(&answer, asked(ticket)).is_ok()
}

/// A row, and whether the viewer has answered already.
async fn row(app: &App, ticket: &Ticket, session: &Session) -> Result<(Row, bool), StoreError> {
    let answers = app.store.answers(ticket).await?;
    let person = &session.member.person;
    let answered = answers.iter().any(|kept| kept.dropped.is_none() && kept.answer.person == *person);
    let (question, need) = (&ticket.question, needed(ticket, &answers));
    let request = &question.request;
    let row = Row {
        ticket: ticket.id,
        who: Named::of(&question.cedar.principal),
        action: Named::of(&question.cedar.action),
        resource: Named::of(&question.cedar.resource),
        method: request.method.clone(),
        target: format!("{}{}", request.authority, request.path),
        severity: words::severity(question.terms.severity),
        deadline: ticket.lapses_at.map(|at| Deadline::new(at, ticket.now)),
        state: words::state(ticket.state),
        asked: words::utc(ticket.asked_at),
        have: need.saturating_sub(lacking(ticket, &answers)),
        need,
        flags: counting(&answers).1.len(),
        held: app.store.waiting(ticket.id).await?.held > 0,
        open_end: ticket.outcomes_unknown > 0,
    };
    Ok((row, answered))
}
